"""Bodies of S3 objects on disk: written there as they arrive, and sent from there, never held in memory.

MiniStack's S3 keeps each object in a plain file, but reads and writes it whole. Here a large body is a memory map of a
file, which has what MiniStack does with bytes (length, slices, hashing, writing) while the data stays in the kernel's
page cache; moving it to its place is a rename, copying an object a hard link. A read is a slice of an open file that
is sent piece by piece.
"""

from __future__ import annotations

import asyncio
import contextvars
import mmap
import os
import re
import secrets
import shutil
import weakref
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from localcloud.base import contract

THRESHOLD = 1 << 20
"""Bodies of this size and more stay on disk (bytes)."""
_PIECE = 1 << 18

sends_from_disk: contextvars.ContextVar[bool] = contextvars.ContextVar("sends_from_disk", default=False)
"""Whether what S3 reads now goes straight to the client, so that a slice of the file will do."""
spools_body: contextvars.ContextVar[bool] = contextvars.ContextVar("spools_body", default=False)
"""Whether the body of this request is an object's."""


class FileBody(mmap.mmap):
    """The content of a file, as far as bytes are asked for; at least one byte long.

    ``spooled``: the file is a temporary one that becomes an object by being renamed, and goes with this body otherwise.
    """

    path: str
    inode: int
    spooled: bool
    _remove: Callable[[], Any] | None

    @classmethod
    def open(cls, path: str, spooled: bool = False) -> FileBody:
        """Map a file that is not empty."""
        with open(path, "rb") as file:
            body = cls(file.fileno(), 0, access=mmap.ACCESS_READ)
            body.inode = os.fstat(file.fileno()).st_ino
        body.path, body.spooled = path, spooled
        body._remove = weakref.finalize(body, _unlink, path) if spooled else None
        return body

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        """As of bytes, for a caller that takes the body for text."""
        return self[:].decode(encoding, errors)

    def move_to(self, path: str) -> None:
        """Make the file at ``path`` (in an existing folder) have this content: a rename or a link where possible."""
        temporary = f"{path}.tmp"
        Path(temporary).unlink(missing_ok=True)
        try:
            if os.stat(self.path).st_ino != self.inode:
                raise FileNotFoundError(self.path)  # the object was replaced since; the map still has what it was
            if self.spooled:
                os.rename(self.path, temporary)
            else:
                os.link(self.path, temporary)
        except OSError:
            with open(temporary, "wb") as file:
                _copy(self, file)
            os.chmod(temporary, 0o600)
        os.replace(temporary, path)
        if self.spooled and self._remove is not None:
            self._remove()
            self.path, self.inode, self.spooled = path, os.stat(path).st_ino, False


class FileSlice:
    """A part of an open file, to be sent."""

    def __init__(self, path: str) -> None:
        self._file = open(path, "rb")  # noqa: SIM115 closed with the last slice of it
        self._start, self._length = 0, os.fstat(self._file.fileno()).st_size

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, part: slice) -> FileSlice:
        start, stop, step = part.indices(self._length)
        if step != 1:
            raise ValueError("a part of a file has no step")
        result = object.__new__(FileSlice)
        result._file, result._start, result._length = self._file, self._start + start, max(stop - start, 0)
        return result

    async def send(self, send: Any) -> None:
        """Send it as the body of an ASGI response, a piece at a time and no faster than the client takes it."""
        position, end = self._start, self._start + self._length
        while position < end:
            piece = await asyncio.to_thread(os.pread, self._file.fileno(), min(_PIECE, end - position), position)
            if not piece:
                raise OSError(f"{self._file.name} is shorter than it was")
            position += len(piece)
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


