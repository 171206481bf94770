"""Types by Trino's names, and values as the text that Athena writes into results."""

from __future__ import annotations

import re
from typing import Any

import duckdb

_NAMES = {
    "BOOLEAN": "boolean", "TINYINT": "tinyint", "SMALLINT": "smallint", "INTEGER": "integer", "BIGINT": "bigint",
    "HUGEINT": "bigint", "UBIGINT": "bigint", "UINTEGER": "bigint", "USMALLINT": "integer", "UTINYINT": "smallint",
    "FLOAT": "float", "DOUBLE": "double", "VARCHAR": "varchar", "DATE": "date", "TIME": "time",
    "TIMESTAMP": "timestamp", "TIMESTAMP_S": "timestamp", "TIMESTAMP_MS": "timestamp", "TIMESTAMP_NS": "timestamp",
    "TIMESTAMP WITH TIME ZONE": "timestamp with time zone", "BLOB": "varbinary", "JSON": "json", "UUID": "uuid",
    "INTERVAL": "interval day to second", '"NULL"': "unknown", "NULL": "unknown",
}  # fmt: skip
_PRECISION = {"integer": 10, "bigint": 19, "smallint": 5, "tinyint": 3, "double": 17, "float": 17, "date": 0,
              "timestamp": 3, "timestamp with time zone": 3, "varchar": 2147483647, "boolean": 0}  # fmt: skip
_HIVE = {"integer": "int", "varchar": "string", "float": "float", "varbinary": "binary", "json": "string",
         "timestamp with time zone": "timestamp", "time": "string", "uuid": "string"}  # fmt: skip
_LARGEST_PLAIN, _SMALLEST_PLAIN = 1e7, 1e-3


def type_name(kind: Any) -> str:
    """The name of an engine's type in Athena's result metadata: ``array``, ``row``, ``map``, ``decimal``, ..."""
    if kind.id == "decimal":
        return "decimal"
    return {"list": "array", "array": "array", "struct": "row", "map": "map"}.get(kind.id) or _NAMES.get(
        str(kind), "varchar"
    )


def column_info(name: str, kind: Any) -> dict[str, Any]:
    """ColumnInfo of the Athena API."""
    base = type_name(kind)
    precision, scale = _PRECISION.get(base, 0), 0
    if base == "decimal":
        precision, scale = _precision_and_scale(kind)
    return {
        "CatalogName": "hive", "SchemaName": "", "TableName": "", "Name": name, "Label": name, "Type": base,
        "Precision": precision, "Scale": scale, "Nullable": "UNKNOWN", "CaseSensitive": base in ("varchar", "json"),
    }  # fmt: skip


def hive_type(kind: Any) -> str:
    """The Hive type in which the data catalog keeps an engine's type."""
    if kind.id == "decimal":
        precision, scale = _precision_and_scale(kind)
        return f"decimal({precision},{scale})"
    if kind.id in ("list", "array"):
        return f"array<{hive_type(kind.children[0][1])}>"
    if kind.id == "struct":
        return "struct<" + ",".join(f"{name}:{hive_type(child)}" for name, child in kind.children) + ">"
    if kind.id == "map":
        (_, key), (_, value) = kind.children
        return f"map<{hive_type(key)},{hive_type(value)}>"
    name = type_name(kind)
    return _HIVE.get(name, name)


def _precision_and_scale(kind: Any) -> tuple[int, int]:
    found = re.search(r"\((\d+),\s*(\d+)\)", str(kind))
    return (int(found[1]), int(found[2])) if found else (38, 0)


def stored(column: str, kind: Any) -> str:
    """The expression that gives a column the type in which it is written to a table."""
    wide = str(kind) in ("HUGEINT", "UBIGINT", "UINTEGER", "USMALLINT", "UTINYINT")
    return f"cast({column} as bigint)" if wide else column


def as_text(value: str, kind: Any) -> str:
    """The DuckDB expression that writes ``value`` as Athena does; null stays null.

    ``value`` is an expression without side effects: it may appear more than once.
    """
    if kind.id in ("list", "array"):
        items = f"list_transform({value}, lambda item: {_nested('item', kind.children[0][1])})"
        return _enclosed(value, "[", f"array_to_string({items}, ', ')", "]")
    if kind.id == "struct":
        parts = [f"{_literal(name + '=')} || {_nested(f'struct_extract({value}, {_literal(name)})', child)}"
                 for name, child in kind.children]  # fmt: skip
        return _enclosed(value, "{", " || ', ' || ".join(parts), "}")
    if kind.id == "map":
        (_, key), (_, item) = kind.children
        pairs = f"{_nested('entry.key', key)} || '=' || {_nested('entry.value', item)}"
        entries = f"list_transform(map_entries({value}), lambda entry: {pairs})"
        return _enclosed(value, "{", f"array_to_string({entries}, ', ')", "}")
    name = type_name(kind)
    if name in ("double", "float"):
        return f"java_{name}({value})"
    if name == "timestamp":
        return f"strftime(cast({value} as timestamp), '%Y-%m-%d %H:%M:%S.%g')"
    if name == "timestamp with time zone":
        return f"strftime(cast({value} as timestamp), '%Y-%m-%d %H:%M:%S.%g UTC')"
    if name == "varbinary":
        return f"trim(regexp_replace(lower(hex({value})), '(..)', '\\1 ', 'g'))"
    return f"cast({value} as varchar)"


def _enclosed(value: str, first: str, inner: str, last: str) -> str:
    return f"case when {value} is not null then {_literal(first)} || coalesce({inner}, '') || {_literal(last)} end"


def _nested(value: str, kind: Any) -> str:
    return f"coalesce({as_text(value, kind)}, 'null')"


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def java_text(value: float, digits: str) -> str:
    """A fraction as Java's ``Double.toString``; ``digits`` is its shortest text that reads back as the same value."""
    if value != value:
        return "NaN"
    if value in (float("inf"), float("-inf")):
        return "Infinity" if value > 0 else "-Infinity"
    size = abs(value)
    if size == 0 or _SMALLEST_PLAIN <= size < _LARGEST_PLAIN:
        return digits if "." in digits else digits + ".0"
    mantissa, _, exponent = f"{digits}e0".partition("e")
    sign, mantissa = ("-", mantissa[1:]) if mantissa.startswith("-") else ("", mantissa)
    whole, _, fraction = mantissa.partition(".")
    power = int(exponent.removesuffix("e0"))
    figures = (whole + fraction).lstrip("0")
    power += len(whole) - 1 if whole.strip("0") else -(len(fraction) - len(fraction.lstrip("0")) + 1)
    figures = figures.rstrip("0") or "0"
    return f"{sign}{figures[0]}.{figures[1:] or '0'}E{power}"


def register(connection: duckdb.DuckDBPyConnection) -> None:
    """Give a connection the functions that :func:`as_text` calls."""
    import numpy

    connection.create_function("java_double", lambda value: java_text(value, repr(value)), ["DOUBLE"], "VARCHAR")
    connection.create_function(
        "java_float", lambda value: java_text(value, str(numpy.float32(value))), ["FLOAT"], "VARCHAR"
    )
