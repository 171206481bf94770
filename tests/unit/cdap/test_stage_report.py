"""The report of the stages: the ledger's figures beside Airflow's durations."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta

import pytest

from cdap.ledger import StageRun, record_stage
from cdap.stage_report import Span, read_stages, totals
from tests.unit.cdap.duckdb_session import DuckDbSession

NOW = datetime(2026, 11, 3, tzinfo=UTC)


class Durations:
    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []

    def task_spans(self, dag_id: str, run_id: str) -> Mapping[str, Span]:
        self.asked.append((dag_id, run_id))
        at = {"land": (0, 4), "check": (4, 5), "marts.dim": (5, 8), "marts.fct": (6, 10)}
        return {task: (NOW + timedelta(seconds=a), NOW + timedelta(seconds=b)) for task, (a, b) in at.items()}


@pytest.fixture
def warehouse(session: DuckDbSession) -> DuckDbSession:
    session.migrate("0000_migrations.sql", "0001_ops.sql")
    stages = [
        StageRun("ingest_till", "r1", "land", "till", date(2026, 11, 1), 10, 10, None, 2.5),
        StageRun("ingest_till", "r1", "check", "till", date(2026, 11, 1), 10, 9, 1, 1.5),
        StageRun("ingest_till", "r2", "land", "till", date(2026, 11, 2), 5, 5, None, 1.0),
        StageRun("build_profiles", "r3", "marts", None, None, None, 9, None, 4.5),
    ]
    for minute, stage in enumerate(stages):
        record_stage(session, stage, NOW + timedelta(minutes=minute))
    return session


def test_airflows_seconds_are_the_tasks_less_the_engines(warehouse: DuckDbSession) -> None:
    airflow = Durations()
    lines = read_stages(warehouse, airflow=airflow)
    assert [(line.stage, line.airflow_seconds) for line in lines] == [
        ("land", 1.5),
        ("check", 0.0),
        ("land", 3.0),
        ("marts", 0.5),
    ]
    assert airflow.asked == [("ingest_till", "r1"), ("ingest_till", "r2"), ("build_profiles", "r3")]


def test_without_airflow_the_ledgers_figures_stand_alone(warehouse: DuckDbSession) -> None:
    assert {line.airflow_seconds for line in read_stages(warehouse)} == {None}


def test_one_dags_newest_lines_can_be_asked_for(warehouse: DuckDbSession) -> None:
    assert [line.stage for line in read_stages(warehouse, dag_id="build_profiles")] == ["marts"]
    assert [(line.run_id, line.stage) for line in read_stages(warehouse, limit=2)] == [("r2", "land"), ("r3", "marts")]


def test_lines_of_a_stage_are_summed_up(warehouse: DuckDbSession) -> None:
    summed = totals(read_stages(warehouse))
    land = summed["ingest_till", "land"]
    assert (land.rows_in, land.rows_out, land.rows_quarantined, land.engine_seconds) == (15, 15, None, 3.5)
    assert (land.source, land.day, land.airflow_seconds) == ("till", None, None)
