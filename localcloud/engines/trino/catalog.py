"""The data catalog and the objects behind it, with the rights of whoever runs the query."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from localcloud.base.errors import AwsError
from localcloud.engines.sql.spectrum import scan as scans
from localcloud.engines.sql.spectrum.lake import Partition
from localcloud.engines.sql.spectrum.objects import Location, ObjectFolder, listed_prefixes, parse_location
from localcloud.engines.trino import information_schema
from localcloud.engines.trino.errors import TrinoError
from localcloud.engines.trino.translate import parse
from localcloud.engines.trino.views import view_text

Authorize = Callable[..., None]
"""``authorize(action, resources, context=None)`` for the caller. Raises :class:`AwsError` (AccessDenied)."""
_PARTITION_BATCH = 100


class Catalog:
    """Databases, tables and partitions of Glue, and the files of S3. ``glue`` and ``s3`` are clients of the machine."""

    def __init__(
        self, *, glue: Any, s3: Any, objects: Path, account_id: str, region: str, authorize: Authorize
    ) -> None:
        self.folder = ObjectFolder(objects, account_id)
        self._glue = glue
        self._s3 = s3
        self._prefix = f"arn:aws:glue:{region}:{account_id}"
        self._authorize = authorize

    # Rights ----------------------------------------------------------------------------------------------------------

    def allow(self, action: str, resources: list[str], context: dict[str, str] | None = None) -> None:
        """Check the caller's rights. Raises :class:`TrinoError` (PERMISSION_DENIED) naming action and resource."""
        try:
            self._authorize(action, resources, context)
        except AwsError as error:
            raise TrinoError("PERMISSION_DENIED", error.message) from error

    def _glue_call(self, operation: str, database: str | None, table: str | None, **parameters: Any) -> Any:
        action = "glue:" + "".join(word.capitalize() for word in operation.split("_"))
        resources = [f"{self._prefix}:catalog"]
        if database:
            resources.append(f"{self._prefix}:database/{database}")
        if table:
            resources.append(f"{self._prefix}:table/{database}/{table}")
        self.allow(action, resources)
        try:
            return getattr(self._glue, operation)(**parameters)
        except ClientError as error:
            raise _from_glue(error) from error

    def check_read(self, role_arn: str, locations: list[Location], first_keys: list[str]) -> None:
        """The check that a scan makes before it reads: the buckets' listing and the first object of every folder."""
        for bucket, prefix in listed_prefixes(locations):
            self.allow("s3:ListBucket", [f"arn:aws:s3:::{bucket}"], {"s3:prefix": prefix})
        if first_keys:
            self.allow("s3:GetObject", first_keys)

    # Databases -------------------------------------------------------------------------------------------------------

    def databases(self) -> list[dict[str, Any]]:
        """All databases."""
        self.allow("glue:GetDatabases", [f"{self._prefix}:catalog", f"{self._prefix}:database/*"])
        pages = self._glue.get_paginator("get_databases").paginate()
        return [database for page in pages for database in page["DatabaseList"]]

    def database(self, name: str) -> dict[str, Any]:
        """One database. Raises TrinoError (SCHEMA_NOT_FOUND)."""
        try:
            found: dict[str, Any] = self._glue_call("get_database", name, None, Name=name)["Database"]
        except _MissingError as error:
            raise TrinoError("SCHEMA_NOT_FOUND", f"Schema '{name}' does not exist") from error
        return found

    def create_database(self, document: dict[str, Any], *, skip_existing: bool) -> None:
        """Create a database. Raises TrinoError (SCHEMA_ALREADY_EXISTS)."""
        try:
            self._glue_call("create_database", document["Name"], None, DatabaseInput=document)
        except _ExistsError as error:
            if not skip_existing:
                raise TrinoError("SCHEMA_ALREADY_EXISTS", f"Database {document['Name']} already exists") from error

    def drop_database(self, name: str, *, skip_missing: bool, cascade: bool) -> None:
        """Drop a database. Raises TrinoError when it is missing, or holds tables and ``cascade`` was not said."""
        try:
            self.database(name)
        except TrinoError:
            if skip_missing:
                return
            raise
        if not cascade and self.tables(name):
            raise TrinoError("SCHEMA_NOT_EMPTY", f"Database {name} is not empty. One or more tables exist.")
        self._glue_call("delete_database", name, None, Name=name)

    # Tables ----------------------------------------------------------------------------------------------------------

    def find(self, database: str, name: str) -> dict[str, Any] | None:
        """A table or view, or None."""
        try:
            found: dict[str, Any] = self._glue_call("get_table", database, name, DatabaseName=database, Name=name)
        except _MissingError:
            return None
        table: dict[str, Any] = found["Table"]
        return table

    def table(self, database: str, name: str) -> dict[str, Any]:
        """A table or view. Raises TrinoError (TABLE_NOT_FOUND)."""
        found = self.find(database, name)
        if found is None:
            raise TrinoError("TABLE_NOT_FOUND", f"Table 'awsdatacatalog.{database}.{name}' does not exist")
        return found

    def tables(self, database: str) -> list[dict[str, Any]]:
        """The tables and views of a database."""
        self.allow("glue:GetTables", [f"{self._prefix}:catalog", f"{self._prefix}:database/{database}"])
        try:
            pages = self._glue.get_paginator("get_tables").paginate(DatabaseName=database)
            return [table for page in pages for table in page["TableList"]]
        except ClientError as error:
            raise _from_glue(error) from error

    def create_table(self, database: str, document: dict[str, Any]) -> None:
        """Create a table or view. Raises TrinoError (TABLE_ALREADY_EXISTS)."""
        try:
            self._glue_call("create_table", database, document["Name"], DatabaseName=database, TableInput=document)
        except _ExistsError as error:
            raise TrinoError("TABLE_ALREADY_EXISTS", f"Table {document['Name']} already exists") from error

    def replace_table(self, database: str, document: dict[str, Any]) -> None:
        """Replace a view's definition."""
        self._glue_call("update_table", database, document["Name"], DatabaseName=database, TableInput=document)

    def drop_table(self, database: str, name: str) -> None:
        """Remove a table or view from the catalog; the objects stay, as those of an external table do."""
        self._glue_call("delete_table", database, name, DatabaseName=database, Name=name)

    # Partitions ------------------------------------------------------------------------------------------------------

    def partitions(self, table: dict[str, Any]) -> list[Partition]:
        """All partitions of a table."""
        database, name = table["DatabaseName"], table["Name"]
        self.allow("glue:GetPartitions", [f"{self._prefix}:catalog", f"{self._prefix}:database/{database}",
                                          f"{self._prefix}:table/{database}/{name}"])  # fmt: skip
        pages = self._glue.get_paginator("get_partitions").paginate(
            DatabaseName=database, TableName=name, ExcludeColumnSchema=True
        )
        return [
            Partition(item["Values"], item["StorageDescriptor"]["Location"], item["StorageDescriptor"])
            for page in pages
            for item in page["Partitions"]
        ]

    def add_partitions(self, table: dict[str, Any], locations: dict[tuple[str, ...], str], *, skip: bool) -> int:
        """Add partitions by their values; how many were new. Raises TrinoError for an old one unless ``skip``."""
        database, name = table["DatabaseName"], table["Name"]
        inputs = [
            {"Values": list(values), "StorageDescriptor": {**table["StorageDescriptor"], "Location": location}}
            for values, location in locations.items()
        ]
        added = 0
        for start in range(0, len(inputs), _PARTITION_BATCH):
            batch = inputs[start : start + _PARTITION_BATCH]
            answer = self._glue_call("batch_create_partition", database, name, DatabaseName=database, TableName=name,
                                     PartitionInputList=batch)  # fmt: skip
            errors = answer.get("Errors", [])
            added += len(batch) - len(errors)
            for error in errors:
                detail = error["ErrorDetail"]
                if detail["ErrorCode"] != "AlreadyExistsException":
                    raise TrinoError("HIVE_METASTORE_ERROR", f"{error['PartitionValues']}: {detail['ErrorMessage']}")
                if not skip:
                    raise TrinoError("HIVE_METASTORE_ERROR", f"Partition already exists: {error['PartitionValues']}")
        return added

    def drop_partition(self, table: dict[str, Any], values: list[str]) -> bool:
        """Drop a partition; whether it was there."""
        database, name = table["DatabaseName"], table["Name"]
        try:
            self._glue_call("delete_partition", database, name, DatabaseName=database, TableName=name,
                            PartitionValues=values)  # fmt: skip
        except _MissingError:
            return False
        return True

    # What a query reads ----------------------------------------------------------------------------------------------

    def relation(self, database: str, name: str, with_path: bool) -> Any:
        """A :data:`localcloud.engines.trino.translate.Relation`."""
        if database == "information_schema":
            query = information_schema.relation(self, name)
            query.meta["translated"] = True
            return query
        table = self.table(database, name)
        if table.get("TableType") == "VIRTUAL_VIEW":
            return parse(view_text(table))
        partitions = self.partitions(table) if table.get("PartitionKeys") else None
        query = scans.build(self, (database, database, "", None), table, partitions, with_path)  # type: ignore[arg-type]
        query.meta["translated"] = True
        return query

    def objects(self, url: str) -> list[tuple[Location, int]]:
        """The objects under a location, with their sizes."""
        location = parse_location(url)
        self.allow("s3:ListBucket", [f"arn:aws:s3:::{location.bucket}"], {"s3:prefix": location.key})
        return [(item.location, item.size) for item in self.folder.listing(location)]

    def upload(self, file: Path, target: Location) -> None:
        """Write a file as an object, with the caller's right to do so."""
        self.allow("s3:PutObject", [target.arn])
        self._s3.upload_file(str(file), target.bucket, target.key)

    def hive_folders(self, table: dict[str, Any]) -> Iterator[tuple[tuple[str, ...], str]]:
        """The partitions that the folders of a table's location name (``<key>=<value>/...``)."""
        location = parse_location(table["StorageDescriptor"]["Location"])
        base = location.key if not location.key or location.key.endswith("/") else location.key + "/"
        keys = [key["Name"].lower() for key in table.get("PartitionKeys") or []]
        seen: set[tuple[str, ...]] = set()
        for found, _ in self.objects(f"s3://{location.bucket}/{base}"):
            parts = found.key[len(base) :].split("/")[:-1][: len(keys)]
            pairs = [part.partition("=") for part in parts]
            if len(pairs) != len(keys) or [name.lower() for name, _, _ in pairs] != keys:
                continue
            values = tuple(value for _, _, value in pairs)
            if values not in seen:
                seen.add(values)
                yield values, f"s3://{location.bucket}/{base}{'/'.join(parts)}/"


class _MissingError(TrinoError):
    pass


class _ExistsError(TrinoError):
    pass


def _from_glue(error: ClientError) -> TrinoError:
    code, message = error.response["Error"]["Code"], error.response["Error"]["Message"]
    kind = {"EntityNotFoundException": _MissingError, "AlreadyExistsException": _ExistsError}.get(code, TrinoError)
    return kind("HIVE_METASTORE_ERROR", message)
