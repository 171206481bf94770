"""Messages of the PostgreSQL frontend/backend protocol, version 3.0."""

from __future__ import annotations

import re
import struct
from typing import BinaryIO

from localcloud.engines.sql.errors import SqlError
from localcloud.engines.sql.session import Column

SSL_REQUEST = 80877103
GSS_REQUEST = 80877104
CANCEL_REQUEST = 80877102


def message(code: bytes, body: bytes = b"") -> bytes:
    """A message of the backend."""
    return code + struct.pack("!i", len(body) + 4) + body


def string(text: str) -> bytes:
    """A C string."""
    return text.encode() + b"\0"


def error(failure: SqlError) -> bytes:
    """ErrorResponse."""
    fields = [("S", "ERROR"), ("C", failure.sqlstate), ("M", failure.message)]
    fields += [(code, text) for code, text in (("D", failure.detail), ("H", failure.hint)) if text]
    return message(b"E", b"".join(code.encode() + string(text) for code, text in fields) + b"\0")


def command_line_settings(options: str) -> list[tuple[str, str]]:
    """Parameters that a client gives as a server's command line: `-c name=value` and `--name=value`; a backslash keeps
    a blank in a value (PostgreSQL: libpq, Parameter Key Words, options). Raises SqlError for anything else."""
    words = [re.sub(r"\\(.)", r"\1", word) for word in re.findall(r"(?:\\.|\S)+", options)]
    found = []
    while words:
        word = words.pop(0)
        if word == "-c" and words:
            word = "--" + words.pop(0)
        elif word.startswith("-c"):
            word = "--" + word[2:]
        name, equals, value = word.removeprefix("--").partition("=")
        if not (word.startswith("--") and name and equals):
            raise SqlError("42601", f"invalid command-line argument for server process: {word}")
        found.append((name.replace("-", "_"), value))
    return found


def row_description(columns: list[Column], formats: list[int]) -> bytes:
    """RowDescription."""
    body = struct.pack("!h", len(columns))
    for column, form in zip(columns, formats, strict=True):
        kind = column.type
        body += string(column.name) + struct.pack("!ihihih", 0, 0, kind.oid, kind.size, kind.modifier, form)
    return message(b"T", body)


def read_startup(stream: BinaryIO) -> tuple[int, bytes]:
    """(protocol or request code, rest) of the first packet. Raises EOFError when the client went away."""
    length = struct.unpack("!i", read_exactly(stream, 4))[0]
    if not 8 <= length <= 10_000:
        raise EOFError("not a PostgreSQL client")
    body = read_exactly(stream, length - 4)
    return struct.unpack("!i", body[:4])[0], body[4:]


def read_message(stream: BinaryIO) -> tuple[bytes, bytes]:
    """(type, body) of the next message of the frontend. Raises EOFError."""
    head = read_exactly(stream, 5)
    length = struct.unpack("!i", head[1:])[0]
    if length < 4:
        raise EOFError("a message shorter than its own length")
    return head[:1], read_exactly(stream, length - 4)


def read_exactly(stream: BinaryIO, count: int) -> bytes:
    """``count`` bytes. Raises EOFError."""
    data = stream.read(count) if count else b""
    if len(data) != count:
        raise EOFError("the client closed the connection")
    return data


class Reader:
    """Reads the fields of a message's body."""

    def __init__(self, body: bytes) -> None:
        self._body = body
        self._at = 0

    def int16(self) -> int:
        self._at += 2
        return int(struct.unpack_from("!h", self._body, self._at - 2)[0])

    def int32(self) -> int:
        self._at += 4
        return int(struct.unpack_from("!i", self._body, self._at - 4)[0])

    def bytes(self, count: int) -> bytes:
        self._at += count
        return self._body[self._at - count : self._at]

    def string(self) -> str:
        end = self._body.index(b"\0", self._at)
        text = self._body[self._at : end].decode()
        self._at = end + 1
        return text
