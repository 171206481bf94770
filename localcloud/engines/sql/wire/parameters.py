"""Bound parameters of the extended protocol as literals of the syntax tree."""

from __future__ import annotations

import struct
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from sqlglot import exp

from localcloud.engines.sql.errors import SqlError

_CAST = {
    16: "BOOLEAN",
    20: "BIGINT",
    21: "SMALLINT",
    23: "INT",
    700: "REAL",
    701: "DOUBLE",
    1082: "DATE",
    1083: "TIME",
    1114: "TIMESTAMP",
    1184: "TIMESTAMPTZ",
    1700: "DECIMAL(38,10)",
}
_INTEGERS = {20: 8, 21: 2, 23: 4, 26: 4}


def literal(raw: bytes | None, oid: int, binary: bool) -> Any:
    """The literal for a bound value; ``raw`` is None for null. Raises SqlError for a binary type that is not known."""
    if raw is None:
        return null(oid)
    value = _binary(raw, oid) if binary else raw.decode()
    if oid in _INTEGERS:
        return _integer(int(value))
    if oid == 1700:
        return _decimal(Decimal(value))
    if oid in _CAST:
        return exp.Cast(this=exp.Literal.string(str(value)), to=exp.DataType.build(_CAST[oid]))
    return exp.Literal.string(str(value))


def null(oid: int) -> Any:
    """A null of the type, as a parameter that is not yet bound is described."""
    if oid in _CAST:
        return exp.Cast(this=exp.Null(), to=exp.DataType.build(_CAST[oid]))
    return exp.Null()


def _integer(value: int) -> Any:
    number = exp.Literal.number(abs(value))
    return exp.Paren(this=exp.Neg(this=number)) if value < 0 else number


def _decimal(value: Decimal) -> Any:
    exponent = value.as_tuple().exponent
    scale = max(-exponent, 0) if isinstance(exponent, int) else 0
    precision = max(len(value.as_tuple().digits), scale + 1)
    if precision > 38:
        raise SqlError("22003", "a bound number has more than 38 digits")
    return exp.Cast(this=exp.Literal.string(f"{value:f}"), to=exp.DataType.build(f"DECIMAL({precision},{scale})"))


def _binary(raw: bytes, oid: int) -> Any:
    if oid in _INTEGERS:
        return int.from_bytes(raw, "big", signed=True)
    if oid == 16:
        return "true" if raw == b"\x01" else "false"
    if oid == 700:
        return repr(struct.unpack("!f", raw)[0])
    if oid == 701:
        return repr(struct.unpack("!d", raw)[0])
    if oid in (1114, 1184):
        moment = datetime(2000, 1, 1) + timedelta(microseconds=struct.unpack("!q", raw)[0])  # noqa: DTZ001
        return moment.isoformat(sep=" ") + ("+00" if oid == 1184 else "")
    if oid == 1082:
        return (date(2000, 1, 1) + timedelta(days=struct.unpack("!i", raw)[0])).isoformat()
    if oid == 1083:
        micros = struct.unpack("!q", raw)[0]
        return (datetime.combine(date(2000, 1, 1), time()) + timedelta(microseconds=micros)).time().isoformat()
    if oid == 1700:
        return _numeric(raw)
    if oid in (0, 25, 705, 1042, 1043):
        return raw.decode()
    raise SqlError("0A000", f"a binary parameter of the type with oid {oid} is not supported")


def _numeric(raw: bytes) -> Decimal:
    count, weight, sign, scale = struct.unpack("!hhHh", raw[:8])
    digits = struct.unpack(f"!{count}h", raw[8 : 8 + 2 * count])
    value = sum((Decimal(digit) * Decimal(10000) ** (weight - i) for i, digit in enumerate(digits)), Decimal(0))
    return (-value if sign == 0x4000 else value).quantize(Decimal(1).scaleb(-scale))
