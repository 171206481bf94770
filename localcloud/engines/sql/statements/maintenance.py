"""COMMENT, ANALYZE and VACUUM."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlglot import exp

from localcloud.engines.sql.errors import SqlError, unsupported
from localcloud.engines.sql.session import Plan
from localcloud.engines.sql.statements import dependents
from localcloud.engines.sql.tokens import TokenReader
from localcloud.engines.sql.translate import to_sql

if TYPE_CHECKING:
    from localcloud.engines.sql.session import Session


def plan_comment(session: Session, reader: TokenReader, arguments: list[Any]) -> Plan:
    """COMMENT ON TABLE, VIEW or COLUMN."""
    reader.expect("comment", "on")
    kind = reader.identifier()
    if kind not in ("table", "view", "column"):
        raise unsupported(f"COMMENT ON {kind.upper()}")
    parts = [reader.identifier()]
    while reader.accept("."):
        parts.append(reader.identifier())
    reader.expect("is")
    text = None if reader.accept("null") else reader.string()
    reader.finish()

    def action() -> None:
        column = parts[-1] if kind == "column" else None
        path = parts[:-1] if kind == "column" else parts
        name, schema = path[-1], path[-2] if len(path) > 1 else None
        found = dependents.kind_of(session, schema, name)
        if found is None:
            raise SqlError("42P01", f'relation "{name}" does not exist')
        place = exp.table_(name, db=found[0] or None, catalog=session.database if found[0] else None, quoted=True)
        value = to_sql(exp.Null() if text is None else exp.Literal.string(text))
        if found[1] == "late_binding":
            home = f'"{session.database}".pg_internal.comments'
            key = [found[0], name, column or ""]
            session.run(
                f"delete from {home} where schema_name = ? and relation_name = ? and column_name = ?",  # noqa: S608
                key,
            )
            if text is not None:
                session.run(f"insert into {home} values (?, ?, ?, ?)", [*key, text])  # noqa: S608
        elif column is not None:
            session.run(f'comment on column {to_sql(place)}."{column}" is {value}')
        else:
            session.run(f"comment on {'view' if found[1] == 'view' else 'table'} {to_sql(place)} is {value}")

    return Plan("COMMENT", action=action)


def plan_maintenance(session: Session, reader: TokenReader, arguments: list[Any]) -> Plan:
    """ANALYZE and VACUUM: the engine keeps its own statistics and space, so that there is nothing to do."""
    vacuum = reader.accept("vacuum")
    if not vacuum:
        reader.expect("analyze")
        if reader.accept("compression"):
            raise unsupported("ANALYZE COMPRESSION")
    if vacuum:
        for words in (("full",), ("sort", "only"), ("delete", "only"), ("reindex",), ("recluster",)):
            if reader.accept(*words):
                break
    else:
        reader.accept("verbose")
    table = None if reader.done or reader.words(1) in (("predicate",), ("all",)) else reader.name()

    def action() -> None:
        if vacuum and session.in_transaction:
            raise SqlError("25001", "VACUUM cannot run inside a transaction block")
        if table is not None and dependents.kind_of(session, table.schema, table.name) is None:
            raise SqlError("42P01", f'relation "{table.name}" does not exist')

    return Plan("VACUUM" if vacuum else "ANALYZE", action=action, transactional=False)
