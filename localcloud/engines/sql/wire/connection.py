"""One client's connection: start-up, password, and the simple and extended query protocols."""

from __future__ import annotations

import itertools
import logging
import os
import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, BinaryIO, cast

import pyarrow as pa

from localcloud.engines.sql.errors import SqlError
from localcloud.engines.sql.session import Column, Plan, Result, Session
from localcloud.engines.sql.tokens import split_statements
from localcloud.engines.sql.warehouse import User, Warehouse
from localcloud.engines.sql.wire import messages, parameters
from localcloud.engines.sql.wire.messages import Reader, message, string
from localcloud.engines.sql.wire.rows import data_rows

log = logging.getLogger("localcloud.warehouse")
_TAGS_WITH_COUNT = ("UPDATE", "DELETE", "MERGE", "SELECT", "FETCH", "COPY")


@dataclass
class Prepared:
    """A prepared statement: its text and the types that the client gave for its parameters."""

    sql: str
    oids: list[int]
    columns: list[Column] | None = None


@dataclass
class Portal:
    """A statement with its parameters bound."""

    statement: Prepared
    values: list[Any]
    formats: list[int]
    plan: Plan | None = None
    rows: Iterator[pa.RecordBatch] | None = None
    columns: list[Column] = field(default_factory=list)
    sent: int = 0
    pending: pa.RecordBatch | None = None


