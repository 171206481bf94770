"""A source or the profiles that are behind are told with since when and what to do."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from cdap import freshness, ledger
from cdap.config import Source
from cdap.loads import Load
from tests.unit.cdap.duckdb_session import DuckDbSession


@pytest.fixture
def warehouse(session: DuckDbSession) -> DuckDbSession:
    session.migrate("0000_migrations.sql", "0001_ops.sql")
    return session


def land(warehouse: DuckDbSession, till: Source, day: date, at: datetime) -> None:
    load = Load("till", f"{at:%Y%m%dT%H%M%S%f}-0a1b2c", day, day, at)
    ledger.record_load(warehouse, till, load, "run", [], at)


def test_a_source_that_never_landed_is_behind(warehouse: DuckDbSession, till: Source) -> None:
    now = datetime(2026, 11, 3, 3, tzinfo=UTC)
    (behind,) = freshness.check(warehouse, [till], now)
    assert (behind.what, behind.since) == ("source till", now)
    assert "nothing of it has landed" in str(behind) and "ingest_till" in str(behind)


def test_a_source_is_behind_when_its_next_day_is_due_in_its_own_time_zone(
    warehouse: DuckDbSession, till: Source
) -> None:
    assert till.timezone != "UTC"
    landed = datetime(2026, 11, 2, 3, tzinfo=UTC)
    land(warehouse, till, date(2026, 11, 1), landed)
    ledger.claim(warehouse, "state")
    ledger.mark_applied(warehouse, "state", landed)
    due = datetime(2026, 11, 3, tzinfo=till.zone) + till.fresh_within
    assert freshness.check(warehouse, [till], due) == []
    (behind,) = freshness.check(warehouse, [till], due + timedelta(seconds=1))
    assert behind.since == due.astimezone(UTC)
    assert "2026-11-01" in behind.found and "--from 2026-11-02" in behind.next_step


def test_profiles_are_behind_when_a_landed_day_waits_too_long(warehouse: DuckDbSession, till: Source) -> None:
    landed = datetime(2026, 11, 2, 3, tzinfo=UTC)
    land(warehouse, till, date(2026, 11, 1), landed)
    due = landed + freshness.PUBLISHED_WITHIN
    assert freshness.check(warehouse, [], due) == []
    (behind,) = freshness.check(warehouse, [], due + timedelta(seconds=1))
    assert behind.what == "the index of profiles" and behind.since == due
    assert "1 landed days wait" in behind.found and "build_profiles" in behind.next_step
    ledger.claim(warehouse, "state")
    assert freshness.check(warehouse, [], due + timedelta(hours=1)) != [], "a claimed day is not yet published"
    ledger.mark_applied(warehouse, "state", due)
    assert freshness.check(warehouse, [], due + timedelta(hours=1)) == []
