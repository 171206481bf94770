"""What a crawl found, written to the Data Catalog through Glue's own API under the crawler's role."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from localcloud.engines.crawler.classify import Classified
from localcloud.engines.crawler.grouping import CrawledObject, FoundPartition, FoundTable
from localcloud.engines.crawler.schema import Column, merge_columns
from localcloud.services.glue.crawler_settings import CrawlerSettings

UPDATED_BY = "UPDATED_BY_CRAWLER"
_TEXT_INPUT = "org.apache.hadoop.mapred.TextInputFormat"
_TEXT_OUTPUT = "org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat"
_FORMATS = {
    "parquet": (
        "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat",
        "org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat",
        "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe",
    ),
    "json": (_TEXT_INPUT, _TEXT_OUTPUT, "org.openx.data.jsonserde.JsonSerDe"),
    "csv": (_TEXT_INPUT, _TEXT_OUTPUT, "org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe"),
}
_BATCH = 100
_DELETE_BATCH = 25


@dataclass
class Changes:
    """What a crawl did to tables, by name: `Created`, `Updated` or `Deleted`."""

    tables: dict[str, str] = field(default_factory=dict)

    def counts(self) -> dict[str, int]:
        counted = Counter(self.tables.values())
        return {f"Tables{what}": counted[what] for what in ("Created", "Updated", "Deleted")}


class CatalogWriter:
    """Creates and updates tables and partitions; tables are told by their location, not by name."""

    def __init__(self, glue: Any, crawler: str, settings: CrawlerSettings, changes: Changes) -> None:
        self._glue, self._crawler, self._settings, self._changes = glue, crawler, settings, changes
        self._existing = {t["Name"]: t for t in self._tables()}
        self._written: set[str] = set()

    def _tables(self) -> Iterator[dict[str, Any]]:
        for answer in self._glue.get_paginator("get_tables").paginate(DatabaseName=self._settings.database):
            yield from answer["TableList"]

    def write(self, bucket: str, found: FoundTable) -> None:
        """Creates the table, or brings the one at the same location up to date. Raises botocore's ClientError."""
        location = f"s3://{bucket}/{found.root}"
        current = next((t for t in self._existing.values() if _location(t) == location), None)
        name = current["Name"] if current else self._free_name(bucket, found.root, location)
        self._written.add(name)
        if current is None:
            self._glue.create_table(
                DatabaseName=self._settings.database, TableInput=self._table_input(name, location, found, found.columns)
            )
            self._existing[name] = {"Name": name, "StorageDescriptor": {"Location": location}}
            self._changes.tables[name] = "Created"
        else:
            columns = found.columns
            if self._settings.merge_new_columns:
                columns = merge_columns(_columns(current), found.columns)
            if self._settings.update_behavior == "UPDATE_IN_DATABASE":
                self._update(current, self._table_input(name, location, found, columns))
        self._write_partitions(bucket, name, found, current)

    def _update(self, current: dict[str, Any], table: dict[str, Any]) -> None:
        same_schema = (
            _columns(current) == _columns(table)
            and _keys(current) == _keys(table)
            and "DEPRECATED_BY_CRAWLER" not in current.get("Parameters", {})
        )
        if not same_schema:
            if _keys(current) != _keys(table):
                self._delete_partitions(current["Name"], [p["Values"] for p in self._partitions(current["Name"])])
            self._changes.tables[current["Name"]] = "Updated"
        self._glue.update_table(DatabaseName=self._settings.database, TableInput=table, SkipArchive=same_schema)

    def _write_partitions(self, bucket: str, name: str, found: FoundTable, current: dict[str, Any] | None) -> None:
        if not found.partition_keys:
            return
        known = {tuple(p["Values"]): p for p in self._partitions(name)} if current else {}
        inputs = {p.values: self._partition_input(bucket, p, found) for p in found.partitions}
        new = [v for k, v in inputs.items() if k not in known]
        for start in range(0, len(new), _BATCH):
            self._raise(
                name,
                self._glue.batch_create_partition(
                    DatabaseName=self._settings.database, TableName=name, PartitionInputList=new[start : start + _BATCH]
                ),
            )
        old = [{"PartitionValueList": list(k), "PartitionInput": v} for k, v in inputs.items() if k in known]
        if self._settings.update_behavior == "UPDATE_IN_DATABASE":
            for start in range(0, len(old), _BATCH):
                self._raise(
                    name,
                    self._glue.batch_update_partition(
                        DatabaseName=self._settings.database, TableName=name, Entries=old[start : start + _BATCH]
                    ),
                )
        gone = [
            list(k)
            for k, p in known.items()
            if k not in inputs and _location(p).startswith(f"s3://{bucket}/{found.root}")
        ]
        if self._settings.delete_behavior == "DELETE_FROM_DATABASE":
            self._delete_partitions(name, gone)

    def handle_deleted(self, targets: Sequence[tuple[str, str]]) -> None:
        """What this crawler wrote before under the targets and did not find again: by DeleteBehavior."""
        if self._settings.delete_behavior == "LOG":
            return
        roots = [f"s3://{bucket}/{prefix}" for bucket, prefix in targets]
        for name, table in list(self._existing.items()):
            mine = table.get("Parameters", {}).get(UPDATED_BY) == self._crawler
            if name in self._written or not mine or not any(_location(table).startswith(r) for r in roots):
                continue
            if self._settings.delete_behavior == "DELETE_FROM_DATABASE":
                self._glue.delete_table(DatabaseName=self._settings.database, Name=name)
                self._changes.tables[name] = "Deleted"
            elif "DEPRECATED_BY_CRAWLER" not in table["Parameters"]:
                members = (
                    "Name",
                    "Owner",
                    "Retention",
                    "StorageDescriptor",
                    "PartitionKeys",
                    "TableType",
                    "Parameters",
                )
                given = {k: table[k] for k in members if k in table}
                given["Parameters"] = {**given["Parameters"], "DEPRECATED_BY_CRAWLER": self._crawler}
                self._glue.update_table(DatabaseName=self._settings.database, TableInput=given)
                self._changes.tables[name] = "Updated"

    # ---------------------------------------------------------------------------------------------------------------

    def _partitions(self, name: str) -> Iterator[dict[str, Any]]:
        pages = self._glue.get_paginator("get_partitions").paginate(
            DatabaseName=self._settings.database, TableName=name, ExcludeColumnSchema=True
        )
        for answer in pages:
            yield from answer["Partitions"]

    def _delete_partitions(self, name: str, values: Sequence[Sequence[str]]) -> None:
        for start in range(0, len(values), _DELETE_BATCH):
            batch = [{"Values": list(v)} for v in values[start : start + _DELETE_BATCH]]
            self._raise(
                name,
                self._glue.batch_delete_partition(
                    DatabaseName=self._settings.database, TableName=name, PartitionsToDelete=batch
                ),
            )

    @staticmethod
    def _raise(name: str, answer: dict[str, Any]) -> None:
        if errors := answer.get("Errors"):
            detail = errors[0]["ErrorDetail"]
            raise ValueError(
                f"partitions of {name}: {len(errors)} failed, first: {detail['ErrorCode']}: {detail['ErrorMessage']}"
            )

    def _free_name(self, bucket: str, root: str, location: str) -> str:
        last = root.rstrip("/").rsplit("/", 1)[-1] or bucket
        name = self._settings.table_prefix + re.sub(r"[^a-z0-9_]", "_", last.lower())
        if name not in self._existing:
            return name
        # As Glue does: the second table of a name gets a hash of where it lies.
        return f"{name}_{hashlib.md5(location.encode(), usedforsecurity=False).hexdigest()}"

    def _table_input(self, name: str, location: str, found: FoundTable, columns: Sequence[Column]) -> dict[str, Any]:
        parameters = {**_parameters(found.sample, found.objects), UPDATED_BY: self._crawler}
        return {
            "Name": name,
            "Owner": "owner",
            "Retention": 0,
            "StorageDescriptor": _storage(location, found.sample, columns, parameters),
            "PartitionKeys": [{"Name": k, "Type": "string"} for k in found.partition_keys],
            "TableType": "EXTERNAL_TABLE",
            "Parameters": parameters,
        }

    def _partition_input(self, bucket: str, partition: FoundPartition, found: FoundTable) -> dict[str, Any]:
        columns = found.columns if self._settings.partitions_inherit else partition.columns
        parameters = _parameters(partition.objects[0].classified, partition.objects)
        return {
            "Values": list(partition.values),
            "StorageDescriptor": _storage(
                f"s3://{bucket}/{partition.folder}", partition.objects[0].classified, columns, parameters
            ),
            "Parameters": parameters,
        }


