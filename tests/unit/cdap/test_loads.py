"""Load ids, windows of days, and what DMS is told to extract."""

# ruff: noqa: DTZ001 - hypothesis takes bounds without zone and adds one.
from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdap.config import Source
from cdap.loads import (
    LOAD_ID,
    Load,
    Window,
    begin_load,
    clean_folder,
    dms_table_mappings,
    new_load_id,
    quarantine_folder,
    raw_folder,
)

days = st.dates(date(1990, 1, 1), date(2050, 12, 31))
zones = st.sampled_from(
    ["UTC", "Europe/Berlin", "America/Sao_Paulo", "America/Havana", "Asia/Kolkata", "Pacific/Apia", "Africa/Cairo"]
).map(ZoneInfo)
ID = "20261103T020000000000-0a1b2c"


@given(first=days, count=st.integers(1, 5), zone=zones)
def test_windows_in_a_row_meet_without_gap_or_overlap(first: date, count: int, zone: ZoneInfo) -> None:
    ends = [Window(day, day).instants(zone) for day in Window(first, first + timedelta(days=count)).days()]
    assert all(one[1] == other[0] for one, other in pairwise(ends))
    whole = Window(first, first + timedelta(days=count)).instants(zone)
    assert whole == (ends[0][0], ends[-1][1])


@given(instant=st.datetimes(datetime(1990, 1, 2), datetime(2050, 1, 1), timezones=st.just(UTC)), zone=zones)
def test_every_instant_lies_in_the_window_of_its_own_day_only(instant: datetime, zone: ZoneInfo) -> None:
    window = Window.of_instant(instant, zone)
    begin, end = window.instants(zone)
    assert begin <= instant < end
    for other in (window.first_day - timedelta(days=1), window.first_day + timedelta(days=1)):
        begin, end = Window(other, other).instants(zone)
        assert not begin <= instant < end


def test_a_window_that_ends_before_it_begins_is_refused() -> None:
    with pytest.raises(ValueError, match="ends"):
        Window(date(2026, 1, 2), date(2026, 1, 1))


@given(moments=st.lists(st.datetimes(datetime(2000, 1, 1), datetime(2090, 1, 1), timezones=zones), min_size=2))
def test_load_ids_sort_by_the_instant(moments: list[datetime]) -> None:
    ids = [new_load_id(moment) for moment in moments]
    assert all(LOAD_ID.fullmatch(item) for item in ids)
    by_instant = [moment.astimezone(UTC) for moment in moments]
    assert [item[:21] for item in sorted(ids)] == [f"{moment:%Y%m%dT%H%M%S%f}" for moment in sorted(by_instant)]


def test_a_load_id_needs_an_instant() -> None:
    with pytest.raises(ValueError, match="time zone"):
        new_load_id(datetime(2026, 1, 1))


def test_two_attempts_at_one_instant_have_folders_of_their_own(till: Source) -> None:
    now, window = datetime(2026, 11, 3, tzinfo=UTC), Window(date(2026, 11, 2), date(2026, 11, 2))
    assert begin_load(till, window, now).load_id != begin_load(till, window, now).load_id


def test_a_load_survives_the_way_through_json() -> None:
    load = Load("till", ID, date(2026, 11, 1), date(2026, 11, 2), datetime(2026, 11, 3, 1, 2, 3, 4, tzinfo=UTC))
    assert Load.from_json(load.to_json()) == load


def test_folders_are_those_of_the_architecture(till: Source) -> None:
    assert raw_folder(till, ID, "receipts") == f"raw/till/{ID}/public/receipts/"
    assert clean_folder("till", "receipts", ID, date(2026, 11, 1)) == f"clean/till/receipts/load={ID}/dt=2026-11-01/"
    assert quarantine_folder("till", "receipts", date(2026, 11, 1), ID) == (
        f"quarantine/till/receipts/dt=2026-11-01/load={ID}/"
    )


def test_append_tables_are_filtered_to_the_window_and_snapshots_are_not(till: Source) -> None:
    rules = dms_table_mappings(till, ID, Window(date(2026, 11, 1), date(2026, 11, 2)))["rules"]
    by_table = {rule["object-locator"].get("table-name"): rule for rule in rules}
    assert by_table["clerks"]["filters"] == []
    ((condition,),) = [item["filter-conditions"] for item in by_table["receipts"]["filters"]]
    assert condition == {
        "filter-operator": "between",
        "start-value": "2026-11-01 00:00:00.000000",
        "end-value": "2026-11-02 23:59:59.999999",
    }
    assert len({rule["rule-id"] for rule in rules}) == len(rules)


def test_the_schema_is_renamed_into_the_loads_folder(till: Source) -> None:
    rules = dms_table_mappings(till, ID, Window(date(2026, 11, 1), date(2026, 11, 1)))["rules"]
    (rename,) = [rule for rule in rules if rule["rule-type"] == "transformation"]
    assert (rename["rule-action"], rename["rule-target"], rename["value"]) == ("rename", "schema", f"{ID}/public")


def test_what_is_not_a_load_id_never_becomes_a_folder(till: Source) -> None:
    with pytest.raises(ValueError, match="load id"):
        dms_table_mappings(till, "../other", Window(date(2026, 11, 1), date(2026, 11, 1)))
