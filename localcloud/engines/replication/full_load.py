"""A full load: the tables that the mappings select, from one snapshot, several side by side."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import psycopg2
from botocore.exceptions import BotoCoreError, ClientError

from localcloud.engines.replication import source as pg
from localcloud.engines.replication.mappings import MappingError, SelectedTable, TableMappings
from localcloud.engines.replication.s3_target import S3Target, delete_earlier_files
from localcloud.engines.replication.types import ColumnPlan, TypeSettings, UnsupportedColumn, plan_column
from localcloud.engines.replication.writers import (
    ConversionError,
    Stopped,
    TableFiles,
    copy_csv,
    copy_parquet,
    leading_expressions,
)

log = logging.getLogger(__name__)

BEFORE_LOAD = "Before load"
LOADING = "Full load"
COMPLETED = "Table completed"
CANCELLED = "Table cancelled"
ERROR = "Table error"


class FullLoadFailed(Exception):
    """The task cannot go on; the message says on what and why."""


@dataclass
class TableProgress:
    """What is known of one table's load; the engine changes it, the owner of the task reads it."""

    schema: str
    table: str
    state: str = BEFORE_LOAD
    rows: int = 0
    started_at: datetime | None = None
    ended_at: datetime | None = None
    updated_at: datetime | None = None
    error: str = ""


@dataclass(frozen=True)
class FullLoadOptions:
    parallel_tables: int = 8
    delete_earlier: bool = False
    stop_on_table_error: bool = False
    types: TypeSettings = field(default_factory=TypeSettings)


