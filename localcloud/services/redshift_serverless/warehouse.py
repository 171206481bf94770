"""The warehouse process as its control plane uses it: SQL as its own system user."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import psycopg2
from psycopg2 import sql

from localcloud.base.cloud import Cloud
from localcloud.base.errors import AwsError

SERVER = "warehouse"
SYSTEM_USER = "rdsdb"
SYSTEM_DATABASE = "dev"


def connect(cloud: Cloud, database: str, user: str, password: str) -> Any:
    """A connection to the warehouse. Raises psycopg2.OperationalError."""
    server = cloud.server(SERVER)
    return psycopg2.connect(
        host=server.host, port=server.port, dbname=database, user=user, password=password, sslmode="disable",
        connect_timeout=30,
    )  # fmt: skip


@contextlib.contextmanager
def system_cursor(cloud: Cloud) -> Iterator[Any]:
    """A cursor of the system user, each statement its own transaction. Raises AwsError when the warehouse is away."""
    try:
        connection = connect(cloud, SYSTEM_DATABASE, SYSTEM_USER, cloud.paths.token.read_text().strip())
    except psycopg2.OperationalError as error:
        raise AwsError("InternalServerException", f"the warehouse does not answer: {error}", 500) from error
    try:
        connection.autocommit = True
        with connection.cursor() as cursor:
            yield cursor
    finally:
        connection.close()


def put_user(cloud: Cloud, name: str, password: str, *, superuser: bool, valid_until: str | None = None) -> None:
    """Create a database user or change its password."""
    options: list[sql.Composable] = [sql.SQL("createuser" if superuser else "nocreateuser")]
    options.append(sql.SQL("valid until {}").format(sql.Literal(valid_until or "infinity")))
    with system_cursor(cloud) as cursor:
        cursor.execute("select 1 from pg_user where usename = %s", (name,))
        statement = sql.SQL("{} user {} password {} {}").format(
            sql.SQL("alter" if cursor.fetchone() else "create"),
            sql.Identifier(name),
            sql.Literal(password),
            sql.SQL(" ").join(options),
        )
        cursor.execute(statement)


def drop_user(cloud: Cloud, name: str) -> None:
    """Remove a database user, if it is there."""
    with system_cursor(cloud) as cursor:
        cursor.execute(sql.SQL("drop user if exists {}").format(sql.Identifier(name)))


def put_database(cloud: Cloud, name: str) -> None:
    """Create a database, unless it is there. Raises AwsError for a name that the warehouse does not take."""
    with system_cursor(cloud) as cursor:
        cursor.execute("select 1 from pg_database where datname = %s", (name,))
        if cursor.fetchone() is None:
            try:
                cursor.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
            except psycopg2.DatabaseError as error:
                message = f"The database {name} cannot be made: {error}".strip()
                raise AwsError("ValidationException", message, 400) from error


def drop_database(cloud: Cloud, name: str) -> None:
    """Delete a database with what is in it; its sessions are ended first. ``dev`` is emptied by a restart only."""
    if name == SYSTEM_DATABASE:
        return
    with system_cursor(cloud) as cursor:
        cursor.execute("select process from stv_sessions where trim(db_name) = %s", (name,))
        for (pid,) in cursor.fetchall():
            cursor.execute("select pg_terminate_backend(%s)", (pid,))
        cursor.execute("select 1 from pg_database where datname = %s", (name,))
        if cursor.fetchone() is not None:
            cursor.execute(sql.SQL("drop database {}").format(sql.Identifier(name)))
