"""One client's session: its settings, its transaction, and the running of statements."""

from __future__ import annotations

import logging
import random
import secrets
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa

from localcloud.engines.sql import types
from localcloud.engines.sql.errors import SqlError, from_duckdb, is_conflict
from localcloud.engines.sql.relations import SessionRelations
from localcloud.engines.sql.settings import Settings
from localcloud.engines.sql.translate import Scope

if TYPE_CHECKING:
    from localcloud.engines.sql.warehouse import Warehouse

log = logging.getLogger("localcloud.warehouse")
VERSION = (
    "PostgreSQL 8.0.2 on i686-pc-linux-gnu, compiled by GCC gcc (GCC) 3.4.2 20041017 (Red Hat 3.4.2-6.fc3), "
    "Redshift 1.0.128000"
)
_CONFLICT_PATIENCE = 60.0
_BATCH_ROWS = 8192

warnings.filterwarnings("ignore", message="Arrow output on a DB-API result", category=UserWarning)


@dataclass(frozen=True)
class Column:
    """A column of a result."""

    name: str
    type: types.WireType
    duckdb_type: str


@dataclass
class Plan:
    """What a statement will do: a query that returns rows, or an action that returns how many rows it changed."""

    tag: str
    query: str | None = None
    action: Callable[[], int | None] | None = None
    transactional: bool = True
    """False for what begins and ends transactions itself."""
    read_only: bool = False
    """A query of the session's own state, which needs no transaction."""


@dataclass
class Result:
    """What a statement did. ``batches`` must be read to the end before the session runs anything else."""

    tag: str
    columns: list[Column] | None = None
    batches: Iterator[pa.RecordBatch] = field(default_factory=lambda: iter(()))
    count: int | None = None


