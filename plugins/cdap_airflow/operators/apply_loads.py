"""The state chain's last task."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from airflow.sdk import BaseOperator

from cdap import ledger
from cdap.warehouse import Warehouse
from cdap_airflow.failures import no_retry_when_lasting
from cdap_airflow.stage_figures import record

if TYPE_CHECKING:
    from airflow.sdk import Context


class ApplyLoadsOperator(BaseOperator):
    """Marks the days that this run claimed as applied: what they brought is published.

    Returns how many were not marked yet; none for a run that is cleared.
    """

    ui_color = "#ede7f6"

    @no_retry_when_lasting
    def execute(self, context: Context) -> int:
        with Warehouse.connect() as warehouse:
            applied = ledger.mark_applied(warehouse, context["dag_run"].run_id, datetime.now(UTC))
            record(context, warehouse, "applied", rows_in=applied, rows_out=applied)
        return applied
