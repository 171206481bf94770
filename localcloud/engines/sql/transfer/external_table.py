"""CREATE EXTERNAL TABLE and ALTER TABLE ... ADD PARTITION: writing to the data catalog."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from localcloud.engines.sql.errors import SqlError, unsupported
from localcloud.engines.sql.spectrum.lake import Lake, from_aws
from localcloud.engines.sql.tokens import Name, TokenReader

if TYPE_CHECKING:
    from localcloud.engines.sql.session import Session

_FORMATS = {
    "parquet": ("org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat",
                "org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat",
                "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe"),
    "textfile": ("org.apache.hadoop.mapred.TextInputFormat",
                 "org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat",
                 "org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe"),
}  # fmt: skip


@dataclass
class ExternalTable:
    """What CREATE EXTERNAL TABLE says."""

    columns: list[tuple[str, str]]
    partition_columns: list[tuple[str, str]] = field(default_factory=list)
    stored_as: str = "textfile"
    serde: str | None = None
    serde_parameters: dict[str, str] = field(default_factory=dict)
    parameters: dict[str, str] = field(default_factory=dict)
    location: str = ""


def _columns(text: str) -> list[tuple[str, str]]:
    from localcloud.engines.sql.statements.columns import read_column_type
    from localcloud.engines.sql.statements.tables import split_top_level

    hive_names = {"integer": "int", "real": "float", "double precision": "double", "timestamp without time zone":
                  "timestamp", "binary varying": "binary"}  # fmt: skip
    found = []
    for part in split_top_level(text):
        reader = TokenReader(part)
        name = reader.identifier()
        rest = reader.sql[reader.tokens[1].start :] if len(reader.tokens) > 1 else ""
        if "<" in rest or rest.lower() == "string":
            found.append((name, rest.lower()))
            continue
        declared = read_column_type(reader)
        reader.finish()
        kind = str(declared).replace("character varying", "varchar").replace("character", "char")
        found.append((name, hive_names.get(declared.name, kind.replace("numeric", "decimal"))))
    return found


def read(reader: TokenReader) -> ExternalTable:
    """Read the definition after the name."""
    table = ExternalTable(_columns(reader.parenthesized()))
    while not reader.done:
        if reader.accept("partitioned", "by"):
            table.partition_columns = _columns(reader.parenthesized())
        elif reader.accept("stored", "as"):
            table.stored_as = reader.identifier()
        elif reader.accept("location"):
            table.location = reader.string()
        elif reader.accept("row", "format", "serde"):
            table.serde = reader.string()
            if reader.accept("with", "serdeproperties"):
                table.serde_parameters.update(_properties(reader))
        elif reader.accept("row", "format", "delimited"):
            _delimited(reader, table)
        elif reader.accept("table", "properties"):
            table.parameters.update(_properties(reader))
        else:
            raise unsupported(f"CREATE EXTERNAL TABLE ... {' '.join(reader.words(2)).upper()}")
    if table.stored_as not in _FORMATS:
        raise unsupported(f"STORED AS {table.stored_as.upper()}")
    if not table.location:
        raise SqlError("42601", "CREATE EXTERNAL TABLE needs LOCATION 's3://...'")
    return table


def _delimited(reader: TokenReader, table: ExternalTable) -> None:
    while reader.accept("fields", "terminated", "by") or reader.accept("lines", "terminated", "by"):
        lines = reader.tokens[reader.position - 3].text.lower() == "lines"
        text = reader.string().replace("\\t", "\t").replace("\\n", "\n")
        if not lines:
            table.serde_parameters["field.delim"] = text


def _properties(reader: TokenReader) -> dict[str, str]:
    inner = TokenReader(reader.parenthesized())
    found = {}
    while not inner.done:
        key = inner.string()
        inner.expect("=")
        found[key] = inner.string()
        inner.accept(",")
    return found


def create(session: Session, lake: Lake, name: Name, table: ExternalTable) -> None:
    """Write the table to the data catalog as the schema's role. Raises SqlError."""
    external = session.relations.external_schema(name.schema or "")
    if external is None:
        raise SqlError("3F000", f'"{name.schema}" is not an external schema')
    _, database, role_arn, region = external
    inputs, outputs, serde = _FORMATS[table.stored_as]
    table_input: dict[str, Any] = {
        "Name": name.name,
        "TableType": "EXTERNAL_TABLE",
        "Parameters": {"EXTERNAL": "TRUE", **table.parameters},
        "PartitionKeys": [{"Name": n, "Type": t} for n, t in table.partition_columns],
        "StorageDescriptor": {
            "Columns": [{"Name": n, "Type": t} for n, t in table.columns],
            "Location": table.location,
            "InputFormat": inputs,
            "OutputFormat": outputs,
            "SerdeInfo": {"SerializationLibrary": table.serde or serde, "Parameters": table.serde_parameters},
        },
    }
    try:
        lake.client("glue", role_arn, region).create_table(DatabaseName=database, TableInput=table_input)
    except ClientError as error:
        if error.response["Error"]["Code"] == "AlreadyExistsException":
            raise SqlError("42P07", f'Relation "{name.name}" already exists') from error
        raise from_aws(error, f"creating the external table {name.schema}.{name.name}") from error
    lake.changed(database, name.name)


def add_partitions(
    session: Session, lake: Lake, name: Name, partitions: list[tuple[dict[str, str], str]], skip_existing: bool
) -> None:
    """Add partitions, each (values by column, location), to an external table."""
    external = session.relations.external_schema(name.schema or "")
    if external is None:
        raise SqlError("42809", f'"{name.schema}.{name.name}" is not an external table')
    _, database, role_arn, region = external
    table = lake.table(external, name.name)
    keys = [key["Name"] for key in table.get("PartitionKeys") or []]
    glue = lake.client("glue", role_arn, region)
    for values, location in partitions:
        if set(values) != set(keys):
            raise SqlError("22023", f"the partition columns of {name.name} are {', '.join(keys)}")
        descriptor = {**table["StorageDescriptor"], "Location": location}
        try:
            glue.create_partition(
                DatabaseName=database, TableName=name.name,
                PartitionInput={"Values": [values[key] for key in keys], "StorageDescriptor": descriptor},
            )  # fmt: skip
        except ClientError as error:
            if error.response["Error"]["Code"] == "AlreadyExistsException" and skip_existing:
                continue
            raise from_aws(error, f"adding a partition to {name.schema}.{name.name}") from error
    lake.changed(database, name.name)


def drop(session: Session, lake: Lake, external: tuple[str, str, str, str | None], name: str) -> None:
    """Remove an external table from the data catalog; its objects stay."""
    _, database, role_arn, region = external
    try:
        lake.client("glue", role_arn, region).delete_table(DatabaseName=database, Name=name)
    except ClientError as error:
        raise from_aws(error, f"dropping the external table {external[0]}.{name}") from error
    lake.changed(database, name)
