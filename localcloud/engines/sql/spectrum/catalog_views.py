"""System views whose rows come from elsewhere than the database: the data catalog, and late-binding views' columns."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import duckdb
from sqlglot import exp

from localcloud.engines.sql.dialect import parse
from localcloud.engines.sql.errors import SqlError, from_duckdb
from localcloud.engines.sql.translate import to_sql, translate

if TYPE_CHECKING:
    from localcloud.engines.sql.session import Session

Row = tuple[Any, ...]


def late_binding_columns(session: Session, only: list[tuple[str, str]] | None = None) -> list[Row]:
    """(schema, view, column, type, ordinal) of late-binding views that can be bound now; others have no columns."""
    rows = session.fetch_all(
        f'select schema_name, relation_name, definition from "{session.database}".pg_internal.relations '  # noqa: S608
        "where kind = 'late_binding'"
    )
    found: list[Row] = []
    for schema, name, definition in rows:
        if only is not None and (schema, name) not in only:
            continue
        try:
            query = to_sql(translate(parse(definition), session.scope))
            described = _describe(session, query)
        except SqlError:
            # As in Redshift: a view whose tables are gone has no columns until they come back.
            continue
        found += [(schema, name, column, kind, ordinal) for ordinal, (column, kind) in enumerate(described, 1)]
    return found


def _describe(session: Session, query: str) -> list[tuple[str, str]]:
    try:
        # A relation is bound and not run, and its failure, unlike a statement's, does not end the transaction.
        relation = session.connection.sql(query)
    except duckdb.Error as error:
        raise from_duckdb(error) from error
    return _typed(list(zip(relation.columns, map(str, relation.types), strict=True)))


def _typed(rows: list[Any]) -> list[tuple[str, str]]:
    from localcloud.engines.sql.types import wire_type

    typed = []
    for name, kind, *_ in rows:
        wire = wire_type(kind)
        text = wire.name
        if wire.oid == 1700:
            text = f"numeric({(wire.modifier - 4) >> 16},{wire.scale})"
        elif wire.oid == 1043:
            text = "character varying(256)"
        typed.append((name, text))
    return typed


def _late_binding(session: Session) -> tuple[list[str], list[Row]]:
    return ["view_schema", "view_name", "col_name", "col_type", "col_num"], late_binding_columns(session)


def _external_tables(session: Session) -> tuple[list[str], list[Row]]:
    columns = [
        "redshift_database_name", "schemaname", "tablename", "tabletype", "location", "input_format", "output_format",
        "serialization_lib", "serde_parameters", "compressed", "parameters",
    ]  # fmt: skip
    lake = session.warehouse.lake
    return columns, lake.external_tables(session) if lake else []


def _external_columns(session: Session) -> tuple[list[str], list[Row]]:
    columns = ["redshift_database_name", "schemaname", "tablename", "columnname", "external_type", "columnnum",
               "part_key", "is_nullable"]  # fmt: skip
    lake = session.warehouse.lake
    return columns, lake.external_columns(session) if lake else []


def _external_partitions(session: Session) -> tuple[list[str], list[Row]]:
    columns = ["redshift_database_name", "schemaname", "tablename", "values", "location", "input_format",
               "output_format", "serialization_lib", "serde_parameters", "compressed", "parameters"]  # fmt: skip
    lake = session.warehouse.lake
    return columns, lake.external_partitions(session) if lake else []


def _sessions(session: Session) -> tuple[list[str], list[Row]]:
    rows: list[Row] = [(s.pid, s.user, s.database) for s in list(session.warehouse.sessions.values())]
    return ["process", "user_name", "db_name"], rows


DYNAMIC: dict[str, Callable[[Session], tuple[list[str], list[Row]]]] = {
    "pg_get_late_binding_view_cols()": _late_binding,
    "stv_sessions": _sessions,
    "svv_external_tables": _external_tables,
    "svv_external_columns": _external_columns,
    "svv_external_partitions": _external_partitions,
}
_NUMBERS = frozenset({"columnnum", "part_key", "compressed", "col_num", "process"})


def dynamic_relation(session: Session, name: str) -> Any:
    """The rows of a dynamic system view as a query of constants."""
    columns, rows = DYNAMIC[name](session)
    kinds = ["INT" if column in _NUMBERS else "VARCHAR" for column in columns]
    constants = rows or [tuple(None for _ in columns)]
    tuples = [
        exp.Tuple(expressions=[exp.Cast(this=exp.convert(value), to=exp.DataType.build(kind))
                               for value, kind in zip(row, kinds, strict=True)])
        for row in constants
    ]  # fmt: skip
    alias = exp.TableAlias(
        this=exp.to_identifier("rows", quoted=True), columns=[exp.to_identifier(c, quoted=True) for c in columns]
    )
    query = exp.select("*").from_(exp.Values(expressions=tuples, alias=alias))
    return query if rows else query.where(exp.false())
