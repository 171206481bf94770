"""What the stages did and how long it took: the ledger's figures beside Airflow's own durations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Protocol

from cdap.warehouse import Warehouse

Span = tuple[datetime, datetime]


class AirflowDurations(Protocol):
    """What the report asks of Airflow."""

    def task_spans(self, dag_id: str, run_id: str) -> Mapping[str, Span]:
        """When each task of a run was queued and when it ended, by task id (`<group>.<task>` inside a group)."""
        ...


@dataclass(frozen=True)
class StageLine:
    """One stage of one run. `airflow_seconds`: wall-clock less the engine's; None when not asked."""

    dag_id: str
    run_id: str
    stage: str
    source: str | None
    day: date | None
    rows_in: int | None
    rows_out: int | None
    rows_quarantined: int | None
    engine_seconds: float | None
    airflow_seconds: float | None


def read_stages(
    warehouse: Warehouse, *, dag_id: str = "", limit: int = 200, airflow: AirflowDurations | None = None
) -> list[StageLine]:
    """The newest stage runs, oldest first."""
    rows = warehouse.fetch_all(
        """
        select dag_id, run_id, stage, source, day, rows_in, rows_out, rows_quarantined, engine_seconds
        from ops.stage_runs
        where %s = '' or dag_id = %s
        order by finished_at desc
        limit %s
        """,
        (dag_id, dag_id, limit),
        purpose="Reading what the stages did",
    )
    durations: dict[tuple[str, str], Mapping[str, Span]] = {}
    lines = []
    for dag, run, stage, source, day, rows_in, rows_out, quarantined, engine in reversed(rows):
        around = None
        if airflow is not None:
            if (dag, run) not in durations:
                durations[dag, run] = airflow.task_spans(dag, run)
            around = _around(durations[dag, run], stage, engine)
        lines.append(StageLine(dag, run, stage, source, day, rows_in, rows_out, quarantined, engine, around))
    return lines


def totals(lines: Sequence[StageLine]) -> dict[tuple[str, str], StageLine]:
    """The lines summed up by DAG and stage, in the order in which they first came."""
    summed: dict[tuple[str, str], StageLine] = {}
    for line in lines:
        key = (line.dag_id, line.stage)
        before = summed.get(key)
        summed[key] = line if before is None else _sum(before, line)
    return summed


def _sum(one: StageLine, other: StageLine) -> StageLine:
    return StageLine(
        one.dag_id,
        "",
        one.stage,
        one.source if one.source == other.source else None,
        None,
        _plus(one.rows_in, other.rows_in),
        _plus(one.rows_out, other.rows_out),
        _plus(one.rows_quarantined, other.rows_quarantined),
        _plus(one.engine_seconds, other.engine_seconds),
        _plus(one.airflow_seconds, other.airflow_seconds),
    )


def _plus(one: Any, other: Any) -> Any:
    return one if other is None else other if one is None else one + other


def _around(spans: Mapping[str, Span], stage: str, engine: float | None) -> float | None:
    """Airflow's time around a stage: from the first queueing to the last end of the tasks that bear its name.

    Not the sum of the tasks: those of a group wait side by side for the one that works.
    """
    of_stage = [span for task, span in spans.items() if task == stage or task.startswith(f"{stage}.")]
    if not of_stage:
        return None
    wall = max(end for _, end in of_stage) - min(start for start, _ in of_stage)
    return max(wall.total_seconds() - (engine or 0.0), 0.0)
