"""The DuckDB in which records are resolved."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import duckdb

from cdap.linkage.names import register


@contextmanager
def database(threads: int | None = None) -> Iterator[duckdb.DuckDBPyConnection]:
    """One in memory, with all cores unless it is told how many."""
    with duckdb.connect() as db:
        if threads is not None:
            db.execute(f"set threads = {int(threads)}")
        register(db)
        yield db


def one(db: duckdb.DuckDBPyConnection, query: str) -> tuple[Any, ...]:
    """The only row of a query."""
    (row,) = db.execute(query).fetchall()
    return tuple(row)


def quoted(name: str) -> str:
    """A name as an identifier of SQL."""
    return '"' + name.replace('"', '""') + '"'
