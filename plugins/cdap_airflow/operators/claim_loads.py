"""The state chain's first task: which landed days this run is for."""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING

import boto3
from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowSkipException

from cdap import ledger
from cdap.catalog import ensure_clean_table
from cdap.config import load_sources
from cdap.parameters import parameters
from cdap.settings import settings
from cdap.warehouse import Warehouse
from cdap_airflow.failures import no_retry_when_lasting
from cdap_airflow.stage_figures import record

if TYPE_CHECKING:
    from airflow.sdk import Context


class ClaimLoadsOperator(BaseOperator):
    """Claims every landed day that no run has applied; skips the run when there is none.

    The ledger says what is pending, not the event that started the run: ten events may be one run. A cleared run gets
    its own days again. A run with the parameter `rebuild` goes on without any.

    Also makes the checked tables of sources that have landed nothing yet, so that every model finds what it reads.

    Returns how many days there are.
    """

    ui_color = "#ede7f6"

    @no_retry_when_lasting
    def execute(self, context: Context) -> int:
        run_id = context["dag_run"].run_id
        with Warehouse.connect() as warehouse:
            began = time.monotonic()
            days = ledger.claim(warehouse, run_id)
            if not days and not context["params"].get("rebuild"):
                raise AirflowSkipException("No landed day is waiting: nothing has changed since the last state run")
            names, glue = parameters(), boto3.client("glue")
            for source in load_sources(settings().config_dir).values():
                for table in source.tables:
                    ensure_clean_table(glue, names.clean_database, names.lake_bucket, source, table)
            record(
                context,
                warehouse,
                "claim",
                rows_in=len(days),
                rows_out=len(days),
                engine_seconds=time.monotonic() - began,
            )
        for (source_name, load_id), count in Counter((landed.source, landed.load_id) for landed in days).items():
            self.log.info("%s, load %s: %s days", source_name, load_id, count)
        return len(days)
