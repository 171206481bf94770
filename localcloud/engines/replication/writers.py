"""Writers of a table's files: CSV as PostgreSQL's COPY gives it, Parquet by way of Arrow."""

from __future__ import annotations

import gzip
import io
import os
import threading
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import IO, Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
from psycopg2 import sql

from localcloud.engines.object_stream import ObjectStream
from localcloud.engines.replication.s3_target import S3Target
from localcloud.engines.replication.types import ColumnPlan

OP_COLUMN = "Op"
# The text of one block is parsed at once: a few of them are in memory for each table that is being loaded.
READ_BLOCK = 4 * 1024 * 1024


class Stopped(Exception):
    """The task was told to stop."""


class ConversionError(ValueError):
    """A value of the source has no place in the target's type."""


class TableFiles:
    """The files of one table: opens `LOAD00000001`, then the next when the size limit is reached.

    Objects become visible when all of the table was read (`finish`); `abort` leaves none of the open one.
    """

    def __init__(self, s3: Any, target: S3Target, schema: str, table: str) -> None:
        self._s3, self.target, self._schema, self._table = s3, target, schema, table
        self.count = 0

    def open(self) -> ObjectStream:
        self.count += 1
        key = self.target.load_key(self._schema, self._table, self.count)
        return ObjectStream(self._s3, self.target.bucket, key, self.target.object_arguments)


class CsvWriter(io.RawIOBase):
    """Takes the rows of `COPY ... TO STDOUT (FORMAT csv)`, one a call, and writes them to one or more objects."""

    def __init__(
        self, files: TableFiles, header: Sequence[str], progress: Callable[[int], None], stop: threading.Event
    ) -> None:
        super().__init__()
        self._files, self._progress, self._stop = files, progress, stop
        target = files.target
        self._ending = target.csv_row_delimiter.encode()
        self._header = b""
        if target.add_column_name:
            cells = (_csv_cell(name, target.csv_delimiter) for name in header)
            self._header = target.csv_delimiter.join(cells).encode() + self._ending
        self._object: ObjectStream | None = None
        self._sink: gzip.GzipFile | ObjectStream | None = None
        self._chunk = bytearray()
        self._size = 0
        self.rows = 0

    def writable(self) -> bool:
        return True

    def write(self, row: Any) -> int:
        if self._sink is None:
            self._open()
        self._chunk += row if self._ending == b"\n" else bytes(row[:-1]) + self._ending
        self._size += len(row)
        self.rows += 1
        if len(self._chunk) >= 1 << 20:
            self._flush_chunk()
            if self._size >= self._files.target.max_file_size:
                self._finish_file()
        elif self._size >= self._files.target.max_file_size:
            self._flush_chunk()
            self._finish_file()
        return len(row)

    def finish(self) -> None:
        if self._sink is not None:
            self._flush_chunk()
            self._finish_file()

    def abort(self) -> None:
        if self._object is not None:
            self._object.abort()

    def _open(self) -> None:
        self._object = self._files.open()
        self._sink = (
            gzip.GzipFile(fileobj=self._object, mode="wb", compresslevel=6, mtime=0)
            if self._files.target.gzip
            else self._object
        )
        self._size = 0
        self._chunk += self._header

    def _flush_chunk(self) -> None:
        if self._stop.is_set():
            raise Stopped
        assert self._sink is not None
        self._sink.write(bytes(self._chunk))
        self._chunk.clear()
        self._progress(self.rows)

    def _finish_file(self) -> None:
        assert self._object is not None and self._sink is not None
        if self._sink is not self._object:
            self._sink.close()
        self._object.finish()
        self._object = self._sink = None


