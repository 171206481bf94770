"""Rows of a result as DataRow messages, column by column: no Python object a cell where it can be avoided."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from localcloud.engines.sql import types
from localcloud.engines.sql.types import WireType

_EPOCH_DAYS = 10957  # 2000-01-01 in days since 1970-01-01
_EPOCH_MICROSECONDS = 946684800_000_000
Encoded = tuple[Any, Any, Any]
"""Of one column: the bytes of all values, their start in them (int64, n+1 of them), and which are null (bool)."""


def data_rows(batch: pa.RecordBatch, columns: list[WireType], formats: list[int], zone: str = "UTC") -> bytes:
    """The DataRow messages of a batch; ``formats`` gives 0 (text) or 1 (binary) for each column."""
    rows = batch.num_rows
    if rows == 0:
        return b""
    encoded = [
        _binary(batch.column(i), kind) if formats[i] else _text(batch.column(i), kind, zone)
        for i, kind in enumerate(columns)
    ]
    lengths = np.empty((len(encoded), rows), dtype=np.int64)
    for i, (_, offsets, nulls) in enumerate(encoded):
        lengths[i] = np.where(nulls, 0, offsets[1:] - offsets[:-1])
    row_lengths = lengths.sum(axis=0) + 7 + 4 * len(encoded)
    starts = np.zeros(rows + 1, dtype=np.int64)
    np.cumsum(row_lengths, out=starts[1:])
    out = np.zeros(int(starts[-1]), dtype=np.uint8)
    position = starts[:-1].copy()
    out[position] = ord("D")
    _put_int32(out, position + 1, row_lengths - 1)
    out[position + 5] = len(encoded) >> 8
    out[position + 6] = len(encoded) & 255
    position += 7
    for i, (data, offsets, nulls) in enumerate(encoded):
        _put_int32(out, position, np.where(nulls, -1, lengths[i]))
        position += 4
        _scatter(out, position, data, offsets, lengths[i])
        position += lengths[i]
    return out.tobytes()


def _put_int32(out: Any, at: Any, values: Any) -> None:
    unsigned = values.astype(np.int32).view(np.uint32)
    for byte, shift in enumerate((24, 16, 8, 0)):
        out[at + byte] = (unsigned >> shift) & 255


def _scatter(out: Any, at: Any, data: Any, offsets: Any, lengths: Any) -> None:
    total = int(lengths.sum())
    if total == 0:
        return
    first = np.zeros(len(lengths), dtype=np.int64)
    np.cumsum(lengths[:-1], out=first[1:])
    within = np.arange(total, dtype=np.int64) - np.repeat(first, lengths)
    out[np.repeat(at, lengths) + within] = data[np.repeat(offsets[:-1], lengths) + within]


# Text ---------------------------------------------------------------------------------------------------------------


def _text(column: Any, kind: WireType, zone: str) -> Encoded:
    return _string_buffers(_as_strings(column, kind, zone))


def _as_strings(column: Any, kind: WireType, zone: str) -> Any:
    arrow = column.type
    if pa.types.is_string(arrow):
        return column
    if pa.types.is_boolean(arrow):
        return pc.if_else(column, "t", "f")
    if pa.types.is_integer(arrow) or pa.types.is_date(arrow) or pa.types.is_time(arrow):
        text = column.cast(pa.string())
        return _trim_fraction(text) if pa.types.is_time(arrow) else text
    if pa.types.is_timestamp(arrow):
        return _timestamps(column, kind, zone)
    if pa.types.is_decimal(arrow):
        if arrow.scale <= 6:
            return column.cast(pa.string())
        return _by_value(column, lambda value: f"{value:f}")
    if pa.types.is_floating(arrow):
        return _by_value(column, _float_text)
    if pa.types.is_null(arrow):
        return column.cast(pa.string())
    if pa.types.is_binary(arrow) or pa.types.is_large_binary(arrow):
        return _by_value(column, bytes.hex)
    if pa.types.is_large_string(arrow):
        return column.cast(pa.string())
    if kind is types.INTERVAL:
        return _by_value(column, _interval_text)
    if kind is types.SMALLINTS:
        return _by_value(column, lambda value: "{" + ",".join(map(str, value)) + "}")
    return _by_value(column, lambda value: json.dumps(value, default=str, ensure_ascii=False, separators=(",", ":")))


def _by_value(column: Any, function: Callable[[Any], str]) -> Any:
    return pa.array([None if v is None else function(v) for v in column.to_pylist()], type=pa.string())


def _trim_fraction(text: Any) -> Any:
    return pc.utf8_rtrim(pc.utf8_rtrim(text, "0"), ".")


def _timestamps(column: Any, kind: WireType, zone: str) -> Any:
    if column.type.tz is None:
        text = column.cast(pa.timestamp("us")).cast(pa.string())
        return pc.if_else(pc.match_substring(text, "."), _trim_fraction(text), text)
    local = pc.local_timestamp(column.cast(pa.timestamp("us", zone)))
    text = local.cast(pa.string())
    trimmed = pc.if_else(pc.match_substring(text, "."), _trim_fraction(text), text)
    offset = pc.strftime(column.cast(pa.timestamp("us", zone)), "%z")
    short = pc.replace_substring_regex(offset, "^([+-][0-9]{2})00$", r"\1")
    signed = pc.replace_substring_regex(short, "^([+-][0-9]{2})([0-9]{2})$", r"\1:\2")
    return pc.binary_join_element_wise(trimmed, signed, "")


def _float_text(value: float) -> str:
    if value != value:
        return "NaN"
    if value in (float("inf"), float("-inf")):
        return "Infinity" if value > 0 else "-Infinity"
    text = repr(value)
    return text.removesuffix(".0")


def _interval_text(value: Any) -> str:
    months, days, nanoseconds = (value.months, value.days, value.nanoseconds) if hasattr(value, "months") else (0, 0, 0)
    if not hasattr(value, "months"):
        days, nanoseconds = value.days, (value.seconds * 1_000_000 + value.microseconds) * 1000
    parts = []
    years, months = divmod(months, 12)
    for number, unit in ((years, "year"), (months, "mon"), (days, "day")):
        if number:
            parts.append(f"{number} {unit}{'s' if number != 1 else ''}")
    if nanoseconds or not parts:
        seconds, fraction = divmod(abs(nanoseconds) // 1000, 1_000_000)
        clock = f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
        parts.append(("-" if nanoseconds < 0 else "") + clock + (f".{fraction:06d}".rstrip("0") if fraction else ""))
    return " ".join(parts)


def _string_buffers(column: Any) -> Encoded:
    rows = len(column)
    nulls = np.asarray(column.is_null()) if column.null_count else np.zeros(rows, dtype=bool)
    if column.type == pa.large_string():
        column = column.cast(pa.string())
    _, offset_buffer, data_buffer = column.buffers()
    offsets = np.frombuffer(offset_buffer, dtype=np.int32, count=rows + 1, offset=column.offset * 4).astype(np.int64)
    data = np.frombuffer(data_buffer, dtype=np.uint8) if data_buffer is not None else np.zeros(0, dtype=np.uint8)
    return data, offsets, nulls


# Binary -------------------------------------------------------------------------------------------------------------


def _binary(column: Any, kind: WireType) -> Encoded:
    nulls = np.asarray(column.is_null())
    fixed = _FIXED.get(kind.oid)
    if fixed is not None:
        values = fixed(column, nulls)
        data = np.frombuffer(values.tobytes(), dtype=np.uint8)
        width = values.dtype.itemsize
        return data, np.arange(len(column) + 1, dtype=np.int64) * width, nulls
    if kind.oid == types.numeric(1, 0).oid:
        return _pieces([None if v is None else _numeric(v) for v in column.to_pylist()], nulls)
    if kind.oid == types.VARBYTE.oid:
        return _pieces(column.to_pylist(), nulls)
    if kind is types.SMALLINTS:
        return _pieces([None if v is None else _smallints(v) for v in column.to_pylist()], nulls)
    return _string_buffers(_as_strings(column, kind, "UTC"))


def _pieces(values: list[bytes | None], nulls: Any) -> Encoded:
    lengths = [len(value) if value else 0 for value in values]
    offsets = np.zeros(len(values) + 1, dtype=np.int64)
    np.cumsum(lengths, out=offsets[1:])
    return np.frombuffer(b"".join(value or b"" for value in values), dtype=np.uint8), offsets, nulls


def _smallints(values: list[int]) -> bytes:
    """PostgreSQL's binary array: dimensions, whether it holds nulls, the elements' type, size and first index."""
    head = struct.pack("!iiiii", 1, 0, types.SMALLINT.oid, len(values), 1)
    return head + b"".join(struct.pack("!ih", 2, value) for value in values)


def _numeric(value: Decimal) -> bytes:
    """PostgreSQL's binary numeric: digits in base 10,000."""
    sign, digits, exponent = Decimal(value).as_tuple()
    scale = max(-int(exponent), 0)
    text = f"{abs(value):f}"
    whole, _, fraction = text.partition(".")
    whole = whole.rjust(-(-len(whole) // 4) * 4, "0")
    fraction = fraction.ljust(-(-len(fraction) // 4) * 4, "0")
    groups = [int((whole + fraction)[i : i + 4]) for i in range(0, len(whole + fraction), 4)]
    weight = len(whole) // 4 - 1
    while groups and groups[0] == 0:
        groups.pop(0)
        weight -= 1
    while groups and groups[-1] == 0:
        groups.pop()
    header = [len(groups), weight if groups else 0, 0x4000 if sign and any(digits) else 0, scale]
    return np.array([*header, *groups], dtype=np.int64).astype(">i2").tobytes()


def _number(dtype: str) -> Callable[[Any, Any], Any]:
    def convert(column: Any, nulls: Any) -> Any:
        filled = pc.fill_null(column, 0)
        return np.asarray(filled).astype(dtype)

    return convert


def _boolean(column: Any, nulls: Any) -> Any:
    return np.asarray(pc.fill_null(column, False)).astype(np.uint8)


def _date(column: Any, nulls: Any) -> Any:
    days = pc.fill_null(column.cast(pa.date32()).cast(pa.int32()), _EPOCH_DAYS)
    return (np.asarray(days).astype(np.int64) - _EPOCH_DAYS).astype(">i4")


def _timestamp(column: Any, nulls: Any) -> Any:
    zone = column.type.tz
    micros = pc.fill_null(column.cast(pa.timestamp("us", zone)).cast(pa.int64()), _EPOCH_MICROSECONDS)
    return (np.asarray(micros) - _EPOCH_MICROSECONDS).astype(">i8")


def _time(column: Any, nulls: Any) -> Any:
    return np.asarray(pc.fill_null(column.cast(pa.time64("us")).cast(pa.int64()), 0)).astype(">i8")


_FIXED: dict[int, Callable[[Any, Any], Any]] = {
    types.BOOLEAN.oid: _boolean,
    types.SMALLINT.oid: _number(">i2"),
    types.INTEGER.oid: _number(">i4"),
    types.BIGINT.oid: _number(">i8"),
    types.OID.oid: _number(">u4"),
    types.REAL.oid: _number(">f4"),
    types.DOUBLE.oid: _number(">f8"),
    types.DATE.oid: _date,
    types.TIMESTAMP.oid: _timestamp,
    types.TIMESTAMPTZ.oid: _timestamp,
    types.TIME.oid: _time,
}
