"""UNLOAD: a query's rows as objects in S3, named and written as Redshift does."""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError
from sqlglot import exp

from localcloud.engines.sql.errors import SqlError, unsupported
from localcloud.engines.sql.spectrum.lake import Lake, from_aws
from localcloud.engines.sql.spectrum.objects import Location, parse_location
from localcloud.engines.sql.translate import to_sql

if TYPE_CHECKING:
    from localcloud.engines.sql.session import Session
    from localcloud.engines.sql.statements.transfers import TransferOptions

_NULL_PARTITION = "__HIVE_DEFAULT_PARTITION__"


def run(session: Session, lake: Lake, query: str, target: str, options: TransferOptions) -> int:
    """Write the rows of ``query`` (DuckDB SQL) under the prefix ``target``; the number of rows.

    The files are made in a folder of the machine first and put into S3 as the role when all are complete, so that a
    failed query leaves no object. Raises SqlError (42501 without permission, XX000 when objects are in the way).
    """
    location = parse_location(target)
    s3 = lake.client("s3", options.principal, options.region)
    existing = _existing(s3, location)
    if existing and not options.flags & {"allowoverwrite", "cleanpath"}:
        raise SqlError(
            "XX000",
            f"Specified unload destination on S3 is not empty: {target} holds {len(existing)} objects, such as "
            f"{existing[0]!r}. Consider using a different bucket / prefix, manually removing the target files in S3, "
            "or using the ALLOWOVERWRITE option.",
        )
    folder = Path(tempfile.mkdtemp(prefix="unload-", dir=session.warehouse.folder))
    try:
        count, files = _write(session, query, location, options, folder)
        if "cleanpath" in options.flags and existing:
            _delete(s3, location.bucket, existing)
        entries = []
        for path, key in files:
            try:
                s3.upload_file(str(path), location.bucket, key)
            except (ClientError, OSError) as error:
                raise _failed(error, f"writing s3://{location.bucket}/{key}") from error
            entries.append({"url": f"s3://{location.bucket}/{key}", "meta": {"content_length": path.stat().st_size}})
        if "manifest" in options.flags:
            _manifest(s3, location, entries)
        session.last_unload_count = count
        return count
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _failed(error: Exception, what: str) -> SqlError:
    cause = error.__cause__ if isinstance(error.__cause__, ClientError) else error
    if isinstance(cause, ClientError):
        return from_aws(cause, what)
    text = str(error)
    return SqlError("42501" if "AccessDenied" in text else "XX000", f"{what}: {text}")


def _existing(s3: Any, location: Location) -> list[str]:
    try:
        pages = s3.get_paginator("list_objects_v2").paginate(Bucket=location.bucket, Prefix=location.key)
        return [item["Key"] for page in pages for item in page.get("Contents", [])]
    except ClientError as error:
        raise from_aws(error, f"listing {location.url}") from error


def _delete(s3: Any, bucket: str, keys: list[str]) -> None:
    try:
        for start in range(0, len(keys), 1000):
            objects = [{"Key": key} for key in keys[start : start + 1000]]
            answer = s3.delete_objects(Bucket=bucket, Delete={"Objects": objects, "Quiet": True})
            if answer.get("Errors"):
                first = answer["Errors"][0]
                raise SqlError("42501", f"removing s3://{bucket}/{first['Key']}: {first['Code']}: {first['Message']}")
    except ClientError as error:
        raise from_aws(error, f"removing the objects under s3://{bucket}") from error


def _manifest(s3: Any, location: Location, entries: list[dict[str, Any]]) -> None:
    body = json.dumps({"entries": entries}, indent=2).encode()
    try:
        s3.put_object(Bucket=location.bucket, Key=f"{location.key}manifest", Body=body)
    except ClientError as error:
        raise from_aws(error, f"writing the manifest {location.url}manifest") from error


def _write(
    session: Session, query: str, location: Location, options: TransferOptions, folder: Path
) -> tuple[int, list[tuple[Path, str]]]:
    """Write local files; (rows, [(file, key of its object)])."""
    rows = f"unload_{session.pid}"
    session.run(f'create or replace temp table "{rows}" as {query}')
    try:
        count = int(session.fetch_all(f'select count(*) from "{rows}"')[0][0])  # noqa: S608 our own name
        names = [str(row[0]) for row in session.fetch_all(f'describe "{rows}"')]
        missing = [column for column in options.partition_by if column not in names]
        if missing:
            raise SqlError("42703", f"UNLOAD: the query has no partition column {', '.join(missing)}")
        if options.partition_by:
            return count, _write_partitions(session, rows, names, location, options, folder)
        # Redshift writes a file a slice; one file here, and none but the text formats' header when there are no rows.
        if count == 0 and options.format in ("parquet", "json"):
            return 0, []
        files = _write_files(session, f'select * from "{rows}"', count, options, folder)  # noqa: S608
        return count, [(path, _key(location.key, index, options)) for index, path in enumerate(files)]
    finally:
        session.run(f'drop table if exists "{rows}"')


def _key(prefix: str, part: int, options: TransferOptions, partition: str = "") -> str:
    """``<prefix>[<column>=<value>/]0000_part_00``: slice and part of the slice."""
    suffix = {"parquet": ".parquet", "json": ".json", "csv": ""}.get(options.format, "")
    suffix = "" if options.format == "json" else suffix
    compressed = {"gzip": ".gz", "zstd": ".zst"}.get(options.compression, "") if options.format != "parquet" else ""
    number = f"0000_part_{part:02d}" if options.parallel else f"{part:03d}"
    return f"{prefix}{partition}{number}{suffix}{compressed}"


