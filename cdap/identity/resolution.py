"""From the records that there are to customers with stable ids, in one transaction of the warehouse."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlglot import exp

from cdap.errors import CdapError
from cdap.identity.candidates import (
    RECORDS,
    conflicts_query,
    links_statement,
    records_statement,
    shared_values_statement,
)
from cdap.identity.components import connect_components
from cdap.identity.config import IdentityConfig
from cdap.identity.protocol import SqlSession
from cdap.identity.statements import statements
from cdap.sql import render


@dataclass(frozen=True)
class IdentifierUse:
    """Of one identifier: records that have a value, and those whose value passed the guards."""

    present: int
    used: int


@dataclass(frozen=True)
class ResolutionSummary:
    """What a resolution found. `links` counts pairs by rule; `links_set_aside` those that an exclusive field forbade,
    in `conflicts` components; `events` counts the run's events by kind; `seconds` is the whole transaction's."""

    run_id: str
    records: int
    links: int
    links_set_aside: int
    conflicts: int
    customers: int
    largest: int
    rounds: int
    events: dict[str, int]
    identifiers: dict[str, IdentifierUse]
    seconds: float


class DuplicateRecordError(CdapError):
    """Two rows of the records' table have one key."""


def resolve(
    warehouse: SqlSession, config: IdentityConfig, run_id: str, now: datetime | None = None
) -> ResolutionSummary:
    """Resolves all records of `config.records` and writes what changed to the identity log.

    Everything happens in the warehouse and in one transaction: a run that is killed leaves nothing, and running it
    again, or running on the same records, adds nothing. `now` is the instant at which this becomes known (default: the
    clock's, UTC); the log never goes back in time, so an earlier one is moved to just after what is known already.

    Raises DuplicateRecordError when a record key is not unique, and the warehouse's errors.
    """
    started = time.monotonic()
    with warehouse.transaction():
        as_of = _known_at(warehouse, now if now is not None else datetime.now(UTC))
        parameters = {"run_id": run_id, "as_of": as_of.isoformat(sep=" ", timespec="microseconds")}
        warehouse.execute(records_statement(config), purpose="Normalising the records")
        _refuse_duplicates(warehouse, config)
        warehouse.execute(links_statement(config), purpose="Linking records by the rules")
        rounds, conflicts = _connect(warehouse, config)
        for file in ("clusters.sql", "ids.sql", "changes.sql", "events.sql", "log.sql"):
            for statement in statements(file, **parameters):
                warehouse.execute(statement.sql, purpose=statement.purpose)
        totals, events = (
            warehouse.fetch_all(statement.sql, purpose=statement.purpose)
            for statement in statements("summary.sql", run_id=run_id)
        )
        identifiers = warehouse.fetch_all(
            shared_values_statement(config), purpose="Counting the values that the guards set aside"
        )
        # A session's temporary tables outlive a transaction that commits.
        for statement in statements("end.sql"):
            warehouse.execute(statement.sql, purpose=statement.purpose)
    records, links, links_set_aside, customers, largest = (int(value) for value in totals[0])
    return ResolutionSummary(
        run_id=run_id,
        records=records,
        links=links,
        links_set_aside=links_set_aside,
        conflicts=conflicts,
        customers=customers,
        largest=largest,
        rounds=rounds,
        events={str(kind): int(count) for kind, count in events},
        identifiers={str(name): IdentifierUse(int(present), int(used)) for name, present, used in identifiers},
        seconds=round(time.monotonic() - started, 3),
    )


def _known_at(warehouse: SqlSession, now: datetime) -> datetime:
    """`now` as UTC without zone, or just after the newest that is known, whichever is later."""
    at = now.astimezone(UTC).replace(tzinfo=None) if now.tzinfo is not None else now
    latest = exp.select(exp.Max(this=exp.column("known_from"))).from_(exp.table_("memberships", db="identity"))
    (newest,) = warehouse.fetch_all(render(latest), purpose="Reading how far the identity log goes")[0]
    return at if newest is None else max(at, newest + timedelta(microseconds=1))


def _refuse_duplicates(warehouse: SqlSession, config: IdentityConfig) -> None:
    query = (
        exp.select("record_key")
        .from_(exp.to_table(RECORDS))
        .group_by("record_key")
        .having(exp.GT(this=exp.Count(this=exp.Star()), expression=exp.Literal.number(1)))
        .order_by("record_key")
        .limit(5)
    )
    found = warehouse.fetch_all(render(query), purpose="Checking that record keys are unique")
    if found:
        raise DuplicateRecordError(
            f"Resolving the records of {config.records}",
            f"these record keys appear more than once: {', '.join(str(key) for (key,) in found)}",
            "Correct the model that builds this table; each record must have one row",
        )


def _connect(warehouse: SqlSession, config: IdentityConfig) -> tuple[int, int]:
    """Components, with the weakest links set aside where exclusive fields conflict; returns rounds and conflicts."""
    for statement in statements("links_begin.sql"):
        warehouse.execute(statement.sql, purpose=statement.purpose)
    rounds = connect_components(warehouse)
    conflicts = 0
    query = conflicts_query(config, "resolve_components")
    if query is None:
        return rounds, conflicts
    find = render(exp.Insert(this=exp.to_table("resolve_conflicts"), expression=query))
    # Each pass takes the weakest rule out of every component in conflict, so there are at most as many as rules.
    for _ in range(len(config.rules) + 1):
        warehouse.execute("delete from resolve_conflicts", purpose="Looking for conflicts of exclusive fields")
        warehouse.execute(find, purpose="Looking for conflicts of exclusive fields")
        (found,) = warehouse.fetch_all("select count(*) from resolve_conflicts", purpose="Counting conflicts")[0]
        if found == 0:
            break
        conflicts += int(found)
        for statement in statements("conflicts_break.sql"):
            warehouse.execute(statement.sql, purpose=statement.purpose)
        rounds += connect_components(warehouse)
    return rounds, conflicts
