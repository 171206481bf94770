"""Do the hops of the state chain add up?"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

from cdap.errors import ReconciliationError
from cdap.warehouse import Warehouse
from cdap_airflow.failures import no_retry_when_lasting
from cdap_airflow.stage_figures import record

if TYPE_CHECKING:
    from airflow.sdk import Context

SQL_DIR = Path(__file__).parent / "sql"


class CheckProfilesOperator(BaseOperator):
    """Runs a query of (hop, expected, found) and fails, naming every hop that does not add up.

    Returns the counts by hop.

    :param sql: file of this package's `operators/sql/`, a query with the columns hop, expected, found
    """

    template_fields: Sequence[str] = ("sql",)
    ui_color = "#fdf3dc"

    def __init__(self, *, sql: str = "profile_hops.sql", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.sql = sql

    @no_retry_when_lasting
    def execute(self, context: Context) -> dict[str, int]:
        query = (SQL_DIR / self.sql).read_text(encoding="utf-8")
        with Warehouse.connect() as warehouse:
            began = time.monotonic()
            hops = {
                str(hop): (int(expected), int(found))
                for hop, expected, found in warehouse.fetch_all(query, purpose="Counting the hops of the profiles")
            }
            broken = [
                f"{hop}: {expected} expected, {found} found"
                for hop, (expected, found) in hops.items()
                if expected != found
            ]
            if broken:
                raise ReconciliationError(
                    "Checking the profiles before they are published",
                    "; ".join(broken),
                    "Nothing was published. Clear this run's first task to build the models again; if it stays, see "
                    "the models that these counts come from",
                )
            (profiles,) = (found for hop, (_, found) in hops.items() if hop == "profiles of customers")
            record(
                context,
                warehouse,
                "check",
                rows_in=profiles,
                rows_out=profiles,
                engine_seconds=time.monotonic() - began,
            )
        return {hop: found for hop, (_, found) in hops.items()}
