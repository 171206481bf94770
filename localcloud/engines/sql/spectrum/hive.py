"""Hive's types and table formats, as the data catalog writes them."""

from __future__ import annotations

import re
from typing import Any

from localcloud.engines.sql.errors import SqlError, unsupported

_SIMPLE = {
    "string": "VARCHAR",
    "boolean": "BOOLEAN",
    "tinyint": "TINYINT",
    "smallint": "SMALLINT",
    "int": "INTEGER",
    "integer": "INTEGER",
    "bigint": "BIGINT",
    "float": "FLOAT",
    "double": "DOUBLE",
    "date": "DATE",
    "timestamp": "TIMESTAMP",
    "binary": "BLOB",
    "decimal": "DECIMAL(10,0)",
    "real": "FLOAT",
    "double precision": "DOUBLE",
    "super": "JSON",
}


def duckdb_type(hive: str) -> str:
    """The DuckDB type of a Hive type such as ``decimal(12,2)`` or ``array<struct<a:int>>``. Raises SqlError."""
    text = hive.strip().lower()
    if text in _SIMPLE:
        return _SIMPLE[text]
    if found := re.fullmatch(r"(decimal|numeric)\s*\((\d+)\s*,\s*(\d+)\s*\)", text):
        return f"DECIMAL({found[2]},{found[3]})"
    if found := re.fullmatch(r"decimal\s*\((\d+)\)", text):
        return f"DECIMAL({found[1]},0)"
    if re.fullmatch(r"(varchar|char)\s*\(\d+\)", text) or text in ("varchar", "char"):
        return "VARCHAR"
    if text.startswith("array<") and text.endswith(">"):
        return f"{duckdb_type(hive.strip()[6:-1])}[]"
    if text.startswith("map<") and text.endswith(">"):
        key, value = _split(hive.strip()[4:-1])
        return f"MAP({duckdb_type(key)}, {duckdb_type(value)})"
    if text.startswith("struct<") and text.endswith(">"):
        fields = []
        for part in _split(hive.strip()[7:-1]):
            name, _, kind = part.partition(":")
            fields.append(f'"{name.strip()}" {duckdb_type(kind)}')
        return f"STRUCT({', '.join(fields)})"
    raise unsupported(f"The external column type {hive!r}")


def _split(text: str) -> list[str]:
    parts, depth, start = [], 0, 0
    for index, character in enumerate(text):
        depth += {"<": 1, "(": 1, ">": -1, ")": -1}.get(character, 0)
        if character == "," and depth == 0:
            parts.append(text[start:index])
            start = index + 1
    parts.append(text[start:])
    return parts


def file_format(table: dict[str, Any]) -> str:
    """``parquet``, ``csv``, ``delimited`` or ``json``, by the table's SerDe. Raises SqlError for another one."""
    storage = table.get("StorageDescriptor", {})
    serde = str(storage.get("SerdeInfo", {}).get("SerializationLibrary", ""))
    input_format = str(storage.get("InputFormat", ""))
    for words, name in (
        (("parquet",), "parquet"),
        (("OpenCSVSerde",), "csv"),
        (("LazySimpleSerDe",), "delimited"),
        (("JsonSerDe", "JsonSerde"), "json"),
    ):
        if any(word.lower() in serde.lower() for word in words):
            return name
    if "parquet" in input_format.lower():
        return "parquet"
    if not serde:
        classification = str(table.get("Parameters", {}).get("classification", ""))
        if classification in ("parquet", "csv", "json"):
            return classification
        raise SqlError("0A000", f"the table {table['Name']!r} of the data catalog names no SerDe")
    raise unsupported(f"The SerDe {serde} of the external table {table['Name']!r}")
