"""The lake's catalog: what the files of a load hold, and the Glue tables and partitions that point at them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq
from botocore.exceptions import ClientError

from cdap.config import Source, Table
from cdap.config.column_types import glue_type, is_numeric
from cdap.errors import CdapError, SchemaChangeError
from cdap.loads import Load
from cdap.sql import literal

Columns = list[tuple[str, str]]

PARTITION_KEYS = ("dt", "load")
EXTRACTED_AT = "_extracted_at"
# What the platform adds to a record, and the partition keys.
RESERVED = frozenset(
    {*PARTITION_KEYS, EXTRACTED_AT, "_file", "_rules", "_copy", "_day", "_reason", "_source", "_table", "_load"}
)
# Enough for the footers of most files, so that one request does.
FOOTER_GUESS = 65_536
# BatchCreatePartition takes at most 100 partitions a call (AWS Glue API reference).
BATCH = 100
PARQUET = {
    "InputFormat": "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat",
    "OutputFormat": "org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat",
    "SerdeInfo": {
        "SerializationLibrary": "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe",
        "Parameters": {"serialization.format": "1"},
    },
}


@dataclass(frozen=True)
class Partition:
    """Values of the partition keys `dt` and `load`, and the key prefix in the lake that they point at."""

    day: str
    load_id: str
    folder: str


@dataclass(frozen=True)
class SchemaChange:
    """How the columns found differ from the catalog's: `columns` is what the table should have afterwards."""

    kind: Literal["new", "widened", "same"]
    columns: Columns


def raw_columns(s3: Any, bucket: str, folder: str) -> Columns:
    """Names and Glue types of the columns in a folder's Parquet files; empty when there is no file.

    Reads each file's footer by ranged requests, never a whole file. Raises CdapError for a file that is not Parquet,
    SchemaChangeError when files of one folder differ.
    """
    columns: Columns = []
    first = ""
    for key in _keys(s3, bucket, folder):
        found = _footer(s3, bucket, key)
        if not columns:
            columns, first = found, key
        elif found != columns:
            raise SchemaChangeError(
                f"Reading the columns of s3://{bucket}/{folder}",
                f"{key} does not have the columns of {first}",
                "Extract the load again; files of one extraction have one schema",
            )
    return columns


def _keys(s3: Any, bucket: str, folder: str) -> list[str]:
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=folder)
    return [item["Key"] for page in pages for item in page.get("Contents", ()) if item["Size"] > 0]


def _footer(s3: Any, bucket: str, key: str) -> Columns:
    uri = f"s3://{bucket}/{key}"
    try:
        tail = _tail(s3, bucket, key, FOOTER_GUESS)
        # The last eight bytes of a Parquet file are the length of its footer and the letters PAR1.
        footer = int.from_bytes(tail[-8:-4], "little") + 8
        if tail.endswith(b"PAR1") and footer > len(tail):
            tail = _tail(s3, bucket, key, footer)
        schema = pq.read_schema(pa.BufferReader(tail))
    except pa.ArrowInvalid as error:
        raise CdapError(
            f"Reading the footer of {uri}", f"it is not a Parquet file: {error}", "Extract the load again"
        ) from error
    # Glue and Redshift know lower-case names only.
    columns = [(field.name.lower(), _glue_type_of(field, uri)) for field in schema]
    for name, _ in columns:
        if name in RESERVED or [other for other, _ in columns].count(name) > 1:
            raise SchemaChangeError(
                f"Reading the columns of {uri}",
                f"column {name} is there twice, or has a name that the platform gives itself",
                "Rename the column at the source, or exclude it from the extraction",
            )
    return columns


def _tail(s3: Any, bucket: str, key: str, size: int) -> bytes:
    """The last bytes of an object, all of it when it is shorter."""
    body: bytes = s3.get_object(Bucket=bucket, Key=key, Range=f"bytes=-{size}")["Body"].read()
    return body


def _glue_type_of(field: pa.Field, uri: str) -> str:
    kind = field.type
    if pa.types.is_decimal(kind):
        return f"decimal({kind.precision},{kind.scale})"
    # AWS DMS: Using Amazon S3 as a target, Target data types for S3 Parquet.
    for matches, name in (
        (pa.types.is_boolean, "boolean"),
        (pa.types.is_int8, "tinyint"),
        (pa.types.is_int16, "smallint"),
        (pa.types.is_int32, "int"),
        (pa.types.is_int64, "bigint"),
        (pa.types.is_float32, "float"),
        (pa.types.is_float64, "double"),
        (pa.types.is_date32, "date"),
        (pa.types.is_timestamp, "timestamp"),
        (pa.types.is_string, "string"),
        (pa.types.is_large_string, "string"),
        (pa.types.is_binary, "binary"),
    ):
        if matches(kind):
            return name
    raise SchemaChangeError(
        f"Reading the columns of {uri}",
        f"column {field.name} has the type {kind}, which the catalog's tables do not hold",
        "Exclude the column at the source's extraction, or extract it as text",
    )


