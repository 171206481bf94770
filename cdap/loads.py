"""Loads: one extraction of one source for one day or one range of days, and where its data lies in the lake."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Self
from zoneinfo import ZoneInfo

from cdap.config import DmsSource, Source

LOAD_ID = re.compile(r"\d{8}T\d{12}-[0-9a-f]{6}")


def new_load_id(now: datetime) -> str:
    """`YYYYMMDDTHHMMSSffffff-<6 hex>` for an aware instant; ids sort by the instant (UTC)."""
    if now.tzinfo is None:
        raise ValueError("a load begins at an instant: give a datetime with a time zone")
    return f"{now.astimezone(UTC):%Y%m%dT%H%M%S%f}-{secrets.token_hex(3)}"


@dataclass(frozen=True)
class Window:
    """Whole days, both ends included, in the source's time zone."""

    first_day: date
    last_day: date

    def __post_init__(self) -> None:
        if self.first_day > self.last_day:
            raise ValueError(f"the window ends ({self.last_day}) before it begins ({self.first_day})")

    def days(self) -> list[date]:
        """Every day of the window, in order."""
        count = (self.last_day - self.first_day).days + 1
        return [self.first_day + timedelta(days=offset) for offset in range(count)]

    def instants(self, timezone: ZoneInfo) -> tuple[datetime, datetime]:
        """[begin, end) in UTC: midnight of the first day to midnight after the last, on the source's clocks.

        Where clocks skip midnight the day begins at the first instant there is; windows of days in a row always meet.
        """
        return _midnight(self.first_day, timezone), _midnight(self.last_day + timedelta(days=1), timezone)

    def wall_clock(self) -> tuple[datetime, datetime]:
        """[begin, end) as the source's own clocks read, without zone: what a timestamp without time zone holds."""
        return datetime.combine(self.first_day, time.min), datetime.combine(self.last_day + timedelta(days=1), time.min)

    @classmethod
    def of_instant(cls, instant: datetime, timezone: ZoneInfo) -> Self:
        """The one-day window in which an aware instant lies."""
        day = instant.astimezone(timezone).date()
        return cls(day, day)


def _midnight(day: date, timezone: ZoneInfo) -> datetime:
    return datetime.combine(day, time.min, tzinfo=timezone).astimezone(UTC)


@dataclass(frozen=True)
class Load:
    """One extraction. `extracted_at` is the UTC instant taken before the extraction began."""

    source: str
    load_id: str
    first_day: date
    last_day: date
    extracted_at: datetime

    @property
    def window(self) -> Window:
        return Window(self.first_day, self.last_day)

    def to_json(self) -> dict[str, str]:
        """For a task's result: every value a string."""
        return {
            "source": self.source,
            "load_id": self.load_id,
            "first_day": self.first_day.isoformat(),
            "last_day": self.last_day.isoformat(),
            "extracted_at": self.extracted_at.astimezone(UTC).isoformat(),
        }

    @classmethod
    def from_json(cls, values: Mapping[str, str]) -> Self:
        """The inverse of `to_json`."""
        return cls(
            source=values["source"],
            load_id=values["load_id"],
            first_day=date.fromisoformat(values["first_day"]),
            last_day=date.fromisoformat(values["last_day"]),
            extracted_at=datetime.fromisoformat(values["extracted_at"]).astimezone(UTC),
        )


def begin_load(source: Source, window: Window, now: datetime) -> Load:
    """A new load with an id of its own: every attempt gets one, so that no attempt writes into another's folder."""
    return Load(source.name, new_load_id(now), window.first_day, window.last_day, now.astimezone(UTC))


def load_folder(source: str, load_id: str) -> str:
    """`raw/<source>/<load_id>/`: everything one load extracted."""
    return f"raw/{source}/{load_id}/"


def raw_folder(source: Source, load_id: str, table: str) -> str:
    """The key prefix that one table is extracted to: `raw/<source>/<load_id>/` and the source's own folder for it."""
    return f"{load_folder(source.name, load_id)}{source.table_folder(table)}/"


def clean_folder(source: str, table: str, load_id: str, day: date | None = None) -> str:
    """`clean/<source>/<table>/load=<load_id>/[dt=<day>/]`."""
    folder = f"clean/{source}/{table}/load={load_id}/"
    return folder if day is None else f"{folder}dt={day.isoformat()}/"


def quarantine_folder(source: str, table: str, day: date, load_id: str) -> str:
    """`quarantine/<source>/<table>/dt=<day>/load=<load_id>/`; the day is the last one of the load's window."""
    return f"quarantine/{source}/{table}/dt={day.isoformat()}/load={load_id}/"


def mended_folder(source: str, table: str, load_id: str) -> str:
    """`mended/<source>/<table>/load=<load_id>/`: records of the load that a person has mended."""
    return f"mended/{source}/{table}/load={load_id}/"


def dms_table_mappings(source: DmsSource, load_id: str, window: Window) -> dict[str, Any]:
    """Table mappings of a DMS task that extracts `source` for `window` into the load's own folder.

    An append table is filtered to exactly [first day 00:00, last day + 1 00:00): DMS has no `less than`, and `between`
    includes both ends, so the end is the last microsecond before midnight, which is the resolution of PostgreSQL's
    timestamps. The schema is renamed to `<load_id>/<schema>`, since DMS makes the object key
    `<BucketFolder>/<schema>/<table>/` (docs/decisions/one-folder-per-load.md). Columns are not
    restricted, so that a new one is seen. AWS: Using source filters; Using transformation rules.
    """
    if LOAD_ID.fullmatch(load_id) is None:
        raise ValueError(f"not a load id: {load_id!r}")
    rules = [*_selection_rules(source, window)]
    rules.append(
        {
            "rule-type": "transformation",
            "rule-id": str(len(rules) + 1),
            "rule-name": "folder-of-the-load",
            "rule-target": "schema",
            "object-locator": {"schema-name": source.schema_name},
            "rule-action": "rename",
            "value": f"{load_id}/{source.schema_name}",
        }
    )
    return {"rules": rules}


def _selection_rules(source: DmsSource, window: Window) -> Iterator[dict[str, Any]]:
    for number, (name, table) in enumerate(sorted(source.tables.items()), start=1):
        rule: dict[str, Any] = {
            "rule-type": "selection",
            "rule-id": str(number),
            "rule-name": f"select-{name}",
            "object-locator": {"schema-name": source.schema_name, "table-name": name},
            "rule-action": "include",
            "filters": [],
        }
        if table.load == "append":
            column = table.columns[table.window_column_name]
            begin, end = window.wall_clock() if column.type == "timestamp" else window.instants(source.zone)
            if column.type == "date":
                begin, end = window.wall_clock()
            last = end - timedelta(microseconds=1)
            rule["filters"] = [
                {
                    "filter-type": "source",
                    "column-name": table.window_column_name,
                    "filter-conditions": [
                        {
                            "filter-operator": "between",
                            "start-value": _filter_value(begin, column.type),
                            "end-value": _filter_value(last, column.type),
                        }
                    ],
                }
            ]
        yield rule


def _filter_value(moment: datetime, column_type: str) -> str:
    if column_type == "date":
        return f"{moment:%Y-%m-%d}"
    text = f"{moment:%Y-%m-%d %H:%M:%S.%f}"
    return text if column_type == "timestamp" else f"{text}+00"
