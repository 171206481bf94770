"""Is what is to be published as it is expected to be?"""

from __future__ import annotations

import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow.providers.amazon.aws.hooks.s3 import S3Hook
from airflow.providers.amazon.aws.operators.base_aws import AwsBaseOperator

from cdap import ledger
from cdap.config import load_sources
from cdap.errors import ExpectationError
from cdap.parameters import parameters
from cdap.quality import Suite, load_suites
from cdap.settings import settings
from cdap.warehouse import Warehouse, read_login
from cdap_airflow.failures import no_retry_when_lasting
from cdap_airflow.stage_figures import record

if TYPE_CHECKING:
    from airflow.sdk import Context


class ValidateExpectationsOperator(AwsBaseOperator[S3Hook]):
    """Runs the Great Expectations suites of `expectations/` and fails when a critical expectation is not met.

    A suite on a table of the external schema `lake` looks at the loads that this run has claimed, and is left out when
    there is none of its source; any other suite looks at its whole table. Data Docs go to the lake's bucket, whatever
    comes of it.

    Returns how many expectations were evaluated, and the names of those that failed without being critical.
    """

    aws_hook_class = S3Hook
    ui_color = "#fdf3dc"

    @no_retry_when_lasting
    def execute(self, context: Context) -> dict[str, Any]:
        # Great Expectations takes seconds to import and is of no use to the process that parses the DAG.
        from cdap.quality.docs import DocsStore
        from cdap.quality.landed import landed_query
        from cdap.quality.validation import validate, warehouse_url

        names = parameters()
        run_id = context["dag_run"].run_id
        sources = load_sources(settings().config_dir)
        suites = load_suites(settings().expectations_dir, sources)
        docs = DocsStore(self.hook.conn, names.lake_bucket, names.quality_prefix)
        with Warehouse.connect(names) as warehouse, tempfile.TemporaryDirectory(prefix="cdap-quality-") as folder:
            began = time.monotonic()
            loads = ledger.loads_of(warehouse, run_id)
            chosen: list[tuple[Suite, str | None]] = []
            for suite in suites:
                query = landed_query(suite, sources, loads) if suite.of_landed_data else None
                if suite.of_landed_data and query is None:
                    self.log.info("%s: this run has no load of it", suite.name)
                else:
                    chosen.append((suite, query))
            docs.restore(Path(folder))
            login = read_login(names.warehouse)
            validation = validate(
                chosen, warehouse_url(names.warehouse, login), Path(folder), run_id, datetime.now(UTC)
            )
            docs.publish(Path(folder))
            record(
                context,
                warehouse,
                "expectations",
                rows_in=validation.expectations,
                rows_out=validation.expectations - len(validation.failures),
                engine_seconds=time.monotonic() - began,
            )
        for failure in validation.failures:
            self.log.warning("%s: %s", failure.severity, failure)
        if validation.critical:
            raise ExpectationError(
                "Validating what is to be published",
                "; ".join(str(failure) for failure in validation.critical),
                f"Nothing was published: the index keeps the last good profiles. Look at {docs.index}, mend the data "
                "or the expectation, and clear this task",
            )
        return {
            "expectations": validation.expectations,
            "failed": [f"{failure.suite}: {failure.expectation} {failure.column}" for failure in validation.failures],
        }