class Connection:
    """Serves one socket until the client leaves."""

    def __init__(self, warehouse: Warehouse, client: socket.socket) -> None:
        self._warehouse = warehouse
        self._client = client
        self._in = cast(BinaryIO, client.makefile("rb", 65536))
        self._out = client.makefile("wb", 262144)
        self._session: Session | None = None
        self._statements: dict[str, Prepared] = {}
        self._portals: dict[str, Portal] = {}

    @property
    def session(self) -> Session:
        """The session, once the client has logged in."""
        if self._session is None:
            raise SqlError("08P01", "the connection is not logged in")
        return self._session

    def serve(self) -> None:
        """Serve until the client leaves."""
        try:
            if self._start():
                self._loop()
        except (EOFError, ConnectionError, OSError) as error:
            log.debug("connection ended: %s", error)
        finally:
            if self._session is not None:
                self._session.close()
            # The files made of the socket hold it open: without this the client would wait for an answer.
            self._disconnect()
            self._client.close()

    # Start-up ------------------------------------------------------------------------------------------------------

    def _start(self) -> bool:
        while True:
            code, rest = messages.read_startup(self._in)
            if code in (messages.SSL_REQUEST, messages.GSS_REQUEST):
                self._out.write(b"N")
                self._out.flush()
                continue
            if code == messages.CANCEL_REQUEST:
                pid, secret = struct.unpack("!ii", rest[:8])
                self._warehouse.cancel(pid, secret)
                return False
            break
        if code >> 16 != 3:
            self._send(messages.error(SqlError("08P01", f"unsupported frontend protocol {code >> 16}")))
            self._out.flush()
            return False
        words = rest.split(b"\0")
        options = {k.decode(): v.decode() for k, v in zip(words[::2], words[1::2], strict=False) if k}
        user = options.get("user", "")
        database = options.get("database") or user
        try:
            known = self._authenticate(user, database)
            settings = messages.command_line_settings(options.get("options", ""))
            self._session = self._warehouse.open_session(known.name, database, options)
            for name, value in settings:
                self._session.settings.set(name, value)
        except SqlError as failure:
            self._send(messages.error(failure))
            self._out.flush()
            return False
        self._session.disconnect = self._disconnect
        self._welcome(options)
        return True

    def _disconnect(self) -> None:
        try:
            self._client.shutdown(socket.SHUT_RDWR)
        except OSError as error:
            log.debug("the client was gone already: %s", error)

    def _authenticate(self, user: str, database: str) -> User:
        salt = os.urandom(4)
        self._send(message(b"R", struct.pack("!i", 5) + salt))
        self._out.flush()
        code, body = messages.read_message(self._in)
        if code != b"p":
            raise SqlError("08P01", "expected a password message")
        return self._warehouse.check_password(user, database, salt, body.rstrip(b"\0").decode())

    def _welcome(self, options: dict[str, str]) -> None:
        self._send(message(b"R", struct.pack("!i", 0)))
        statuses = {
            "server_version": "8.0.2",
            "server_encoding": "UTF8",
            "client_encoding": "UTF8",
            "DateStyle": "ISO, MDY",
            "TimeZone": "UTC",
            "integer_datetimes": "on",
            "is_superuser": "on",
            "session_authorization": self.session.user,
            "standard_conforming_strings": "on",
            "server_protocol_version": "0",
            "application_name": options.get("application_name", ""),
        }
        for name, value in statuses.items():
            self._send(message(b"S", string(name) + string(value)))
        self._send(message(b"K", struct.pack("!ii", self.session.pid, self.session.secret)))
        self._ready()

    # Messages ------------------------------------------------------------------------------------------------------

    def _send(self, data: bytes) -> None:
        self._out.write(data)

    def _ready(self) -> None:
        session = self.session
        status = b"E" if session.failed else b"T" if session.in_transaction else b"I"
        self._send(message(b"Z", status))
        self._out.flush()

    def _loop(self) -> None:
        handlers = {
            b"P": self._parse,
            b"B": self._bind,
            b"D": self._describe,
            b"E": self._execute,
            b"C": self._close,
        }
        skipping = False
        while True:
            code, body = messages.read_message(self._in)
            if code == b"X":
                return
            if code == b"S":
                skipping = False
                self._ready()
            elif code == b"H":
                self._out.flush()
            elif code == b"Q":
                skipping = False
                self._query(body[:-1].decode())
                self._ready()
            elif not skipping:
                handler = handlers.get(code)
                try:
                    if handler is None:
                        raise SqlError("08P01", f"unexpected message {code!r}")
                    handler(Reader(body))
                except SqlError as failure:
                    self._failed(failure)
                    skipping = True
                except Exception as error:
                    self._failed(self._internal(error))
                    skipping = True

    def _failed(self, failure: SqlError) -> None:
        self.session.fail()
        self._send(messages.error(failure))

    @staticmethod
    def _internal(error: Exception) -> SqlError:
        log.exception("a statement failed for a reason of the warehouse's own")
        return SqlError("XX000", f"internal error: {type(error).__name__}: {error}")

    # Simple protocol -----------------------------------------------------------------------------------------------

    def _query(self, sql: str) -> None:
        try:
            statements = split_statements(sql)
            if not statements:
                self._send(message(b"I"))
                return
            for text in statements:
                self._check_transaction(text)
                plan = self.session.plan(text)
                result = self.session.execute(plan)
                if result.columns is not None:
                    formats = [0] * len(result.columns)
                    self._send(messages.row_description(result.columns, formats))
                    result.count = self._stream(result, formats)
                self._complete(plan, result)
        except SqlError as failure:
            self._failed(failure)
        except Exception as error:
            self._failed(self._internal(error))

    def _check_transaction(self, sql: str) -> None:
        if self.session.failed and sql.lstrip().split(None, 1)[0].lower() not in (
            "rollback", "commit", "abort", "end"
        ):  # fmt: skip
            raise SqlError("25P02", "current transaction is aborted, commands ignored until end of transaction block")

    def _stream(self, result: Result, formats: list[int]) -> int:
        count = 0
        kinds = [column.type for column in result.columns or []]
        zone = self.session.settings.show("timezone")
        for batch in result.batches:
            self._send(data_rows(batch, kinds, formats, zone))
            count += batch.num_rows
        return count

    def _complete(self, plan: Plan, result: Result) -> None:
        tag = result.tag
        if tag == "INSERT":
            tag = f"INSERT 0 {result.count or 0}"
        elif tag in _TAGS_WITH_COUNT and result.count is not None:
            tag = f"{tag} {result.count}"
        self._send(message(b"C", string(tag)))

    # Extended protocol ---------------------------------------------------------------------------------------------

    def _parse(self, reader: Reader) -> None:
        name, sql = reader.string(), reader.string()
        oids = [reader.int32() for _ in range(reader.int16())]
        statements = split_statements(sql)
        if len(statements) > 1:
            raise SqlError("42601", "cannot insert multiple commands into a prepared statement")
        self._statements[name] = Prepared(statements[0] if statements else "", oids)
        self._send(message(b"1"))

    def _bind(self, reader: Reader) -> None:
        portal_name, name = reader.string(), reader.string()
        statement = self._statements.get(name)
        if statement is None:
            raise SqlError("26000", f'prepared statement "{name}" does not exist')
        given = [reader.int16() for _ in range(reader.int16())]
        count = reader.int16()
        values = []
        for index in range(count):
            length = reader.int32()
            raw = None if length < 0 else reader.bytes(length)
            form = given[index] if len(given) == count else given[0] if given else 0
            oid = statement.oids[index] if index < len(statement.oids) else 0
            values.append(parameters.literal(raw, oid, form == 1))
        formats = [reader.int16() for _ in range(reader.int16())]
        self._portals[portal_name] = Portal(statement, values, formats)
        self._send(message(b"2"))

    def _describe(self, reader: Reader) -> None:
        kind, name = reader.bytes(1), reader.string()
        if kind == b"S":
            statement = self._statements.get(name)
            if statement is None:
                raise SqlError("26000", f'prepared statement "{name}" does not exist')
            self._describe_statement(statement)
            return
        portal = self._portal(name)
        if not portal.statement.sql:
            self._send(message(b"n"))
            return
        plan = self._plan(portal)
        columns = self.session.describe(plan)
        self._send_description(columns, portal.formats)

    def _describe_statement(self, statement: Prepared) -> None:
        sql = statement.sql
        count = _parameter_count(sql)
        oids = [*statement.oids, *[0] * (count - len(statement.oids))]
        # 1043: what PostgreSQL clients take for a parameter whose type is open.
        self._send(message(b"t", struct.pack("!h", len(oids)) + b"".join(struct.pack("!i", o or 1043) for o in oids)))
        if not sql:
            self._send(message(b"n"))
            return
        self._check_transaction(sql)
        plan = self.session.plan(sql, [parameters.null(oid) for oid in oids])
        statement.columns = self.session.describe(plan)
        self._send_description(statement.columns, [])

    def _send_description(self, columns: list[Column] | None, formats: list[int]) -> None:
        if columns is None:
            self._send(message(b"n"))
        else:
            self._send(messages.row_description(columns, _expand(formats, len(columns))))

    def _portal(self, name: str) -> Portal:
        portal = self._portals.get(name)
        if portal is None:
            raise SqlError("34000", f'portal "{name}" does not exist')
        return portal

    def _plan(self, portal: Portal) -> Plan:
        if portal.plan is None:
            self._check_transaction(portal.statement.sql)
            portal.plan = self.session.plan(portal.statement.sql, portal.values)
        return portal.plan

    def _execute(self, reader: Reader) -> None:
        name, limit = reader.string(), reader.int32()
        portal = self._portal(name)
        if not portal.statement.sql:
            self._send(message(b"I"))
            return
        if portal.rows is not None:
            self._continue(portal, limit)
            return
        plan = self._plan(portal)
        result = self.session.execute(plan)
        if result.columns is None:
            self._complete(plan, result)
            return
        portal.columns = _announced(result.columns, portal.statement.columns)
        if limit == 0:
            formats = _expand(portal.formats, len(portal.columns))
            shown = Result(result.tag, portal.columns, _cast_batches(result.batches, result.columns, portal.columns))
            shown.count = self._stream(shown, formats)
            self._complete(plan, shown)
            return
        # Rows in portions: other statements may come between, so that the rows are taken from the engine now.
        portal.rows = iter(list(_cast_batches(result.batches, result.columns, portal.columns)))
        self._continue(portal, limit)

    def _continue(self, portal: Portal, limit: int) -> None:
        formats = _expand(portal.formats, len(portal.columns))
        kinds = [column.type for column in portal.columns]
        zone = self.session.settings.show("timezone")
        sent = 0
        while limit == 0 or sent < limit:
            batch = portal.pending if portal.pending is not None else next(portal.rows or iter(()), None)
            portal.pending = None
            if batch is None:
                self._send(message(b"C", string(f"SELECT {sent}")))
                return
            if limit and batch.num_rows > limit - sent:
                portal.pending = batch.slice(limit - sent)
                batch = batch.slice(0, limit - sent)
            self._send(data_rows(batch, kinds, formats, zone))
            sent += batch.num_rows
        self._send(message(b"s"))

    def _close(self, reader: Reader) -> None:
        kind, name = reader.bytes(1), reader.string()
        (self._statements if kind == b"S" else self._portals).pop(name, None)
        self._send(message(b"3"))


