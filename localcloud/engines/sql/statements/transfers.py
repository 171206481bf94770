"""COPY, UNLOAD and CREATE EXTERNAL TABLE, read from their text."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from localcloud.base.cloud import Credentials
from localcloud.engines.sql.errors import SqlError, syntax_error, unsupported
from localcloud.engines.sql.session import Plan
from localcloud.engines.sql.spectrum.lake import Lake, Principal
from localcloud.engines.sql.tokens import Name, TokenReader
from localcloud.engines.sql.transfer import copy, external_table, unload

if TYPE_CHECKING:
    from localcloud.engines.sql.session import Session


@dataclass
class TransferOptions:
    """What COPY and UNLOAD are told of files."""

    principal: Principal = ""
    region: str | None = None
    format: str = "delimited"
    delimiter: str | None = None
    json_paths: str = "auto"
    compression: str = "none"
    null_as: str | None = None
    flags: set[str] = field(default_factory=set)
    ignore_header: int = 0
    date_format: str | None = None
    time_format: str | None = None
    quote: str | None = None
    partition_by: list[str] = field(default_factory=list)
    include_partition_columns: bool = False
    parallel: bool = True
    max_file_bytes: int = 6_200_000_000
    row_group_bytes: int = 32 * 1024 * 1024
    max_errors: int = 0


def _lake(session: Session) -> Lake:
    if session.warehouse.lake is None:
        raise SqlError("0A000", "this warehouse was started without S3")
    return session.warehouse.lake


def _flag(reader: TokenReader, options: TransferOptions, names: tuple[str, ...]) -> bool:
    for name in names:
        if reader.accept(name):
            options.flags.add(name)
            return True
    return False


def _shared_option(reader: TokenReader, options: TransferOptions) -> bool:
    if reader.accept("iam_role"):
        if reader.accept("default"):
            raise unsupported("IAM_ROLE default", hint="Name the role: IAM_ROLE 'arn:aws:iam::<account>:role/<name>'.")
        options.principal = reader.string()
    elif reader.accept("region"):
        reader.accept("as")
        options.region = reader.string()
    elif reader.accept("format"):
        reader.accept("as")
        options.format = _format(reader, options)
    elif reader.words(1)[0] in ("csv", "json", "parquet"):
        options.format = _format(reader, options)
    elif reader.accept("delimiter"):
        reader.accept("as")
        options.delimiter = reader.string().replace("\\t", "\t")
    elif reader.accept("gzip"):
        options.compression = "gzip"
    elif reader.accept("zstd"):
        options.compression = "zstd"
    elif reader.accept("null"):
        reader.accept("as")
        options.null_as = reader.string()
    elif reader.accept("credentials"):
        reader.accept("as")
        options.principal = _credentials(reader.string())
    elif reader.accept("access_key_id"):
        options.principal = _keys(reader)
    else:
        return False
    return True


def _keys(reader: TokenReader) -> Credentials:
    """The rest of ACCESS_KEY_ID '...' SECRET_ACCESS_KEY '...' [SESSION_TOKEN '...']."""
    key = reader.string()
    reader.expect("secret_access_key")
    return Credentials(key, reader.string(), reader.string() if reader.accept("session_token") else None)


def _credentials(text: str) -> Principal:
    """CREDENTIALS 'aws_iam_role=...', or keys with or without a token. The text is in no message: it is a secret."""
    given = dict(part.partition("=")[::2] for part in text.strip().split(";") if part)
    if set(given) == {"aws_iam_role"}:
        return given["aws_iam_role"]
    if not {"aws_access_key_id", "aws_secret_access_key"} <= set(given) <= {
        "aws_access_key_id", "aws_secret_access_key", "token",
    }:  # fmt: skip
        raise SqlError(
            "22023",
            "CREDENTIALS must be 'aws_iam_role=...' or 'aws_access_key_id=...;aws_secret_access_key=...[;token=...]'",
        )
    return Credentials(given["aws_access_key_id"], given["aws_secret_access_key"], given.get("token"))


def _format(reader: TokenReader, options: TransferOptions) -> str:
    name = reader.identifier()
    if name not in ("csv", "json", "parquet"):
        raise unsupported(f"FORMAT {name.upper()}")
    if name == "csv" and reader.accept("quote"):
        reader.accept("as")
        options.quote = reader.string()
    if name == "json":
        reader.accept("as")
        if reader.is_string():
            options.json_paths = reader.string()
    return name


def plan_copy(session: Session, reader: TokenReader, arguments: list[Any]) -> Plan:
    """COPY table [(columns)] FROM 's3://...' IAM_ROLE '...' and options."""
    reader.expect("copy")
    name = reader.name()
    columns = reader.names_in_parentheses() if reader.at_parenthesis() else []
    reader.expect("from")
    source = reader.string()
    options = TransferOptions()
    flags = ("manifest", "emptyasnull", "blanksasnull", "removequotes", "escape", "truncatecolumns", "acceptinvchars",
             "fillrecord", "ignoreblanklines", "trimblanks", "explicit_ids", "noload")  # fmt: skip
    while not reader.done:
        if _shared_option(reader, options) or _flag(reader, options, flags):
            continue
        if reader.accept("ignoreheader"):
            reader.accept("as")
            options.ignore_header = int(reader.string()) if reader.is_string() else reader.number()
        elif reader.accept("dateformat"):
            reader.accept("as")
            options.date_format = reader.string()
        elif reader.accept("timeformat"):
            reader.accept("as")
            options.time_format = reader.string()
        elif reader.accept("maxerror"):
            reader.accept("as")
            options.max_errors = reader.number()
        elif reader.accept("compupdate") or reader.accept("statupdate"):
            reader.accept("on") or reader.accept("off") or reader.accept("preset")
        elif reader.accept("encoding"):
            reader.accept("as")
            if (reader.string() if reader.is_string() else reader.identifier()).lower() not in ("utf8", "utf-8"):
                raise unsupported("COPY of another encoding than UTF-8")
        else:
            raise unsupported(f"COPY ... {' '.join(reader.words(1)).upper()}")
    _check_role(options, "COPY")
    lake = _lake(session)
    return Plan("COPY", action=lambda: copy.run(session, lake, name, columns, source, options))


def plan_unload(session: Session, reader: TokenReader, arguments: list[Any]) -> Plan:
    """UNLOAD ('query') TO 's3://prefix' IAM_ROLE '...' and options."""
    reader.expect("unload")
    reader.expect("(")
    query = reader.string()
    reader.expect(")")
    reader.expect("to")
    target = reader.string()
    options = TransferOptions()
    flags = ("manifest", "header", "addquotes", "escape", "allowoverwrite", "cleanpath", "encrypted")
    while not reader.done:
        if _shared_option(reader, options):
            continue
        if _flag(reader, options, flags):
            if reader.tokens[reader.position - 1].text.lower() == "manifest" and reader.accept("verbose"):
                options.flags.add("verbose")
            continue
        if reader.accept("partition by") or reader.accept("partition", "by"):
            options.partition_by = reader.names_in_parentheses()
            options.include_partition_columns = reader.accept("include")
        elif reader.accept("parallel"):
            options.parallel = not (reader.accept("off") or reader.accept("false"))
            if options.parallel:
                reader.accept("on") or reader.accept("true")
        elif reader.accept("maxfilesize"):
            reader.accept("as")
            options.max_file_bytes = _size(reader)
        elif reader.accept("rowgroupsize"):
            reader.accept("as")
            options.row_group_bytes = _size(reader)
        elif reader.accept("extension"):
            raise unsupported("UNLOAD ... EXTENSION")
        else:
            raise unsupported(f"UNLOAD ... {' '.join(reader.words(1)).upper()}")
    _check_role(options, "UNLOAD")
    if "encrypted" in options.flags:
        raise unsupported("UNLOAD ... ENCRYPTED", hint="Set the encryption on the bucket.")
    if {"allowoverwrite", "cleanpath"} <= options.flags:
        raise SqlError("42601", "CLEANPATH and ALLOWOVERWRITE cannot be specified together")
    inner = session.plan(query, arguments)
    if inner.query is None:
        raise syntax_error("syntax error: UNLOAD takes a SELECT")
    lake = _lake(session)
    planned = inner.query
    return Plan("UNLOAD", action=lambda: unload.run(session, lake, planned, target, options))


def _size(reader: TokenReader) -> int:
    token = reader.tokens[reader.position]
    reader.position += 1
    number = float(token.text)
    if reader.accept("gb"):
        return int(number * 1024**3)
    reader.accept("mb")
    return int(number * 1024**2)


def _check_role(options: TransferOptions, statement: str) -> None:
    if not options.principal:
        raise SqlError("42601", f"{statement} needs IAM_ROLE 'arn:aws:iam::<account>:role/<name>' or keys")


def plan_create_external_table(session: Session, reader: TokenReader, arguments: list[Any]) -> Plan:
    """CREATE EXTERNAL TABLE schema.table (...) PARTITIONED BY (...) STORED AS ... LOCATION '...'."""
    reader.expect("create", "external", "table")
    name: Name = reader.name()
    definition = external_table.read(reader)
    lake = _lake(session)
    return Plan("CREATE EXTERNAL TABLE", action=lambda: external_table.create(session, lake, name, definition))
