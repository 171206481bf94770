"""What one object is: its format, its columns, and how many records it holds.

Source: AWS Glue Developer Guide, "Built-in classifiers" and "Built-in CSV classifier".
"""

from __future__ import annotations

import csv
import io
import json
import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from localcloud.engines.crawler.schema import Column, arrow_to_hive, merge_types, value_type

# A classifier looks at the beginning of a text file.
SAMPLE_BYTES = 1024 * 1024
CSV_DELIMITERS = (",", "|", "\t", ";", "\x01")
_NAME = re.compile(r"[A-Za-z_][\w .\-/]*")
_INTEGER = re.compile(r"[-+]?\d{1,18}")
_FLOAT = re.compile(r"[-+]?(\d+\.\d*|\.\d+|\d+)([eE][-+]?\d+)?")


class UnreadableObject(Exception):
    """An object says by its name or first bytes what it is, and cannot be read as that."""


@dataclass(frozen=True)
class Classified:
    classification: str
    columns: tuple[Column, ...]
    records: int
    compression: str = "none"
    delimiter: str = ""
    header: bool = False
    quoted: bool = False
    properties: dict[str, str] = field(default_factory=dict)

    @property
    def format(self) -> tuple[str, str, str, bool]:
        """What objects of one table have in common."""
        return self.classification, self.compression, self.delimiter, self.header


class RangeReader(io.RawIOBase):
    """A seekable file over an object, read by ranges: a Parquet footer costs two requests."""

    def __init__(self, s3: Any, bucket: str, key: str, size: int) -> None:
        super().__init__()
        self._s3, self._bucket, self._key, self._size, self._place = s3, bucket, key, size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._place

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._place, io.SEEK_END: self._size}[whence]
        self._place = max(0, base + offset)
        return self._place

    def read(self, size: int = -1) -> bytes:
        end = self._size if size < 0 else min(self._size, self._place + size)
        if end <= self._place:
            return b""
        answer = self._s3.get_object(Bucket=self._bucket, Key=self._key, Range=f"bytes={self._place}-{end - 1}")
        data: bytes = answer["Body"].read()
        self._place += len(data)
        return data


def classify_object(s3: Any, bucket: str, key: str, size: int) -> Classified:
    """Reads as much of an object as its format needs.

    Returns classification UNKNOWN with no columns for what no classifier knows. Raises UnreadableObject naming the
    object when it is broken, and botocore's ClientError when it may not be read.
    """
    head = _read(s3, bucket, key, 0, min(size, SAMPLE_BYTES))
    if head[:4] == b"PAR1":
        return _parquet(s3, bucket, key, size)
    compression, text = "none", head
    if head[:2] == b"\x1f\x8b":
        compression = "gzip"
        text = _gunzip(head, bucket, key)
    complete = (size <= SAMPLE_BYTES and compression == "none") or (len(text) < SAMPLE_BYTES and size <= SAMPLE_BYTES)
    found = _json_lines(text, complete) or _csv(text, complete)
    if found is None:
        return Classified("UNKNOWN", (), 0, compression)
    read = len(head) if complete else max(1, len(head))
    records = found.records if complete else round(found.records * size / read)
    return Classified(
        found.classification,
        found.columns,
        records,
        compression,
        found.delimiter,
        found.header,
        found.quoted,
        found.properties,
    )


def _read(s3: Any, bucket: str, key: str, start: int, length: int) -> bytes:
    data: bytes = s3.get_object(Bucket=bucket, Key=key, Range=f"bytes={start}-{start + length - 1}")["Body"].read()
    return data


def _gunzip(head: bytes, bucket: str, key: str) -> bytes:
    try:
        return zlib.decompressobj(wbits=31).decompress(head, 4 * SAMPLE_BYTES)
    except zlib.error as error:
        raise UnreadableObject(f"s3://{bucket}/{key} begins as gzip and cannot be decompressed: {error}") from error