class Session:
    """A connection of one user to one database."""

    def __init__(
        self,
        warehouse: Warehouse,
        pid: int,
        connection: duckdb.DuckDBPyConnection,
        user: str,
        database: str,
        options: dict[str, str],
    ) -> None:
        self.warehouse = warehouse
        self.pid = pid
        self.secret = secrets.randbits(31)
        self.connection = connection
        self.user = user
        self.database = database
        self.disconnect: Callable[[], None] | None = None
        """Closes the client's connection; set by what serves it."""
        self.in_transaction = False
        self.failed = False
        self.held_locks: list[Any] = []
        self.changed: set[tuple[str, str]] = set()
        """(schema, name) of the tables whose rows this transaction changed."""
        self.last_copy_count = 0
        self.last_unload_count = 0
        self.last_copy_id = -1
        self.cursors: dict[str, Any] = {}
        self.prepared: dict[str, str] = {}
        self.settings = Settings(self, options)
        self.relations = SessionRelations(self)
        connection.execute("set integer_division = true")
        self.settings.apply_search_path()

    @property
    def scope(self) -> Scope:
        """What a translation has to know of this session."""
        return Scope(
            self.relations,
            self.user,
            {
                "current_database": self.database,
                "current_schema": self.settings.current_schema,
                "version": VERSION,
                "pg_backend_pid": str(self.pid),
                "pg_last_copy_count": str(self.last_copy_count),
                "pg_last_unload_count": str(self.last_unload_count),
                "pg_last_copy_id": str(self.last_copy_id),
                "pg_last_query_id": "-1",
                "current_aws_account": self.warehouse.lake.account_id if self.warehouse.lake else "",
            },
        )

    # Statements ----------------------------------------------------------------------------------------------------

    def plan(self, sql: str, arguments: list[Any] | None = None) -> Plan:
        """What ``sql``, one statement, will do with ``$n`` bound to ``arguments``. Raises SqlError."""
        from localcloud.engines.sql.statements import plan_statement

        try:
            return plan_statement(self, sql, arguments or [])
        except duckdb.Error as error:
            raise from_duckdb(error) from error

    def describe(self, plan: Plan) -> list[Column] | None:
        """The columns of the rows that a plan returns, without running it; None when it returns none."""
        if plan.query is None:
            return None
        rows = self.fetch_all("describe " + plan.query)
        return [Column(name, types.wire_type(kind), kind) for name, kind, *_ in rows]

    def execute(self, plan: Plan) -> Result:
        """Run a plan. A statement alone in its transaction is tried again while others change the same things."""
        if self.failed and plan.tag not in ("ROLLBACK", "COMMIT"):
            raise SqlError("25P02", "current transaction is aborted, commands ignored until end of transaction block")
        try:
            if plan.query is not None:
                return self._rows(plan)
            if not plan.transactional or self.in_transaction:
                return Result(plan.tag, count=plan.action() if plan.action else None)
            return self._alone(plan)
        except duckdb.Error as error:
            self.fail()
            raise from_duckdb(error) from error
        except SqlError:
            self.fail()
            raise

    def fail(self) -> None:
        """Note that a statement failed: nothing but the end of the transaction is possible now."""
        if self.in_transaction and not self.failed:
            self.failed = True
            self.connection.execute("rollback")

    def _rows(self, plan: Plan) -> Result:
        cursor = self.connection.execute(str(plan.query))
        columns = [Column(name, types.wire_type(str(kind)), str(kind)) for name, kind, *_ in cursor.description]
        return Result(plan.tag, columns, self._batches(cursor))

    def _batches(self, cursor: Any) -> Iterator[pa.RecordBatch]:
        try:
            yield from cursor.to_arrow_reader(_BATCH_ROWS)
        except (duckdb.Error, pa.ArrowException, OSError) as error:
            self.fail()
            if isinstance(error, duckdb.Error):
                raise from_duckdb(error) from error
            raise SqlError("57014" if "INTERRUPT" in str(error) else "XX000", str(error)) from error

    def _alone(self, plan: Plan) -> Result:
        deadline = time.monotonic() + _CONFLICT_PATIENCE
        pause = 0.005
        while True:
            self.begin()
            try:
                count = plan.action() if plan.action else None
                self.commit()
                return Result(plan.tag, count=count)
            except duckdb.Error as error:
                self.rollback()
                if not is_conflict(error) or time.monotonic() > deadline:
                    raise
                time.sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311 not for secrecy
                pause = min(pause * 2, 0.5)
            except BaseException:
                self.rollback()
                raise

    # What statements use -------------------------------------------------------------------------------------------

    def run(self, sql: str, parameters: list[Any] | None = None) -> int | None:
        """Run DuckDB SQL; the number of changed rows where the statement changes rows."""
        cursor = self.connection.execute(sql, parameters) if parameters else self.connection.execute(sql)
        if cursor.description and cursor.description[0][0] == "Count":
            row = cursor.fetchone()
            return int(row[0]) if row else None
        return None

    def fetch_all(self, sql: str, parameters: list[Any] | None = None) -> list[tuple[Any, ...]]:
        """All rows of DuckDB SQL."""
        try:
            cursor = self.connection.execute(sql, parameters) if parameters else self.connection.execute(sql)
            return list(cursor.fetchall())
        except duckdb.Error as error:
            raise from_duckdb(error) from error

    def begin(self) -> None:
        """Begin a transaction."""
        self.connection.execute("begin")
        self.in_transaction, self.failed, self.changed = True, False, set()

    def commit(self) -> None:
        """Commit; a failed transaction is rolled back, as PostgreSQL does."""
        failed, self.in_transaction, self.failed = self.failed, False, False
        changed, self.changed = self.changed, set()
        try:
            if not failed:
                self.connection.execute("commit")
        finally:
            self._release_locks()
        if changed and not failed:
            from localcloud.engines.sql.statements import materialized

            materialized.follow(self, changed)

    def rollback(self) -> None:
        """Roll back. Nothing happens outside of a transaction."""
        open_, self.in_transaction, self.failed = self.in_transaction and not self.failed, False, False
        try:
            if open_:
                self.connection.execute("rollback")
        except duckdb.TransactionException as error:
            # The engine has already ended a transaction whose commit failed.
            log.debug("rollback: %s", error)
        finally:
            self._release_locks()

    def _release_locks(self) -> None:
        while self.held_locks:
            self.held_locks.pop().release()

    def interrupt(self) -> None:
        """Stop the statement that is running."""
        self.connection.interrupt()

    def terminate(self) -> None:
        """Stop the statement that is running and disconnect the client."""
        self.interrupt()
        if self.disconnect is not None:
            self.disconnect()

    def close(self) -> None:
        """End the session; an open transaction is rolled back."""
        if self.warehouse.sessions.pop(self.pid, None) is not None:
            self.rollback()
            self.connection.close()