class ObjectBodies:
    """Puts bodies on disk into MiniStack's S3; ``spool`` is the folder of what is still arriving."""

    def __init__(self, spool: Path) -> None:
        shutil.rmtree(spool, ignore_errors=True)  # what a kill left of uploads that nobody was answered
        spool.mkdir(parents=True, mode=0o700)
        self._spool = spool

    def install(self) -> None:
        """Call once, before the first request. Raises ContractError."""
        self._install_arrival()
        self._install_sending()
        self._install_storage()

    # arrival -------------------------------------------------------------------------------------------------------

    def _install_arrival(self) -> None:
        read = contract.original("app", "_read_request_body")
        decode = contract.original("app", "_decode_aws_chunked_body")

        async def read_request_body(receive: Any, method: str, headers: dict[str, str]) -> bytes | FileBody:
            length = headers.get("content-length", "")
            if not spools_body.get() or (length.isdigit() and int(length) < THRESHOLD):
                return bytes(await read(receive, method, headers))
            path = self._new_path()
            try:
                await _receive_into(receive, path)
            except BaseException:
                _unlink(path)
                raise
            body = self._body(path)
            from ministack import app
            from ministack.core import iam_evaluator

            iam_evaluator.pin_signed_body(body)
            if length and (not length.strip().isdigit() or len(body) != int(length)):
                raise app._IncompleteRequestBody("Content-Length does not match request body")
            return await asyncio.to_thread(self._decoded, decode, body, headers)

        contract.replace("app", "_read_request_body", read_request_body)

    def _decoded(self, decode: Any, body: bytes | FileBody, headers: dict[str, str]) -> bytes | FileBody:
        """The body without the framing of aws-chunked; trailers become headers, as MiniStack's own decoder does it.

        Source: "Signature calculations for the authorization header: transferring payload in multiple chunks" and
        "... with trailing headers", Amazon S3 API reference.
        """
        chunked = (
            headers.get("x-amz-content-sha256", "").startswith("STREAMING-")
            or "aws-chunked" in headers.get("content-encoding", "")
            or "x-amz-decoded-content-length" in headers
        )
        if not chunked or not isinstance(body, FileBody):
            return decode(body, headers)  # type: ignore[no-any-return]
        from ministack import app

        path = self._new_path()
        try:
            with open(path, "xb") as file, memoryview(body) as view:
                trailer = _copy_chunks(body, view, file, app._IncompleteRequestBody)
                size = file.tell()
            announced = headers.pop("x-amz-decoded-content-length", str(size))
            if not announced.strip().isdigit() or int(announced) != size:
                raise app._IncompleteRequestBody("Decoded aws-chunked length mismatch")
            decode(b"0\r\n" + trailer, headers)
            headers["x-amz-decoded-content-length"] = announced
        except BaseException:
            _unlink(path)
            raise
        return self._body(path)

    # sending -------------------------------------------------------------------------------------------------------

    def _install_sending(self) -> None:
        from ministack import app

        respond = contract.original("app", "_send_response")

        async def send_response(send: Any, status: int, headers: Any, body: Any, *, head: bool = False) -> None:
            if not isinstance(body, FileSlice | FileBody):
                await respond(send, status, headers, body, head=head)
                return
            if not any(name.lower() == "content-length" for name in headers):
                headers["Content-Length"] = str(len(body))
            start = {"type": "http.response.start", "status": status, "headers": app._asgi_header_list(headers)}
            await send(start)
            await (body if isinstance(body, FileSlice) else FileSlice(body.path)).send(send)

        contract.replace("app", "_send_response", send_response)

    # storage -------------------------------------------------------------------------------------------------------

    def _install_storage(self) -> None:
        from ministack.services import s3

        read = contract.original("services.s3", "_read_body")
        read_version = contract.original("services.s3", "_version_body")
        write = contract.original("services.s3", "_atomic_write")
        entry = contract.original("services.s3", "_version_entry_from_record")
        data_of = contract.original("services.s3", "_get_object_data")

        def read_body(bucket_name: str, key: str, obj: dict[str, Any]) -> Any:
            found = obj.get("body") is None and _on_disk(s3._object_disk_path(bucket_name, key))
            return found or read(bucket_name, key, obj)

        def version_body(bucket: Any, bucket_name: str, key: str, v: dict[str, Any]) -> Any:
            found = v.get("data") is None and _on_disk(s3._version_disk_path(bucket_name, key, v["version_id"]))
            return found or read_version(bucket, bucket_name, key, v)

        def atomic_write(fpath: str, data: Any, *, text: bool = False) -> None:
            if isinstance(data, FileBody):
                data.move_to(fpath)
            else:
                write(fpath, data, text=text)

        def version_entry(obj: dict[str, Any], version_id: str, data: Any) -> Any:
            return entry(obj, version_id, None)  # every version has a file: no copy of it in memory

        def get_object_data(bucket_name: str, key: str, version_id: str | None = None) -> bytes | None:
            data = data_of(bucket_name, key, version_id)
            return data[:] if isinstance(data, FileBody) else data

        contract.replace("services.s3", "_read_body", read_body)
        contract.replace("services.s3", "_version_body", version_body)
        contract.replace("services.s3", "_atomic_write", atomic_write)
        contract.replace("services.s3", "_version_entry_from_record", version_entry)
        contract.replace("services.s3", "_get_object_data", get_object_data)
        s3._join_parts = self._joined
        contract.rewrite(
            "services.s3", "_complete_multipart_upload", 'b"".join(combined_parts)', "_join_parts(combined_parts)"
        )

    def _joined(self, parts: Iterable[Any]) -> bytes | FileBody:
        """The object that the parts of an upload make."""
        path = self._new_path()
        with open(path, "xb") as file:
            for part in parts:
                _copy(part, file)
        return self._body(path)

    def _new_path(self) -> str:
        return str(self._spool / secrets.token_hex(8))

    def _body(self, path: str) -> bytes | FileBody:
        """The body in a file of the spool folder; a small one is read, and its file goes."""
        os.chmod(path, 0o600)
        if os.path.getsize(path) >= THRESHOLD:
            return FileBody.open(path, spooled=True)
        try:
            return Path(path).read_bytes()
        finally:
            _unlink(path)