def _parameter_count(sql: str) -> int:
    from localcloud.engines.sql.tokens import tokenize

    tokens = tokenize(sql)
    count = 0
    for token, following in itertools.pairwise(tokens):
        if token.text == "$" and following.text.isdigit():
            count = max(count, int(following.text))
    return count


def _expand(formats: list[int], count: int) -> list[int]:
    if not formats:
        return [0] * count
    return formats * count if len(formats) == 1 else formats


def _announced(found: list[Column], announced: list[Column] | None) -> list[Column]:
    """The columns as they were described, where that was done before the parameters were known."""
    return announced if announced is not None and len(announced) == len(found) else found


def _cast_batches(
    batches: Iterator[pa.RecordBatch], found: list[Column], shown: list[Column]
) -> Iterator[pa.RecordBatch]:
    """Batches with columns cast where the described type is another than that of the rows."""
    different = [i for i, (a, b) in enumerate(zip(found, shown, strict=True)) if a.type.oid != b.type.oid]
    for batch in batches:
        if not different:
            yield batch
            continue
        arrays = list(batch.columns)
        for i in different:
            arrays[i] = _cast(arrays[i], shown[i])
        yield pa.RecordBatch.from_arrays(arrays, names=[str(i) for i in range(len(arrays))])


_ARROW = {
    16: pa.bool_(), 20: pa.int64(), 21: pa.int16(), 23: pa.int32(), 700: pa.float32(), 701: pa.float64(),
    1082: pa.date32(), 1114: pa.timestamp("us"), 1184: pa.timestamp("us", "UTC"), 1083: pa.time64("us"),
}  # fmt: skip


def _cast(array: Any, column: Column) -> Any:
    if column.type.oid == 1700:
        return array.cast(pa.decimal128(38, column.type.scale), safe=False)
    try:
        return array.cast(_ARROW.get(column.type.oid, pa.string()))
    except pa.ArrowInvalid as error:
        raise SqlError("0A000", f"cached plan must not change result type: column {column.name}: {error}") from error
