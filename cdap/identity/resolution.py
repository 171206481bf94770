"""From the records that there are to customers with stable ids, in one transaction of the warehouse."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from sqlglot import exp

from cdap.errors import CdapError, ReconciliationError
from cdap.identity.protocol import SqlSession
from cdap.identity.statements import statements
from cdap.sql import create_temporary, render

if TYPE_CHECKING:
    from cdap.identity.matching import Matcher


@dataclass(frozen=True)
class ResolutionSummary:
    """What a resolution found, by which `model`, that was `trained` in the same run or before it.

    `links` counts pairs of records of one customer that speak for it, `links_apart` pairs across customers that do or
    nearly do; `events` counts the run's events by kind; `seconds` is the whole transaction's.
    """

    run_id: str
    model: str
    trained: bool
    records: int
    links: int
    links_apart: int
    customers: int
    households: int
    largest: int
    events: dict[str, int]
    seconds: float


class DuplicateRecordError(CdapError):
    """Two rows of the records' table have one key."""


def resolve(
    warehouse: SqlSession, records: str, matcher: Matcher, run_id: str, now: datetime | None = None
) -> ResolutionSummary:
    """Resolves all rows of the table `records` and writes what changed to the identity log.

    `matcher` says which records belong together; ids, events and the log are made of that in the warehouse. All of it
    is one transaction: a run that is killed leaves nothing, and running it again, or running on the same records, adds
    nothing. `now` is the instant at which this becomes known (default: the clock's, UTC); the log never goes back in
    time, so an earlier one is moved to just after what is known already.

    Raises DuplicateRecordError when a record key is not unique, ReconciliationError when the matcher leaves records out
    or makes some up, and the errors of matcher and warehouse.
    """
    started = time.monotonic()
    with warehouse.transaction():
        as_of = known_at(warehouse, now if now is not None else datetime.now(UTC))
        _refuse_duplicates(warehouse, records)
        for statement in statements("begin.sql"):
            warehouse.execute(statement.sql, purpose=statement.purpose)
        matched = matcher.match(warehouse, run_id, as_of)
        _take_clusters(warehouse, records)
        parameters = {"run_id": run_id, "as_of": as_of, "model": matched.model}
        for file in ("ids.sql", "changes.sql", "households.sql", "events.sql", "log.sql"):
            for statement in statements(file, **parameters):
                warehouse.execute(statement.sql, purpose=statement.purpose)
        totals, events = (
            warehouse.fetch_all(statement.sql, purpose=statement.purpose)
            for statement in statements("summary.sql", run_id=run_id)
        )
        # A session's temporary tables outlive a transaction that commits.
        for statement in statements("end.sql"):
            warehouse.execute(statement.sql, purpose=statement.purpose)
    count, links, links_apart, customers, households, largest = (int(value) for value in totals[0])
    return ResolutionSummary(
        run_id=run_id,
        model=matched.model,
        trained=matched.trained,
        records=count,
        links=links,
        links_apart=links_apart,
        customers=customers,
        households=households,
        largest=largest,
        events={str(kind): int(number) for kind, number in events},
        seconds=round(time.monotonic() - started, 3),
    )


def known_at(warehouse: SqlSession, now: datetime) -> str:
    """`now` as UTC without zone, or just after the newest that is known, whichever is later; as text."""
    at = now.astimezone(UTC).replace(tzinfo=None) if now.tzinfo is not None else now
    latest = exp.select(exp.Max(this=exp.column("known_from"))).from_(exp.table_("memberships", db="identity"))
    (newest,) = warehouse.fetch_all(render(latest), purpose="Reading how far the identity log goes")[0]
    at = at if newest is None else max(at, newest + timedelta(microseconds=1))
    return at.isoformat(sep=" ", timespec="microseconds")


def _refuse_duplicates(warehouse: SqlSession, records: str) -> None:
    query = (
        exp.select("record_key")
        .from_(exp.to_table(records))
        .group_by("record_key")
        .having(exp.GT(this=exp.Count(this=exp.Star()), expression=exp.Literal.number(1)))
        .order_by("record_key")
        .limit(5)
    )
    found = warehouse.fetch_all(render(query), purpose="Checking that record keys are unique")
    if found:
        raise DuplicateRecordError(
            f"Resolving the records of {records}",
            f"these record keys appear more than once: {', '.join(str(key) for (key,) in found)}",
            "Correct the model that builds this table; each record must have one row",
        )


def _take_clusters(warehouse: SqlSession, records: str) -> None:
    """Makes `resolve_clusters`: every record with its cluster and when it was first seen."""
    columns = [exp.column("record_key", table="records"), exp.column("first_seen_at", table="records")]
    same = exp.EQ(this=columns[0].copy(), expression=exp.column("record_key", table="assigned"))
    query = (
        exp.select(*columns, exp.column("cluster", table="assigned"))
        .from_(exp.to_table(records).as_("records"))
        .join(exp.to_table("resolve_assigned").as_("assigned"), on=same)
    )
    warehouse.execute(create_temporary("resolve_clusters", query), purpose="Giving every record its cluster")
    counted = exp.select(
        *(
            exp.select(exp.Count(this=exp.Star())).from_(exp.to_table(table)).subquery().as_(name)
            for table, name in ((records, "there"), ("resolve_assigned", "assigned"), ("resolve_clusters", "both"))
        )
    )
    there, assigned, both = (
        int(value) for value in warehouse.fetch_all(render(counted), purpose="Comparing records and clusters")[0]
    )
    if not there == assigned == both:
        raise ReconciliationError(
            f"Resolving the records of {records}",
            f"there are {there}, {assigned} were given a cluster, and {both} are in both",
            "Clear the task; if it happens again, something else writes that table while it is read",
        )
