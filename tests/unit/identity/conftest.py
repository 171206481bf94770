"""A warehouse session on DuckDB for tests: Redshift SQL translated by sqlglot, real transactions."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest
import sqlglot
from sqlglot import exp

from cdap.identity import ResolutionSummary, resolve
from cdap.identity.matching import Matched, Matcher
from cdap.sql import CdapRedshift

# Those of the schema `identity`; the ones before them are of other schemas.
MIGRATIONS = [
    file
    for file in sorted((Path(__file__).parents[3] / "migrations").glob("*.sql"))
    if "identity" in file.read_text() and file.name > "0003"
]


def _as_in_redshift(node: exp.Expression) -> exp.Expression:
    """Redshift's REGEXP_REPLACE replaces every occurrence, DuckDB's only the first."""
    if isinstance(node, exp.RegexpReplace):
        node.set("modifiers", exp.Literal.string("g"))
    return node


@cache
def _migration() -> tuple[str, ...]:
    return tuple(
        statement.sql(dialect=CdapRedshift)
        for file in MIGRATIONS
        for statement in sqlglot.parse(file.read_text(encoding="utf-8"), read=CdapRedshift)
        if statement is not None
    )


@lru_cache(maxsize=4096)
def _translated(sql: str) -> str:
    (parsed,) = sqlglot.parse(sql, read=CdapRedshift)
    assert parsed is not None
    return parsed.transform(_as_in_redshift).sql(dialect="duckdb", unsupported_level=sqlglot.ErrorLevel.IGNORE)


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


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
        if not records:
            return
        names = dict.fromkeys(name for values in records.values() for name in values)
        columns = {
            name: pa.array([_text(values.get(name)) for values in records.values()], pa.string()) for name in names
        }
        self.connection.register("rows", pa.table({"record_key": list(records), **columns}))
        self.connection.execute("insert into intermediate.int_identity_records by name select * from rows")
        self.connection.unregister("rows")

    def members(self) -> dict[str, str]:
        return dict(self.fetch_all('select record_key, customer_id from "identity".current_members'))

    def aliases(self) -> dict[str, str]:
        return dict(self.fetch_all('select alias_id, customer_id from "identity".current_aliases'))

    def households(self) -> dict[str, str]:
        return dict(self.fetch_all('select customer_id, household_id from "identity".current_households'))

    def log(self) -> dict[str, list[tuple[Any, ...]]]:
        """Every row of every table of the log."""
        return {
            table: self.connection.execute(f"select * from identity.{table} order by all").fetchall()  # noqa: S608
            for table in LOG
        }


LOG = ("foundings", "memberships", "edges", "events", "aliases", "household_foundings", "households")


class SharedValues:
    """Says that records which share an e-mail address, a phone or an account are of one person, and nothing else: what
    is tested with it does not depend on how persons are found."""

    FIELDS = ("email", "phone", "account_id")

    def match(self, warehouse: DuckDbSession, run_id: str, as_of: str) -> Matched:
        rows = warehouse.fetch_all(
            "select record_key, email, phone, account_id from intermediate.int_identity_records order by record_key"
        )
        cluster = {key: key for key, *_ in rows}
        for a, *of_a in rows:
            for b, *of_b in rows:
                equal = [name for name, x, y in zip(self.FIELDS, of_a, of_b, strict=True) if x is not None and x == y]
                if a < b and equal:
                    warehouse.execute(
                        "insert into resolve_links values (%s, %s, %s, %s, '{}', true)",
                        [a, b, ",".join(equal), float(len(equal))],
                    )
                    old, new = sorted((cluster[a], cluster[b]), reverse=True)
                    cluster = {key: new if of == old else of for key, of in cluster.items()}
        streets = warehouse.fetch_all("select record_key, street from intermediate.int_identity_records")
        homes: dict[str, str] = {}
        for key, street in sorted(streets):
            homes[cluster[key]] = min(street or cluster[key], homes.get(cluster[key], "~"))
        for key, of in cluster.items():
            warehouse.execute("insert into resolve_assigned values (%s, %s, %s)", [key, of, homes[of]])
        return Matched("by shared values", trained=False)


class LocalExchange:
    """DuckDB reads and writes the files itself."""

    def unload(self, warehouse: DuckDbSession, query: str, folder: Path, *, purpose: str) -> None:
        warehouse.connection.execute(f"copy ({_translated(query)}) to '{folder / '0.parquet'}' (format parquet)")

    def load(self, warehouse: DuckDbSession, table: str, file: Path, *, purpose: str) -> None:
        warehouse.connection.execute(f"insert into {table} select * from read_parquet('{file}')")  # noqa: S608

    def clear(self) -> None:
        """Nothing lies between the two."""


class Objects:
    """As much of an S3 client as the models need."""

    def __init__(self) -> None:
        self.held: dict[str, bytes] = {}

    def put_object(self, *, Bucket: str, Key: str, Body: bytes, ContentType: str) -> None:
        self.held[f"{Bucket}/{Key}"] = Body

    def get_object(self, *, Bucket: str, Key: str) -> dict[str, io.BytesIO]:
        return {"Body": io.BytesIO(self.held[f"{Bucket}/{Key}"])}


def resolved(
    session: DuckDbSession, run_id: str, now: datetime | None = None, matcher: Matcher | None = None
) -> ResolutionSummary:
    """Resolves the session's records by the values that they share, or as another matcher says."""
    return resolve(session, "intermediate.int_identity_records", matcher or SharedValues(), run_id, now)


@pytest.fixture
def session() -> DuckDbSession:
    return DuckDbSession()


@pytest.fixture(scope="session")
def new_session() -> Callable[[], DuckDbSession]:
    return DuckDbSession
