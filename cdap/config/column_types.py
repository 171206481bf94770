"""The types a contract may ask for, and their names in Glue and Redshift."""

from __future__ import annotations

import re
from datetime import date, datetime
from decimal import Decimal, InvalidOperation

PLAIN_TYPES = ("smallint", "integer", "bigint", "double", "boolean", "date", "timestamp", "timestamptz", "string")
DECIMAL = re.compile(r"decimal\((\d{1,2}),(\d{1,2})\)")

# AWS: Data types in Amazon Athena / Glue tables (Hive types); Redshift: Data types.
_GLUE = {"integer": "int", "timestamptz": "timestamp"}
_REDSHIFT = {
    "integer": "INTEGER",
    "double": "DOUBLE PRECISION",
    "string": "VARCHAR(65535)",
    # The lake holds instants as UTC timestamps without zone: Parquet columns read by Spectrum have no zone.
    "timestamptz": "TIMESTAMP",
}


def parse_type(text: str) -> str:
    """The type in its one spelling. Raises ValueError when it is none of those that a contract may ask for."""
    name = re.sub(r"\s+", "", text.lower())
    if name in PLAIN_TYPES:
        return name
    if name == "decimal" or name.startswith("numeric"):
        raise ValueError(f"{text!r}: write decimal(precision,scale)")
    match = DECIMAL.fullmatch(name)
    if match is None:
        raise ValueError(f"{text!r} is none of {', '.join(PLAIN_TYPES)}, decimal(precision,scale)")
    precision, scale = int(match[1]), int(match[2])
    if not 1 <= precision <= 38 or scale > precision:
        raise ValueError(f"{text!r}: the precision is 1 to 38 and the scale at most the precision")
    return name


def glue_type(column_type: str) -> str:
    """The type's name in a Glue table."""
    return _GLUE.get(column_type, column_type)


def redshift_type(column_type: str) -> str:
    """The type's name in Redshift's CAST."""
    return _REDSHIFT.get(column_type, column_type.upper())


def is_numeric(column_type: str) -> bool:
    return column_type in ("smallint", "integer", "bigint", "double") or column_type.startswith("decimal")


def is_temporal(column_type: str) -> bool:
    return column_type in ("date", "timestamp", "timestamptz")


def parse_bound(column_type: str, value: object) -> Decimal | date | datetime:
    """A `min` or `max` as a value of the column's type; raises ValueError when it is not one."""
    if is_numeric(column_type) and isinstance(value, int | float | str) and not isinstance(value, bool):
        try:
            return Decimal(str(value))
        except InvalidOperation:
            raise ValueError(f"{value!r} is not a number") from None
    if column_type == "date" and isinstance(value, date) and not isinstance(value, datetime):
        return value
    if column_type in ("timestamp", "timestamptz"):
        if isinstance(value, datetime):
            return value.replace(tzinfo=None) if value.tzinfo is None else value
        if isinstance(value, date):
            return datetime(value.year, value.month, value.day)  # noqa: DTZ001 - a wall-clock bound has no zone
    raise ValueError(f"{value!r} is not a bound of type {column_type}")