def _write_partitions(
    session: Session, rows: str, names: list[str], location: Location, options: TransferOptions, folder: Path
) -> list[tuple[Path, str]]:
    keys = ", ".join(_quoted(column) for column in options.partition_by)
    shown = [name for name in names if options.include_partition_columns or name not in options.partition_by]
    if not shown:
        raise SqlError("42601", "UNLOAD: all columns are partition columns; use INCLUDE to write them to the files")
    prefix = location.key if not location.key or location.key.endswith("/") else location.key + "/"
    files = []
    groups = session.fetch_all(f'select {keys}, count(*) from "{rows}" group by all order by all')  # noqa: S608
    for number, (*values, count) in enumerate(groups):
        condition = " and ".join(
            f"{_quoted(column)} is not distinct from "
            f"{'null' if value is None else to_sql(exp.Literal.string(str(value)))}"
            for column, value in zip(options.partition_by, values, strict=True)
        )
        sub = folder / str(number)
        sub.mkdir()
        select = f'select {", ".join(map(_quoted, shown))} from "{rows}" where {condition}'  # noqa: S608
        place = "".join(
            f"{column}={_NULL_PARTITION if value is None else _escaped(str(value))}/"
            for column, value in zip(options.partition_by, values, strict=True)
        )
        for part, path in enumerate(_write_files(session, select, int(count), options, sub)):
            files.append((path, _key(prefix, part, options, place)))
    return files


def _escaped(value: str) -> str:
    return "".join(c if c.isalnum() or c in "-_.,@ " else "".join(f"%{b:02X}" for b in c.encode()) for c in value)


def _quoted(name: str) -> str:
    return to_sql(exp.to_identifier(name, quoted=True))


def _write_files(session: Session, select: str, count: int, options: TransferOptions, folder: Path) -> list[Path]:
    """Write the rows of ``select`` to files of at most the wanted size."""
    target = folder / "0"
    session.run(f"copy ({_shaped(session, select, options)}) to {_literal(str(target))} ({_copy_options(options)})")
    size = target.stat().st_size
    if size <= options.max_file_bytes or count < 2:
        return [target]
    parts = min(-(-size * 11 // (options.max_file_bytes * 10)), count)
    per_part = -(-count // parts)
    target.unlink()
    numbered = f'select row_number() over () - 1 as "unload row", * from ({select}) s'  # noqa: S608
    files = []
    for part in range(parts):
        path = folder / str(part)
        chosen = (
            f'select * exclude ("unload row") from ({numbered}) n '  # noqa: S608
            f'where "unload row" >= {part * per_part} and "unload row" < {(part + 1) * per_part}'
        )
        session.run(f"copy ({_shaped(session, chosen, options)}) to {_literal(str(path))} ({_copy_options(options)})")
        files.append(path)
    return files


def _literal(text: str) -> str:
    return to_sql(exp.Literal.string(text))


def _shaped(session: Session, select: str, options: TransferOptions) -> str:
    """The query with its columns as the format writes them."""
    columns = [(str(row[0]), str(row[1])) for row in session.fetch_all(f"describe {select}")]
    if options.format == "json":
        # Nulls are left in as null, and each line is one object, as Redshift's JSON output has it.
        return select
    if options.format == "parquet":
        shaped = [
            f"cast({_quoted(name)} as decimal(38,0)) as {_quoted(name)}"
            if kind == "HUGEINT"
            else f"cast({_quoted(name)} as varchar) as {_quoted(name)}"
            if kind == "JSON"
            else _quoted(name)
            for name, kind in columns
        ]
        return f"select {', '.join(shaped)} from ({select}) s"  # noqa: S608
    shaped = [_text(name, kind, options) for name, kind in columns]
    return f"select {', '.join(shaped)} from ({select}) s"  # noqa: S608


def _text(name: str, kind: str, options: TransferOptions) -> str:
    column = _quoted(name)
    text = (
        f"case {column} when true then 't' when false then 'f' end"
        if kind == "BOOLEAN"
        else f"cast({column} as varchar)"
    )
    if options.format == "delimited":
        delimiter = options.delimiter or "|"
        if "escape" in options.flags:
            for special in ("\\", delimiter, "\n", "\r", '"', "'"):
                text = f"replace({text}, {_literal(special)}, {_literal(chr(92) + special)})"
        if "addquotes" in options.flags:
            text = f"'\"' || {text} || '\"'"
        if options.null_as is not None:
            text = f"coalesce({text}, {_literal(options.null_as)})"
    elif options.null_as is not None:
        text = f"coalesce({text}, {_literal(options.null_as)})"
    return f"{text} as {column}"


def _copy_options(options: TransferOptions) -> str:
    compression = _literal(options.compression)
    if options.format == "parquet":
        if options.compression != "none":
            raise unsupported("UNLOAD of Parquet with GZIP or ZSTD", hint="Parquet files are compressed by themselves.")
        return "format parquet, compression 'snappy'"
    if options.format == "json":
        return f"format json, compression {compression}, timestampformat '%Y-%m-%d %H:%M:%S.%f', dateformat '%Y-%m-%d'"
    header = "true" if "header" in options.flags else "false"
    if options.format == "csv":
        delimiter = options.delimiter or ","
        return f"format csv, delimiter {_literal(delimiter)}, header {header}, compression {compression}, nullstr ''"
    delimiter = options.delimiter or "|"
    return (
        f"format csv, delimiter {_literal(delimiter)}, quote '', escape '', header {header}, "
        f"compression {compression}, nullstr ''"
    )
