"""The operations of the Data Catalog: databases, tables, table versions, partitions.

Sources: AWS Glue API Reference, "Database API", "Table API", "Partition API"; errors and limits as given there.
"""

from __future__ import annotations

import base64
import binascii
import re
import time
import zlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from localcloud.base.service import AwsError
from localcloud.services.glue.documents import PartitionPage, page
from localcloud.services.glue.expressions import ExpressionError, PartitionKey, parse_expression, typed_values
from localcloud.services.glue.store import CatalogStore, Document

if TYPE_CHECKING:
    from localcloud.base.service import Service as Base
else:
    Base = object

MAX_PARTITIONS_A_PAGE = 1000


def not_found(what: str) -> AwsError:
    return AwsError("EntityNotFoundException", f"{what} not found.")


def exists(what: str) -> AwsError:
    return AwsError("AlreadyExistsException", f"{what} already exists.")


def invalid(message: str) -> AwsError:
    return AwsError("InvalidInputException", message)


class CatalogOperations(Base):
    """Databases, tables and partitions; kept in `store`, which a service opens in its state folder."""

    store: CatalogStore

    # databases -------------------------------------------------------------------------------------------------------

    def create_database(
        self, DatabaseInput: Document, CatalogId: str | None = None, Tags: dict[str, str] | None = None
    ) -> None:
        self.check_catalog(CatalogId)
        name = _name(DatabaseInput, "DatabaseInput")
        document = {**DatabaseInput, "Name": name, "CreateTime": time.time(), "CatalogId": self.cloud.account_id}
        document.setdefault(
            "CreateTableDefaultPermissions",
            [{"Principal": {"DataLakePrincipalIdentifier": "IAM_ALLOWED_PRINCIPALS"}, "Permissions": ["ALL"]}],
        )
        _refuse(DatabaseInput, "DatabaseInput", {"TargetDatabase", "FederatedDatabase"})
        with self.store.transaction():
            if self.store.database(name):
                raise exists(f"Database {name}")
            self.store.put_database(name, document)
        self.set_tags(self.cloud.arn("glue", f"database/{name}"), Tags)

    def update_database(self, Name: str, DatabaseInput: Document, CatalogId: str | None = None) -> None:
        self.check_catalog(CatalogId)
        name = Name.lower()
        if _name(DatabaseInput, "DatabaseInput") != name:
            raise invalid(f"a database cannot be renamed: {Name} to {DatabaseInput['Name']}")
        with self.store.transaction():
            current = self._database(name)
            kept = {k: current[k] for k in ("Name", "CreateTime", "CatalogId", "CreateTableDefaultPermissions")}
            self.store.put_database(name, {**kept, **DatabaseInput, "Name": name})

    def delete_database(self, Name: str, CatalogId: str | None = None) -> None:
        self.check_catalog(CatalogId)
        if not self.store.delete_database(Name.lower()):
            raise not_found(f"Database {Name}")
        self.state["tags"].pop(self.cloud.arn("glue", f"database/{Name.lower()}"), None)
        self.changed()

    def get_database(self, Name: str, CatalogId: str | None = None) -> Document:
        self.check_catalog(CatalogId)
        return {"Database": self._database(Name)}

    def get_databases(
        self,
        CatalogId: str | None = None,
        NextToken: str | None = None,
        MaxResults: int = 100,
        ResourceShareType: str | None = None,
    ) -> Document:
        self.check_catalog(CatalogId)
        found = [] if ResourceShareType == "FOREIGN" else self.store.databases()
        return page(found, "DatabaseList", NextToken, MaxResults)

    # tables ----------------------------------------------------------------------------------------------------------

    def create_table(
        self,
        DatabaseName: str,
        TableInput: Document,
        CatalogId: str | None = None,
        PartitionIndexes: list[Document] | None = None,
    ) -> None:
        # Partition indexes change how fast AWS answers GetPartitions, never what; here they are accepted as a hint.
        del PartitionIndexes
        self.check_catalog(CatalogId)
        database, name = DatabaseName.lower(), _name(TableInput, "TableInput")
        with self.store.transaction():
            self._database(database)
            if self.store.table(database, name):
                raise exists(f"Table {name}")
            self.store.put_table(database, name, self._table_document(database, name, TableInput, None))

    def update_table(
        self,
        DatabaseName: str,
        TableInput: Document,
        CatalogId: str | None = None,
        SkipArchive: bool = False,
        VersionId: str | None = None,
        Name: str | None = None,
        Force: bool = False,
    ) -> None:
        del Force  # speaks of multi-dialect views only
        self.check_catalog(CatalogId)
        database, name = DatabaseName.lower(), (Name or _name(TableInput, "TableInput")).lower()
        with self.store.transaction():
            current = self._table(database, name)
            if VersionId is not None and VersionId != current["VersionId"]:
                raise AwsError(
                    "VersionMismatchException", f"Table {name} has the version {current['VersionId']}, not {VersionId}"
                )
            if not SkipArchive:
                self.store.put_version(database, name, int(current["VersionId"]), current)
            if _keys(current) != _keys(TableInput) and next(self.store.partitions(database, name), None):
                raise invalid(f"the partition keys of {database}.{name} cannot change while it has partitions")
            self.store.put_table(database, name, self._table_document(database, name, TableInput, current))

    def delete_table(self, DatabaseName: str, Name: str, CatalogId: str | None = None) -> None:
        self.check_catalog(CatalogId)
        if not self.store.delete_table(DatabaseName.lower(), Name.lower()):
            self._database(DatabaseName)
            raise not_found(f"Table {Name}")

    def batch_delete_table(
        self, DatabaseName: str, TablesToDelete: list[str], CatalogId: str | None = None
    ) -> Document:
        self.check_catalog(CatalogId)
        self._database(DatabaseName)
        errors = []
        for name in TablesToDelete:
            if not self.store.delete_table(DatabaseName.lower(), name.lower()):
                errors.append(
                    {
                        "TableName": name,
                        "ErrorDetail": {
                            "ErrorCode": "EntityNotFoundException",
                            "ErrorMessage": f"Table {name} not found.",
                        },
                    }
                )
        return {"Errors": errors}

    def get_table(
        self, DatabaseName: str, Name: str, CatalogId: str | None = None, IncludeStatusDetails: bool = False
    ) -> Document:
        del IncludeStatusDetails  # there is never a table whose creation is still going on
        self.check_catalog(CatalogId)
        return {"Table": self._table(DatabaseName, Name)}

    def get_tables(
        self,
        DatabaseName: str,
        CatalogId: str | None = None,
        Expression: str | None = None,
        NextToken: str | None = None,
        MaxResults: int = 100,
        IncludeStatusDetails: bool = False,
        AttributesToGet: list[str] | None = None,
    ) -> Document:
        del IncludeStatusDetails
        self.check_catalog(CatalogId)
        self._database(DatabaseName)
        found = self.store.tables(DatabaseName.lower())
        if Expression:
            try:
                pattern = re.compile(
                    Expression.replace("*", ".*") if Expression.strip("*").isidentifier() else Expression
                )
            except re.error as error:
                raise invalid(f"Expression {Expression!r} is not a regular expression: {error}") from error
            found = [t for t in found if pattern.fullmatch(t["Name"])]
        if AttributesToGet:
            if AttributesToGet != ["NAME"]:
                raise invalid(f"AttributesToGet {AttributesToGet} is not supported; it may be NAME")
            found = [{"Name": t["Name"], "DatabaseName": t["DatabaseName"]} for t in found]
        return page(found, "TableList", NextToken, MaxResults)

    def search_tables(
        self, CatalogId: str | None = None, NextToken: str | None = None, SearchText: str = "", MaxResults: int = 100
    ) -> Document:
        self.check_catalog(CatalogId)
        text = SearchText.strip('"').lower()
        found = [t for d in self.store.databases() for t in self.store.tables(d["Name"]) if text in t["Name"]]
        return page(found, "TableList", NextToken, MaxResults)

    def get_table_versions(
        self,
        DatabaseName: str,
        TableName: str,
        CatalogId: str | None = None,
        NextToken: str | None = None,
        MaxResults: int = 100,
    ) -> Document:
        self.check_catalog(CatalogId)
        return page(self._versions(DatabaseName, TableName), "TableVersions", NextToken, MaxResults)

    def get_table_version(
        self, DatabaseName: str, TableName: str, CatalogId: str | None = None, VersionId: str | None = None
    ) -> Document:
        self.check_catalog(CatalogId)
        versions = self._versions(DatabaseName, TableName)
        for version in versions:
            if VersionId in (None, version["VersionId"]):
                return {"TableVersion": version}
        raise not_found(f"Version {VersionId} of table {TableName}")

    def delete_table_version(
        self, DatabaseName: str, TableName: str, VersionId: str, CatalogId: str | None = None
    ) -> None:
        self.check_catalog(CatalogId)
        current = self._table(DatabaseName, TableName)
        if VersionId == current["VersionId"]:
            raise invalid(f"version {VersionId} is the current one of table {TableName} and cannot be deleted")
        if not VersionId.isdigit() or not self.store.delete_version(
            DatabaseName.lower(), TableName.lower(), int(VersionId)
        ):
            raise not_found(f"Version {VersionId} of table {TableName}")

    def _versions(self, database: str, table: str) -> list[Document]:
        documents = [self._table(database, table), *self.store.versions(database.lower(), table.lower())]
        return [{"Table": d, "VersionId": d["VersionId"]} for d in documents]

    def _table_document(self, database: str, name: str, given: Document, current: Document | None) -> Document:
        _refuse(given, "TableInput", {"TargetTable", "FederatedTable", "ViewDefinition"})
        now = time.time()
        return {
            "Retention": 0,
            **given,
            "Name": name,
            "DatabaseName": database,
            "CreateTime": current["CreateTime"] if current else now,
            "UpdateTime": now,
            "CreatedBy": current["CreatedBy"] if current else f"arn:aws:iam::{self.cloud.account_id}:root",
            "IsRegisteredWithLakeFormation": False,
            "CatalogId": self.cloud.account_id,
            "VersionId": str(int(current["VersionId"]) + 1) if current else "0",
        }

    # partitions ------------------------------------------------------------------------------------------------------

    def create_partition(
        self, DatabaseName: str, TableName: str, PartitionInput: Document, CatalogId: str | None = None
    ) -> None:
        self.check_catalog(CatalogId)
        errors = self._create_partitions(DatabaseName, TableName, [PartitionInput])
        if errors:
            detail = errors[0]["ErrorDetail"]
            raise AwsError(detail["ErrorCode"], detail["ErrorMessage"])

    def batch_create_partition(
        self, DatabaseName: str, TableName: str, PartitionInputList: list[Document], CatalogId: str | None = None
    ) -> Document:
        self.check_catalog(CatalogId)
        _at_most(PartitionInputList, 100, "PartitionInputList")
        return {"Errors": self._create_partitions(DatabaseName, TableName, PartitionInputList)}

    def _create_partitions(self, database: str, table: str, inputs: Sequence[Document]) -> list[Document]:
        database, table = database.lower(), table.lower()
        errors = []
        with self.store.transaction():
            keys = _keys(self._table(database, table))
            for given in inputs:
                values = [str(v) for v in given.get("Values") or []]
                if len(values) != len(keys):
                    errors.append(
                        _partition_error(
                            values,
                            "InvalidInputException",
                            f"The number of partition keys do not match the number of partition values: {len(keys)} "
                            f"keys of {database}.{table}, {len(values)} values",
                        )
                    )
                elif not self.store.create_partition(database, table, values, self._partition(database, table, given)):
                    errors.append(_partition_error(values, "AlreadyExistsException", "Partition already exists."))
        return errors

    def update_partition(
        self,
        DatabaseName: str,
        TableName: str,
        PartitionValueList: list[str],
        PartitionInput: Document,
        CatalogId: str | None = None,
    ) -> None:
        self.check_catalog(CatalogId)
        entry = {"PartitionValueList": PartitionValueList, "PartitionInput": PartitionInput}
        errors = self._update_partitions(DatabaseName, TableName, [entry])
        if errors:
            detail = errors[0]["ErrorDetail"]
            raise AwsError(detail["ErrorCode"], detail["ErrorMessage"])

    def batch_update_partition(
        self, DatabaseName: str, TableName: str, Entries: list[Document], CatalogId: str | None = None
    ) -> Document:
        self.check_catalog(CatalogId)
        _at_most(Entries, 100, "Entries")
        errors = self._update_partitions(DatabaseName, TableName, Entries)
        return {
            "Errors": [{"PartitionValueList": e["PartitionValues"], "ErrorDetail": e["ErrorDetail"]} for e in errors]
        }

    def _update_partitions(self, database: str, table: str, entries: Sequence[Document]) -> list[Document]:
        database, table = database.lower(), table.lower()
        errors = []
        with self.store.transaction():
            keys = _keys(self._table(database, table))
            for entry in entries:
                old, given = list(entry["PartitionValueList"]), entry["PartitionInput"]
                new = [str(v) for v in given.get("Values") or old]
                current = self.store.partition(database, table, old)
                if current is None:
                    errors.append(_partition_error(old, "EntityNotFoundException", "Partition not found."))
                elif len(new) != len(keys):
                    errors.append(
                        _partition_error(
                            old,
                            "InvalidInputException",
                            "The number of partition keys do not match the number of partition values",
                        )
                    )
                elif new != old and self.store.partition(database, table, new) is not None:
                    errors.append(_partition_error(old, "AlreadyExistsException", f"Partition {new} already exists."))
                else:
                    document = self._partition(database, table, {**given, "Values": new})
                    document["CreationTime"] = current["CreationTime"]
                    if new != old:
                        self.store.delete_partition(database, table, old)
                    self.store.put_partition(database, table, new, document)
        return errors

    def delete_partition(
        self, DatabaseName: str, TableName: str, PartitionValues: list[str], CatalogId: str | None = None
    ) -> None:
        self.check_catalog(CatalogId)
        self._table(DatabaseName, TableName)
        if not self.store.delete_partition(DatabaseName.lower(), TableName.lower(), PartitionValues):
            raise not_found("Partition")

    def batch_delete_partition(
        self, DatabaseName: str, TableName: str, PartitionsToDelete: list[Document], CatalogId: str | None = None
    ) -> Document:
        self.check_catalog(CatalogId)
        _at_most(PartitionsToDelete, 25, "PartitionsToDelete")
        errors = []
        with self.store.transaction():
            self._table(DatabaseName, TableName)
            for given in PartitionsToDelete:
                if not self.store.delete_partition(DatabaseName.lower(), TableName.lower(), given["Values"]):
                    errors.append(_partition_error(given["Values"], "EntityNotFoundException", "Partition not found."))
        return {"Errors": errors}

    def get_partition(
        self, DatabaseName: str, TableName: str, PartitionValues: list[str], CatalogId: str | None = None
    ) -> Document:
        self.check_catalog(CatalogId)
        self._table(DatabaseName, TableName)
        found = self.store.partition(DatabaseName.lower(), TableName.lower(), PartitionValues)
        if found is None:
            raise not_found("Partition")
        return {"Partition": found}

    def batch_get_partition(
        self, DatabaseName: str, TableName: str, PartitionsToGet: list[Document], CatalogId: str | None = None
    ) -> Document:
        self.check_catalog(CatalogId)
        _at_most(PartitionsToGet, 1000, "PartitionsToGet")
        self._table(DatabaseName, TableName)
        found = [self.store.partition(DatabaseName.lower(), TableName.lower(), p["Values"]) for p in PartitionsToGet]
        return {"Partitions": [p for p in found if p is not None], "UnprocessedKeys": []}

    def get_partitions(
        self,
        DatabaseName: str,
        TableName: str,
        CatalogId: str | None = None,
        Expression: str | None = None,
        NextToken: str | None = None,
        Segment: Document | None = None,
        MaxResults: int = MAX_PARTITIONS_A_PAGE,
        ExcludeColumnSchema: bool = False,
    ) -> Document:
        self.check_catalog(CatalogId)
        if not 1 <= MaxResults <= MAX_PARTITIONS_A_PAGE:
            raise invalid(f"MaxResults is {MaxResults}; it must be between 1 and {MAX_PARTITIONS_A_PAGE}")
        database, table = DatabaseName.lower(), TableName.lower()
        keys = _keys(self._table(database, table))
        try:
            predicate = parse_expression(Expression, keys) if Expression and Expression.strip() else None
        except ExpressionError as error:
            raise invalid(f"GetPartitions on {database}.{table}: {error}") from error
        result = PartitionPage(MaxResults, exclude_columns=ExcludeColumnSchema)
        for key, document in self.store.partitions(database, table, _decode_token(NextToken)):
            if Segment and zlib.crc32(key.encode()) % Segment["TotalSegments"] != Segment["SegmentNumber"]:
                continue
            if predicate is not None and predicate(typed_values(keys, result.values(key))) is not True:
                continue
            if not result.add(key, document):
                return {"Partitions": result.partitions, "NextToken": _encode_token(result.last_key)}
        return {"Partitions": result.partitions}

    def _partition(self, database: str, table: str, given: Document) -> Document:
        return {
            **given,
            "DatabaseName": database,
            "TableName": table,
            "CreationTime": time.time(),
            "CatalogId": self.cloud.account_id,
        }

    # ---------------------------------------------------------------------------------------------------------------

    def check_catalog(self, catalog_id: str | None) -> None:
        if catalog_id not in (None, self.cloud.account_id):
            raise not_found(f"Catalog {catalog_id}")

    def set_tags(self, arn: str, tags: Mapping[str, str] | None) -> None:
        if tags:
            with self.lock:
                self.state["tags"].setdefault(arn, {}).update(tags)
                self.changed()

    def _database(self, name: str) -> Document:
        found = self.store.database(name.lower())
        if found is None:
            raise not_found(f"Database {name}")
        return found

    def _table(self, database: str, name: str) -> Document:
        found = self.store.table(database.lower(), name.lower())
        if found is None:
            self._database(database)
            raise not_found(f"Table {name}")
        return found


