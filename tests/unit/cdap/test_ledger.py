"""The ledger: the same load or run entered again changes nothing; a state run gets what has landed, once."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from cdap import ledger
from cdap.config import Source
from cdap.contracts import TableCheck
from cdap.loads import Load
from tests.unit.cdap.duckdb_session import DuckDbSession

NOW = datetime(2026, 11, 3, 3, tzinfo=UTC)
CHECKS = [TableCheck("receipts", 10, 8, 2, {"range:amount": 2}, ["2026-11-01"]), TableCheck("clerks", 3, 3, 0)]


@pytest.fixture
def warehouse(session: DuckDbSession) -> DuckDbSession:
    session.migrate("0000_migrations.sql", "0001_ops.sql")
    return session


def load(first: int, last: int, suffix: str = "0a1b2c") -> Load:
    day = date(2026, 11, last)
    return Load(
        "till", f"20261103T020000000000-{suffix}", date(2026, 11, first), day, datetime(2026, 11, 3, 2, tzinfo=UTC)
    )


def content(warehouse: DuckDbSession) -> list[list[tuple[object, ...]]]:
    tables = ("partition_loads", "load_tables", "quarantine_reasons", "stage_runs")
    return [sorted(warehouse.connection.table(f"ops.{table}").fetchall(), key=repr) for table in tables]


def test_a_load_of_a_range_is_a_row_for_each_day(warehouse: DuckDbSession, till: Source) -> None:
    assert ledger.record_load(warehouse, till, load(1, 3), "run", CHECKS, NOW) == 3
    assert [row.day.day for row in ledger.pending(warehouse)] == [1, 2, 3]
    assert warehouse.fetch_all("select mode, rows_in, rows_out, rows_quarantined from ops.load_tables order by 1") == [
        ("append", 10, 8, 2),
        ("snapshot", 3, 3, 0),
    ]
    assert warehouse.fetch_all("select reason, row_count from ops.quarantine_reasons") == [("range:amount", 2)]


def test_a_load_entered_again_changes_nothing(warehouse: DuckDbSession, till: Source) -> None:
    ledger.record_load(warehouse, till, load(1, 2), "run", CHECKS, NOW)
    ledger.claim(warehouse, "state")
    ledger.mark_applied(warehouse, "state", NOW)
    before = content(warehouse)
    assert ledger.record_load(warehouse, till, load(1, 2), "run", CHECKS, NOW) == 0
    assert content(warehouse) == before


def test_a_load_that_was_checked_again_with_other_counts_is_pending_again(
    warehouse: DuckDbSession, till: Source
) -> None:
    ledger.record_load(warehouse, till, load(1, 1), "run", CHECKS, NOW)
    ledger.claim(warehouse, "state")
    ledger.mark_applied(warehouse, "state", NOW)
    mended = [TableCheck("receipts", 10, 10, 0, {}, ["2026-11-01"]), CHECKS[1]]
    ledger.record_load(warehouse, till, load(1, 1), "run", mended, NOW)
    assert len(ledger.pending(warehouse)) == 1
    assert warehouse.fetch_all("select count(*) from ops.quarantine_reasons") == [(0,)]


def test_a_claim_takes_what_has_landed_and_leaves_what_lands_later(warehouse: DuckDbSession, till: Source) -> None:
    ledger.record_load(warehouse, till, load(1, 1, "000001"), "run", CHECKS, NOW)
    assert [row.load_id[-1] for row in ledger.claim(warehouse, "one")] == ["1"]
    ledger.record_load(warehouse, till, load(2, 2, "000002"), "run", CHECKS, NOW)
    assert ledger.mark_applied(warehouse, "one", NOW) == 1
    assert [row.load_id[-1] for row in ledger.pending(warehouse)] == ["2"]
    assert [row.load_id[-1] for row in ledger.claim(warehouse, "two")] == ["2"]


def test_what_a_failed_run_had_claimed_goes_to_the_next(warehouse: DuckDbSession, till: Source) -> None:
    ledger.record_load(warehouse, till, load(1, 1), "run", CHECKS, NOW)
    ledger.claim(warehouse, "failed")
    (row,) = ledger.claim(warehouse, "next")
    assert row.claimed_by == "next"
    assert ledger.mark_applied(warehouse, "failed", NOW) == 0


def test_a_run_cleared_after_it_was_applied_gets_its_rows_again(warehouse: DuckDbSession, till: Source) -> None:
    ledger.record_load(warehouse, till, load(1, 1), "run", CHECKS, NOW)
    first = ledger.claim(warehouse, "state")
    ledger.mark_applied(warehouse, "state", NOW)
    assert [row.load_id for row in ledger.claim(warehouse, "state")] == [row.load_id for row in first]
    assert ledger.claim(warehouse, "other") == []


def test_a_stage_entered_again_takes_the_place_of_its_earlier_figures(warehouse: DuckDbSession) -> None:
    for rows in (1, 2):
        stage = ledger.StageRun("ingest_till", "run", "land", "till", date(2026, 11, 1), rows, rows, 0, 1.5)
        ledger.record_stage(warehouse, stage, NOW)
    assert warehouse.fetch_all("select rows_in, engine_seconds from ops.stage_runs") == [(2, 1.5)]


def test_a_long_history_is_entered_whole(warehouse: DuckDbSession, till: Source) -> None:
    years = Load("till", "20261103T020000000000-0a1b2c", date(2023, 1, 1), date(2026, 11, 2), NOW)
    assert ledger.record_load(warehouse, till, years, "run", CHECKS, NOW) == len(years.window.days()) > 1000
    assert len(ledger.pending(warehouse)) == len(years.window.days())


def test_a_history_enters_each_of_its_days_once_and_only_those_that_are_missing(
    warehouse: DuckDbSession, till: Source
) -> None:
    history = Load("till", "20261103T020000000000-0a1b2c", date(2019, 12, 31), date(2026, 11, 2), NOW)
    days = set(history.window.days())
    assert ledger.record_load(warehouse, till, history, "run", CHECKS, NOW) == len(days) == 2_499
    warehouse.connection.execute("delete from ops.partition_loads where extract('year' from day) = 2020")
    assert ledger.record_load(warehouse, till, history, "run", CHECKS, NOW) == 366
    entered = [row[0] for row in warehouse.connection.execute("select day from ops.partition_loads").fetchall()]
    assert len(entered) == len(days) and set(entered) == days
