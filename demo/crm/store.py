"""The CRM's records on disk: a SQLite file that the generator fills and the service reads."""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from datetime import date, datetime
from pathlib import Path
from typing import Any

from demo.crm.schema import OBJECTS
from demo.crm.soql import Query


class Store:
    """The file in one folder; every method opens it anew, so several processes may use it."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "crm.sqlite"

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All or nothing. A field keeps any value, whatever its type: an old system's data may be bad."""
        self.file.parent.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(self.file, timeout=60)) as connection, connection:
            connection.execute("pragma journal_mode=wal")
            for name, fields in OBJECTS.items():
                columns = ", ".join(f'"{field}"' for field in fields)
                # `extra` holds fields that the object does not have by its description, as JSON.
                connection.execute(f'create table if not exists "{name}" ({columns}, extra, primary key ("Id"))')
                connection.execute(f'create index if not exists "{name}_modified" on "{name}" ("SystemModstamp")')
            connection.execute(
                "create table if not exists locators (locator, position, id, primary key (locator, position))"
            )
            connection.execute("create table if not exists locator_queries (locator primary key, soql, deleted, total)")
            connection.execute("create table if not exists logins (name primary key, value)")
            yield connection

    def login(self) -> dict[str, str]:
        """Client and refresh token of the one connected application; made at the first call."""
        with self.transaction() as connection:
            for name in ("client_id", "client_secret", "refresh_token"):
                connection.execute("insert or ignore into logins values (?, ?)", (name, secrets.token_urlsafe(24)))
            return dict(connection.execute("select name, value from logins").fetchall())

    def replace(self, connection: sqlite3.Connection, name: str, rows: Iterable[Any]) -> None:
        """Writes rows (dataclasses with the object's fields), each in place of the one with its Id."""
        fields = list(OBJECTS[name])
        values = (tuple(stored(getattr(row, field)) for field in fields) for row in rows)
        connection.executemany(_insert(name, fields), values)

    def clear(self, connection: sqlite3.Connection) -> None:
        """Removes every record."""
        for name in OBJECTS:
            connection.execute(f'delete from "{name}"')  # noqa: S608 - a name of ours
        connection.execute("delete from locators")
        connection.execute("delete from locator_queries")

    def counts(self) -> dict[str, int]:
        """Records of each object that are not deleted."""
        with self.transaction() as connection:
            return {
                name: connection.execute(f'select count(*) from "{name}" where not "IsDeleted"').fetchone()[0]  # noqa: S608
                for name in OBJECTS
            }


def _insert(name: str, fields: list[str]) -> str:
    columns = ", ".join(f'"{field}"' for field in fields)
    return f'insert or replace into "{name}" ({columns}) values ({", ".join("?" * len(fields))})'  # noqa: S608


def stored(value: object) -> object:
    """A value as it is kept and served: instants in UTC as Salesforce writes them, dates as ISO 8601."""
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%dT%H:%M:%S}.{value.microsecond // 1000:03d}+0000"
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, bool):
        return int(value)
    return value


def condition(query: Query, *, deleted: bool) -> str:
    """The WHERE of a query; deleted records are seen by queryAll only."""
    return query.where if deleted else f"({query.where}) and not IsDeleted"