def schema_change(
    source: Source, table: str, known: Columns | None, found: Columns, load: Load, file: str = "config/sources"
) -> SchemaChange:
    """Compares what a load holds with the catalog's raw table (`known`, None when there is none) and the contract.

    A column the catalog does not know widens the table. Raises SchemaChangeError naming source, table, partition,
    column and what to do when a column's type changed, when a required column of the contract is gone, or when a
    column cannot become what the contract says.
    """
    contract = source.tables[table]
    doing = f"Comparing the columns of {source.name}.{table}, partition dt={load.last_day} load={load.load_id}"
    declared = f"{file}/{source.name}.yaml"
    types = dict(found)
    for name, column in contract.columns.items():
        if name not in types:
            if column.required:
                raise SchemaChangeError(
                    doing,
                    f"required column {name} is not among {', '.join(types)}",
                    f"Restore it at the source, or say `required: false` of it in {declared}",
                )
        elif not castable(types[name], column.type):
            raise SchemaChangeError(
                doing,
                f"column {name} came as {types[name]}, which cannot become the contract's {column.type}",
                f"Restore its type at the source, or change the contract's in {declared}",
            )
    if known is None:
        return SchemaChange("new", found)
    before = dict(known)
    for name, kind in found:
        if name in before and before[name] != kind:
            raise SchemaChangeError(
                doing,
                f"column {name} came as {kind}, the catalog has {before[name]}",
                f"Restore its type at the source; or, to take the new one from here on, delete the Glue table "
                f"{source.lake_table(table)} of the raw database (files and clean data stay) and clear this task",
            )
    added = [(name, kind) for name, kind in found if name not in before]
    return SchemaChange("widened" if added else "same", [*known, *added])


def castable(found: str, contract: str) -> bool:
    """Whether values of a Glue type can become a contract's type, one by one (a value that cannot is quarantined)."""
    target = glue_type(contract)
    if found == target or found == "string":
        return True
    if contract == "string":
        return found != "binary"
    if found in ("tinyint", "smallint", "int", "bigint", "float", "double") or found.startswith("decimal"):
        return is_numeric(contract)
    return {found, target} <= {"date", "timestamp"}


def table_columns(glue: Any, database: str, table: str) -> Columns | None:
    """The columns of a Glue table without partition keys; None when there is no such table."""
    described = _table(glue, database, table)
    return None if described is None else _columns(described)


def discovered_columns(glue: Any, database: str, bucket: str, folder: str) -> Columns | None:
    """The columns that a crawler found in a folder; None when no table of the database lies there.

    Tables are told by location and not by name: a crawler names a second folder of one name with a hash.
    """
    location = f"s3://{bucket}/{folder}".rstrip("/")
    for page in glue.get_paginator("get_tables").paginate(DatabaseName=database):
        for described in page["TableList"]:
            if described.get("StorageDescriptor", {}).get("Location", "").rstrip("/") == location:
                return _columns(described)
    return None


def ensure_table(glue: Any, database: str, table: str, columns: Columns, location: str, description: str = "") -> bool:
    """Creates a partitioned Parquet table or gives an existing one `columns`; True when anything changed."""
    described = _table(glue, database, table)
    if described is not None and _columns(described) == columns:
        return False
    wanted = {
        "Name": table,
        "Description": description,
        "TableType": "EXTERNAL_TABLE",
        "Parameters": {"classification": "parquet", "EXTERNAL": "TRUE"},
        "PartitionKeys": [{"Name": name, "Type": "string"} for name in PARTITION_KEYS],
        "StorageDescriptor": _storage(columns, location),
    }
    if described is None:
        try:
            glue.create_table(DatabaseName=database, TableInput=wanted)
        except ClientError as error:
            # Two first loads at the same time: the other one made it.
            if _code(error) != "AlreadyExistsException":
                raise
            return ensure_table(glue, database, table, columns, location, description)
    else:
        glue.update_table(DatabaseName=database, TableInput=wanted)
    return True


