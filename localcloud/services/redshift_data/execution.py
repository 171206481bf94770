"""Running a statement of the Data API: a client of the warehouse like any other."""

from __future__ import annotations

import base64
import re
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from localcloud.base.errors import AwsError

_NAMED = re.compile(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|::|:([A-Za-z_]\w*)|%")
_TYPE_NAMES = {
    16: "bool", 20: "int8", 21: "int2", 23: "int4", 25: "text", 700: "float4", 701: "float8", 1042: "bpchar",
    1043: "varchar", 1082: "date", 1083: "time", 1114: "timestamp", 1184: "timestamptz", 1700: "numeric",
    4000: "super", 6551: "varbyte",
}  # fmt: skip


def bind(sql: str, parameters: list[dict[str, str]]) -> tuple[str, dict[str, str] | None]:
    """The statement with ``:name`` as psycopg2's ``%(name)s``, and the values by name.

    Raises AwsError for a parameter without a value and for a value without a parameter.
    """
    values = {item["name"]: item["value"] for item in parameters}
    if not values:
        return sql, None
    used: set[str] = set()

    def replace(found: re.Match[str]) -> str:
        text, name = found[0], found[1]
        if name is None:
            return text.replace("%", "%%")
        if name not in values:
            raise AwsError("ValidationException", f"the statement's parameter :{name} has no value")
        used.add(name)
        return f"%({name})s"

    text = _NAMED.sub(replace, sql)
    unused = sorted(set(values) - used)
    if unused:
        raise AwsError("ValidationException", f"the statement has no parameter {', '.join(unused)}")
    return text, values


def column_metadata(description: Any) -> list[dict[str, Any]]:
    """ColumnMetadata of a cursor's description."""
    columns = []
    for column in description:
        name = _TYPE_NAMES.get(column.type_code, "varchar")
        columns.append(
            {
                "isCaseSensitive": name in ("varchar", "bpchar", "text"),
                "isCurrency": False,
                "isSigned": name in ("int2", "int4", "int8", "float4", "float8", "numeric"),
                "label": column.name,
                "name": column.name,
                "nullable": 1,
                "precision": column.precision or 0,
                "scale": column.scale or 0,
                "schemaName": "",
                "tableName": "",
                "typeName": name,
                "length": 0,
            }
        )
    return columns


def field(value: Any) -> dict[str, Any]:
    """A Field of a value; what has no member of its own (dates, decimals) is text, as in the Data API."""
    if value is None:
        return {"isNull": True}
    if isinstance(value, bool):
        return {"booleanValue": value}
    if isinstance(value, int):
        return {"longValue": value}
    if isinstance(value, float):
        return {"doubleValue": value}
    if isinstance(value, memoryview | bytes):
        return {"blobValue": base64.b64encode(bytes(value)).decode()}
    if isinstance(value, datetime):
        return {"stringValue": value.isoformat(sep=" ")}
    if isinstance(value, date | Decimal):
        return {"stringValue": str(value)}
    return {"stringValue": str(value)}