def _parquet(s3: Any, bucket: str, key: str, size: int) -> Classified:
    try:
        file = pq.ParquetFile(pa.PythonFile(RangeReader(s3, bucket, key, size), mode="r"))
        columns = tuple(Column(f.name.lower(), arrow_to_hive(f.type)) for f in file.schema_arrow)
    except (pa.ArrowException, ValueError) as error:
        raise UnreadableObject(f"s3://{bucket}/{key} begins as Parquet and cannot be read: {error}") from error
    return Classified("parquet", columns, file.metadata.num_rows)


def _json_lines(data: bytes, complete: bool) -> Classified | None:
    try:
        text = data.decode() if complete else data[: data.rfind(b"\n") + 1].decode()
    except UnicodeDecodeError:
        return None
    if text.lstrip()[:1] != "{":
        return None
    kinds: dict[str, str | None] = {}
    records = 0
    for line in text.splitlines():
        if not line.strip():
            continue
        try:
            document = json.loads(line)
        except ValueError:
            return None
        if not isinstance(document, dict):
            return None
        records += 1
        for name, value in document.items():
            kind, before = value_type(value), kinds.get(name.lower())
            kinds[name.lower()] = merge_types(before, kind) if before and kind else before or kind
    if not records:
        return None
    columns = tuple(Column(name, kind or "string") for name, kind in kinds.items())
    return Classified("json", columns, records, properties={"paths": ",".join(c.name for c in columns)})


def _csv(data: bytes, complete: bool) -> Classified | None:
    try:
        text = data.decode("utf-8-sig") if complete else data[: data.rfind(b"\n") + 1].decode("utf-8-sig")
    except UnicodeDecodeError:
        return None
    if "\x00" in text:
        return None
    for delimiter in CSV_DELIMITERS:
        rows = _rows(text, delimiter)
        # "The table schema must have at least two columns and two rows of data."
        if rows is not None and len(rows) >= 2 and len(rows[0]) >= 2:
            return _csv_schema(rows, delimiter, quoted='"' in text)
    return None


def _rows(text: str, delimiter: str) -> list[list[str]] | None:
    try:
        rows = [r for r in csv.reader(io.StringIO(text), delimiter=delimiter, strict=True) if r]
    except csv.Error:
        return None
    widths = {len(r) for r in rows}
    return rows if len(widths) == 1 else None


def _csv_schema(rows: list[list[str]], delimiter: str, *, quoted: bool) -> Classified:
    data_types = _column_types(rows[1:])
    header = _is_header(rows[0], data_types)
    types = data_types if header else _column_types(rows)
    names = _column_names(rows[0]) if header else [f"col{i}" for i in range(len(rows[0]))]
    columns = tuple(Column(n, t) for n, t in zip(names, types, strict=True))
    return Classified("csv", columns, len(rows) - header, delimiter=delimiter, header=header, quoted=quoted)


def _is_header(row: Sequence[str], data_types: Sequence[str]) -> bool:
    """The conditions of "Built-in CSV classifier": all text, short, fit as names, and different from the data."""
    if any(_text_type(cell) != "string" for cell in row):
        return False
    if any(len(cell) >= 150 for cell in row[:-1]):
        return False
    if not all(_NAME.fullmatch(cell.strip()) for cell in row):
        return False
    return any(kind != "string" for kind in data_types)


def _column_names(header: Sequence[str]) -> list[str]:
    names: list[str] = []
    for cell in header:
        name = cell.strip().lower()
        names.append(name if name not in names else f"{name}_{len(names)}")
    return names


def _column_types(rows: Sequence[Sequence[str]]) -> list[str]:
    types: list[str] = []
    for cells in zip(*rows, strict=True):
        kind: str | None = None
        for cell in cells:
            if cell == "":
                continue
            found = _text_type(cell)
            kind = found if kind is None else merge_types(kind, found)
            if kind == "string":
                break
        types.append(kind or "string")
    return types


def _text_type(cell: str) -> str:
    text = cell.strip()
    if _INTEGER.fullmatch(text):
        return "bigint"
    if _FLOAT.fullmatch(text):
        return "double"
    return "boolean" if text.lower() in ("true", "false") else "string"
