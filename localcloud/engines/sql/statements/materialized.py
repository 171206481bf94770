"""Materialized views: a table with the rows of a query, computed at CREATE, at REFRESH and, if asked, after changes.

Redshift refreshes a view with AUTO REFRESH YES "as soon as possible after base tables change"; here that is right after
the changing transaction's commit and in its session. Every refresh computes all rows again: Redshift's incremental
refresh gives the same rows.
https://docs.aws.amazon.com/redshift/latest/dg/materialized-view-overview.html
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from sqlglot import exp

from localcloud.engines.sql.dialect import parse
from localcloud.engines.sql.errors import SqlError
from localcloud.engines.sql.session import Plan
from localcloud.engines.sql.statements import dependents
from localcloud.engines.sql.statements.tables import alter_part, creation_place, exists, read_attributes
from localcloud.engines.sql.tokens import TokenReader
from localcloud.engines.sql.translate import to_sql, translate

if TYPE_CHECKING:
    from localcloud.engines.sql.session import Session

log = logging.getLogger("localcloud.warehouse")


def plan_create(session: Session, reader: TokenReader, arguments: list[Any]) -> Plan:
    """CREATE MATERIALIZED VIEW name [BACKUP] [attributes] [AUTO REFRESH] AS query."""
    reader.expect("create", "materialized", "view")
    name = reader.name()
    attributes = read_attributes(reader)
    automatic = _auto_refresh(reader) if reader.accept("auto", "refresh") else False
    reader.expect("as")
    query = parse(reader.rest())
    target = creation_place(session, name)

    def action() -> None:
        if exists(session, target):
            raise SqlError("42P07", f'Relation "{target.name}" already exists')
        used = dependents.qualify(session, query)
        definition = dependents.text_of(query)
        session.run(f"create table {to_sql(target)} as {to_sql(translate(query, session.scope))}")
        dependents.record_view(session, target, "materialized", definition, used)
        session.run(
            f"update {_home(session)}.relations set diststyle = ?, distkey = ?, sortkeys = ?, sort_style = ? "  # noqa: S608
            "where schema_name = ? and relation_name = ?",
            # A materialized view that says nothing of its distribution has EVEN, where a table has AUTO.
            [attributes.diststyle or "even", attributes.distkey, attributes.sortkeys, attributes.sort_style,
             target.db, target.name],
        )  # fmt: skip
        session.run(
            f"insert into {_home(session)}.materialized_views values (?, ?, ?, ?, false)",  # noqa: S608
            [target.db, target.name, reader.sql + ";", automatic],
        )

    return Plan("CREATE MATERIALIZED VIEW", action=action)


def plan_refresh(session: Session, reader: TokenReader, arguments: list[Any]) -> Plan:
    """REFRESH MATERIALIZED VIEW name [RESTRICT | CASCADE]: with CASCADE the views below it come first."""
    reader.expect("refresh", "materialized", "view")
    name = reader.name()
    cascade = reader.accept("cascade")
    if not cascade:
        reader.accept("restrict")
    reader.finish()
    target = exp.table_(name.name, db=name.schema, quoted=True)

    def action() -> None:
        place = _place(session, target)
        for below in [*(_below(session, place) if cascade else []), place]:
            _refresh(session, below)
            session.changed.add(below)

    return Plan("REFRESH MATERIALIZED VIEW", action=action)


def plan_alter(session: Session, reader: TokenReader, arguments: list[Any]) -> Plan:
    """ALTER MATERIALIZED VIEW: AUTO REFRESH, and ALTER with the attributes of a table."""
    reader.expect("alter", "materialized", "view")
    name = reader.name()
    target = exp.table_(name.name, db=name.schema, quoted=True)
    if reader.accept("alter"):
        changed = alter_part(session, reader, target)
        return Plan("ALTER MATERIALIZED VIEW", action=changed.action)
    reader.expect("auto", "refresh")
    automatic = _auto_refresh(reader)
    reader.finish()

    def action() -> None:
        place = _place(session, target)
        session.run(
            f"update {_home(session)}.materialized_views set autorefresh = ? where schema_name = ? and view_name = ?",  # noqa: S608
            [automatic, *place],
        )
        if automatic and place in _views(session, "autorefresh and is_stale"):
            _refresh(session, place)
            session.changed.add(place)

    return Plan("ALTER MATERIALIZED VIEW", action=action)


def follow(session: Session, changed: set[tuple[str, str]]) -> None:
    """After a commit: mark the views on what changed as stale, and refresh those that refresh by themselves.

    A refresh that fails leaves its view stale and does not fail the statement whose change is already committed.
    """
    views = _views(session)
    if not views:
        return
    queue, marked = list(changed), set[tuple[str, str]]()
    while queue:
        for place in _users(session, queue.pop(), views) - marked:
            marked.add(place)
            if _follow_one(session, place):
                queue.append(place)


def catch_up(session: Session) -> None:
    """At the start of a warehouse, which may have ended between a commit and what follows it: follow every view."""
    for place in _views(session):
        _follow_one(session, place)


def _follow_one(session: Session, place: tuple[str, str]) -> bool:
    """Refresh a view that refreshes by itself, else mark it as stale; whether it was refreshed."""

    def action() -> int:
        if place in _views(session, "autorefresh"):
            _refresh(session, place)
            return 1
        _mark(session, place, stale=True)
        return 0

    try:
        return session.execute(Plan("REFRESH MATERIALIZED VIEW", action=action)).count == 1
    except SqlError as error:
        log.warning("AUTO REFRESH of %s.%s failed, it stays stale: %s", *place, error)
        return False


def _refresh(session: Session, place: tuple[str, str]) -> None:
    row = session.connection.execute(
        f"select definition from {_home(session)}.relations where schema_name = ? and relation_name = ?",  # noqa: S608
        list(place),
    ).fetchone()
    if row is None:
        raise SqlError("42P01", f'Materialized view "{place[1]}" does not exist')
    table = to_sql(exp.table_(place[1], db=place[0], catalog=session.database, quoted=True))
    session.run(f"delete from {table}")  # noqa: S608 the name is quoted
    session.run(f"insert into {table} {to_sql(translate(parse(row[0]), session.scope))}")
    _mark(session, place, stale=False)


def _mark(session: Session, place: tuple[str, str], *, stale: bool) -> None:
    session.run(
        f"update {_home(session)}.materialized_views set is_stale = ? "  # noqa: S608
        "where schema_name = ? and view_name = ? and is_stale <> ?",
        [stale, *place, stale],
    )


def _below(session: Session, place: tuple[str, str]) -> list[tuple[str, str]]:
    """The materialized views that a view rests on, each after those that it rests on itself."""
    found: dict[tuple[str, str], None] = {}
    used = session.fetch_all(
        f"select distinct used_schema, used_name from {_home(session)}.view_uses "  # noqa: S608
        "where schema_name = ? and view_name = ? order by all",
        list(place),
    )
    views = _views(session)
    for below in used:
        found.update(dict.fromkeys(_below(session, below)))
        if below in views:
            found[below] = None
    return list(found)


def _users(session: Session, place: tuple[str, str], views: set[tuple[str, str]]) -> set[tuple[str, str]]:
    """The materialized views that read a relation, through plain views as well."""
    found = set[tuple[str, str]]()
    for user in dependents.views_on(session, *place):
        found |= {user} if user in views else _users(session, user, views)
    return found


def _views(session: Session, condition: str = "true") -> set[tuple[str, str]]:
    return set(
        session.fetch_all(f"select schema_name, view_name from {_home(session)}.materialized_views where {condition}")  # noqa: S608
    )


def _place(session: Session, target: Any) -> tuple[str, str]:
    found = dependents.kind_of(session, target.db or None, target.name)
    if found is None or found[1] != "materialized":
        raise SqlError("42P01", f'Materialized view "{target.name}" does not exist')
    return found[0], target.name


def _auto_refresh(reader: TokenReader) -> bool:
    automatic = reader.accept("yes")
    if not automatic:
        reader.expect("no")
    return automatic


def _home(session: Session) -> str:
    return f'"{session.database}".pg_internal'
