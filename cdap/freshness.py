"""Is every source, and what is published, as fresh as it should be?

A consumer that never started has no run that could be late: the ledger is asked, not Airflow.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from cdap.config import Source
from cdap.warehouse import Warehouse

# From a day's landing to its profiles: the state chain runs once an event, and again for what landed meanwhile.
PUBLISHED_WITHIN = timedelta(hours=12)


@dataclass(frozen=True)
class Behind:
    """Something that is behind: since when (UTC), what was found, and what to do about it."""

    what: str
    since: datetime
    found: str
    next_step: str

    def __str__(self) -> str:
        return f"{self.what} is behind since {self.since:%Y-%m-%d %H:%M} UTC: {self.found}. {self.next_step}"

    def to_json(self) -> dict[str, Any]:
        """For a task's result: every value a string."""
        return {name: str(value) for name, value in asdict(self).items()}


def check(warehouse: Warehouse, sources: Iterable[Source], now: datetime) -> list[Behind]:
    """What is behind at the aware instant `now`; empty when all is fresh.

    A source is behind when the newest day that has landed ended longer ago than one day and its `fresh_within`; one
    that has never landed is behind from the start. The profiles are behind when a day has been waiting for the state
    chain for longer than PUBLISHED_WITHIN.
    """
    newest = {
        str(source): _date(day)
        for source, day in warehouse.fetch_all(
            "select source, max(day) from ops.partition_loads group by source", purpose="Reading how fresh sources are"
        )
    }
    behind = []
    for source in sources:
        landed = newest.get(source.name)
        if landed is None:
            behind.append(
                Behind(
                    f"source {source.name}",
                    now.astimezone(UTC),
                    "nothing of it has landed yet",
                    f"Unpause ingest_{source.name}, or land its days with "
                    f"`cdap backfill --source {source.name} --from DAY --to DAY`",
                )
            )
            continue
        # The day after the newest one has to have landed `fresh_within` after its own end.
        due = datetime.combine(landed + timedelta(days=2), time.min, tzinfo=source.zone) + source.fresh_within
        if now > due:
            behind.append(
                Behind(
                    f"source {source.name}",
                    due.astimezone(UTC),
                    f"the newest day that has landed is {landed}",
                    f"Look at the runs of ingest_{source.name} since; land the missing days with "
                    f"`cdap backfill --source {source.name} --from {landed + timedelta(days=1)} --to DAY`",
                )
            )
    ((waiting, oldest),) = warehouse.fetch_all(
        "select count(*), min(landed_at) from ops.partition_loads where applied_at is null",
        purpose="Reading what waits to be published",
    )
    if oldest is not None and now > (due := oldest.replace(tzinfo=UTC) + PUBLISHED_WITHIN):
        behind.append(
            Behind(
                "the index of profiles",
                due,
                f"{waiting} landed days wait for the state chain, the first since {oldest:%Y-%m-%d %H:%M} UTC",
                "Look at the last run of build_profiles: clear its failed task, or trigger it when there is none",
            )
        )
    return behind


def _date(value: Any) -> date:
    return value.date() if isinstance(value, datetime) else value
