"""A checked load becomes visible."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from airflow.providers.amazon.aws.hooks.glue_crawler import GlueCrawlerHook
from airflow.providers.amazon.aws.operators.base_aws import AwsBaseOperator
from airflow.providers.amazon.aws.utils.mixins import aws_template_fields

from cdap import ingestion
from cdap.contracts import TableCheck
from cdap.loads import Load
from cdap.parameters import parameters
from cdap.warehouse import Warehouse
from cdap_airflow.failures import no_retry_when_lasting
from cdap_airflow.stage_figures import record, source_of

if TYPE_CHECKING:
    from airflow.sdk import Context


class PublishLoadOperator(AwsBaseOperator[GlueCrawlerHook]):
    """Registers a load's clean partitions and enters it into the ledger; its outlet asset starts the state chain.

    A run that was triggered without a partition key has its asset event keyed by the load's day, since partitioned
    consumers take no event without a key.

    Returns the load's id.

    :param source: name of the source
    :param extraction: what `DmsFullLoadOperator` returned
    :param checks: what `CheckContractOperator` returned
    """

    aws_hook_class = GlueCrawlerHook
    template_fields: Sequence[str] = aws_template_fields("source", "extraction", "checks")
    ui_color = "#e8f3e8"

    def __init__(
        self, *, source: str, extraction: Mapping[str, Any], checks: Sequence[Mapping[str, Any]], **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.source = source
        self.extraction = extraction
        self.checks = checks

    @no_retry_when_lasting
    def execute(self, context: Context) -> str:
        load = Load.from_json(self.extraction["load"])
        checks = [TableCheck(**check) for check in self.checks]
        run = context["dag_run"]
        names = parameters()
        with Warehouse.connect(names) as warehouse:
            began = time.monotonic()
            days = ingestion.publish(
                self.hook.glue_client,
                warehouse,
                names,
                source_of(self.source),
                load,
                checks,
                run.run_id,
                datetime.now(UTC),
            )
            good = sum(check.good for check in checks)
            record(
                context,
                warehouse,
                "publish",
                load=load,
                rows_in=good,
                rows_out=good,
                engine_seconds=time.monotonic() - began,
            )
        self.log.info("Load %s is in the ledger for %s days", load.load_id, days)
        if run.partition_key is None:
            for asset in self.outlets:
                context["outlet_events"][asset].add_partitions(load.last_day.isoformat())
        return load.load_id
