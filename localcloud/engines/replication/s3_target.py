"""The S3 side of a full load: where the files of a table lie."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class S3Target:
    """Settings of an S3 target endpoint (AWS DMS API Reference, "S3Settings")."""

    bucket: str
    folder: str = ""
    data_format: str = "csv"
    gzip: bool = False
    csv_delimiter: str = ","
    csv_row_delimiter: str = "\n"
    csv_null_value: str = "NULL"
    add_column_name: bool = False
    include_op: bool = False
    timestamp_column: str = ""
    task_start_time_as_timestamp: bool = False
    parquet_version: str = "1.0"
    row_group_length: int = 10_000
    data_page_size: int = 1024 * 1024
    dictionary_page_size: int = 1024 * 1024
    use_dictionary: bool = True
    statistics: bool = True
    max_file_size: int = 1_048_576 * 1024
    object_arguments: Mapping[str, str] = field(default_factory=dict)

    @property
    def extension(self) -> str:
        if self.data_format == "parquet":
            return ".parquet"
        return ".csv.gz" if self.gzip else ".csv"

    def table_prefix(self, schema: str, table: str) -> str:
        folder = self.folder.strip("/")
        return f"{folder}/{schema}/{table}/" if folder else f"{schema}/{table}/"

    def load_key(self, schema: str, table: str, number: int) -> str:
        """Key of the n-th file: "using an incremental hexadecimal counter" ("Using Amazon S3 as a target")."""
        return f"{self.table_prefix(schema, table)}LOAD{number:08X}{self.extension}"


def delete_earlier_files(s3: Any, bucket: str, prefix: str) -> int:
    """Deletes every object under a table's folder; returns how many. Raises botocore's ClientError."""
    deleted = 0
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        keys = [{"Key": entry["Key"]} for entry in page.get("Contents", [])]
        if keys:
            answer = s3.delete_objects(Bucket=bucket, Delete={"Objects": keys, "Quiet": True})
            if errors := answer.get("Errors"):
                first = errors[0]
                raise PermissionError(
                    f"cannot delete s3://{bucket}/{first['Key']}: {first.get('Code')}: {first.get('Message')}"
                )
            deleted += len(keys)
    return deleted
