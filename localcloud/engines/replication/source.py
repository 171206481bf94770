"""The PostgreSQL side of a full load: catalog, snapshot, and the query that reads a table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import psycopg2
from psycopg2 import sql

from localcloud.engines.replication.mappings import ColumnFilter, SelectedTable
from localcloud.engines.replication.types import ColumnPlan, SourceColumn

SSL_MODES = {"none": "prefer", "require": "require", "verify-ca": "verify-ca", "verify-full": "verify-full"}


class SourceError(Exception):
    """The source database could not be reached or read; the message names host, database and reason."""


@dataclass(frozen=True)
class SourceSettings:
    host: str
    port: int
    database: str
    user: str
    password: str = field(repr=False)
    ssl_mode: str = "none"
    after_connect_script: str = ""
    execute_timeout_seconds: int = 60


@contextmanager
def connect(settings: SourceSettings) -> Iterator[Any]:
    """A connection whose text output is the same whatever the server's defaults are. Raises SourceError."""
    try:
        connection = psycopg2.connect(
            host=settings.host,
            port=settings.port,
            dbname=settings.database,
            user=settings.user,
            password=settings.password,
            sslmode=SSL_MODES[settings.ssl_mode],
            connect_timeout=10,
            application_name="aws-dms",
            client_encoding="UTF8",
            options="-c datestyle=ISO -c timezone=UTC -c intervalstyle=postgres -c extra_float_digits=1",
        )
    except psycopg2.Error as error:
        raise SourceError(
            f"cannot connect to PostgreSQL at {settings.host}:{settings.port}, database {settings.database}, "
            f"as user {settings.user}: {str(error).strip()}"
        ) from error
    try:
        if settings.after_connect_script:
            with connection.cursor() as cursor:
                cursor.execute(settings.after_connect_script)
            connection.commit()
        yield connection
    finally:
        connection.close()


@contextmanager
def exported_snapshot(settings: SourceSettings) -> Iterator[tuple[Any, str]]:
    """(connection, snapshot id): every reader that takes the snapshot sees the same state of the database."""
    with connect(settings) as connection:
        connection.set_session(isolation_level="REPEATABLE READ", readonly=True)
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_export_snapshot()")
            yield connection, str(cursor.fetchone()[0])


@contextmanager
def reader(settings: SourceSettings, snapshot: str) -> Iterator[Any]:
    """A connection inside a read-only transaction on an exported snapshot."""
    with connect(settings) as connection:
        connection.set_session(isolation_level="REPEATABLE READ", readonly=True)
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION SNAPSHOT %s", (snapshot,))
        yield connection


def list_tables(connection: Any) -> list[tuple[str, str]]:
    """(schema, table) of every ordinary and partitioned table outside the system schemas.

    A partition is read through its parent and is not listed.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT n.nspname, c.relname
            FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
            WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relpersistence <> 't'
              AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname NOT LIKE 'pg\\_toast%'
            ORDER BY 1, 2
            """
        )
        return [(str(schema), str(table)) for schema, table in cursor.fetchall()]


def list_columns(connection: Any, schema: str, table: str) -> list[SourceColumn]:
    """The columns of a table in their order. A domain counts as its base type."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT a.attname,
                   pg_catalog.format_type(CASE WHEN t.typtype = 'd' THEN t.typbasetype ELSE a.atttypid END,
                                          CASE WHEN t.typtype = 'd' THEN t.typtypmod ELSE a.atttypmod END),
                   CASE WHEN t.typtype = 'e' THEN 'E' ELSE t.typcategory::text END
            FROM pg_catalog.pg_attribute a
            JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
            JOIN pg_catalog.pg_class c ON c.oid = a.attrelid
            JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
            WHERE n.nspname = %s AND c.relname = %s AND a.attnum > 0 AND NOT a.attisdropped
            ORDER BY a.attnum
            """,
            (schema, table),
        )
        return [SourceColumn(str(name), str(kind), str(category)) for name, kind, category in cursor.fetchall()]


def select_statement(
    table: SelectedTable, columns: Sequence[ColumnPlan], *, csv: bool, leading: Sequence[sql.Composable] = ()
) -> sql.Composed:
    """The query that reads the rows of a table which pass its filters."""
    expressions = [*leading, *((c.csv_select if csv else c.parquet_select) for c in columns)]
    statement = sql.SQL("SELECT {} FROM {}").format(
        sql.SQL(", ").join(expressions), sql.Identifier(table.schema, table.table)
    )
    if table.filters:
        predicates = sql.SQL(" AND ").join(_filter_predicate(f) for f in table.filters)
        statement = sql.SQL("{} WHERE {}").format(statement, predicates)
    return statement


def _filter_predicate(given: ColumnFilter) -> sql.Composable:
    # An untyped literal takes the column's own type, so that an index on the column serves the filter.
    column = sql.Identifier(given.column)
    alternatives = []
    for condition in given.conditions:
        values = [sql.Literal(v) for v in condition.values]
        template = {
            "eq": "{} = {}",
            "noteq": "{} <> {}",
            "gte": "{} >= {}",
            "ste": "{} <= {}",
            "between": "{} BETWEEN {} AND {}",
            "notbetween": "{} NOT BETWEEN {} AND {}",
            "null": "{} IS NULL",
            "notnull": "{} IS NOT NULL",
        }[condition.operator]
        alternatives.append(sql.SQL(template).format(column, *values))
    return sql.SQL("({})").format(sql.SQL(" OR ").join(alternatives))
