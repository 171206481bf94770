"""``information_schema`` over the data catalog."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlglot import exp

from localcloud.engines.trino.errors import TrinoError
from localcloud.engines.trino.views import view_text

if TYPE_CHECKING:
    from localcloud.engines.trino.catalog import Catalog

_CATALOG = "awsdatacatalog"
_COLUMNS = {
    "schemata": ["catalog_name", "schema_name"],
    "tables": ["table_catalog", "table_schema", "table_name", "table_type"],
    "views": ["table_catalog", "table_schema", "table_name", "view_definition"],
    "columns": ["table_catalog", "table_schema", "table_name", "column_name", "ordinal_position", "column_default",
                "is_nullable", "data_type", "comment", "extra_info"],
}  # fmt: skip
_TRINO = {"string": "varchar", "int": "integer", "float": "real", "binary": "varbinary", "timestamp": "timestamp(3)"}


def relation(catalog: Catalog, name: str) -> Any:
    """The rows of one of its tables, as a query of constants. Raises TrinoError (TABLE_NOT_FOUND)."""
    if name not in _COLUMNS:
        raise TrinoError("TABLE_NOT_FOUND", f"Table 'awsdatacatalog.information_schema.{name}' does not exist")
    columns = _COLUMNS[name]
    rows = [row for database in catalog.databases() for row in _rows(catalog, name, database["Name"])]
    kinds = ["BIGINT" if column == "ordinal_position" else "VARCHAR" for column in columns]
    tuples = [
        exp.Tuple(expressions=[exp.cast(exp.convert(value), kind) for value, kind in zip(row, kinds, strict=True)])
        for row in rows or [tuple(None for _ in columns)]
    ]
    alias = exp.TableAlias(this=exp.to_identifier("rows", quoted=True), columns=[exp.to_identifier(c) for c in columns])
    query = exp.select("*").from_(exp.Values(expressions=tuples, alias=alias))
    return query if rows else query.where(exp.false())


def _rows(catalog: Catalog, name: str, database: str) -> list[tuple[Any, ...]]:
    if name == "schemata":
        return [(_CATALOG, database)]
    rows: list[tuple[Any, ...]] = []
    for table in catalog.tables(database):
        view = table.get("TableType") == "VIRTUAL_VIEW"
        place = (_CATALOG, database, table["Name"])
        if name == "tables":
            rows.append((*place, "VIEW" if view else "BASE TABLE"))
        elif name == "views" and view:
            rows.append((*place, view_text(table)))
        elif name == "columns":
            keys = table.get("PartitionKeys") or []
            for number, column in enumerate([*table.get("StorageDescriptor", {}).get("Columns", []), *keys], 1):
                kind = column.get("Type", "string")
                extra = "partition key" if column in keys else None
                rows.append((*place, column["Name"].lower(), number, None, "YES", _TRINO.get(kind, kind),
                             column.get("Comment"), extra))  # fmt: skip
    return rows
