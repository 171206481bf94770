"""COPY: objects of S3 into a table."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import duckdb
from botocore.exceptions import ClientError
from sqlglot import exp

from localcloud.engines.sql.errors import SqlError, from_duckdb, unsupported
from localcloud.engines.sql.functions.formats import strftime_format
from localcloud.engines.sql.spectrum.lake import Lake, from_aws
from localcloud.engines.sql.spectrum.objects import StoredObject, parse_location
from localcloud.engines.sql.tokens import Name
from localcloud.engines.sql.translate import to_sql

if TYPE_CHECKING:
    from localcloud.engines.sql.session import Session
    from localcloud.engines.sql.statements.transfers import TransferOptions


def run(session: Session, lake: Lake, name: Name, columns: list[str], source: str, options: TransferOptions) -> int:
    """Load the objects under the prefix ``source`` (or of a manifest) into a table; the number of rows.

    Raises SqlError: 42501 without permission, XX000 when there is no object, 22P02 and 22001 for a value that does not
    fit, with file and column.
    """
    from localcloud.engines.sql.statements.queries import all_columns, bounded, column_limits, will_change

    if options.max_errors:
        raise unsupported("COPY ... MAXERROR", hint="Without it a COPY fails at the first bad row.")
    files = _files(lake, source, options)
    table = exp.table_(name.name, db=name.schema, catalog=name.database, quoted=True)
    every = all_columns(session, table)
    types = dict(every)
    if options.format == "parquet" and not columns:
        wanted = _loadable(session, table, every)
    else:
        wanted = columns or _loadable(session, table, every)
    unknown = [column for column in wanted if column not in types]
    if unknown:
        raise SqlError("42703", f'column "{unknown[0]}" of relation "{name.name}" does not exist')
    reader = _reader(options, wanted, types, files)
    limits = column_limits(session, table)
    projections = []
    for column in wanted:
        value: Any = exp.column(column, quoted=True)
        if options.format in ("csv", "delimited"):
            value = _converted(value, types[column], options)
        elif options.format == "json" and types[column] != "VARCHAR":
            value = exp.Cast(this=value, to=exp.DataType.build(types[column], dialect="duckdb"))
        limit = limits.get(column)
        if limit:
            if "truncatecolumns" in options.flags:
                value = exp.Anonymous(
                    this="redshift_system.main.bounded",
                    expressions=[exp.Cast(this=value, to=exp.DataType.build("VARCHAR")), exp.Literal.number(limit)],
                )
            else:
                value = bounded(value, limit)
        projections.append(to_sql(value))
    if "noload" in options.flags:
        session.fetch_all(f"select count(*) from (select {', '.join(projections)} from {reader}) s")  # noqa: S608
        return 0
    targets = ", ".join(to_sql(exp.to_identifier(column, quoted=True)) for column in wanted)
    statement = f"insert into {to_sql(table)} ({targets}) select {', '.join(projections)} from {reader}"  # noqa: S608
    will_change(session, table, inserts=True)
    try:
        count = session.run(statement) or 0
    except duckdb.Error as error:
        raise _located(error, files, f"COPY into {name.name} from {source}") from error
    session.last_copy_count = count
    return count


def _loadable(session: Session, table: Any, every: list[tuple[str, str]]) -> list[str]:
    from localcloud.engines.sql.statements.queries import locate

    place = locate(session, table)
    identity: set[str] = set()
    if place is not None:
        rows = session.fetch_all(
            f'select column_name from "{session.database}".pg_internal.columns '  # noqa: S608
            "where schema_name = ? and relation_name = ? and identity is not null",
            list(place),
        )
        identity = {row[0] for row in rows}
    return [column for column, _ in every if column not in identity]


def _located(error: duckdb.Error, files: list[StoredObject], what: str) -> SqlError:
    failure = from_duckdb(error)
    text = str(error)
    for item in files:
        text = text.replace(item.path, item.location.url)
    first = text.split("\n\n")[0].split("\nLINE")[0]
    return SqlError(failure.sqlstate, f"{what}: {first.split('Error: ', 1)[-1]}", detail=text[:2000])


def _files(lake: Lake, source: str, options: TransferOptions) -> list[StoredObject]:
    location = parse_location(source)
    lake.authorize(options.principal, "s3:ListBucket", [f"arn:aws:s3:::{location.bucket}"], location.key)
    if "manifest" in options.flags:
        return _manifest_files(lake, source, options)
    files = lake.folder.listing(location)
    if not files:
        raise SqlError("XX000", f"The specified S3 prefix '{location.key}' does not exist in {location.bucket}")
    for start in range(0, len(files), 500):
        arns = [item.location.arn for item in files[start : start + 500]]
        lake.authorize(options.principal, "s3:GetObject", arns)
    return files


def _manifest_files(lake: Lake, source: str, options: TransferOptions) -> list[StoredObject]:
    location = parse_location(source)
    try:
        answer = lake.client("s3", options.principal, options.region).get_object(
            Bucket=location.bucket, Key=location.key
        )
        manifest = json.loads(answer["Body"].read())
    except ClientError as error:
        raise from_aws(error, f"reading the manifest {source}") from error
    except ValueError as error:
        raise SqlError("XX000", f"the manifest {source} is not JSON: {error}") from error
    files = []
    for entry in manifest.get("entries", []):
        place = parse_location(entry["url"])
        lake.authorize(options.principal, "s3:GetObject", [place.arn])
        try:
            files.append(lake.folder.file(place))
        except SqlError:
            if entry.get("mandatory"):
                raise
    if not files:
        raise SqlError("XX000", f"the manifest {source} names no object that exists")
    return files


def _paths(files: list[StoredObject]) -> str:
    return to_sql(exp.Array(expressions=[exp.Literal.string(item.path) for item in files]))


def _literal(text: str) -> str:
    return to_sql(exp.Literal.string(text))


def _compression(options: TransferOptions) -> str:
    return "gzip" if options.compression == "gzip" else options.compression


def _reader(options: TransferOptions, wanted: list[str], types: dict[str, str], files: list[StoredObject]) -> str:
    paths = _paths(files)
    if options.format == "parquet":
        return f"read_parquet({paths})"
    quoted = [to_sql(exp.to_identifier(column, quoted=True)) for column in wanted]
    if options.format == "json":
        if options.json_paths not in ("auto", "auto ignorecase", "noshred"):
            raise unsupported("COPY ... JSON with a JSONPaths file")
        if options.json_paths == "noshred":
            raise unsupported("COPY ... JSON 'noshred'")
        kinds = ", ".join(f"{name}: {_literal('VARCHAR' if types[c] == 'VARCHAR' else types[c])}"
                          for name, c in zip(quoted, wanted, strict=True))  # fmt: skip
        return (
            f"read_json({paths}, format = 'newline_delimited', columns = {{{kinds}}}, "
            f"compression = {_literal(_compression(options))}, maximum_object_size = 67108864)"
        )
    kinds = ", ".join(f"{name}: 'VARCHAR'" for name in quoted)
    csv = options.format == "csv"
    delimiter = options.delimiter or ("," if csv else "|")
    quote = (options.quote or '"') if csv or "removequotes" in options.flags else ""
    escape = quote if csv else "\\" if "escape" in options.flags else ""
    padding = "true" if "fillrecord" in options.flags else "false"
    null_text = options.null_as if options.null_as is not None else ("\x00none" if csv else "\\N")
    return (
        f"read_csv({paths}, auto_detect = false, header = false, skip = {options.ignore_header}, "
        f"delim = {_literal(delimiter)}, quote = {_literal(quote)}, escape = {_literal(escape)}, "
        f"nullstr = {_literal(null_text)}, null_padding = {padding}, "
        f"compression = {_literal(_compression(options))}, max_line_size = 16777216, columns = {{{kinds}}})"
    )


def _converted(value: Any, kind: str, options: TransferOptions) -> Any:
    if kind == "VARCHAR":
        if "emptyasnull" in options.flags or "blanksasnull" in options.flags:
            trimmed = (
                exp.Anonymous(this="trim", expressions=[value.copy()]) if "blanksasnull" in options.flags else value
            )
            is_empty = exp.EQ(this=trimmed.copy(), expression=exp.Literal.string(""))
            return exp.Case(ifs=[exp.If(this=is_empty, true=exp.Null())], default=value)
        return value
    # An empty field is null for every type but the character types.
    text = exp.Anonymous(
        this="nullif", expressions=[exp.Anonymous(this="trim", expressions=[value]), exp.Literal.string("")]
    )
    for name, pattern in (("DATE", options.date_format), ("TIMESTAMP", options.time_format)):
        if kind == name and pattern and pattern.lower() not in ("auto", "epochsecs", "epochmillisecs"):
            text = exp.Anonymous(this="strptime", expressions=[text, exp.Literal.string(strftime_format(pattern))])
    if kind.startswith("TIMESTAMP") and options.time_format in ("epochsecs", "epochmillisecs"):
        number = exp.Cast(this=text, to=exp.DataType.build("BIGINT"))
        factor = 1_000_000 if options.time_format == "epochsecs" else 1000
        return exp.Anonymous(
            this="make_timestamp", expressions=[exp.Mul(this=number, expression=exp.Literal.number(factor))]
        )
    return exp.Cast(this=text, to=exp.DataType.build(kind, dialect="duckdb"))
