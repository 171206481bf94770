"""Errors of queries in the words of Athena's engine."""

from __future__ import annotations

import re

import duckdb

from localcloud.engines.sql.errors import SqlError


class TrinoError(Exception):
    """A query failed. ``str()`` is ``<ERROR_NAME>: <message>``, as Athena shows it as the state change reason.

    ``category`` is AthenaError's: 1 for the system, 2 for the user.
    """

    def __init__(self, name: str, message: str, *, category: int = 2) -> None:
        super().__init__(f"{name}: {message}")
        self.name = name
        self.category = category


class ScanLimitError(TrinoError):
    """A query read more than its workgroup lets it."""

    def __init__(self) -> None:
        super().__init__("EXCEEDED_SCAN_LIMIT", "Bytes scanned limit was exceeded")


_OWN = re.compile(r"\b(DIVISION_BY_ZERO|INVALID_FUNCTION_ARGUMENT): (.*)", re.DOTALL)
_COLUMN = re.compile(
    r"Referenced column \"([^\"]+)\" not found|does not have a column named \"?([^\"\s]+?)\"?(?:\s|$)"
    r"|Referenced table \"([^\"]+)\" not found|Column \"([^\"]+)\" referenced that exists in the SELECT clause"
)
_FUNCTION = re.compile(r"Function with name \"?(\S+?)\"? does not exist")


def from_engine(error: Exception) -> TrinoError:
    """The error of Trino that says what the engine's error says."""
    if isinstance(error, TrinoError):
        return error
    text = str(error)
    first = text.split("\n\n")[0].split("\nLINE")[0].strip().split("Error: ", 1)[-1]
    if isinstance(error, SqlError):
        name = {"42501": "PERMISSION_DENIED", "0A000": "NOT_SUPPORTED"}.get(error.sqlstate, "HIVE_METASTORE_ERROR")
        return TrinoError(name, text)
    if found := _OWN.search(text):
        return TrinoError(found[1], found[2].strip())
    if isinstance(error, duckdb.BinderException) and (column := _COLUMN.search(text)):
        return TrinoError("COLUMN_NOT_FOUND", f"Column '{next(g for g in column.groups() if g)}' cannot be resolved")
    if isinstance(error, duckdb.CatalogException) and (function := _FUNCTION.search(text)):
        return TrinoError("FUNCTION_NOT_FOUND", f"Function '{function[1].lower()}' not registered")
    if isinstance(error, duckdb.ParserException):
        return TrinoError("SYNTAX_ERROR", first)
    if isinstance(error, duckdb.BinderException):
        return TrinoError("TYPE_MISMATCH", first)
    if isinstance(error, duckdb.ConversionException):
        return TrinoError("INVALID_CAST_ARGUMENT", first)
    if isinstance(error, duckdb.OutOfRangeException):
        return TrinoError("NUMERIC_VALUE_OUT_OF_RANGE", first)
    if isinstance(error, duckdb.OutOfMemoryException):
        return TrinoError("EXCEEDED_LOCAL_MEMORY_LIMIT", first, category=1)
    if isinstance(error, duckdb.InvalidInputException | duckdb.IOException):
        return TrinoError("HIVE_BAD_DATA", first)
    if isinstance(error, duckdb.NotImplementedException):
        return TrinoError("NOT_SUPPORTED", first)
    return TrinoError("GENERIC_INTERNAL_ERROR", first, category=1)