class FullLoad:
    """One run of a full-load task.

    `s3` gives a client that acts as the endpoint's role; it is asked for again for each table, since role
    credentials expire. `report` is called after each change of a table's progress. `stop` ends the load early.
    """

    def __init__(
        self,
        source: pg.SourceSettings,
        target: S3Target,
        mappings: TableMappings,
        options: FullLoadOptions,
        s3: Callable[[], Any],
        report: Callable[[TableProgress], None],
        stop: threading.Event,
    ) -> None:
        self._source, self._target, self._mappings, self._options = source, target, mappings, options
        self._s3, self._report, self._stop = s3, report, stop
        self._started_at = datetime.now(UTC)

    def run(self) -> list[TableProgress]:
        """Loads all tables; returns their progress.

        Raises FullLoadFailed when the source or the bucket cannot be used, when no table matches, or when a table
        failed and the task's policy is to stop then; raises Stopped when told to stop.
        """
        try:
            with pg.exported_snapshot(self._source) as (connection, snapshot):
                plans = self._plan(connection)
                self._load_all(plans, snapshot)
        except pg.SourceError as error:
            raise FullLoadFailed(str(error)) from error
        except psycopg2.Error as error:
            raise FullLoadFailed(f"{self._where()}: {_reason(error)}") from error
        return [progress for progress, _, _ in plans]

    def _plan(self, connection: Any) -> list[tuple[TableProgress, SelectedTable, list[ColumnPlan]]]:
        tables = self._mappings.select(pg.list_tables(connection))
        if not tables:
            raise FullLoadFailed(
                f"{self._where()}: no table matches the selection rules of the task's table mappings "
                "(names are case-sensitive; does the user see the schema?)"
            )
        plans = []
        folders: dict[str, str] = {}
        for table in tables:
            name = f"{table.schema}.{table.table}"
            folder = self._target.table_prefix(*self._target_names(table))
            if other := folders.get(folder):
                raise FullLoadFailed(f"tables {other} and {name} would both be written to {folder}; rename one of them")
            folders[folder] = name
            try:
                columns = self._columns(connection, table)
            except (UnsupportedColumn, MappingError) as error:
                raise FullLoadFailed(f"{self._where()}, table {name}: {error}") from error
            progress = TableProgress(table.schema, table.table, updated_at=datetime.now(UTC))
            plans.append((progress, table, columns))
        for progress, _, _ in plans:
            self._report(progress)
        return plans

    def _columns(self, connection: Any, table: SelectedTable) -> list[ColumnPlan]:
        found = {c.name: c for c in pg.list_columns(connection, table.schema, table.table)}
        for given in table.filters:
            if given.column not in found:
                raise MappingError(f"the filter's column {given.column} does not exist")
        names = self._mappings.target_columns(table.schema, table.table, list(found))
        plans = (plan_column(found[name], target, self._options.types) for name, target in names)
        columns = [plan for plan in plans if plan is not None]
        if not columns:
            raise MappingError("no column is left to load")
        return columns

    def _load_all(self, plans: list[tuple[TableProgress, SelectedTable, list[ColumnPlan]]], snapshot: str) -> None:
        failure: BaseException | None = None
        with ThreadPoolExecutor(max(1, min(self._options.parallel_tables, len(plans))), "dms-table") as pool:
            waiting: set[Future[None]] = {pool.submit(self._load_table, *plan, snapshot) for plan in plans}
            while waiting:
                done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                for future in done:
                    error = future.exception() if not future.cancelled() else None
                    if error is not None and failure is None:
                        failure = error
                        self._stop.set()
                        for other in waiting:
                            other.cancel()
        if failure is not None:
            raise failure

    def _load_table(
        self, progress: TableProgress, table: SelectedTable, columns: list[ColumnPlan], snapshot: str
    ) -> None:
        if self._stop.is_set():
            raise Stopped
        self._update(progress, state=LOADING, started_at=datetime.now(UTC))
        where = f"{self._where()}, table {table.schema}.{table.table}"
        try:
            rows = self._copy(progress, table, columns, snapshot)
        except Stopped:
            self._update(progress, state=CANCELLED, ended_at=datetime.now(UTC))
            raise
        except (ConversionError, psycopg2.DataError) as error:
            message = f"{where}: {_reason(error)}"
            log.warning("%s", message)
            self._update(progress, state=ERROR, error=message, ended_at=datetime.now(UTC))
            if self._options.stop_on_table_error:
                raise FullLoadFailed(message) from error
        except (ClientError, PermissionError, BotoCoreError) as error:
            message = f"{where}: writing to s3://{self._target.bucket}/{self._target.folder}: {error}"
            self._update(progress, state=ERROR, error=message, ended_at=datetime.now(UTC))
            raise FullLoadFailed(message) from error
        except (psycopg2.Error, pg.SourceError) as error:
            message = f"{where}: reading the source: {_reason(error)}"
            self._update(progress, state=ERROR, error=message, ended_at=datetime.now(UTC))
            raise FullLoadFailed(message) from error
        else:
            self._update(progress, state=COMPLETED, rows=rows, ended_at=datetime.now(UTC))

    def _copy(self, progress: TableProgress, table: SelectedTable, columns: list[ColumnPlan], snapshot: str) -> int:
        s3 = self._s3()
        schema, name = self._target_names(table)
        if self._options.delete_earlier:
            delete_earlier_files(s3, self._target.bucket, self._target.table_prefix(schema, name))
        files = TableFiles(s3, self._target, schema, name)

        def advance(rows: int) -> None:
            self._update(progress, rows=rows)

        with pg.reader(self._source, snapshot) as connection:
            if self._target.data_format == "parquet":
                statement = pg.select_statement(table, columns, csv=False)
                return copy_parquet(connection, statement, files, columns, advance, self._stop, self._transferred_at)
            leading = leading_expressions(self._target, self._transferred_at())
            statement = pg.select_statement(table, columns, csv=True, leading=leading)
            return copy_csv(connection, statement, files, columns, advance, self._stop)

    def _target_names(self, table: SelectedTable) -> tuple[str, str]:
        return (
            self._mappings.target_schema(table.schema),
            self._mappings.target_table(table.schema, table.table),
        )

    def _transferred_at(self) -> datetime:
        return self._started_at if self._target.task_start_time_as_timestamp else datetime.now(UTC)

    def _update(self, progress: TableProgress, **changes: Any) -> None:
        for name, value in changes.items():
            setattr(progress, name, value)
        progress.updated_at = datetime.now(UTC)
        self._report(progress)

    def _where(self) -> str:
        return f"source {self._source.host}:{self._source.port}/{self._source.database}"


def _reason(error: BaseException) -> str:
    """The database's own sentence without its DETAIL and CONTEXT, which may quote data."""
    if isinstance(error, psycopg2.Error) and error.diag.message_primary:
        if isinstance(error, psycopg2.DataError):
            return f"{type(error).__name__} (SQLSTATE {error.pgcode})"
        return f"{error.diag.message_primary} (SQLSTATE {error.pgcode})"
    return str(error).strip()
