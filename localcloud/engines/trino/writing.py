"""CREATE TABLE AS, INSERT and UNLOAD: rows become files, files become objects, then the catalog knows of them."""

from __future__ import annotations

import re
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from sqlglot import exp

from localcloud.engines.sql.spectrum import hive
from localcloud.engines.sql.spectrum.objects import Location, parse_location
from localcloud.engines.trino import hive_ddl, values
from localcloud.engines.trino.errors import TrinoError
from localcloud.engines.trino.outcome import Outcome
from localcloud.engines.trino.translate import parse

if TYPE_CHECKING:
    from localcloud.engines.trino.query import Query

_MOST_PARTITIONS = 100
_COMPRESSIONS = {"GZIP": "gzip", "SNAPPY": "snappy", "ZSTD": "zstd", "NONE": "uncompressed"}
_EXTENSIONS = {"gzip": ".gz", "zstd": ".zst"}
_NULL = "__HIVE_DEFAULT_PARTITION__"


def create_table_as(query: Query, tree: Any) -> Outcome:
    """CREATE TABLE ... WITH (format, external_location, partitioned_by, write_compression, ...) AS query."""
    database, name = (tree.this.db or query.database).lower(), tree.this.name.lower()
    query.catalog.database(database)
    if query.catalog.find(database, name) is not None:
        if tree.args.get("exists"):
            return Outcome("DDL", "CREATE_TABLE_AS_SELECT", update_count=0)
        raise TrinoError("TABLE_ALREADY_EXISTS", f"Table '{database}.{name}' already exists")
    given = _properties(tree)
    form = str(given.pop("format", "PARQUET")).upper()
    form = "TEXTFILE" if form == "TEXT" else form
    keys = [key.lower() for key in given.pop("partitioned_by", [])]
    compression = given.pop("write_compression", given.pop("parquet_compression", None))
    location = str(given.pop("external_location", f"{query.work_location}/tables/{query.execution_id}/"))
    location = location if location.endswith("/") else location + "/"
    serde = {"field.delim": given.pop("field_delimiter")} if "field_delimiter" in given else {}
    if given:
        raise TrinoError("INVALID_TABLE_PROPERTY", f"the table properties {', '.join(sorted(given))}")
    if query.catalog.objects(location):
        raise TrinoError("HIVE_PATH_ALREADY_EXISTS", f"Target directory for table '{database}.{name}' already exists: "
                         f"{location}. You may need to manually clean the data at location.")  # fmt: skip
    text = query.translated(tree.expression)
    described = query.described(text)
    names = [column.lower() for column, _ in described]
    if keys and names[-len(keys) :] != keys:
        raise TrinoError("HIVE_COLUMN_ORDER_MISMATCH", "Partition keys must be the last columns in the table and in "
                         f"the same order as the table properties: {keys}")  # fmt: skip
    columns = [{"Name": column.lower(), "Type": values.hive_type(kind)} for column, kind in described]
    plain = columns[: len(columns) - len(keys)]
    document = {
        "Name": name, "TableType": "EXTERNAL_TABLE", "PartitionKeys": columns[len(plain) :],
        "Parameters": {"EXTERNAL": "TRUE", "has_encrypted_data": "false"},
        "StorageDescriptor": hive_ddl.storage(form, location, plain, serde),
    }  # fmt: skip
    typed = ", ".join(f"{values.stored(_quoted(c), kind)} as {_quoted(c.lower())}" for c, kind in described)
    table = {**document, "DatabaseName": database}
    count, written, folders = _write(query, f"select {typed} from ({text}) s", table, location, keys, compression)  # noqa: S608
    query.catalog.create_table(database, document)
    if keys:
        query.catalog.add_partitions(query.catalog.table(database, name), folders, skip=True)
    return Outcome("DDL", "CREATE_TABLE_AS_SELECT", update_count=count, written=written, rows=count)


def insert(query: Query, tree: Any, text: str) -> Outcome:
    """INSERT INTO table [(columns)] query, into the table's own format."""
    target = tree.this.this if isinstance(tree.this, exp.Schema) else tree.this
    table = query.catalog.table((target.db or query.database).lower(), target.name.lower())
    if table.get("TableType") == "VIRTUAL_VIEW":
        raise TrinoError("NOT_SUPPORTED", "Inserting into views is not supported")
    keys = [key["Name"].lower() for key in table.get("PartitionKeys") or []]
    every = [*table["StorageDescriptor"]["Columns"], *(table.get("PartitionKeys") or [])]
    wanted = [column["Name"].lower() for column in every]
    listed = [c.name.lower() for c in tree.this.expressions] if isinstance(tree.this, exp.Schema) else wanted
    source = query.translated(tree.expression)
    described = query.described(source)
    if len(described) != len(listed) or set(listed) - set(wanted):
        raise TrinoError("TYPE_MISMATCH", f"Insert query has {len(described)} columns, the table takes {listed}")
    inner = ", ".join(_quoted(column) for column in listed)
    typed = []
    for column in every:
        name, kind = column["Name"].lower(), hive.duckdb_type(column.get("Type", "string"))
        value = _quoted(name) if name in listed else "null"
        typed.append(f"cast({value} as {kind}) as {_quoted(name)}")
    count, written, folders = _write(
        query, f"select {', '.join(typed)} from ({source}) s({inner})", table,  # noqa: S608
        table["StorageDescriptor"]["Location"], keys, table.get("Parameters", {}).get("parquet.compression"),
    )  # fmt: skip
    if keys:
        query.catalog.add_partitions(table, folders, skip=True)
    return Outcome("DML", "INSERT", update_count=count, written=written, rows=count)