def _storage(
    location: str, sample: Classified, columns: Sequence[Column], parameters: dict[str, str]
) -> dict[str, Any]:
    descriptor: dict[str, Any] = {
        "Columns": [{"Name": c.name, "Type": c.type} for c in columns],
        "Location": location,
        "Compressed": sample.compression != "none",
        "NumberOfBuckets": -1,
        "BucketColumns": [],
        "SortColumns": [],
        "Parameters": parameters,
        "StoredAsSubDirectories": False,
    }
    if sample.classification in _FORMATS:
        reader, writer, serde = _FORMATS[sample.classification]
        descriptor.update(InputFormat=reader, OutputFormat=writer)
        descriptor["SerdeInfo"] = {"SerializationLibrary": serde, "Parameters": _serde_parameters(sample, columns)}
    return descriptor


def _serde_parameters(sample: Classified, columns: Sequence[Column]) -> dict[str, str]:
    if sample.classification == "csv":
        return {"field.delim": sample.delimiter}
    if sample.classification == "json":
        return {"paths": ",".join(c.name for c in columns)}
    return {"serialization.format": "1"}


def _parameters(sample: Classified, objects: Sequence[CrawledObject]) -> dict[str, str]:
    size = sum(o.size for o in objects)
    records = sum(o.classified.records for o in objects)
    parameters = {
        "CrawlerSchemaSerializerVersion": "1.0",
        "CrawlerSchemaDeserializerVersion": "1.0",
        "classification": sample.classification,
        "compressionType": sample.compression,
        "typeOfData": "file",
        "objectCount": str(len(objects)),
        "sizeKey": str(size),
        "recordCount": str(records),
        "averageRecordSize": str(size // records if records else 0),
    }
    if sample.classification == "csv":
        parameters.update(
            delimiter=sample.delimiter, columnsOrdered="true", areColumnsQuoted="true" if sample.quoted else "false"
        )
        if sample.header:
            parameters["skip.header.line.count"] = "1"
    return parameters


def _location(described: dict[str, Any]) -> str:
    return str(described.get("StorageDescriptor", {}).get("Location", ""))


def _columns(table: dict[str, Any]) -> list[Column]:
    return [Column(c["Name"], c.get("Type", "")) for c in table.get("StorageDescriptor", {}).get("Columns", [])]


def _keys(table: dict[str, Any]) -> list[str]:
    return [k["Name"] for k in table.get("PartitionKeys", [])]
