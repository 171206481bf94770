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
    """Delete a database with what is in it; its sessions are ended first. ``dev`` is always there: it is emptied."""
    with system_cursor(cloud) as cursor:
        _end_sessions(cursor, name)
        cursor.execute("select 1 from pg_database where datname = %s", (name,))
        if cursor.fetchone() is not None:
            verb = sql.SQL("empty" if name == SYSTEM_DATABASE else "drop")
            cursor.execute(sql.SQL("{} database {}").format(verb, sql.Identifier(name)))


def put_temporary_password(cloud: Cloud, user: str, password: str, until: str, *, create: bool) -> None:
    """Let a user log in as ``IAM:<user>`` until a time in UTC, with ``create`` also one that is not there.

    Raises AwsError when there is no such user.
    """
    with system_cursor(cloud) as cursor:
        cursor.execute("select 1 from pg_user where usename = %s", (user,))
        if cursor.fetchone() is None:
            if not create:
                raise AwsError("InvalidParameterValue", f"the database user {user} does not exist")
            cursor.execute(sql.SQL("create user {} password disable").format(sql.Identifier(user)))
        statement = sql.SQL("login as {} password {} until {}")
        cursor.execute(statement.format(sql.Identifier(user), sql.Literal(password), sql.Literal(until)))


def take_backup(cloud: Cloud, database: str, name: str) -> None:
    """Copy a database. Raises AwsError while something writes to it."""
    statement = sql.SQL("backup database {} to {}").format(sql.Identifier(database), sql.Literal(name))
    with system_cursor(cloud) as cursor:
        try:
            cursor.execute(statement)
        except psycopg2.DatabaseError as error:
            raise AwsError("InvalidClusterState", f"{database} cannot be copied: {error}".strip()) from error


def restore_backup(cloud: Cloud, database: str, name: str) -> None:
    """Put a copy in the place of a database, whose sessions are ended."""
    with system_cursor(cloud) as cursor:
        _end_sessions(cursor, database)
        cursor.execute(sql.SQL("restore database {} from {}").format(sql.Identifier(database), sql.Literal(name)))


def drop_backup(cloud: Cloud, name: str) -> None:
    """Delete a copy."""
    with system_cursor(cloud) as cursor:
        cursor.execute(sql.SQL("drop backup {}").format(sql.Literal(name)))


def _end_sessions(cursor: Any, database: str) -> None:
    cursor.execute(
        "select process from stv_sessions where trim(db_name) = %s and process <> pg_backend_pid()", (database,)
    )
    for (pid,) in cursor.fetchall():
        cursor.execute("select pg_terminate_backend(%s)", (pid,))
