"""How a PostgreSQL column travels: DMS data type, SQL that reads it, Arrow type, text in a CSV file.

Sources: AWS DMS User Guide, "Source data types for PostgreSQL", "Target data types for S3 Parquet" and
"Endpoint settings when using PostgreSQL as a DMS source".
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import pyarrow as pa
from psycopg2 import sql

# What DMS takes for a numeric column that names no precision (MapUnboundedNumericAsString false).
UNBOUNDED_NUMERIC = (28, 6)
# DMS's own limit; beyond it a Parquet file could not hold the decimal either.
MAX_PRECISION = 38


class UnsupportedColumn(ValueError):
    """A column's type has no place in DMS's S3 target."""


@dataclass(frozen=True)
class TypeSettings:
    """Endpoint and task settings that change the types."""

    boolean_as_boolean: bool = False
    unbounded_numeric_as_string: bool = False
    timestamp_unit: str = "us"
    support_lobs: bool = True
    # Characters kept of a LOB value; None in full LOB mode.
    lob_max_size: int | None = 32 * 1024


@dataclass(frozen=True)
class SourceColumn:
    """A column as `pg_catalog` describes it; `type` is format_type() in lower case, e.g. `numeric(12,2)`."""

    name: str
    type: str
    category: str


@dataclass(frozen=True)
class ColumnPlan:
    source: str
    target: str
    dms_type: str
    arrow: pa.DataType
    # The Arrow type of the text that comes from COPY; it is cast to `arrow` when different.
    wire: pa.DataType
    parquet_select: sql.Composable
    csv_select: sql.Composable


_TIMESTAMP = re.compile(r"timestamp(\(\d\))? (with|without) time zone")
_TIME = re.compile(r"time(\(\d\))? without time zone")
_NUMERIC = re.compile(r"numeric\((\d+),(-?\d+)\)")
_TEXT = re.compile(r"(character varying|character|bit varying|bit)\((\d+)\)")
_SIMPLE = {
    "smallint": ("INT2", pa.int16()),
    "integer": ("INT4", pa.int32()),
    "bigint": ("INT8", pa.int64()),
    "oid": ("UINT4", pa.int64()),
    "real": ("REAL4", pa.float32()),
    "double precision": ("REAL8", pa.float64()),
    "date": ("DATE", pa.date32()),
}
_LOBS = {"text", "json", "xml", "character varying", "jsonb", "hstore", "tsvector", "tsquery"}
_WSTRINGS = {
    "uuid",
    "inet",
    "cidr",
    "macaddr",
    "macaddr8",
    "interval",
    "money",
    "point",
    "line",
    "lseg",
    "box",
    "path",
    "polygon",
    "circle",
    "character",
    "name",
    '"char"',
    "bpchar",
    "citext",
    "pg_lsn",
    "int4range",
    "int8range",
    "numrange",
    "daterange",
    "tsrange",
    "tstzrange",
    "regclass",
}


def plan_column(column: SourceColumn, target: str, settings: TypeSettings) -> ColumnPlan | None:
    """How the column is read and written; None when it is a LOB and the task does not support LOBs.

    Raises UnsupportedColumn naming column and type.
    """
    name = sql.Identifier(column.name)
    kind = column.type

    def plan(
        dms: str,
        arrow: pa.DataType,
        select: sql.Composable,
        *,
        wire: pa.DataType | None = None,
        csv: sql.Composable | None = None,
    ) -> ColumnPlan:
        return ColumnPlan(column.name, target, dms, arrow, wire or arrow, select, csv or select)

    if kind in _SIMPLE:
        dms, arrow = _SIMPLE[kind]
        return plan(dms, arrow, name)
    if kind == "boolean":
        text = sql.SQL("CASE {} WHEN true THEN 'true' WHEN false THEN 'false' END").format(name)
        if settings.boolean_as_boolean:
            return plan("BOOLEAN", pa.bool_(), text)
        # "By default, PostgreSQL migrates booleans as varchar(5)" (MapBooleanAsBoolean).
        return plan("STRING(5)", pa.string(), text)
    if kind == "numeric" or (match := _NUMERIC.fullmatch(kind)):
        return _plan_numeric(column, target, settings)
    if match := _TIMESTAMP.fullmatch(kind):
        utc = sql.SQL("({} AT TIME ZONE 'UTC')").format(name) if match[2] == "with" else name
        text = sql.SQL("to_char({}, 'YYYY-MM-DD HH24:MI:SS.US')").format(utc)
        return plan("DATETIME", pa.timestamp(settings.timestamp_unit), utc, wire=pa.timestamp("us"), csv=text)
    if match := _TIME.fullmatch(kind):
        return plan("TIME", pa.time32("ms"), name, wire=pa.time64("us"))
    if kind.startswith("time") and "with time zone" in kind:
        return plan("STRING", pa.string(), sql.SQL("{}::text").format(name))
    if kind == "bytea":
        if not settings.support_lobs:
            return None
        cut = sql.SQL("substring({} from 1 for {})").format(name, sql.Literal(settings.lob_max_size))
        hexed = sql.SQL("encode({}, 'hex')").format(cut if settings.lob_max_size else name)
        return plan("BLOB", pa.binary(), hexed, wire=pa.string())
    if _TEXT.fullmatch(kind) or kind in _WSTRINGS or column.category == "E" or kind.startswith("interval"):
        return plan("WSTRING", pa.string(), sql.SQL("{}::text").format(name))
    if kind in _LOBS or column.category == "A":
        if not settings.support_lobs:
            return None
        text = sql.SQL("{}::text").format(name)
        if settings.lob_max_size:
            text = sql.SQL("left({}::text, {})").format(name, sql.Literal(settings.lob_max_size))
        return plan("NCLOB", pa.string(), text)
    raise UnsupportedColumn(
        f"column {column.name} has the type {kind}, which this replication engine does not move; "
        "take it out with a remove-column transformation rule"
    )


def _plan_numeric(column: SourceColumn, target: str, settings: TypeSettings) -> ColumnPlan:
    name = sql.Identifier(column.name)
    match = _NUMERIC.fullmatch(column.type)
    if match is None and settings.unbounded_numeric_as_string:
        text = sql.SQL("{}::text").format(name)
        return ColumnPlan(column.name, target, "STRING", pa.string(), pa.string(), text, text)
    precision, scale = (int(match[1]), int(match[2])) if match else UNBOUNDED_NUMERIC
    if scale < 0:
        # numeric(5,-2) holds whole numbers of up to seven digits.
        precision, scale = precision - scale, 0
    precision = max(precision, scale)
    if precision > MAX_PRECISION:
        raise UnsupportedColumn(
            f"column {column.name} has the type {column.type}; DMS moves numerics of at most {MAX_PRECISION} digits"
        )
    cast = sql.SQL("{}::numeric({},{})").format(name, sql.Literal(precision), sql.Literal(scale))
    arrow = pa.decimal128(precision, scale)
    return ColumnPlan(
        column.name,
        target,
        f"NUMERIC({precision},{scale})",
        arrow,
        arrow,
        name if match else cast,
        name if match else cast,
    )
