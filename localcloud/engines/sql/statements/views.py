"""Views: bound and late-binding (WITH NO SCHEMA BINDING); dropping of views of every kind."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from sqlglot import exp

from localcloud.engines.sql.dialect import parse
from localcloud.engines.sql.errors import SqlError
from localcloud.engines.sql.session import Plan
from localcloud.engines.sql.statements import dependents
from localcloud.engines.sql.statements.tables import creation_place, exists
from localcloud.engines.sql.tokens import TokenReader
from localcloud.engines.sql.translate import bind, to_sql, translate

if TYPE_CHECKING:
    from localcloud.engines.sql.session import Session

_NO_BINDING = re.compile(r"\s*with\s+no\s+schema\s+binding\s*$", re.IGNORECASE)


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
    target = creation_place(session, name)

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
            dependents.record_view(session, target, "late_binding", dependents.text_of(query), [])
            return
        used = dependents.qualify(session, query)
        for table in query.find_all(exp.Table):
            if table.db and session.relations.external_schema(table.db.lower()):
                raise SqlError("0A000", "External tables are not supported in views; use WITH NO SCHEMA BINDING")
        definition = dependents.text_of(query)
        session.run(f"create view {to_sql(target)} as {to_sql(translate(query, session.scope))}")
        dependents.record_view(session, target, "view", definition, used)

    return Plan("CREATE VIEW", action=action)


def _renamed(query: Any, columns: list[str]) -> Any:
    alias = exp.TableAlias(this=exp.to_identifier("source"), columns=[exp.to_identifier(c) for c in columns])
    return exp.select("*").from_(exp.Subquery(this=query, alias=alias))


def _remove(session: Session, target: Any) -> None:
    found = dependents.kind_of(session, target.db, target.name)
    if found is None or found[1] not in ("view", "late_binding"):
        raise SqlError("42809", f'"{target.name}" is not a view')
    if found[1] == "view":
        session.run(f"drop view {to_sql(target)}")
    dependents.forget(session, target.db, target.name)


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
