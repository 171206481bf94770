"""Reading and writing S3, with and without the Data Catalog."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import boto3
from pyspark.sql import functions as F
from pyspark.sql.types import StructType

Options = Mapping[str, Any] | None
_FORMATS = ("parquet", "json", "csv", "orc")
_SERDES = {"parquet": "parquet", "json": "json", "lazysimple": "csv", "opencsv": "csv", "orc": "orc"}
# Source: "CSV format options", "JSON format options" of the AWS Glue Developer Guide.
_CSV_OPTIONS = {"separator": "sep", "quoteChar": "quote", "escaper": "escape", "multiLine": "multiLine"}
_FOR_SPEED = {"groupFiles", "groupSize", "useS3ListImplementation"}
"""Options of reading that change no result."""
_JSON_OPTIONS = {"multiLine": "multiLine"}


def read_catalog(spark: Any, database: str, table_name: str, predicate: str = "", options: Options = None) -> Any:
    """A DataFrame of a table of the Data Catalog: its columns with its types, partition keys last.

    Raises ValueError for a table of another format, and for options that change what is read.
    """
    _refuse_others(options or {}, _FOR_SPEED, "additional_options")
    glue = boto3.client("glue")
    table = glue.get_table(DatabaseName=database, Name=table_name)["Table"]
    storage = table["StorageDescriptor"]
    columns, keys = _schema(spark, storage["Columns"]), _schema(spark, table.get("PartitionKeys", []))
    reader = spark.read.format(_format_of(table)).options(**_reading_options(table))
    if not keys:
        frame = reader.schema(columns).load(_s3(storage["Location"]))
        return frame.where(predicate) if predicate else frame
    pages = glue.get_paginator("get_partitions").paginate(DatabaseName=database, TableName=table_name)
    partitions = [partition for page in pages for partition in page["Partitions"]]
    frames = [
        _with_keys(reader.schema(columns).load(locations), keys, values)
        for values, locations in _by_values(partitions).items()
    ]
    if not frames:
        return spark.createDataFrame([], StructType([*columns, *keys]))
    united = frames[0]
    for frame in frames[1:]:
        united = united.unionByName(frame)
    return united.where(predicate) if predicate else united


def write_catalog(frame: Any, database: str, table_name: str, options: Options = None) -> None:
    """Adds a DataFrame's rows to where a table of the catalog lies; a crawler adds new partitions to the catalog.

    Raises ValueError for options: with them AWS changes the catalog itself.
    """
    _refuse_others(options or {}, set(), "additional_options")
    table = boto3.client("glue").get_table(DatabaseName=database, Name=table_name)["Table"]
    keys = [key["Name"] for key in table.get("PartitionKeys", [])]
    writer = frame.write.mode("append").format(_format_of(table)).options(**_reading_options(table))
    writer.partitionBy(*keys).save(_s3(table["StorageDescriptor"]["Location"]))


def read_options(
    spark: Any, connection_type: str, options: Options, format: str | None, format_options: Options, predicate: str = ""
) -> Any:
    """A DataFrame of the objects below `paths`. Raises ValueError for a source that is not S3."""
    given = dict(options or {})
    paths = given.get("paths")
    if connection_type != "s3" or not paths:
        raise ValueError(f"the local cloud's Glue reads s3 with `paths`, got {connection_type!r} with {sorted(given)}")
    reader = spark.read.format(_known(format)).options(**_format_options(format, format_options, reading=True))
    if given.get("recurse"):
        reader = reader.option("recursiveFileLookup", "true")
    _refuse_others(given, {"paths", "recurse", *_FOR_SPEED}, "connection_options")
    frame = reader.load([_s3(path) for path in paths])
    return frame.where(predicate) if predicate else frame


def write_options(
    frame: Any, connection_type: str, options: Options, format: str | None, format_options: Options
) -> None:
    """Adds a DataFrame's rows as new objects below `path`. Raises ValueError for a target that is not S3."""
    given = dict(options or {})
    if connection_type != "s3" or not given.get("path"):
        raise ValueError(f"the local cloud's Glue writes s3 with `path`, got {connection_type!r} with {sorted(given)}")
    _refuse_others(given, {"path", "partitionKeys", "compression"}, "connection_options")
    writer = frame.write.mode("append").format(_known("parquet" if format == "glueparquet" else format))
    writer = writer.options(**_format_options(format, format_options, reading=False))
    if given.get("compression"):
        writer = writer.option("compression", given["compression"])
    writer.partitionBy(*given.get("partitionKeys", [])).save(_s3(given["path"]))


def _refuse_others(given: Mapping[str, Any], known: set[str], what: str) -> None:
    """What is not known here would change what is read or written; raises ValueError naming it."""
    if unknown := sorted(set(given) - known):
        raise ValueError(f"{what} {unknown} are not supported by the local cloud's Glue")


def _known(format: str | None) -> str:
    if format not in _FORMATS:
        raise ValueError(f"format must be one of {', '.join(_FORMATS)}, got {format!r}")
    return str(format)


def _format_options(format: str | None, options: Options, *, reading: bool) -> dict[str, str]:
    given = dict(options or {})
    names = _CSV_OPTIONS if format == "csv" else _JSON_OPTIONS if format == "json" else {}
    found = {names[name]: str(given.pop(name)) for name in list(given) if name in names}
    if format == "csv":
        header = given.pop("withHeader", False) if reading else given.pop("writeHeader", True)
        found["header"] = str(bool(header)).lower()
    _refuse_others(given, set(), f"format_options of {format}:")
    return found


def _format_of(table: Mapping[str, Any]) -> str:
    serde = table["StorageDescriptor"].get("SerdeInfo", {}).get("SerializationLibrary", "").lower()
    for part, format in _SERDES.items():
        if part in serde:
            return format
    raise ValueError(f"{table['DatabaseName']}.{table['Name']}: the local cloud's Glue reads no {serde or 'table'}")


def _reading_options(table: Mapping[str, Any]) -> dict[str, str]:
    if _format_of(table) != "csv":
        return {}
    serde = table["StorageDescriptor"]["SerdeInfo"].get("Parameters", {})
    parameters = {**table.get("Parameters", {}), **table["StorageDescriptor"].get("Parameters", {})}
    return {
        "sep": serde.get("field.delim") or serde.get("separatorChar") or parameters.get("delimiter") or ",",
        "header": str(parameters.get("skip.header.line.count", "0") != "0").lower(),
    }


def _schema(spark: Any, columns: Sequence[Mapping[str, str]]) -> Any:
    """Columns of the catalog as Spark's; the types of both are Hive's."""
    if not columns:
        return StructType([])
    return spark.createDataFrame([], ", ".join(f"`{column['Name']}` {column['Type']}" for column in columns)).schema


def _by_values(partitions: Sequence[Mapping[str, Any]]) -> dict[tuple[str, ...], list[str]]:
    found: dict[tuple[str, ...], list[str]] = {}
    for partition in partitions:
        found.setdefault(tuple(partition["Values"]), []).append(_s3(partition["StorageDescriptor"]["Location"]))
    return found


def _with_keys(frame: Any, keys: Any, values: Sequence[str]) -> Any:
    for key, value in zip(keys, values, strict=True):
        frame = frame.withColumn(key.name, F.lit(value).cast(key.dataType))
    return frame


def _s3(location: str) -> str:
    return location.rstrip("/") if location.startswith("s3://") else location
