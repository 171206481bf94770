"""Hive's CREATE TABLE as a table of the data catalog, and back."""

from __future__ import annotations

from typing import Any

from sqlglot import exp

from localcloud.engines.trino.errors import TrinoError

_HIVE = "org.apache.hadoop.hive"
_LAZY = f"{_HIVE}.serde2.lazy.LazySimpleSerDe"
_TEXT = ("org.apache.hadoop.mapred.TextInputFormat", f"{_HIVE}.ql.io.HiveIgnoreKeyTextOutputFormat")
FORMATS: dict[str, tuple[str, str, str]] = {
    "PARQUET": (
        f"{_HIVE}.ql.io.parquet.MapredParquetInputFormat", f"{_HIVE}.ql.io.parquet.MapredParquetOutputFormat",
        f"{_HIVE}.ql.io.parquet.serde.ParquetHiveSerDe",
    ),
    "TEXTFILE": (*_TEXT, _LAZY),
    "JSON": (*_TEXT, "org.apache.hive.hcatalog.data.JsonSerDe"),
}  # fmt: skip
"""Input format, output format and SerDe by the name of a file format."""
_DELIMITERS = {"fields": "field.delim", "escaped": "escape.delim", "collection_items": "colelction.delim",
               "map_keys": "mapkey.delim", "lines": "line.delim", "null": "serialization.null.format"}  # fmt: skip


def storage(form: str, location: str, columns: list[dict[str, str]], serde: dict[str, str]) -> dict[str, Any]:
    """A storage descriptor. Raises TrinoError for a format that has no reader and writer here."""
    if form.upper() not in FORMATS:
        raise TrinoError("NOT_SUPPORTED", f"the format {form} (there are {', '.join(FORMATS)})")
    input_format, output_format, library = FORMATS[form.upper()]
    return {
        "Columns": columns, "Location": location, "InputFormat": input_format, "OutputFormat": output_format,
        "SerdeInfo": {"SerializationLibrary": library, "Parameters": {"serialization.format": "1", **serde}},
    }  # fmt: skip


def table_input(tree: Any) -> dict[str, Any]:
    """TableInput of Glue for CREATE EXTERNAL TABLE. Raises TrinoError for what it lacks or what has no place."""
    schema = tree.this
    properties = tree.args.get("properties")
    found = {type(item): item for item in (properties.expressions if properties else [])}
    if exp.LocationProperty not in found:
        raise TrinoError("SYNTAX_ERROR", "CREATE EXTERNAL TABLE needs a LOCATION 's3://bucket/folder/'")
    location = str(found[exp.LocationProperty].this.this)
    if not location.endswith("/"):
        location += "/"
    columns = [_column(item) for item in schema.expressions]
    serde: dict[str, str] = {}
    library = ""
    form = "TEXTFILE"
    formats: tuple[str, str] | None = None
    file_format = found.get(exp.FileFormatProperty)
    if file_format is not None:
        if isinstance(file_format.this, exp.InputOutputFormat):
            formats = (file_format.this.args["input_format"].name, file_format.this.args["output_format"].name)
        else:
            form = str(file_format.this.name).upper()
    delimited = found.get(exp.RowFormatDelimitedProperty)
    if delimited is not None:
        serde = {key: delimited.args[part].name for part, key in _DELIMITERS.items() if delimited.args.get(part)}
        if "field.delim" in serde:
            serde["serialization.format"] = serde["field.delim"]
    row_format = found.get(exp.RowFormatSerdeProperty)
    if row_format is not None:
        library = str(row_format.this.name)
        given = row_format.args.get("serde_properties") or found.get(exp.SerdeProperties)
        serde.update(_pairs(given.expressions) if given else {})
    if formats is None:
        descriptor = storage(form, location, columns, serde)
    else:
        descriptor = {**storage("TEXTFILE", location, columns, serde),
                      "InputFormat": formats[0], "OutputFormat": formats[1]}  # fmt: skip
    if library:
        descriptor["SerdeInfo"]["SerializationLibrary"] = library
        if row_format is not None and "serialization.format" not in serde:
            descriptor["SerdeInfo"]["Parameters"] = {"serialization.format": "1", **serde}
    partitioned = found.get(exp.PartitionedByProperty)
    plain = [item for item in (properties.expressions if properties else []) if type(item) is exp.Property]
    document: dict[str, Any] = {
        "Name": schema.this.name.lower(),
        "TableType": "EXTERNAL_TABLE",
        "Parameters": {"EXTERNAL": "TRUE", **_pairs(plain)},
        "StorageDescriptor": descriptor,
        "PartitionKeys": [_column(item) for item in partitioned.this.expressions] if partitioned else [],
    }
    if exp.SchemaCommentProperty in found:
        document["Description"] = found[exp.SchemaCommentProperty].this.name
        document["Parameters"]["comment"] = document["Description"]
    return document


def _column(definition: Any) -> dict[str, str]:
    if not isinstance(definition, exp.ColumnDef) or definition.args.get("kind") is None:
        raise TrinoError("SYNTAX_ERROR", f"not a column with its type: {definition.sql('hive')}")
    column = {"Name": definition.name.lower(), "Type": hive_text(definition.args["kind"])}
    for constraint in definition.args.get("constraints") or []:
        if isinstance(constraint.kind, exp.CommentColumnConstraint):
            column["Comment"] = constraint.kind.this.name
    return column


def hive_text(kind: Any) -> str:
    """A type as the data catalog writes it, e.g. ``array<struct<a:int,b:string>>``."""
    return str(kind.sql(dialect="hive")).lower().replace(": ", ":").replace(", ", ",")


def _pairs(properties: list[Any]) -> dict[str, str]:
    return {str(item.this.name): str(item.args["value"].name) for item in properties}


def create_statement(table: dict[str, Any]) -> list[str]:
    """The lines of SHOW CREATE TABLE."""
    descriptor = table["StorageDescriptor"]
    lines = [f"CREATE EXTERNAL TABLE `{table['DatabaseName']}.{table['Name']}`("]
    lines += _column_lines(descriptor["Columns"])
    if table.get("PartitionKeys"):
        lines.append("PARTITIONED BY ( ")
        lines += _column_lines(table["PartitionKeys"])
    serde = descriptor.get("SerdeInfo", {})
    lines += ["ROW FORMAT SERDE ", f"  '{serde.get('SerializationLibrary', '')}' "]
    parameters = serde.get("Parameters", {})
    if parameters:
        lines.append("WITH SERDEPROPERTIES ( ")
        lines += _property_lines(parameters)
    lines += ["STORED AS INPUTFORMAT ", f"  '{descriptor.get('InputFormat', '')}' "]
    lines += ["OUTPUTFORMAT ", f"  '{descriptor.get('OutputFormat', '')}'"]
    lines += ["LOCATION", f"  '{descriptor.get('Location', '')}'"]
    properties = {key: value for key, value in table.get("Parameters", {}).items() if key != "EXTERNAL"}
    if properties:
        lines.append("TBLPROPERTIES (")
        lines += _property_lines(properties)
    return lines


def _column_lines(columns: list[dict[str, str]]) -> list[str]:
    texts = [f"  `{column['Name']}` {column.get('Type', 'string')}"
             + (f" COMMENT '{column['Comment']}'" if column.get("Comment") else "") for column in columns]  # fmt: skip
    return [f"{text}, " for text in texts[:-1]] + [f"{texts[-1]})"]


def _property_lines(properties: dict[str, str]) -> list[str]:
    texts = [f"  '{key}'='{value}'" for key, value in sorted(properties.items())]
    return [f"{text}, " for text in texts[:-1]] + [f"{texts[-1]})"]
