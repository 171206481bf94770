"""The Data Catalog on disk: one SQLite file, so that a change costs what it changes and not the whole catalog.

A table of ten thousand partitions is written a row at a time, and a killed machine keeps every answered change.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

Document = dict[str, Any]

_SCHEMA = """
CREATE TABLE IF NOT EXISTS databases (name TEXT PRIMARY KEY, document TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS tables (
    database TEXT NOT NULL, name TEXT NOT NULL, document TEXT NOT NULL, PRIMARY KEY (database, name)
);
CREATE TABLE IF NOT EXISTS table_versions (
    database TEXT NOT NULL, name TEXT NOT NULL, version INTEGER NOT NULL, document TEXT NOT NULL,
    PRIMARY KEY (database, name, version)
);
CREATE TABLE IF NOT EXISTS partitions (
    database TEXT NOT NULL, table_name TEXT NOT NULL, partition_values TEXT NOT NULL, document TEXT NOT NULL,
    PRIMARY KEY (database, table_name, partition_values)
) WITHOUT ROWID;
"""


class CatalogStore:
    """Databases, tables, their versions and partitions, as JSON documents under their names."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._lock = threading.RLock()
        # NORMAL with a write-ahead log: what was committed outlives the process; only a power cut may lose the last.
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = NORMAL")
        self._connection.executescript(_SCHEMA)

    def close(self) -> None:
        with self._lock:
            self._connection.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All changes inside are kept or none; one at a time."""
        with self._lock:
            if self._connection.in_transaction:
                yield
                return
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")

    def _rows(self, statement: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        with self._lock:
            return self._connection.execute(statement, parameters).fetchall()

    def _run(self, statement: str, parameters: Sequence[Any] = ()) -> int:
        with self._lock:
            return self._connection.execute(statement, parameters).rowcount

    # databases -------------------------------------------------------------------------------------------------------

    def database(self, name: str) -> Document | None:
        return _first(self._rows("SELECT document FROM databases WHERE name = ?", (name,)))

    def databases(self) -> list[Document]:
        return [json.loads(d) for (d,) in self._rows("SELECT document FROM databases ORDER BY name")]

    def put_database(self, name: str, document: Document) -> None:
        self._run("INSERT OR REPLACE INTO databases VALUES (?, ?)", (name, json.dumps(document)))

    def delete_database(self, name: str) -> bool:
        """Deletes it with all of its tables and partitions; whether it was there."""
        with self.transaction():
            self._run("DELETE FROM partitions WHERE database = ?", (name,))
            self._run("DELETE FROM table_versions WHERE database = ?", (name,))
            self._run("DELETE FROM tables WHERE database = ?", (name,))
            return self._run("DELETE FROM databases WHERE name = ?", (name,)) > 0

    # tables ----------------------------------------------------------------------------------------------------------

    def table(self, database: str, name: str) -> Document | None:
        return _first(self._rows("SELECT document FROM tables WHERE database = ? AND name = ?", (database, name)))

    def tables(self, database: str) -> list[Document]:
        rows = self._rows("SELECT document FROM tables WHERE database = ? ORDER BY name", (database,))
        return [json.loads(d) for (d,) in rows]

    def put_table(self, database: str, name: str, document: Document) -> None:
        self._run("INSERT OR REPLACE INTO tables VALUES (?, ?, ?)", (database, name, json.dumps(document)))

    def delete_table(self, database: str, name: str) -> bool:
        """Deletes it with its versions and partitions; whether it was there."""
        with self.transaction():
            self._run("DELETE FROM partitions WHERE database = ? AND table_name = ?", (database, name))
            self._run("DELETE FROM table_versions WHERE database = ? AND name = ?", (database, name))
            return self._run("DELETE FROM tables WHERE database = ? AND name = ?", (database, name)) > 0

    def put_version(self, database: str, name: str, version: int, document: Document) -> None:
        self._run(
            "INSERT OR REPLACE INTO table_versions VALUES (?, ?, ?, ?)", (database, name, version, json.dumps(document))
        )

    def versions(self, database: str, name: str) -> list[Document]:
        """Archived versions, newest first."""
        rows = self._rows(
            "SELECT document FROM table_versions WHERE database = ? AND name = ? ORDER BY version DESC",
            (database, name),
        )
        return [json.loads(d) for (d,) in rows]

    def delete_version(self, database: str, name: str, version: int) -> bool:
        return (
            self._run(
                "DELETE FROM table_versions WHERE database = ? AND name = ? AND version = ?", (database, name, version)
            )
            > 0
        )

    # partitions ------------------------------------------------------------------------------------------------------

    def partition(self, database: str, table: str, values: Sequence[str]) -> Document | None:
        return _first(
            self._rows(
                "SELECT document FROM partitions WHERE database = ? AND table_name = ? AND partition_values = ?",
                (database, table, partition_key(values)),
            )
        )

    def partitions(self, database: str, table: str, after: str = "") -> Iterator[tuple[str, str]]:
        """(key, document as JSON text) of all partitions whose key is greater than `after`, in the order of keys."""
        while True:
            rows = self._rows(
                "SELECT partition_values, document FROM partitions WHERE database = ? AND table_name = ? "
                "AND partition_values > ? ORDER BY partition_values LIMIT 2000",
                (database, table, after),
            )
            yield from rows
            if len(rows) < 2000:
                return
            after = rows[-1][0]

    def create_partition(self, database: str, table: str, values: Sequence[str], document: Document) -> bool:
        """Whether it was made; False when there is one already."""
        return (
            self._run(
                "INSERT OR IGNORE INTO partitions VALUES (?, ?, ?, ?)",
                (database, table, partition_key(values), json.dumps(document)),
            )
            > 0
        )

    def put_partition(self, database: str, table: str, values: Sequence[str], document: Document) -> None:
        self._run(
            "INSERT OR REPLACE INTO partitions VALUES (?, ?, ?, ?)",
            (database, table, partition_key(values), json.dumps(document)),
        )

    def delete_partition(self, database: str, table: str, values: Sequence[str]) -> bool:
        return (
            self._run(
                "DELETE FROM partitions WHERE database = ? AND table_name = ? AND partition_values = ?",
                (database, table, partition_key(values)),
            )
            > 0
        )


def partition_key(values: Sequence[str]) -> str:
    """The text under which a partition is kept: its values as a JSON list."""
    return json.dumps(list(values), ensure_ascii=False)


def _first(rows: list[tuple[Any, ...]]) -> Document | None:
    if not rows:
        return None
    document: Document = json.loads(rows[0][0])
    return document
