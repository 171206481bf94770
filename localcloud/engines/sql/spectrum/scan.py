"""The query that reads an external table.

The files are given by name and each file's partition values by its name too, so that the engine itself drops the files
that a predicate on partition columns excludes, before it opens any: through views, joins and subqueries alike.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlglot import exp

from localcloud.engines.sql.errors import SqlError
from localcloud.engines.sql.functions.translation import call
from localcloud.engines.sql.spectrum import hive
from localcloud.engines.sql.spectrum.objects import Location, StoredObject, parse_location

if TYPE_CHECKING:
    from localcloud.engines.sql.spectrum.lake import Lake, Partition

_NULL_PARTITION = "__HIVE_DEFAULT_PARTITION__"


def build(
    lake: Lake,
    external: tuple[str, str, str, str | None],
    table: dict[str, Any],
    partitions: list[Partition] | None,
    pseudo_columns: bool,
) -> Any:
    """The tree of the query: the table's columns and its partition columns, ``$path`` and ``$size`` if asked for."""
    name = f"{external[0]}.{table['Name']}"
    columns = [(c["Name"].lower(), hive.duckdb_type(c.get("Type", "string")))
               for c in table.get("StorageDescriptor", {}).get("Columns", [])]  # fmt: skip
    keys = [(c["Name"].lower(), hive.duckdb_type(c.get("Type", "string"))) for c in table.get("PartitionKeys") or []]
    if partitions is None:
        locations: list[tuple[Location, Partition | None]] = [
            (parse_location(table["StorageDescriptor"]["Location"]), None)
        ]
    else:
        locations = [(_folder(parse_location(p.location)), p) for p in partitions]
    files: list[StoredObject] = []
    values: dict[str, list[str]] = {}
    first_keys = []
    for location, partition in locations:
        found = lake.folder.listing(location)
        if found:
            first_keys.append(found[0].location.arn)
        files += found
        if partition is not None:
            for item in found:
                values[item.path] = partition.values
    lake.check_read(external[2], [location for location, _ in locations], first_keys)
    if not files:
        return _empty(columns, keys, pseudo_columns)
    source = _reader(hive.file_format(table), table, columns, [item.path for item in files], name)
    projections = [exp.alias_(expression, column, quoted=True) for column, expression in source.columns]
    for index, (column, kind) in enumerate(keys):
        projections.append(exp.alias_(_partition_value(values, index, kind), column, quoted=True))
    if pseudo_columns:
        projections.append(exp.alias_(_lookup({f.path: f.location.url for f in files}), "$path", quoted=True))
        size = exp.Cast(this=_lookup({f.path: str(f.size) for f in files}), to=exp.DataType.build("BIGINT"))
        projections.append(exp.alias_(size, "$size", quoted=True))
    return exp.Select(expressions=projections).from_(source.table)


def _folder(location: Location) -> Location:
    key = location.key
    return Location(location.bucket, key if not key or key.endswith("/") else key + "/")


def _filename() -> Any:
    return exp.column("filename", quoted=True)


def _lookup(mapping: dict[str, str | None]) -> Any:
    """A constant map looked up by the file's name; the engine evaluates it once a file."""
    keys = exp.Array(expressions=[exp.Literal.string(key) for key in mapping])
    items = exp.Array(
        expressions=[exp.Null() if value is None else exp.Literal.string(value) for value in mapping.values()]
    )
    return call("map_extract_value", call("map", keys, items), _filename())


def _partition_value(values: dict[str, list[str]], index: int, kind: str) -> Any:
    mapping = {path: None if v[index] == _NULL_PARTITION else v[index] for path, v in values.items()}
    found = _lookup(mapping)
    return found if kind == "VARCHAR" else exp.Cast(this=found, to=exp.DataType.build(kind, dialect="duckdb"))


def _empty(columns: list[tuple[str, str]], keys: list[tuple[str, str]], pseudo_columns: bool) -> Any:
    typed = [*columns, *keys, *([("$path", "VARCHAR"), ("$size", "BIGINT")] if pseudo_columns else [])]
    nulls = [
        exp.alias_(exp.Cast(this=exp.Null(), to=exp.DataType.build(kind, dialect="duckdb")), column, quoted=True)
        for column, kind in typed
    ]
    return exp.Select(expressions=nulls).where(exp.false())