def copy_csv(
    connection: Any,
    statement: sql.Composed,
    files: TableFiles,
    columns: Sequence[ColumnPlan],
    progress: Callable[[int], None],
    stop: threading.Event,
) -> int:
    """Copies the rows of a query into CSV files; returns how many. An empty result makes no file."""
    target = files.target
    header = [*_leading_names(target), *(c.target for c in columns)]
    writer = CsvWriter(files, header, progress, stop)
    options = sql.SQL("COPY ({}) TO STDOUT (FORMAT csv, DELIMITER {}, NULL {})").format(
        statement, sql.Literal(target.csv_delimiter), sql.Literal(target.csv_null_value)
    )
    try:
        with connection.cursor() as cursor:
            cursor.copy_expert(options, writer)
            _same_count(cursor.rowcount, writer.rows)
        writer.finish()
    except BaseException:
        writer.abort()
        raise
    return writer.rows


def copy_parquet(
    connection: Any,
    statement: sql.Composed,
    files: TableFiles,
    columns: Sequence[ColumnPlan],
    progress: Callable[[int], None],
    stop: threading.Event,
    transferred_at: Callable[[], datetime],
) -> int:
    """Copies the rows of a query into Parquet files; returns how many. An empty result makes no file.

    PostgreSQL's text goes through a pipe to Arrow's parser, so that neither side waits for the other's turn and a
    block is all that is in memory.
    """
    read_fd, write_fd = os.pipe()
    failure: list[BaseException] = []
    copied: list[int] = []

    def produce() -> None:
        try:
            with os.fdopen(write_fd, "wb", buffering=1 << 20) as pipe, connection.cursor() as cursor:
                cursor.copy_expert(sql.SQL("COPY ({}) TO STDOUT (FORMAT csv)").format(statement), pipe)
                copied.append(cursor.rowcount)
        except BaseException as error:
            failure.append(error)

    producer = threading.Thread(target=produce, name="dms-copy", daemon=True)
    pipe = io.BufferedReader(io.FileIO(read_fd, "rb"), 1 << 20)
    producer.start()
    writer = _ParquetWriter(files, columns, transferred_at)
    try:
        if pipe.peek(1):
            for batch in _batches(pipe, columns):
                if stop.is_set():
                    raise Stopped
                writer.write(batch)
                progress(writer.rows)
        producer.join()
        if failure:
            raise failure[0]
        _same_count(copied[0], writer.rows)
        writer.finish()
    except BaseException as error:
        # A copy that still runs ends when nobody reads it any longer.
        pipe.close()
        producer.join()
        writer.abort()
        # The real cause is the copy's own failure; a parser that met a cut stream only reports its end.
        if failure and not isinstance(failure[0], BrokenPipeError):
            raise failure[0] from error
        if isinstance(error, pa.ArrowInvalid):
            raise ConversionError(_conversion_message(str(error), columns)) from error
        raise
    finally:
        pipe.close()
    return writer.rows


def _batches(pipe: IO[bytes], columns: Sequence[ColumnPlan]) -> Any:
    names = [f"c{i}" for i in range(len(columns))]
    return pyarrow.csv.open_csv(
        pipe,
        read_options=pyarrow.csv.ReadOptions(block_size=READ_BLOCK, column_names=names, use_threads=False),
        parse_options=pyarrow.csv.ParseOptions(newlines_in_values=True, ignore_empty_lines=False),
        convert_options=pyarrow.csv.ConvertOptions(
            column_types={n: c.wire for n, c in zip(names, columns, strict=True)},
            null_values=[""],
            true_values=["true"],
            false_values=["false"],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
        ),
    )


