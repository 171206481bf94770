"""A stream that becomes an S3 object part by part, whole or not at all."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

# S3 takes parts of 5 MiB or more; twice that keeps a stream's memory small and the requests few.
PART_SIZE = 10 * 1024 * 1024


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
