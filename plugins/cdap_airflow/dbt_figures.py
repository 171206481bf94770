"""What a dbt invocation did, from the `run_results.json` that it leaves (dbt: Run results JSON file)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cdap.warehouse import Warehouse
from cdap_airflow.stage_figures import record

if TYPE_CHECKING:
    from airflow.sdk import Context


def record_dbt(project_dir: str, *, context: Context, stage: str) -> None:
    """Cosmos' callback after dbt ran in its copy of the project: enters rows and seconds of the models as `stage`.

    `rows_in` and `rows_out` are the rows that the models' statements touched; what dbt gives no count for (a view) is
    not counted. `engine_seconds` is the sum over nodes, which run side by side.
    """
    results = Path(project_dir) / "target" / "run_results.json"
    if not results.exists():  # dbt ended before it ran a node; its own error is the task's
        return
    rows, seconds = figures(json.loads(results.read_text(encoding="utf-8")))
    with Warehouse.connect() as warehouse:
        record(context, warehouse, stage, rows_in=rows, rows_out=rows, engine_seconds=seconds)


def figures(run_results: dict[str, Any]) -> tuple[int, float]:
    """(rows touched by models and seeds, seconds of all nodes)."""
    rows, seconds = 0, 0.0
    for result in run_results["results"]:
        seconds += float(result["execution_time"])
        if result["unique_id"].split(".")[0] in ("model", "seed"):
            rows += max(int(result.get("adapter_response", {}).get("rows_affected") or 0), 0)
    return rows, seconds