class _ParquetWriter:
    def __init__(
        self, files: TableFiles, columns: Sequence[ColumnPlan], transferred_at: Callable[[], datetime]
    ) -> None:
        self._files, self._columns, self._transferred_at = files, columns, transferred_at
        target = files.target
        fields = [pa.field(name, pa.string()) for name in _leading_names(target)]
        fields += [pa.field(c.target, c.arrow) for c in columns]
        self._schema = pa.schema(fields)
        self._object: ObjectStream | None = None
        self._writer: Any = None
        self._pending: list[Any] = []
        self._pending_rows = 0
        self.rows = 0

    def write(self, batch: Any) -> None:
        if not batch.num_rows:
            return
        target = self._files.target
        leading = []
        if target.include_op:
            leading.append(pa.array(["I"]).take(pa.array([0] * batch.num_rows)))
        if target.timestamp_column:
            text = self._transferred_at().strftime("%Y-%m-%d %H:%M:%S.%f")
            leading.append(pa.array([text]).take(pa.array([0] * batch.num_rows)))
        arrays = [_converted(batch.column(i), c) for i, c in enumerate(self._columns)]
        self._pending.append(pa.record_batch([*leading, *arrays], schema=self._schema))
        self._pending_rows += batch.num_rows
        self.rows += batch.num_rows
        if self._pending_rows >= target.row_group_length:
            self._write_pending(last=False)

    def _write_pending(self, *, last: bool) -> None:
        length = self._files.target.row_group_length
        table = pa.Table.from_batches(self._pending, schema=self._schema)
        whole = table.num_rows if last else table.num_rows // length * length
        offset = 0
        while offset < whole:
            rows = min(length, whole - offset)
            self._open()
            self._writer.write_table(table.slice(offset, rows), row_group_size=length)
            offset += rows
            assert self._object is not None
            if self._object.size >= self._files.target.max_file_size:
                self._finish_file()
        rest = table.slice(whole)
        self._pending = rest.to_batches() if rest.num_rows else []
        self._pending_rows = rest.num_rows

    def finish(self) -> None:
        if self._pending_rows:
            self._write_pending(last=True)
        if self._object is not None:
            self._finish_file()

    def abort(self) -> None:
        if self._object is not None:
            self._object.abort()

    def _open(self) -> None:
        if self._object is not None:
            return
        target = self._files.target
        self._object = self._files.open()
        self._writer = pq.ParquetWriter(
            self._object,
            self._schema,
            version=target.parquet_version,
            compression="gzip" if target.gzip else "none",
            use_dictionary=target.use_dictionary,
            dictionary_pagesize_limit=target.dictionary_page_size,
            data_page_size=target.data_page_size,
            write_statistics=target.statistics,
        )

    def _finish_file(self) -> None:
        assert self._object is not None
        self._writer.close()
        self._object.finish()
        self._object = self._writer = None


def _converted(array: Any, column: ColumnPlan) -> Any:
    if column.dms_type == "BLOB":
        return pa.array([None if v is None else bytes.fromhex(v) for v in array.to_pylist()], pa.binary())
    if array.type != column.arrow:
        # Milliseconds where the settings or DMS's TIME ask for them: the rest is cut, as DMS does.
        return array.cast(column.arrow, safe=False)
    return array


def leading_expressions(target: S3Target, transferred_at: datetime) -> list[sql.Composable]:
    """The columns that come before the source's own in a CSV file."""
    leading: list[sql.Composable] = []
    if target.include_op:
        leading.append(sql.Literal("I"))
    if target.timestamp_column:
        leading.append(sql.Literal(transferred_at.strftime("%Y-%m-%d %H:%M:%S.%f")))
    return leading


def _leading_names(target: S3Target) -> list[str]:
    names = [OP_COLUMN] if target.include_op else []
    return [*names, target.timestamp_column] if target.timestamp_column else names


def _csv_cell(text: str, delimiter: str) -> str:
    if any(c in text for c in (delimiter, '"', "\n", "\r")):
        return '"' + text.replace('"', '""') + '"'
    return text


def _same_count(read: int, written: int) -> None:
    if read != written:
        raise ConversionError(f"PostgreSQL sent {read} rows but {written} were written")


def _conversion_message(reason: str, columns: Sequence[ColumnPlan]) -> str:
    # Arrow names the column by its place and quotes the value; the value is data and stays out of messages and logs.
    for i, column in reversed(list(enumerate(columns))):
        if f"CSV column #{i}:" in reason:
            return (
                f"a value of column {column.source} does not fit DMS's type {column.dms_type} "
                f"(Arrow {column.arrow}); such as NaN, infinity or a date before year 1"
            )
    return "a value of the source could not be read as its column's type"
