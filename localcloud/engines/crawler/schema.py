"""Columns in Hive's type names, how Arrow's types and values map to them, and what two schemas make together."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

_INTEGERS = ("tinyint", "smallint", "int", "bigint")
_DECIMAL = re.compile(r"decimal\((\d+),(\d+)\)")
INT_LIMIT = 2**31

# "To be considered as one table, schemas have to be similar": Glue's documented behaviour without a number; 70 % is
# the threshold that its troubleshooting pages give.
SIMILARITY = 0.7


@dataclass(frozen=True)
class Column:
    name: str
    type: str


def arrow_to_hive(kind: pa.DataType) -> str:
    """The Hive type that Glue gives a Parquet column of an Arrow type."""
    simple = {
        pa.bool_(): "boolean",
        pa.int8(): "tinyint",
        pa.int16(): "smallint",
        pa.int32(): "int",
        pa.int64(): "bigint",
        pa.uint8(): "smallint",
        pa.uint16(): "int",
        pa.uint32(): "bigint",
        pa.uint64(): "decimal(20,0)",
        pa.float16(): "float",
        pa.float32(): "float",
        pa.float64(): "double",
        pa.date32(): "date",
        pa.string(): "string",
        pa.large_string(): "string",
        pa.binary(): "binary",
        pa.large_binary(): "binary",
        pa.null(): "string",
    }
    if kind in simple:
        return simple[kind]
    if pa.types.is_timestamp(kind):
        return "timestamp"
    if pa.types.is_time(kind):
        # Hive has no time of day; Glue shows the number that Parquet stores.
        return "int" if pa.types.is_time32(kind) else "bigint"
    if pa.types.is_decimal(kind):
        return f"decimal({kind.precision},{kind.scale})"
    if pa.types.is_dictionary(kind):
        return arrow_to_hive(kind.value_type)
    if pa.types.is_struct(kind):
        inner = ",".join(
            f"{kind.field(i).name.lower()}:{arrow_to_hive(kind.field(i).type)}" for i in range(kind.num_fields)
        )
        return f"struct<{inner}>"
    if pa.types.is_map(kind):
        return f"map<{arrow_to_hive(kind.key_type)},{arrow_to_hive(kind.item_type)}>"
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        return f"array<{arrow_to_hive(kind.value_type)}>"
    if pa.types.is_fixed_size_binary(kind):
        return "binary"
    raise ValueError(f"the Arrow type {kind} has no Hive type")


def merge_types(first: str, second: str) -> str:
    """The narrowest Hive type that holds both; `string` when nothing else does."""
    if first == second:
        return first
    if first in _INTEGERS and second in _INTEGERS:
        return _INTEGERS[max(_INTEGERS.index(first), _INTEGERS.index(second))]
    numbers = {first, second}
    if numbers <= {*_INTEGERS, "float", "double"}:
        return "double"
    one, two = _DECIMAL.fullmatch(first), _DECIMAL.fullmatch(second)
    if one and two:
        scale = max(int(one[2]), int(two[2]))
        whole = max(int(one[1]) - int(one[2]), int(two[1]) - int(two[2]))
        return f"decimal({min(38, whole + scale)},{scale})"
    if numbers == {"date", "timestamp"}:
        return "timestamp"
    if first.startswith("struct<") and second.startswith("struct<"):
        merged = merge_columns(_struct_fields(first), _struct_fields(second))
        return "struct<" + ",".join(f"{c.name}:{c.type}" for c in merged) + ">"
    if first.startswith("array<") and second.startswith("array<"):
        return f"array<{merge_types(first[6:-1], second[6:-1])}>"
    return "string"


def compatible_types(first: str, second: str) -> bool:
    """Whether one column may have had either type, without becoming text."""
    return "string" in (first, second) or merge_types(first, second) != "string"


def merge_columns(first: Sequence[Column], second: Sequence[Column]) -> list[Column]:
    """The columns of both: the first's order, then what only the second has."""
    merged = {c.name: c.type for c in first}
    for column in second:
        merged[column.name] = merge_types(merged[column.name], column.type) if column.name in merged else column.type
    return [Column(name, kind) for name, kind in merged.items()]


def similar(first: Sequence[Column], second: Sequence[Column]) -> bool:
    """Whether two schemas are alike enough to be one table's."""
    one, two = {c.name: c.type for c in first}, {c.name: c.type for c in second}
    if not one or not two:
        return one == two
    same = sum(1 for name, kind in one.items() if name in two and compatible_types(kind, two[name]))
    return same / max(len(one), len(two)) >= SIMILARITY


def combinable(first: Sequence[Column], second: Sequence[Column]) -> bool:
    """Whether no column of one contradicts the other's (TableGroupingPolicy CombineCompatibleSchemas)."""
    two = {c.name: c.type for c in second}
    return all(compatible_types(c.type, two[c.name]) for c in first if c.name in two)


def value_type(value: Any) -> str | None:
    """The Hive type of a value of a JSON document; None for null, which says nothing."""
    if value is None:
        return None
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int):
        return "int" if -INT_LIMIT <= value < INT_LIMIT else "bigint"
    if isinstance(value, float):
        return "double"
    if isinstance(value, dict):
        inner = ",".join(f"{name.lower()}:{value_type(item) or 'string'}" for name, item in value.items())
        return f"struct<{inner}>"
    if isinstance(value, list):
        kinds = [k for k in (value_type(v) for v in value) if k]
        merged = kinds[0] if kinds else "string"
        for kind in kinds[1:]:
            merged = merge_types(merged, kind)
        return f"array<{merged}>"
    return "string"


def _struct_fields(kind: str) -> list[Column]:
    fields, depth, start = [], 0, 7
    text = kind[:-1] + ","
    for place in range(7, len(text)):
        depth += {"<": 1, ">": -1, "(": 1, ")": -1}.get(text[place], 0)
        if text[place] == "," and depth == 0:
            name, _, inner = text[start:place].partition(":")
            if name:
                fields.append(Column(name, inner))
            start = place + 1
    return fields
