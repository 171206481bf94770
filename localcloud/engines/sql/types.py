"""Redshift's types: names, object ids and sizes, and the DuckDB types that hold their values."""

from __future__ import annotations

import re
from dataclasses import dataclass

_DECIMAL = re.compile(r"DECIMAL\((\d+),\s*(\d+)\)")


@dataclass(frozen=True)
class WireType:
    """A type as a client sees it: ``oid`` and ``size`` (bytes, -1 varies) as in pg_type, ``modifier`` as atttypmod."""

    name: str
    oid: int
    size: int
    modifier: int = -1
    scale: int = 0


BOOLEAN = WireType("boolean", 16, 1)
VARBYTE = WireType("binary varying", 6551, -1)
BIGINT = WireType("bigint", 20, 8)
SMALLINT = WireType("smallint", 21, 2)
INTEGER = WireType("integer", 23, 4)
OID = WireType("oid", 26, 4)
REAL = WireType("real", 700, 4)
DOUBLE = WireType("double precision", 701, 8)
CHARACTER = WireType("character", 1042, -1)
VARCHAR = WireType("character varying", 1043, -1)
DATE = WireType("date", 1082, 4)
TIME = WireType("time without time zone", 1083, 8)
TIMESTAMP = WireType("timestamp without time zone", 1114, 8)
TIMESTAMPTZ = WireType("timestamp with time zone", 1184, 8)
INTERVAL = WireType("interval", 1186, 16)
TIMETZ = WireType("time with time zone", 1266, 12)
SUPER = WireType("super", 4000, -1)
# Of the system catalog alone: the columns of a key, for instance.
SMALLINTS = WireType("smallint[]", 1005, -1)

_BY_DUCKDB = {
    "BOOLEAN": BOOLEAN,
    "TINYINT": SMALLINT,
    "UTINYINT": SMALLINT,
    "SMALLINT": SMALLINT,
    "USMALLINT": INTEGER,
    "INTEGER": INTEGER,
    "UINTEGER": BIGINT,
    "BIGINT": BIGINT,
    "FLOAT": REAL,
    "DOUBLE": DOUBLE,
    "VARCHAR": VARCHAR,
    "UUID": VARCHAR,
    '"NULL"': VARCHAR,
    "NULL": VARCHAR,
    "DATE": DATE,
    "TIME": TIME,
    "TIMESTAMP": TIMESTAMP,
    "TIMESTAMP_S": TIMESTAMP,
    "TIMESTAMP_MS": TIMESTAMP,
    "TIMESTAMP_NS": TIMESTAMP,
    "TIMESTAMP WITH TIME ZONE": TIMESTAMPTZ,
    "TIME WITH TIME ZONE": TIMETZ,
    "INTERVAL": INTERVAL,
    "BLOB": VARBYTE,
    "JSON": SUPER,
    "SMALLINT[]": SMALLINTS,
}


def numeric(precision: int, scale: int) -> WireType:
    """``numeric(precision, scale)``."""
    return WireType("numeric", 1700, -1, ((precision << 16) | scale) + 4, scale)


def wire_type(duckdb_type: str) -> WireType:
    """The Redshift type that a column of ``duckdb_type`` (as DuckDB writes it) has for a client."""
    if found := _DECIMAL.fullmatch(duckdb_type):
        return numeric(int(found[1]), int(found[2]))
    if duckdb_type in ("HUGEINT", "UHUGEINT"):
        return numeric(38, 0)
    if duckdb_type == "UBIGINT":
        return numeric(20, 0)
    if duckdb_type.startswith("ENUM"):
        return VARCHAR
    # Nested values (STRUCT, LIST, MAP) are SUPER in Redshift and travel as JSON text.
    return _BY_DUCKDB.get(duckdb_type, SUPER)


