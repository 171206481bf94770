"""Files of Neptune's Gremlin CSV format, read in chunks that the Gremlin Server inserts.

Source: "Gremlin load data format" of the Amazon Neptune User Guide: a header with `~id`, `~label` and for edges `~from`
and `~to`, other columns `name:type` with `(single)` or `(set)` and, with `[]`, several values apart by semicolons.
Files may be compressed (gzip). A property that is empty is not there.
"""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import IO, Any

ROWS_A_CHUNK = 5000
_WHOLE = {"byte": 8, "short": 16, "int": 32, "long": 64}
_TYPES = ("bool", "boolean", *_WHOLE, "float", "double", "string", "date", "datetime")


class RowError(Exception):
    """A row that cannot be loaded; `counted_as` names the count of the status that it goes into."""

    def __init__(self, code: str, message: str, row: int, counted_as: str) -> None:
        super().__init__(message)
        self.code = code
        self.row = row
        self.counted_as = counted_as


@dataclass(frozen=True)
class Column:
    """A property: its name, its type in lower case, whether its cardinality is single, whether it holds several."""

    name: str
    type: str
    single: bool
    several: bool


@dataclass
class Chunk:
    """Rows as lines of JSON in `file`; `numbers` are their places in the file that they are of, from 1."""

    of: str
    file: Path
    of_edges: bool
    rows: int = 0
    numbers: list[int] = field(default_factory=list)
    errors: list[RowError] = field(default_factory=list)

    def error_of(self, place: int, code: str) -> RowError:
        """The row at a place of the chunk, which the graph would not take."""
        said = {"FROM_OR_TO_VERTEX_ARE_MISSING": "an end of the edge is not in the graph"}.get(code, code)
        return RowError(code, said, self.numbers[place], "insertErrors")


class LoadFile:
    """A file that was downloaded from `uri`. Raises RowError for a header that says nothing of vertices or edges."""

    def __init__(self, uri: str, file: Path, folder: Path) -> None:
        self.uri = uri
        self._file = file
        self._folder = folder
        with self._open() as text:
            self._header = next(csv.reader(text), [])
        self.of_edges = "~from" in self._header or "~to" in self._header

    def chunks(self) -> Iterator[Chunk]:
        """The rows, some thousand at a time; each chunk's file is gone when the next one is asked for."""
        try:
            columns = self._columns()
        except RowError as error:
            yield Chunk(self.uri, self._folder / "none", self.of_edges, errors=[error])
            return
        with self._open() as text:
            reader = csv.DictReader(text)
            numbered = enumerate(reader, start=1)
            while True:
                chunk = self._chunk(numbered, columns)
                if not chunk.numbers and not chunk.errors:
                    return
                yield chunk
                chunk.file.unlink()

    def _chunk(self, numbered: Any, columns: list[Column]) -> Chunk:
        chunk = Chunk(self.uri, self._folder / "chunk.jsonl", self.of_edges)
        with chunk.file.open("w", encoding="utf-8") as out:
            for number, row in numbered:
                chunk.rows += 1
                try:
                    told = self._row(row, columns, number)
                except RowError as error:
                    chunk.errors.append(error)
                else:
                    out.write(json.dumps(told) + "\n")
                    chunk.numbers.append(number)
                if chunk.rows == ROWS_A_CHUNK:
                    break
        return chunk

    def _columns(self) -> list[Column]:
        needed = ("~id", "~from", "~to", "~label") if self.of_edges else ("~id",)
        if missing := [name for name in needed if name not in self._header]:
            raise RowError("PARSING_ERROR", f"the header has no {', '.join(missing)}", 0, "parsingErrors")
        return [self._column(name) for name in self._header if not name.startswith("~")]

    def _column(self, header: str) -> Column:
        name, _, kind = header.partition(":")
        kind = kind.lower() or "string"
        single = kind.endswith("(single)")
        kind = kind.removesuffix("(single)").removesuffix("(set)")
        several = kind.endswith("[]")
        kind = kind.removesuffix("[]")
        if kind not in _TYPES:
            raise RowError("PARSING_ERROR", f"the header has the unknown type {kind!r}", 0, "parsingErrors")
        return Column(name, kind, single or self.of_edges, several)

    def _row(self, row: dict[str, Any], columns: list[Column], number: int) -> dict[str, Any]:
        if None in row or None in row.values():
            raise RowError("PARSING_ERROR", "the row has not as many values as the header", number, "parsingErrors")
        if not row["~id"]:
            raise RowError("PARSING_ERROR", "the row has no ~id", number, "parsingErrors")
        properties = [
            [column.name, column.type, column.single, _checked(value, column.type, number)]
            for column in columns
            if row[f"{_raw(column, self._header)}"] != ""
            for value in _values(row[f"{_raw(column, self._header)}"], column)
        ]
        label = row.get("~label") or ("edge" if self.of_edges else "vertex")
        told = {"id": row["~id"], "label": label, "properties": properties}
        return {**told, "from": row["~from"], "to": row["~to"]} if self.of_edges else told

    def _open(self) -> IO[str]:
        with self._file.open("rb") as start:
            packed = start.read(2) == b"\x1f\x8b"
        if packed:
            return gzip.open(self._file, "rt", encoding="utf-8", newline="")
        return self._file.open(encoding="utf-8", newline="")


def _raw(column: Column, header: list[str]) -> str:
    return next(name for name in header if name.partition(":")[0] == column.name)


def _values(text: str, column: Column) -> list[str]:
    return [value for value in text.split(";") if value] if column.several else [text]


def _checked(text: str, kind: str, number: int) -> str:
    try:
        if kind in ("bool", "boolean"):
            if text.lower() not in ("true", "false"):
                raise ValueError
        elif kind in _WHOLE:
            if not -(2 ** (_WHOLE[kind] - 1)) <= int(text) < 2 ** (_WHOLE[kind] - 1):
                raise ValueError
        elif kind in ("float", "double"):
            float(text)
        elif kind in ("date", "datetime"):
            datetime.fromisoformat(text)
    except ValueError:
        raise RowError(
            "DATATYPE_MISMATCH", f"{text!r} is not of the type {kind}", number, "datatypeMismatchErrors"
        ) from None
    return text
