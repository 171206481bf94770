"""The state chain's first task: which landed days this run is for."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowSkipException

from cdap import ledger
from cdap.warehouse import Warehouse
from cdap_airflow.failures import no_retry_when_lasting
from cdap_airflow.stage_figures import record

if TYPE_CHECKING:
    from airflow.sdk import Context


class ClaimLoadsOperator(BaseOperator):
    """Claims every landed day that no run has applied; skips the run when there is none.

    The ledger says what is pending, not the event that started the run: ten events may be one run. A cleared run gets
    its own days again.

    Returns how many days there are.
    """

    ui_color = "#ede7f6"

    @no_retry_when_lasting
    def execute(self, context: Context) -> int:
        run_id = context["dag_run"].run_id
        with Warehouse.connect() as warehouse:
            began = time.monotonic()
            days = ledger.claim(warehouse, run_id)
            if not days:
                raise AirflowSkipException("No landed day is waiting: nothing has changed since the last state run")
            record(
                context,
                warehouse,
                "claim",
                rows_in=len(days),
                rows_out=len(days),
                engine_seconds=time.monotonic() - began,
            )
        for landed in days:
            self.log.info("%s %s, load %s", landed.source, landed.day, landed.load_id)
        return len(days)
