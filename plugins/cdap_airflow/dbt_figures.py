"""What a dbt invocation did, from the `run_results.json` that it leaves (dbt: Run results JSON file)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cdap.warehouse import Warehouse
from cdap_airflow.stage_figures import record

if TYPE_CHECKING:
    from airflow.sdk import Context

SQL_DIR = Path(__file__).parent / "operators" / "sql"


def record_dbt(project_dir: str, *, context: Context, stage: str) -> None:
    """Cosmos' callback after dbt ran in its copy of the project: enters rows and seconds of the models as `stage`.

    Rows are counted in the warehouse by `<stage>_rows.sql` (its one parameter is the run's id): the adapter gives no
    count for a table that it creates.
    `engine_seconds` is the sum over nodes, which run side by side.
    """
    results = Path(project_dir) / "target" / "run_results.json"
    if not results.exists():  # dbt ended before it ran a node; its own error is the task's
        return
    seconds = engine_seconds(json.loads(results.read_text(encoding="utf-8")))
    query = (SQL_DIR / f"{stage}_rows.sql").read_text(encoding="utf-8")
    run_id = context["dag_run"].run_id
    with Warehouse.connect() as warehouse:
        ((rows_in, rows_out),) = warehouse.fetch_all(
            query, [run_id] * query.count("%s"), purpose=f"Counting the rows of stage {stage}"
        )
        record(context, warehouse, stage, rows_in=rows_in, rows_out=rows_out, engine_seconds=seconds)


def engine_seconds(run_results: dict[str, Any]) -> float:
    """Seconds of all nodes."""
    return sum(float(result["execution_time"]) for result in run_results["results"])