def ensure_clean_table(glue: Any, database: str, bucket: str, source: Source, table: str) -> bool:
    """Creates or widens `<source>_<table>` of the clean database from the contract; True when anything changed.

    Raises SchemaChangeError when the contract changed the type of a column that clean partitions already hold.
    """
    contract = source.tables[table]
    name = source.lake_table(table)
    wanted = clean_columns(contract)
    known = table_columns(glue, database, name)
    if known is not None:
        types = dict(known)
        for column, kind in wanted:
            if types.get(column, kind) != kind:
                raise SchemaChangeError(
                    f"Widening the clean table {database}.{name}",
                    f"the contract now has column {column} as {kind}, partitions written so far hold {types[column]}",
                    "Give the column of the new type a new name, or delete the table and write its partitions again",
                )
        # A column that left the contract stays: partitions written before still hold it.
        wanted = [*known, *(item for item in wanted if item[0] not in types)]
    location = f"s3://{bucket}/clean/{source.name}/{table}/"
    return ensure_table(glue, database, name, wanted, location, contract.description)


def clean_columns(contract: Table) -> Columns:
    """Columns of a clean file: the contract's, typed, and when the load was extracted (UTC)."""
    return [*((name, glue_type(column.type)) for name, column in contract.columns.items()), (EXTRACTED_AT, "timestamp")]


def register_partitions(glue: Any, database: str, table: str, bucket: str, partitions: Iterable[Partition]) -> int:
    """Points partitions (`dt`, `load`) at their folders; returns how many there are. Safe to run again.

    Raises CdapError naming the first partition that Glue refuses and its reason.
    """
    described = _table(glue, database, table)
    if described is None:
        raise CdapError(
            f"Registering partitions of {database}.{table}", "there is no such table", "Clear the task that makes it"
        )
    columns = _columns(described)
    wanted = [
        {
            "Values": [partition.day, partition.load_id],
            "StorageDescriptor": _storage(columns, f"s3://{bucket}/{partition.folder}"),
        }
        for partition in partitions
    ]
    for begin in range(0, len(wanted), BATCH):
        batch = wanted[begin : begin + BATCH]
        answer = glue.batch_create_partition(DatabaseName=database, TableName=table, PartitionInputList=batch)
        by_values = {tuple(item["Values"]): item for item in batch}
        for failure in answer.get("Errors", ()):
            values, detail = failure["PartitionValues"], failure.get("ErrorDetail", {})
            if detail.get("ErrorCode") != "AlreadyExistsException":
                raise CdapError(
                    f"Registering partition dt={values[0]} load={values[1]} of {database}.{table}",
                    f"{detail.get('ErrorCode')}: {detail.get('ErrorMessage')}",
                    "Correct the cause and clear the task",
                )
            glue.update_partition(
                DatabaseName=database,
                TableName=table,
                PartitionValueList=values,
                PartitionInput=by_values[tuple(values)],
            )
    return len(wanted)


def retract_partitions(glue: Any, database: str, table: str, load_id: str, keep: Iterable[str]) -> int:
    """Takes away the partitions of a load whose day is not in `keep`: an earlier attempt's, which no longer hold."""
    kept = set(keep)
    pages = glue.get_paginator("get_partitions").paginate(
        DatabaseName=database, TableName=table, Expression=f"load = {literal(load_id)}"
    )
    stale = [
        {"Values": found["Values"]} for page in pages for found in page["Partitions"] if found["Values"][0] not in kept
    ]
    # BatchDeletePartition takes at most 25 a call (AWS Glue API reference).
    for begin in range(0, len(stale), 25):
        batch = stale[begin : begin + 25]
        answer = glue.batch_delete_partition(DatabaseName=database, TableName=table, PartitionsToDelete=batch)
        for failure in answer.get("Errors", ()):
            detail = failure.get("ErrorDetail", {})
            if detail.get("ErrorCode") != "EntityNotFoundException":
                raise CdapError(
                    f"Retracting partition dt={failure['PartitionValues'][0]} load={load_id} of {database}.{table}",
                    f"{detail.get('ErrorCode')}: {detail.get('ErrorMessage')}",
                    "Correct the cause and clear the task",
                )
    return len(stale)


def _table(glue: Any, database: str, table: str) -> Mapping[str, Any] | None:
    try:
        described: Mapping[str, Any] = glue.get_table(DatabaseName=database, Name=table)["Table"]
    except ClientError as error:
        if _code(error) == "EntityNotFoundException":
            return None
        raise
    return described


def _columns(described: Mapping[str, Any]) -> Columns:
    return [(column["Name"], column["Type"]) for column in described["StorageDescriptor"]["Columns"]]


def _storage(columns: Sequence[tuple[str, str]], location: str) -> dict[str, Any]:
    return {"Columns": [{"Name": name, "Type": kind} for name, kind in columns], "Location": location, **PARQUET}


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))
