"""Records as files: JSON Lines, CSV or Parquet, written to a stream page by page."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.parquet as pq

Records = Sequence[Mapping[str, Any]]

# Salesforce's types in Arrow; every other type is text.
ARROW_TYPES = {
    "boolean": pa.bool_(),
    "int": pa.int32(),
    "long": pa.int64(),
    "double": pa.float64(),
    "currency": pa.float64(),
    "percent": pa.float64(),
    "date": pa.date32(),
    "datetime": pa.timestamp("ms", tz="UTC"),
}


class Format(Protocol):
    """Writes pages of records to the stream it was made for."""

    def write(self, records: Records) -> None: ...

    def close(self) -> None: ...


class JsonLines:
    """One JSON object a line, the fields as the source sends them."""

    def __init__(self, stream: io.RawIOBase, fields: Mapping[str, str]) -> None:
        self._stream = stream

    def write(self, records: Records) -> None:
        lines = (json.dumps(record, ensure_ascii=False, separators=(",", ":")) + "\n" for record in records)
        self._stream.write("".join(lines).encode("utf-8", "surrogatepass"))

    def close(self) -> None:
        """Nothing is held back."""


class Csv:
    """A header line, then a line a record, everything text."""

    def __init__(self, stream: io.RawIOBase, fields: Mapping[str, str]) -> None:
        self._stream, self._fields = stream, list(fields)
        self._write_rows([self._fields])

    def write(self, records: Records) -> None:
        self._write_rows([[_text(record.get(name)) for name in self._fields] for record in records])

    def close(self) -> None:
        """Nothing is held back."""

    def _write_rows(self, rows: Sequence[Sequence[str]]) -> None:
        buffer = io.StringIO()
        csv.writer(buffer, lineterminator="\n").writerows(rows)
        self._stream.write(buffer.getvalue().encode("utf-8"))


class Parquet:
    """A row group a page; with `typed` the columns have the source's types, else all are text, as AppFlow does."""

    def __init__(self, stream: io.RawIOBase, fields: Mapping[str, str], *, typed: bool) -> None:
        types = {name: ARROW_TYPES.get(kind, pa.string()) if typed else pa.string() for name, kind in fields.items()}
        self._schema = pa.schema(list(types.items()))
        self._writer = pq.ParquetWriter(stream, self._schema)

    def write(self, records: Records) -> None:
        if records:
            rows = [
                {field.name: _typed(record.get(field.name), field.type) for field in self._schema} for record in records
            ]
            self._writer.write_table(pa.Table.from_pylist(rows, schema=self._schema))

    def close(self) -> None:
        self._writer.close()


def open_format(file_type: str, stream: io.RawIOBase, fields: Mapping[str, str], *, typed: bool) -> Format:
    """The writer of a file type of AppFlow (JSON, CSV, PARQUET)."""
    if file_type == "PARQUET":
        return Parquet(stream, fields, typed=typed)
    return Csv(stream, fields) if file_type == "CSV" else JsonLines(stream, fields)


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return json.dumps(value) if isinstance(value, dict | list) else str(value)


def _typed(value: Any, kind: pa.DataType) -> Any:
    """Raises ValueError for a value that is not of its field's type."""
    if value is None:
        return None
    if pa.types.is_date(kind):
        return date.fromisoformat(str(value)[:10])
    if pa.types.is_timestamp(kind):
        return datetime.strptime(str(value), "%Y-%m-%dT%H:%M:%S.%f%z")
    if pa.types.is_string(kind):
        return _text(value)
    return value