def unload(query: Query, found: Any) -> Outcome:
    """UNLOAD (query) TO 's3://...' WITH (format, compression, partitioned_by, field_delimiter)."""
    given = {key.lower(): quoted for key, quoted in re.findall(r"(\w+)\s*=\s*'([^']*)'", found[3] or "")}
    keys = re.findall(r"'([^']*)'", (re.search(r"partitioned_by\s*=\s*array\s*\[(.*?)\]", found[3] or "",
                                               re.IGNORECASE | re.DOTALL) or ["", ""])[1])  # fmt: skip
    location = found[2] if found[2].endswith("/") else found[2] + "/"
    if query.catalog.objects(location):
        raise TrinoError("HIVE_PATH_ALREADY_EXISTS", f"Target directory already exists: {location}")
    text = query.translated(parse(found[1]))
    described = query.described(text)
    typed = ", ".join(f"{values.stored(_quoted(c), kind)} as {_quoted(c.lower())}" for c, kind in described)
    form = given.get("format", "PARQUET").upper()
    serde = {"field.delim": given["field_delimiter"]} if "field_delimiter" in given else {}
    table = {"StorageDescriptor": hive_ddl.storage("TEXTFILE" if form == "TEXT" else form, location, [], serde),
             "Name": "unload"}  # fmt: skip
    rows = f"select {typed} from ({text}) s"  # noqa: S608 a translated tree
    count, written, _ = _write(query, rows, table, location, keys, given.get("compression"))
    return Outcome("DML", "UNLOAD", update_count=count, written=written, rows=count)


def _properties(tree: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    properties = tree.args.get("properties")
    for item in properties.expressions if properties else []:
        if isinstance(item, exp.FileFormatProperty):
            found["format"] = item.this.name
        elif isinstance(item, exp.PartitionedByProperty):
            found["partitioned_by"] = [value.name for value in item.this.expressions]
        elif isinstance(item, exp.LocationProperty):
            found["external_location"] = item.this.name
        elif isinstance(item, exp.Property):
            found[str(item.this.name).lower()] = item.args["value"].name
        else:
            raise TrinoError("INVALID_TABLE_PROPERTY", item.sql(dialect="athena"))
    return found


def _write(
    query: Query, text: str, table: dict[str, Any], location: str, keys: list[str], compression: str | None
) -> tuple[int, list[str], dict[tuple[str, ...], str]]:
    """Write rows as objects: how many rows, the objects' URLs, and the folder of each partition by its values."""
    form = hive.file_format({**table, "Name": table["Name"]})
    codec = _COMPRESSIONS.get(str(compression or ("GZIP" if form != "delimited" else "NONE")).upper())
    if codec is None:
        raise TrinoError("INVALID_TABLE_PROPERTY", f"the compression {compression} (there are {list(_COMPRESSIONS)})")
    target = query.folder / "written"
    options, extension = _options(form, table, codec)
    if keys:
        query.execute(f"create temp table to_write as {text}")
        distinct = f"select count(*) from (select distinct {', '.join(map(_quoted, keys))} from to_write)"  # noqa: S608
        if query.execute(distinct) > _MOST_PARTITIONS:
            raise TrinoError("HIVE_TOO_MANY_OPEN_PARTITIONS",
                             f"Exceeded limit of {_MOST_PARTITIONS} open writers for partitions/buckets")  # fmt: skip
        count = query.copy("from to_write", target, f"{options}, partition_by ({', '.join(map(_quoted, keys))})")
        query.execute("drop table to_write")
    else:
        target.mkdir()
        count = query.copy(text, target / "part", options)
    base = parse_location(location)
    written: list[str] = []
    folders: dict[tuple[str, ...], str] = {}
    for file in sorted(path for path in target.rglob("*") if path.is_file()):
        folder = _hive_folder(file.parent.relative_to(target))
        key = f"{base.key}{folder}{query.execution_id}_{uuid.uuid4()}{extension}"
        if count or not keys:
            query.catalog.upload(file, Location(base.bucket, key))
            written.append(f"s3://{base.bucket}/{key}")
        if keys:
            parts = tuple(unquote(part.partition("=")[2]) for part in folder.strip("/").split("/"))
            folders[parts] = f"s3://{base.bucket}/{base.key}{folder}"
    return count, written, folders


def _hive_folder(path: Path) -> str:
    parts = [f"{key}={_NULL if value == 'NULL' else value}" for key, _, value in (p.partition("=") for p in path.parts)]
    return "".join(f"{part}/" for part in parts)


def _options(form: str, table: dict[str, Any], codec: str) -> tuple[str, str]:
    if form == "parquet":
        return f"format parquet, compression {codec}", ""
    packed = codec if codec in _EXTENSIONS else "none"
    extension = _EXTENSIONS.get(codec, "")
    if form == "json":
        return f"format json, compression {packed}", extension
    if form != "delimited":
        raise TrinoError("NOT_SUPPORTED", f"writing the format {form} of {table['Name']}")
    delimiter = table["StorageDescriptor"].get("SerdeInfo", {}).get("Parameters", {}).get("field.delim", "\x01")
    literal = "'" + delimiter.replace("'", "''") + "'"
    return (f"format csv, header false, delimiter {literal}, quote '', escape '', nullstr '\\N', compression {packed}",
            extension)  # fmt: skip


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