def _name(given: Document, where: str) -> str:
    name = str(given.get("Name") or "")
    if not name:
        raise invalid(f"{where}.Name must be given")
    # "For Hive compatibility, this is folded to lowercase when it is stored."
    return name.lower()


def _keys(table: Document) -> list[PartitionKey]:
    return [PartitionKey(k["Name"], k.get("Type", "string")) for k in table.get("PartitionKeys") or []]


def _partition_error(values: Sequence[str], code: str, message: str) -> Document:
    return {"PartitionValues": list(values), "ErrorDetail": {"ErrorCode": code, "ErrorMessage": message}}


def _at_most(items: Sequence[Any], limit: int, name: str) -> None:
    if len(items) > limit:
        raise invalid(f"{name} holds {len(items)} items; at most {limit} are allowed")


def _refuse(given: Document, where: str, names: set[str]) -> None:
    for name in sorted(names & set(given)):
        raise AwsError("NotImplementedException", f"{where}.{name} is not supported by the local cloud", 501)


def _encode_token(key: str) -> str:
    return base64.urlsafe_b64encode(key.encode()).decode()


def _decode_token(token: str | None) -> str:
    try:
        return base64.urlsafe_b64decode(token).decode() if token else ""
    except (binascii.Error, UnicodeDecodeError):
        raise invalid("NextToken is not one that this service gave") from None
