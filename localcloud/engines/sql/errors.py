"""Errors of the warehouse, with the SQLSTATE that clients act on."""

from __future__ import annotations

import re

import duckdb


class SqlError(Exception):
    """A statement failed. ``sqlstate`` is the five-character code of PostgreSQL 8.0 and Redshift."""

    def __init__(self, sqlstate: str, message: str, *, detail: str = "", hint: str = "") -> None:
        super().__init__(message)
        self.sqlstate = sqlstate
        self.message = message
        self.detail = detail
        self.hint = hint


def unsupported(what: str, *, hint: str = "") -> SqlError:
    """The error for what Redshift can do and this warehouse cannot (SQLSTATE 0A000)."""
    return SqlError("0A000", f"{what} is not supported by this warehouse", hint=hint)


def syntax_error(message: str, *, detail: str = "") -> SqlError:
    """The error for a statement that cannot be parsed (SQLSTATE 42601)."""
    return SqlError("42601", message, detail=detail)


_MISSING_TABLE = re.compile(r"Table with name (\S+) does not exist")
_MISSING_SCHEMA = re.compile(r"Schema with name (\S+) does not exist|No schema named \"?([^\"\s]+)")
_MISSING_FUNCTION = re.compile(r"Function with name (\S+) does not exist")
_MISSING_COLUMN = re.compile(
    r"Referenced column \"([^\"]+)\" not found|does not have a column named \"?([^\"\s]+?)\"?(?:\s|$)"
    r"|Referenced table \"([^\"]+)\" not found|Column with name (\S+) does not exist"
)
_EXISTS = re.compile(r"(Table|View|Schema) with name \"?([^\"\s]+?)\"? already exists")
_NULL = re.compile(r"NOT NULL constraint failed: \S+\.([^.\s]+)")
_CONFLICT = re.compile(r"conflict|write-write|Catalog write-write", re.IGNORECASE)


def from_duckdb(error: duckdb.Error) -> SqlError:
    """The engine's error as Redshift words and codes it; the engine's own text is kept where it says more."""
    text = str(error)
    first = text.split("\n\n")[0].split("\nLINE")[0].strip()
    message = first.split("Error: ", 1)[-1]
    if isinstance(error, duckdb.InterruptException):
        return SqlError("57014", "Query cancelled on user's request")
    if isinstance(error, duckdb.CatalogException):
        return _catalog_error(text, message)
    if isinstance(error, duckdb.BinderException):
        if found := _MISSING_COLUMN.search(text):
            name = next(group for group in found.groups() if group)
            return SqlError("42703", f"column {name!r} does not exist: {message}".replace("'", '"', 2))
        if "Table" in text and "does not exist" in text:
            return _catalog_error(text, message)
        if "must appear in the GROUP BY" in text:
            return SqlError("42803", message)
        if "duplicate" in text.lower() or "Ambiguous reference" in text:
            return SqlError("42702", message)
        return SqlError("42804", message)
    if isinstance(error, duckdb.ParserException):
        return syntax_error(message)
    if isinstance(error, duckdb.ConstraintException):
        if found := _NULL.search(text):
            return SqlError("23502", f"Cannot insert a NULL value into column {found[1]}")
        return SqlError("23505", message)
    if isinstance(error, duckdb.TransactionException):
        if is_conflict(error):
            return SqlError("40001", f"1023: serializable isolation violation on table: {message}")
        return SqlError("25000", message)
    if isinstance(error, duckdb.OutOfRangeException):
        return SqlError("22003", message)
    if isinstance(error, duckdb.ConversionException):
        return SqlError("22003" if "out of range" in text or "overflow" in text.lower() else "22P02", message)
    if "Division by zero" in text or "division by zero" in text:
        return SqlError("22012", "Divide by zero")
    if isinstance(error, duckdb.InvalidInputException):
        # The SQL functions of this warehouse raise with error('<SQLSTATE>: message').
        if own := re.match(r"([0-9A-Z]{5}): (.*)", message, re.DOTALL):
            return SqlError(own[1], own[2])
        return SqlError("22023", message)
    if isinstance(error, duckdb.NotImplementedException):
        return SqlError("0A000", message)
    if isinstance(error, duckdb.DependencyException):
        return SqlError("2BP01", message)
    return SqlError("XX000", message)


def is_conflict(error: duckdb.Error) -> bool:
    """Whether a concurrent transaction changed the same thing, so that trying again may succeed."""
    return isinstance(error, duckdb.TransactionException) and bool(_CONFLICT.search(str(error)))


def _catalog_error(text: str, message: str) -> SqlError:
    if found := _EXISTS.search(text):
        kind, name = found.groups()
        if kind == "Schema":
            return SqlError("42P06", f'Schema "{name}" already exists')
        return SqlError("42P07", f'Relation "{name}" already exists')
    if found := _MISSING_TABLE.search(text):
        return SqlError("42P01", f'relation "{found[1]}" does not exist')
    if found := _MISSING_SCHEMA.search(text):
        return SqlError("3F000", f'schema "{found[1] or found[2]}" does not exist')
    if found := _MISSING_FUNCTION.search(text):
        return SqlError("42883", f"function {found[1]} does not exist")
    if "does not exist" in text:
        return SqlError("42704", message)
    return SqlError("42710", message)
