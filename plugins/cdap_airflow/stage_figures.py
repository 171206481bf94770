"""What a stage did, into `ops.stage_runs`, and how a stage of one load gets at its source."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from cdap.config import Source, load_source
from cdap.ledger import StageRun, record_stage
from cdap.loads import Load
from cdap.settings import settings
from cdap.warehouse import Warehouse

if TYPE_CHECKING:
    from airflow.sdk import Context


def source_of(name: str) -> Source:
    """The source's configuration as it is when the task runs, not when its DAG was parsed."""
    return load_source(settings().config_dir / "sources" / f"{name}.yaml")


def record(
    context: Context,
    warehouse: Warehouse,
    stage: str,
    *,
    load: Load | None = None,
    rows_in: int | None = None,
    rows_out: int | None = None,
    rows_quarantined: int | None = None,
    engine_seconds: float | None = None,
) -> None:
    """Enters the figures of this run's stage, in place of those of an earlier attempt."""
    run = context["dag_run"]
    record_stage(
        warehouse,
        StageRun(
            dag_id=run.dag_id,
            run_id=run.run_id,
            stage=stage,
            source=load.source if load else None,
            day=load.last_day if load else None,
            rows_in=rows_in,
            rows_out=rows_out,
            rows_quarantined=rows_quarantined,
            engine_seconds=None if engine_seconds is None else round(engine_seconds, 3),
        ),
        datetime.now(UTC),
    )
