"""The S3 side of a full load: where the files of a table lie, and streams that become objects part by part."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

# S3 takes parts of 5 MiB or more; twice that keeps a stream's memory small and the requests few.
PART_SIZE = 10 * 1024 * 1024


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


class ObjectStream(io.RawIOBase):
    """A write-only stream that becomes one S3 object when `finish` is called, and nothing when it is not.

    Only `finish` completes the object: a stream that is closed or dropped on the way leaves none.
    """

    def __init__(self, s3: Any, bucket: str, key: str, arguments: Mapping[str, str]) -> None:
        super().__init__()
        self._s3, self.bucket, self.key, self._arguments = s3, bucket, key, dict(arguments)
        self._buffer = bytearray()
        self._upload_id: str | None = None
        self._parts: list[dict[str, Any]] = []
        self.size = 0
        self._finished = False

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        return self.size

    def write(self, data: Any) -> int:
        written = memoryview(data).nbytes
        self._buffer += data
        self.size += written
        while len(self._buffer) >= PART_SIZE:
            self._send_part(bytes(self._buffer[:PART_SIZE]))
            del self._buffer[:PART_SIZE]
        return written

    def finish(self) -> None:
        """Makes the object visible. Raises botocore's ClientError."""
        if self._upload_id is None:
            self._s3.put_object(Bucket=self.bucket, Key=self.key, Body=bytes(self._buffer), **self._arguments)
        else:
            if self._buffer:
                self._send_part(bytes(self._buffer))
            self._s3.complete_multipart_upload(
                Bucket=self.bucket, Key=self.key, UploadId=self._upload_id, MultipartUpload={"Parts": self._parts}
            )
        self._buffer.clear()
        self._finished = True

    def abort(self) -> None:
        """Gives the parts sent so far back."""
        if self._upload_id is not None and not self._finished:
            self._s3.abort_multipart_upload(Bucket=self.bucket, Key=self.key, UploadId=self._upload_id)
            self._upload_id = None

    def _send_part(self, body: bytes) -> None:
        if self._upload_id is None:
            created = self._s3.create_multipart_upload(Bucket=self.bucket, Key=self.key, **self._arguments)
            self._upload_id = str(created["UploadId"])
        number = len(self._parts) + 1
        answer = self._s3.upload_part(
            Bucket=self.bucket, Key=self.key, UploadId=self._upload_id, PartNumber=number, Body=body
        )
        self._parts.append({"PartNumber": number, "ETag": answer["ETag"]})


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
