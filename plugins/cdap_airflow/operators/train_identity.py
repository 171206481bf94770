"""A new identity model."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowSkipException

from cdap.identity import load_identity_config
from cdap.lineage import warehouse_table
from cdap.parameters import parameters
from cdap.settings import settings
from cdap.warehouse import Warehouse
from cdap_airflow.failures import no_retry_when_lasting
from cdap_airflow.lineage import LineageMixin
from cdap_airflow.stage_figures import record

if TYPE_CHECKING:
    from airflow.sdk import Context


class TrainIdentityOperator(LineageMixin, BaseOperator):
    """Trains a model on all records of persons and makes it the one by which they are compared from now on.

    Skips when there is no record. Returns the model's version.
    """

    ui_color = "#ede7f6"

    @no_retry_when_lasting
    def execute(self, context: Context) -> str:
        # numpy, scipy and DuckDB are of no use to the process that parses the DAG.
        from cdap.identity.matching import ModelMatcher
        from cdap.identity.resolution import known_at

        config = load_identity_config(settings().config_dir / "identity.yaml")
        names, run_id = parameters(), context["dag_run"].run_id
        matcher = ModelMatcher.in_lake(config, names, run_id)
        with Warehouse.connect(names) as warehouse:
            began = time.monotonic()
            with warehouse.transaction():
                release = matcher.train(warehouse, run_id, known_at(warehouse, datetime.now(UTC)))
            if release is None:
                raise AirflowSkipException(f"{config.records} holds no record of a person yet")
            record(
                context,
                warehouse,
                "train",
                rows_in=release.records,
                rows_out=1,
                engine_seconds=time.monotonic() - began,
            )
        self.log.info("Model %s was trained on %s records", release.model, release.records)
        self.moved(
            [warehouse_table(names, config.records)],
            [warehouse_table(names, "identity.models", 1)],
        )
        return release.model
