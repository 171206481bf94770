"""A warehouse session on DuckDB for tests: Redshift SQL translated by sqlglot, real transactions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import duckdb
import pytest
import sqlglot
from sqlglot import exp

from cdap.sql import CdapRedshift

MIGRATION = Path(__file__).parents[3] / "migrations" / "0003_identity.sql"


def _as_in_redshift(node: exp.Expression) -> exp.Expression:
    """Redshift's REGEXP_REPLACE replaces every occurrence, DuckDB's only the first."""
    if isinstance(node, exp.RegexpReplace):
        node.set("modifiers", exp.Literal.string("g"))
    return node


@cache
def _migration() -> tuple[str, ...]:
    parsed = sqlglot.parse(MIGRATION.read_text(encoding="utf-8"), read=CdapRedshift)
    return tuple(statement.sql(dialect=CdapRedshift) for statement in parsed if statement is not None)


@lru_cache(maxsize=4096)
def _translated(sql: str) -> str:
    (parsed,) = sqlglot.parse(sql, read=CdapRedshift)
    assert parsed is not None
    return parsed.transform(_as_in_redshift).sql(dialect="duckdb", unsupported_level=sqlglot.ErrorLevel.IGNORE)


class DuckDbSession:
    """`fail_after`: the number of statements after which the next one raises, as when the task is killed."""

    def __init__(self) -> None:
        self.connection = duckdb.connect(":memory:")
        self.connection.execute("set threads=1")
        self.fail_after: int | None = None
        self.executed = 0
        for statement in _migration():
            self.execute(statement)
        self.connection.execute(
            """create schema intermediate;
            create table intermediate.int_identity_records (
                record_key varchar, source varchar, entity varchar, source_id varchar,
                first_seen_at timestamp, changed_at timestamp,
                email varchar, phone varchar, account_id varchar,
                first_name varchar, last_name varchar, birth_date date,
                street varchar, city varchar, postcode varchar, country varchar)"""
        )

    def _run(self, sql: str, parameters: Sequence[Any]) -> duckdb.DuckDBPyConnection:
        self.executed += 1
        if self.fail_after is not None and self.executed > self.fail_after:
            raise KeyboardInterrupt
        return self.connection.execute(
            _translated(sql.replace("%s", "?") if parameters else sql), list(parameters) or None
        )

    def execute(self, sql: str, parameters: Sequence[Any] = (), *, purpose: str = "") -> int:
        self._run(sql, parameters)
        return -1

    def fetch_all(self, sql: str, parameters: Sequence[Any] = (), *, purpose: str = "") -> list[tuple[Any, ...]]:
        return self._run(sql, parameters).fetchall()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        self.connection.execute("begin")
        try:
            yield
        except BaseException:
            self.connection.execute("rollback")
            raise
        self.connection.execute("commit")

    def replace_records(self, records: dict[str, dict[str, Any]]) -> None:
        """The table of records becomes these, by record key; columns not given are null."""
        self.connection.execute("delete from intermediate.int_identity_records")
        for key, values in records.items():
            columns = ["record_key", *values]
            self.connection.execute(
                f"insert into intermediate.int_identity_records ({', '.join(columns)}) "  # noqa: S608 - column names
                f"values ({', '.join('?' * len(columns))})",
                [key, *values.values()],
            )

    def members(self) -> dict[str, str]:
        return dict(self.fetch_all('select record_key, customer_id from "identity".current_members'))

    def aliases(self) -> dict[str, str]:
        return dict(self.fetch_all('select alias_id, customer_id from "identity".current_aliases'))

    def log(self) -> dict[str, list[tuple[Any, ...]]]:
        """Every row of every table of the log."""
        return {
            table: self.connection.execute(f"select * from identity.{table} order by all").fetchall()  # noqa: S608
            for table in ("foundings", "memberships", "edges", "events", "aliases")
        }


@pytest.fixture
def session() -> DuckDbSession:
    return DuckDbSession()


@pytest.fixture(scope="session")
def new_session() -> Callable[[], DuckDbSession]:
    return DuckDbSession
