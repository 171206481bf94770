from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from cdap_airflow.run_window import RunWindowError, run_window
from hypothesis import given
from hypothesis import strategies as st

from cdap.config import load_sources
from cdap.settings import settings

SHOP = load_sources(settings().config_dir)["shop"]
LATER = datetime(2030, 1, 1, tzinfo=UTC)


@given(st.dates(date(2000, 1, 1), date(2029, 12, 1)))
def test_the_partition_key_is_the_day(day: date) -> None:
    window = run_window(SHOP, day.isoformat(), {"day": None, "first_day": None}, LATER)
    assert (window.first_day, window.last_day) == (day, day)


@given(st.dates(date(2000, 1, 1), date(2029, 12, 1)), st.integers(0, 400))
def test_first_day_widens_the_window(day: date, back: int) -> None:
    first = day - timedelta(days=back)
    window = run_window(SHOP, day.isoformat(), {"first_day": first.isoformat()}, LATER)
    assert (window.first_day, window.last_day) == (first, day)


def test_a_run_without_a_key_takes_the_param_day() -> None:
    assert run_window(SHOP, None, {"day": "2026-03-01"}, LATER).last_day == date(2026, 3, 1)


def test_a_run_without_any_day_fails_with_a_hint() -> None:
    with pytest.raises(RunWindowError, match=r"neither a partition key nor the param `day`.*Trigger the DAG with"):
        run_window(SHOP, None, {"day": None}, LATER)


@pytest.mark.parametrize(
    ("key", "params", "found"),
    [
        ("2026-03-01", {"day": "2026-03-02"}, "its partition key is 2026-03-01, its param `day` is 2026-03-02"),
        ("2026-03-01", {"first_day": "2026-03-02"}, "is after its day"),
        ("yesterday", {}, "not a date"),
        (None, {"day": "2026-02-30"}, "not a date"),
    ],
)
def test_days_that_contradict_or_are_none_are_refused(key: str | None, params: dict[str, str], found: str) -> None:
    with pytest.raises(RunWindowError, match=found):
        run_window(SHOP, key, params, LATER)


def test_a_day_that_has_not_ended_is_refused() -> None:
    ends = datetime(2026, 3, 2, tzinfo=SHOP.zone).astimezone(UTC)
    with pytest.raises(RunWindowError, match="Run it after the day has ended"):
        run_window(SHOP, "2026-03-01", {}, ends - timedelta(microseconds=1))
    assert run_window(SHOP, "2026-03-01", {}, ends).last_day == date(2026, 3, 1)