class _Source:
    def __init__(self, table: Any, columns: list[tuple[str, Any]]) -> None:
        self.table = table
        self.columns = columns


def _named(name: str, value: Any) -> Any:
    return exp.PropertyEQ(this=exp.to_identifier(name), expression=value)


def _paths(paths: list[str]) -> Any:
    return exp.Array(expressions=[exp.Literal.string(path) for path in paths])


def _struct(pairs: dict[str, Any]) -> Any:
    return exp.Struct(expressions=[exp.PropertyEQ(this=exp.Literal.string(k), expression=v) for k, v in pairs.items()])


def _reader(form: str, table: dict[str, Any], columns: list[tuple[str, str]], paths: list[str], name: str) -> _Source:
    if not columns:
        raise SqlError("XX000", f"the external table {name} has no columns in the data catalog")
    if form == "parquet":
        return _parquet(columns, paths)
    if form == "json":
        return _json(columns, paths)
    return _delimited(form, table, columns, paths)


def _parquet(columns: list[tuple[str, str]], paths: list[str]) -> _Source:
    # The catalog's schema, not the files': a column that a file lacks is null, one that cannot be cast is an error.
    fields = exp.Array(
        expressions=[
            _struct({"name": exp.Literal.string(c), "type": exp.Literal.string(kind), "default_value": exp.Null()})
            for c, kind in columns
        ]
    )
    keys = exp.Array(expressions=[exp.Literal.string(c) for c, _ in columns])
    table = call(
        "read_parquet", _paths(paths), _named("filename", exp.true()), _named("schema", call("map", keys, fields))
    )
    return _Source(exp.Table(this=table), [(c, exp.column(c, quoted=True)) for c, _ in columns])


def _json(columns: list[tuple[str, str]], paths: list[str]) -> _Source:
    table = call(
        "read_json", _paths(paths), _named("filename", exp.true()),
        _named("columns", _struct({c: exp.Literal.string(kind) for c, kind in columns})),
        _named("format", exp.Literal.string("newline_delimited")),
        _named("maximum_object_size", exp.Literal.number(64 * 1024 * 1024)),
    )  # fmt: skip
    return _Source(exp.Table(this=table), [(c, exp.column(c, quoted=True)) for c, _ in columns])


def _delimited(form: str, table: dict[str, Any], columns: list[tuple[str, str]], paths: list[str]) -> _Source:
    serde = table.get("StorageDescriptor", {}).get("SerdeInfo", {}).get("Parameters", {})
    parameters = table.get("Parameters", {})
    skip = int(parameters.get("skip.header.line.count", serde.get("skip.header.line.count", 0)))
    if form == "csv":
        delimiter = serde.get("separatorChar", ",")
        quote, escape = serde.get("quoteChar", '"'), serde.get("escapeChar", "\\")
        null_text = None
    else:
        delimiter = serde.get("field.delim") or serde.get("serialization.format") or "\x01"
        delimiter = "\x01" if delimiter == "1" else delimiter
        quote, escape = "", serde.get("escape.delim", "")
        null_text = serde.get("serialization.null.format", "\\N")
    options = [
        _named("filename", exp.true()),
        _named("auto_detect", exp.false()),
        _named("header", exp.false()),
        _named("skip", exp.Literal.number(skip)),
        _named("delim", exp.Literal.string(delimiter)),
        _named("quote", exp.Literal.string(quote)),
        _named("escape", exp.Literal.string(escape)),
        _named("null_padding", exp.true()),
        _named("strict_mode", exp.false()),
        _named("max_line_size", exp.Literal.number(16 * 1024 * 1024)),
        _named("columns", _struct({c: exp.Literal.string("VARCHAR") for c, _ in columns})),
    ]
    if null_text is not None:
        options.append(_named("nullstr", exp.Literal.string(null_text)))
    else:
        options.append(_named("nullstr", exp.Literal.string("\x00null")))
    table_call = call("read_csv", _paths(paths), *options)
    return _Source(exp.Table(this=table_call), [(c, _typed(exp.column(c, quoted=True), kind)) for c, kind in columns])


def _typed(column: Any, kind: str) -> Any:
    if kind == "VARCHAR":
        return column
    # Hive's text formats read what cannot be converted as null.
    # The engine would push the plain cast into its CSV reader, which fails on such a value: hence the function.
    text = call("trim", column)
    return exp.TryCast(this=text, to=exp.DataType.build(kind, dialect="duckdb"))