_ALIASES = {
    "int2": "smallint",
    "smallint": "smallint",
    "int": "integer",
    "int4": "integer",
    "integer": "integer",
    "int8": "bigint",
    "bigint": "bigint",
    "decimal": "numeric",
    "numeric": "numeric",
    "float4": "real",
    "real": "real",
    "float": "double precision",
    "float8": "double precision",
    "double precision": "double precision",
    "bool": "boolean",
    "boolean": "boolean",
    "char": "character",
    "character": "character",
    "nchar": "character",
    "bpchar": "character",
    "varchar": "character varying",
    "character varying": "character varying",
    "nvarchar": "character varying",
    "text": "character varying",
    "name": "character varying",
    "date": "date",
    "time": "time without time zone",
    "time without time zone": "time without time zone",
    "timetz": "time with time zone",
    "time with time zone": "time with time zone",
    "timestamp": "timestamp without time zone",
    "timestamp without time zone": "timestamp without time zone",
    "timestamptz": "timestamp with time zone",
    "timestamp with time zone": "timestamp with time zone",
    "interval": "interval",
    "super": "super",
    "varbyte": "binary varying",
    "varbinary": "binary varying",
    "binary varying": "binary varying",
    "geometry": "geometry",
    "geography": "geography",
    "hllsketch": "hllsketch",
}

_STORAGE = {
    "smallint": "SMALLINT",
    "integer": "INTEGER",
    "bigint": "BIGINT",
    "real": "FLOAT",
    "double precision": "DOUBLE",
    "boolean": "BOOLEAN",
    "character": "VARCHAR",
    "character varying": "VARCHAR",
    "date": "DATE",
    "time without time zone": "TIME",
    "time with time zone": "TIMETZ",
    "timestamp without time zone": "TIMESTAMP",
    "timestamp with time zone": "TIMESTAMPTZ",
    "interval": "INTERVAL",
    "super": "JSON",
    "binary varying": "BLOB",
    # Columns may be of these; what they hold is kept as the text that it was given as, and nothing computes with it.
    "geometry": "VARCHAR",
    "geography": "VARCHAR",
    "hllsketch": "VARCHAR",
}


@dataclass(frozen=True)
class DeclaredType:
    """A type as a statement declares it: the canonical name and its length, or its precision and scale."""

    name: str
    arguments: tuple[int, ...] = ()

    def __str__(self) -> str:
        return f"{self.name}({','.join(map(str, self.arguments))})" if self.arguments else self.name

    @property
    def storage(self) -> str:
        """The DuckDB type that holds the values."""
        if self.name == "numeric":
            precision, scale = self.arguments
            return f"DECIMAL({precision},{scale})"
        return _STORAGE[self.name]

    @property
    def length(self) -> int | None:
        """Most bytes of a character value; None where there is no limit to hold."""
        return self.arguments[0] if self.name in ("character", "character varying") else None


def declared_type(name: str, arguments: tuple[int, ...] = ()) -> DeclaredType:
    """The declared type of a type name with arguments; raises KeyError for a name that Redshift does not have.

    Defaults as in "Data types" of the Redshift guide: ``varchar`` is varchar(256), ``char`` is char(1), ``decimal`` is
    decimal(18,0), ``float(n)`` is real up to 24 bits.
    """
    lowered = " ".join(name.lower().split())
    canonical = _ALIASES[lowered]
    if canonical == "character varying":
        return DeclaredType(canonical, arguments or (256,))
    if canonical == "character":
        return DeclaredType(canonical, arguments or (256 if lowered == "bpchar" else 1,))
    if canonical == "numeric":
        precision, scale = (*arguments, 0)[:2] if arguments else (18, 0)
        return DeclaredType(canonical, (precision, scale))
    if lowered == "float" and arguments and arguments[0] <= 24:
        return DeclaredType("real")
    return DeclaredType(canonical)


def character_limit(declared: str) -> int | None:
    """Most bytes of a declared character type, None for another type: ``character varying(20)`` gives 20."""
    found = re.fullmatch(r"character(?: varying)?\((\d+)\)", declared)
    return int(found[1]) if found else None
