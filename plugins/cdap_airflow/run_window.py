"""Which days a run of a day stage works on."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from cdap.config import Source
from cdap.errors import CdapError
from cdap.loads import Window

HOW_TO_TRIGGER = (
    "Trigger the DAG with a partition key (YYYY-MM-DD), or with the param `day`; for a range of days use "
    "`cdap backfill --from DAY --to DAY`"
)


class RunWindowError(CdapError):
    """A run does not say which days it works on, or says ones that it cannot."""


def run_window(source: Source, partition_key: str | None, params: Mapping[str, Any], now: datetime) -> Window:
    """The days that a run of `source` works on, in the source's time zone.

    The last one is the run's partition key, or the param `day` of a run that was triggered without a key; the first is
    the param `first_day`, or the last. Raises RunWindowError for a run without a day, for days that are not dates, for
    a key and a param that differ, and for a day that has not ended at the instant `now`.
    """
    doing = f"Finding the day of a run of source {source.name}"
    day = params.get("day")
    if partition_key and day and day != partition_key:
        raise RunWindowError(doing, f"its partition key is {partition_key}, its param `day` is {day}", HOW_TO_TRIGGER)
    last_text = partition_key or day
    if not last_text:
        raise RunWindowError(doing, "it has neither a partition key nor the param `day`", HOW_TO_TRIGGER)
    last = _day(doing, "the day", last_text)
    first = _day(doing, "the param `first_day`", params.get("first_day") or last_text)
    if first > last:
        raise RunWindowError(doing, f"its param `first_day` {first} is after its day {last}", HOW_TO_TRIGGER)
    window = Window(first, last)
    ends = window.instants(source.zone)[1]
    if now < ends:
        raise RunWindowError(
            f"Extracting source {source.name} for {last}",
            f"the day ends at {ends:%Y-%m-%d %H:%M} UTC ({source.timezone}) and it is {now:%Y-%m-%d %H:%M}",
            "Run it after the day has ended",
        )
    return window


def _day(doing: str, what: str, text: str) -> date:
    try:
        return date.fromisoformat(text)
    except (TypeError, ValueError):
        raise RunWindowError(doing, f"{what} is {text!r}, which is not a date", HOW_TO_TRIGGER) from None
