"""Data catalogs, and databases and tables as Athena shows them: those of Glue, with the caller's rights."""

from __future__ import annotations

import re
from typing import Any

from localcloud.base.errors import AwsError
from localcloud.engines.trino.catalog import Catalog
from localcloud.engines.trino.errors import TrinoError
from localcloud.services.athena.workgroups import invalid, paged

CATALOG = "AwsDataCatalog"


class MetadataOperations:
    """The account's own catalog is the only one: connectors and other accounts' catalogs have no engine here."""

    def catalog(self) -> Catalog:
        raise NotImplementedError

    def list_data_catalogs(
        self, NextToken: str | None = None, MaxResults: int = 50, WorkGroup: str | None = None
    ) -> dict[str, Any]:
        """The catalogs."""
        page, token = paged([{"CatalogName": CATALOG, "Type": "GLUE"}], NextToken, MaxResults)
        return {"DataCatalogsSummary": page, **token}

    def get_data_catalog(self, Name: str, WorkGroup: str | None = None) -> dict[str, Any]:
        """A catalog."""
        _known(Name)
        return {"DataCatalog": {"Name": CATALOG, "Type": "GLUE"}}

    def list_databases(
        self, CatalogName: str, NextToken: str | None = None, MaxResults: int = 50, WorkGroup: str | None = None
    ) -> dict[str, Any]:
        """The databases of a catalog."""
        _known(CatalogName)
        shown = [_database(database) for database in _asked(self.catalog().databases)]
        page, token = paged(shown, NextToken, MaxResults)
        return {"DatabaseList": page, **token}

    def get_database(self, CatalogName: str, DatabaseName: str, WorkGroup: str | None = None) -> dict[str, Any]:
        """A database."""
        _known(CatalogName)
        return {"Database": _database(_asked(self.catalog().database, DatabaseName.lower()))}

    def list_table_metadata(
        self,
        CatalogName: str,
        DatabaseName: str,
        Expression: str | None = None,
        NextToken: str | None = None,
        MaxResults: int = 50,
        WorkGroup: str | None = None,
    ) -> dict[str, Any]:
        """The tables of a database whose name fits the regular expression."""
        _known(CatalogName)
        tables = _asked(self.catalog().tables, DatabaseName.lower())
        shown = [_table(table) for table in tables if not Expression or re.fullmatch(Expression, table["Name"])]
        page, token = paged(shown, NextToken, MaxResults)
        return {"TableMetadataList": page, **token}

    def get_table_metadata(
        self, CatalogName: str, DatabaseName: str, TableName: str, WorkGroup: str | None = None
    ) -> dict[str, Any]:
        """A table."""
        _known(CatalogName)
        return {"TableMetadata": _table(_asked(self.catalog().table, DatabaseName.lower(), TableName.lower()))}


def _known(name: str) -> None:
    if name.lower() != CATALOG.lower():
        raise invalid(f"the data catalog {name} does not exist; the local cloud has {CATALOG}")


def _asked(function: Any, *arguments: str) -> Any:
    try:
        return function(*arguments)
    except TrinoError as error:
        raise AwsError("MetadataException", str(error)) from error


def _database(database: dict[str, Any]) -> dict[str, Any]:
    shown = {"Name": database["Name"], "Description": database.get("Description"),
             "Parameters": database.get("Parameters", {})}  # fmt: skip
    return {key: value for key, value in shown.items() if value is not None}


def _table(table: dict[str, Any]) -> dict[str, Any]:
    descriptor = table.get("StorageDescriptor", {})
    serde = descriptor.get("SerdeInfo", {})
    parameters = {
        **table.get("Parameters", {}),
        "location": descriptor.get("Location", ""),
        "inputformat": descriptor.get("InputFormat", ""),
        "outputformat": descriptor.get("OutputFormat", ""),
        "serde.serialization.lib": serde.get("SerializationLibrary", ""),
        **{f"serde.param.{key}": value for key, value in serde.get("Parameters", {}).items()},
    }
    return {
        "Name": table["Name"],
        "CreateTime": table.get("CreateTime"),
        "TableType": table.get("TableType", "EXTERNAL_TABLE"),
        "Columns": [_column(column) for column in descriptor.get("Columns", [])],
        "PartitionKeys": [_column(column) for column in table.get("PartitionKeys") or []],
        "Parameters": parameters,
    }


def _column(column: dict[str, Any]) -> dict[str, str]:
    return {key: column[key] for key in ("Name", "Type", "Comment") if column.get(key)}