def request_body_is_an_object(method: str, scope: str | None, query_params: Mapping[str, Any]) -> bool:
    """Whether a request to S3 carries an object or a part of one (and no subresource's XML)."""
    subresources = ("acl", "tagging", "retention", "legal-hold", "annotation")
    return method == "PUT" and scope == "s3" and not any(name in query_params for name in subresources)


def _on_disk(path: str | None) -> FileBody | FileSlice | None:
    """A large file's content, or None for a small or absent one."""
    try:
        if path is None or os.path.getsize(path) < THRESHOLD:
            return None
        return FileSlice(path) if sends_from_disk.get() else FileBody.open(path)
    except FileNotFoundError:
        return None


async def _receive_into(receive: Any, path: str) -> None:
    from ministack import app

    with open(path, "xb") as file:
        pending: list[bytes] = []
        size = 0
        while True:
            message = await receive()
            if message.get("type") == "http.disconnect":
                raise app._RequestBodyDisconnected
            pending.append(message.get("body", b""))
            size += len(pending[-1])
            more = message.get("more_body", False)
            if size >= THRESHOLD or not more:
                await asyncio.to_thread(file.writelines, pending)
                pending, size = [], 0
            if not more:
                return


_CHUNK_SIZE = re.compile(rb"[0-9A-Fa-f]+")


def _copy_chunks(body: FileBody, view: memoryview, file: Any, incomplete: type[Exception]) -> bytes:
    """Write the data of the chunks; returns what follows the last one (the trailers)."""
    position = 0
    while True:
        end = body.find(b"\r\n", position)
        size = _CHUNK_SIZE.fullmatch(body[position:end].split(b";")[0].strip()) if end >= 0 else None
        if size is None:
            raise incomplete("Invalid aws-chunked frame")
        start = end + 2
        position = start + int(size[0], 16)
        if position == start:
            return body[start:]
        if body[position : position + 2] != b"\r\n":
            raise incomplete("Truncated aws-chunked frame data")
        with view[start:position] as data:
            file.write(data)
        position += 2


def _copy(source: Any, file: Any) -> None:
    with memoryview(source) as view:
        for start in range(0, len(view), _PIECE):
            with view[start : start + _PIECE] as piece:
                file.write(piece)


def _unlink(path: str) -> None:
    Path(path).unlink(missing_ok=True)
