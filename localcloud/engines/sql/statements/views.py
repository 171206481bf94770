"""Views: bound, late-binding (WITH NO SCHEMA BINDING) and materialized."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from sqlglot import exp

from localcloud.engines.sql.dialect import WarehouseDialect, parse
from localcloud.engines.sql.errors import SqlError, unsupported
from localcloud.engines.sql.session import Plan
from localcloud.engines.sql.statements import dependents
from localcloud.engines.sql.statements.tables import _creation_schema, exists, read_attributes
from localcloud.engines.sql.tokens import Name, TokenReader
from localcloud.engines.sql.translate import bind, to_sql, translate

if TYPE_CHECKING:
    from localcloud.engines.sql.session import Session

_NO_BINDING = re.compile(r"\s*with\s+no\s+schema\s+binding\s*$", re.IGNORECASE)


def _place(session: Session, name: Name) -> Any:
    return exp.table_(name.name, db=name.schema or _creation_schema(session), catalog=session.database, quoted=True)


def plan_create(session: Session, reader: TokenReader, arguments: list[Any]) -> Plan:
    """CREATE [OR REPLACE] VIEW."""
    reader.expect("create")
    replace = reader.accept("or", "replace")
    reader.expect("view")
    name = reader.name()
    columns = reader.names_in_parentheses() if reader.at_parenthesis() else []
    reader.expect("as")
    text = reader.rest()
    late = _NO_BINDING.search(text)
    query = parse(text[: late.start()] if late else text)
    if arguments:
        query = bind(query, arguments)
    if columns:
        query = _renamed(query, columns)
    target = _place(session, name)

    def action() -> None:
        if exists(session, target):
            if not replace:
                raise SqlError("42P07", f'Relation "{target.name}" already exists')
            _remove(session, target)
        if late:
            for table in query.find_all(exp.Table):
                if isinstance(table.this, exp.Identifier) and not table.db and not dependents.in_cte(table):
                    raise SqlError(
                        "42P01",
                        f'"{table.name}" needs its schema: all of a late-binding view\'s names must be qualified',
                    )
            _record(session, target, "late_binding", _text(query), [])
            return
        used = dependents.qualify(session, query)
        for table in query.find_all(exp.Table):
            if table.db and session.relations.external_schema(table.db.lower()):
                raise SqlError("0A000", "External tables are not supported in views; use WITH NO SCHEMA BINDING")
        definition = _text(query)
        session.run(f"create view {to_sql(target)} as {to_sql(translate(query, session.scope))}")
        _record(session, target, "view", definition, used)

    return Plan("CREATE VIEW", action=action)


def _renamed(query: Any, columns: list[str]) -> Any:
    alias = exp.TableAlias(this=exp.to_identifier("source"), columns=[exp.to_identifier(c) for c in columns])
    return exp.select("*").from_(exp.Subquery(this=query, alias=alias))


def _text(query: Any) -> str:
    return str(query.sql(dialect=WarehouseDialect, identify=True, normalize_functions=False))


def _remove(session: Session, target: Any) -> None:
    found = dependents.kind_of(session, target.db, target.name)
    if found is None or found[1] not in ("view", "late_binding"):
        raise SqlError("42809", f'"{target.name}" is not a view')
    if found[1] == "view":
        session.run(f"drop view {to_sql(target)}")
    dependents.forget(session, target.db, target.name)


def _record(session: Session, target: Any, kind: str, definition: str, used: list[tuple[str, str]]) -> None:
    home = f'"{session.database}".pg_internal'
    session.run(
        f"insert into {home}.relations values (?, ?, ?, ?, null, null, null, null, ?, now()::timestamp)",  # noqa: S608
        [target.db, target.name, kind, session.user, definition],
    )
    for schema, name in used:
        session.run(
            f"insert into {home}.view_uses values (?, ?, ?, ?)",  # noqa: S608
            [target.db, target.name, schema, name],
        )


def plan_drop(session: Session, reader: TokenReader, arguments: list[Any]) -> Plan:
    """DROP [MATERIALIZED] VIEW [IF EXISTS] names [CASCADE | RESTRICT]."""
    reader.expect("drop")
    materialized = reader.accept("materialized")
    reader.expect("view")
    skip_missing = reader.accept("if", "exists")
    names = [reader.name()]
    while reader.accept(","):
        names.append(reader.name())
    cascade = reader.accept("cascade")
    if not cascade:
        reader.accept("restrict")
    reader.finish()

    def action() -> None:
        for name in names:
            dependents.drop_view(session, name, cascade=cascade, skip_missing=skip_missing, materialized=materialized)

    return Plan("DROP VIEW", action=action)


def plan_create_materialized(session: Session, reader: TokenReader, arguments: list[Any]) -> Plan:
    """CREATE MATERIALIZED VIEW: the rows are computed now and again at REFRESH."""
    reader.expect("create", "materialized", "view")
    name = reader.name()
    reader_attributes = read_attributes(reader)
    if reader.accept("auto", "refresh"):
        _expect_no_auto_refresh(reader)
    more = read_attributes(reader)
    reader.expect("as")
    query = parse(reader.rest())
    target = _place(session, name)
    attributes = more if more.distkey or more.sortkeys or more.diststyle else reader_attributes

    def action() -> None:
        if exists(session, target):
            raise SqlError("42P07", f'Relation "{target.name}" already exists')
        used = dependents.qualify(session, query)
        definition = _text(query)
        session.run(f"create table {to_sql(target)} as {to_sql(translate(query, session.scope))}")
        _record(session, target, "materialized", definition, used)
        session.run(
            f'update "{session.database}".pg_internal.relations set diststyle = ?, distkey = ?, sortkeys = ? '  # noqa: S608
            "where schema_name = ? and relation_name = ?",
            [attributes.diststyle, attributes.distkey, attributes.sortkeys, target.db, target.name],
        )

    return Plan("CREATE MATERIALIZED VIEW", action=action)


def _expect_no_auto_refresh(reader: TokenReader) -> None:
    if not reader.accept("no"):
        raise unsupported("AUTO REFRESH YES", hint="Refresh the view with REFRESH MATERIALIZED VIEW.")


def plan_refresh(session: Session, reader: TokenReader, arguments: list[Any]) -> Plan:
    """REFRESH MATERIALIZED VIEW: compute all rows again."""
    reader.expect("refresh", "materialized", "view")
    name = reader.name()
    reader.accept("cascade") or reader.accept("restrict")
    reader.finish()
    target = _place(session, name)

    def action() -> None:
        row = session.connection.execute(
            f'select definition from "{session.database}".pg_internal.relations '  # noqa: S608
            "where schema_name = ? and relation_name = ? and kind = 'materialized'",
            [target.db, target.name],
        ).fetchone()
        if row is None:
            raise SqlError("42P01", f'Materialized view "{name.name}" does not exist')
        query = to_sql(translate(parse(row[0]), session.scope))
        session.run(f"delete from {to_sql(target)}")  # noqa: S608
        session.run(f"insert into {to_sql(target)} {query}")

    return Plan("REFRESH MATERIALIZED VIEW", action=action)


def plan_alter_materialized(session: Session, reader: TokenReader, arguments: list[Any]) -> Plan:
    """ALTER MATERIALIZED VIEW ... AUTO REFRESH NO."""
    reader.expect("alter", "materialized", "view")
    reader.name()
    reader.expect("auto", "refresh")
    _expect_no_auto_refresh(reader)
    reader.finish()
    return Plan("ALTER MATERIALIZED VIEW", action=lambda: None)
