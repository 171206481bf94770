"""Statements by what they do: each gives an outcome, or fails with an error of Trino's."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from sqlglot import exp

from localcloud.engines.trino import hive_ddl, values, writing
from localcloud.engines.trino.errors import TrinoError
from localcloud.engines.trino.outcome import Outcome
from localcloud.engines.trino.translate import parse
from localcloud.engines.trino.views import view_document, view_text

if TYPE_CHECKING:
    from localcloud.engines.trino.query import Query

_NAME = r"[`\"]?([\w\-]+)[`\"]?(?:\s*\.\s*[`\"]?([\w\-]+)[`\"]?)?"
_COMMENT = re.compile(r"^\s*(?:--[^\n]*(?:\n|$)|/\*.*?\*/)", re.DOTALL)


def run(query: Query, sql: str) -> Outcome:
    """Run one statement. Raises :class:`TrinoError` or the engine's own errors."""
    text = bare(sql)
    for pattern, function in _BY_TEXT:
        if found := pattern.match(text):
            answer: Outcome = function(query, found)
            return answer
    tree = parse(text)
    if isinstance(tree, exp.Query | exp.Values):
        return query.select(tree)
    function = _BY_TREE.get((type(tree), str(tree.args.get("kind") or "").upper()))
    if function is None:
        raise TrinoError("NOT_SUPPORTED", f"the statement {text.split(None, 1)[0].upper()} in this form")
    outcome: Outcome = function(query, tree, text)
    return outcome


def bare(sql: str) -> str:
    """A statement without the comments before it and the semicolon after it."""
    text = sql.strip()
    while found := _COMMENT.match(text):
        text = text[found.end() :].strip()
    return text.rstrip().removesuffix(";").rstrip()


def _place(query: Query, first: str, second: str | None) -> tuple[str, str]:
    return (first.lower(), second.lower()) if second else (query.database, first.lower())


def _table_place(query: Query, table: Any) -> tuple[str, str]:
    return (table.db or query.database).lower(), table.name.lower()


# SHOW, DESCRIBE --------------------------------------------------------------------------------------------------


def _like(name: str, pattern: str | None) -> bool:
    """Hive's patterns: ``*`` for anything, ``|`` for or."""
    if pattern is None:
        return True
    return any(re.fullmatch(re.escape(part).replace(r"\*", ".*"), name, re.IGNORECASE) for part in pattern.split("|"))


def _show_databases(query: Query, found: Any) -> Outcome:
    names = [d["Name"] for d in query.catalog.databases() if _like(d["Name"], found[1])]
    return query.lines([[name] for name in sorted(names)], ["database_name"], "DDL", "SHOW_DATABASES")


def _show_tables(query: Query, found: Any) -> Outcome:
    database = (found[2] or query.database).lower()
    query.catalog.database(database)
    views = found[1].upper() == "VIEWS"
    names = [
        table["Name"] for table in query.catalog.tables(database)
        if _like(table["Name"], found[3]) and (not views or table.get("TableType") == "VIRTUAL_VIEW")
    ]  # fmt: skip
    return query.lines([[name] for name in sorted(names)], ["tab_name"], "DDL", f"SHOW_{found[1].upper()}")


def _show_columns(query: Query, found: Any) -> Outcome:
    database, name = _place(query, found[1], found[2])
    table = query.catalog.table((found[3] or database).lower(), name)
    return query.lines([[f"{c['Name']:<20}"] for c in _all_columns(table)], ["field"], "DDL", "SHOW_COLUMNS")


def _show_partitions(query: Query, found: Any) -> Outcome:
    table = query.catalog.table(*_place(query, found[1], found[2]))
    keys = [key["Name"] for key in table.get("PartitionKeys") or []]
    if not keys:
        raise TrinoError("INVALID_TABLE_PROPERTY", f"Table {table['Name']} is not a partitioned table")
    rows: list[list[str | None]] = [
        ["/".join(f"{key}={value}" for key, value in zip(keys, partition.values, strict=True))]
        for partition in query.catalog.partitions(table)
    ]
    return query.lines(sorted(rows, key=str), ["partition"], "DDL", "SHOW_PARTITIONS")


def _show_create(query: Query, found: Any) -> Outcome:
    table = query.catalog.table(*_place(query, found[2], found[3]))
    if found[1].upper() == "VIEW":
        text = f"CREATE VIEW {table['DatabaseName']}.{table['Name']} AS\n{view_text(table)}"
        return query.lines([[line] for line in text.splitlines()], ["Create View"], "DDL", "SHOW_CREATE_VIEW")
    lines = hive_ddl.create_statement(table)
    return query.lines([[line] for line in lines], ["createtab_stmt"], "DDL", "SHOW_CREATE_TABLE")


def _show_properties(query: Query, found: Any) -> Outcome:
    table = query.catalog.table(*_place(query, found[1], found[2]))
    rows: list[list[str | None]] = [[key, value] for key, value in sorted(table.get("Parameters", {}).items())]
    return query.lines(rows, ["prpt_name", "prpt_value"], "DDL", "SHOW_TBLPROPERTIES")


def _describe(query: Query, found: Any) -> Outcome:
    table = query.catalog.table(*_place(query, found[1], found[2]))
    rows: list[list[str | None]] = [
        [f"{c['Name']:<20}", f"{c.get('Type', 'string'):<20}", f"{c.get('Comment', ''):<20}"]
        for c in _all_columns(table)
    ]
    keys = table.get("PartitionKeys") or []
    if keys:
        rows += [["", None, None], ["# Partition Information", None, None],
                 [f"{'# col_name':<20}", f"{'data_type':<20}", f"{'comment':<20}"], ["", None, None]]  # fmt: skip
        rows += [[f"{c['Name']:<20}", f"{c.get('Type', 'string'):<20}", f"{c.get('Comment', ''):<20}"] for c in keys]
    return query.lines(rows, ["col_name", "data_type", "comment"], "UTILITY", "DESCRIBE_TABLE")


def _all_columns(table: dict[str, Any]) -> list[dict[str, Any]]:
    return [*table["StorageDescriptor"].get("Columns", []), *(table.get("PartitionKeys") or [])]


def _explain(query: Query, found: Any) -> Outcome:
    text = query.translated(parse(found[1]))
    rows = query.connection().execute("explain " + text).fetchall()
    lines = [line for row in rows for line in str(row[-1]).splitlines()]
    return query.lines([[line] for line in lines], ["Query Plan"], "UTILITY", "EXPLAIN")


# Databases, tables, partitions, views ----------------------------------------------------------------------------


def _create_database(query: Query, found: Any) -> Outcome:
    document: dict[str, Any] = {"Name": found[2].lower()}
    rest = found[3] or ""
    for word, key in (("COMMENT", "Description"), ("LOCATION", "LocationUri")):
        if value := re.search(rf"\b{word}\s+'([^']*)'", rest, re.IGNORECASE):
            document[key] = value[1]
    if properties := re.search(r"WITH\s+DBPROPERTIES\s*\((.*)\)", rest, re.IGNORECASE | re.DOTALL):
        document["Parameters"] = dict(re.findall(r"'([^']*)'\s*=\s*'([^']*)'", properties[1]))
    query.catalog.create_database(document, skip_existing=bool(found[1]))
    return query.lines([], [], "DDL", "CREATE_DATABASE")


def _drop_database(query: Query, found: Any) -> Outcome:
    cascade = (found[3] or "").upper() == "CASCADE"
    query.catalog.drop_database(found[2].lower(), skip_missing=bool(found[1]), cascade=cascade)
    return query.lines([], [], "DDL", "DROP_DATABASE")


def _create_table(query: Query, tree: Any, text: str) -> Outcome:
    if isinstance(tree.expression, exp.Query):
        return writing.create_table_as(query, tree)
    if not re.match(r"create\s+external\s+table", text, re.IGNORECASE):
        raise TrinoError("NOT_SUPPORTED", "only CREATE EXTERNAL TABLE and CREATE TABLE AS (no Iceberg tables)")
    document = hive_ddl.table_input(tree)
    database, name = _table_place(query, tree.this.this)
    query.catalog.database(database)
    if not (tree.args.get("exists") and query.catalog.find(database, name)):
        query.catalog.create_table(database, document)
    return query.lines([], [], "DDL", "CREATE_TABLE")


def _create_view(query: Query, tree: Any, text: str) -> Outcome:
    database, name = _table_place(query, tree.this.this if isinstance(tree.this, exp.Schema) else tree.this)
    body = re.split(r"\bas\b", text, maxsplit=1, flags=re.IGNORECASE)[1].strip()
    described = query.described(query.translated(parse(body)))
    columns = [(column.lower(), values.type_name(kind), values.hive_type(kind)) for column, kind in described]
    document = view_document(name, body, query.database, columns)
    existing = query.catalog.find(database, name)
    if existing is None:
        query.catalog.create_table(database, document)
    elif tree.args.get("replace") and existing.get("TableType") == "VIRTUAL_VIEW":
        query.catalog.replace_table(database, document)
    else:
        raise TrinoError("TABLE_ALREADY_EXISTS", f"Table already exists: '{database}.{name}'")
    return query.lines([], [], "DDL", "CREATE_VIEW")


def _drop(query: Query, tree: Any, text: str) -> Outcome:
    kind = str(tree.args["kind"]).upper()
    for target in tree.args.get("tables") or [tree.this]:
        database, name = _table_place(query, target)
        found = query.catalog.find(database, name)
        if found is None or (found.get("TableType") == "VIRTUAL_VIEW") != (kind == "VIEW"):
            if tree.args.get("exists"):
                continue
            raise TrinoError("TABLE_NOT_FOUND", f"{kind.capitalize()} '{database}.{name}' does not exist")
        query.catalog.drop_table(database, name)
    return query.lines([], [], "DDL", f"DROP_{kind}")


def _add_partitions(query: Query, found: Any) -> Outcome:
    table = query.catalog.table(*_place(query, found[1], found[2]))
    locations: dict[tuple[str, ...], str] = {}
    for part in re.finditer(r"PARTITION\s*\((.*?)\)\s*(?:LOCATION\s*'([^']*)')?", found[4], re.IGNORECASE | re.DOTALL):
        named = _partition_values(table, part[1])
        folder = "/".join(f"{key}={value}" for key, value in named.items())
        base = table["StorageDescriptor"]["Location"].rstrip("/")
        locations[tuple(named.values())] = part[2] or f"{base}/{folder}/"
    if not locations:
        raise TrinoError("SYNTAX_ERROR", "ALTER TABLE ADD without PARTITION (key='value')")
    query.catalog.add_partitions(table, locations, skip=bool(found[3]))
    return query.lines([], [], "DDL", "ALTER_TABLE_ADD_PARTITION")


def _drop_partitions(query: Query, found: Any) -> Outcome:
    table = query.catalog.table(*_place(query, found[1], found[2]))
    for part in re.finditer(r"PARTITION\s*\((.*?)\)", found[4], re.IGNORECASE | re.DOTALL):
        named = _partition_values(table, part[1])
        if not query.catalog.drop_partition(table, list(named.values())) and not found[3]:
            raise TrinoError("HIVE_METASTORE_ERROR", f"the partition {named} does not exist")
    return query.lines([], [], "DDL", "ALTER_TABLE_DROP_PARTITION")


def _partition_values(table: dict[str, Any], text: str) -> dict[str, str]:
    pairs = re.findall(r"[`\"]?(\w+)[`\"]?\s*=\s*(?:'([^']*)'|([\w.\-]+))", text)
    given = {key.lower(): quoted or plain for key, quoted, plain in pairs}
    keys = [key["Name"].lower() for key in table.get("PartitionKeys") or []]
    if set(given) != set(keys):
        raise TrinoError("HIVE_METASTORE_ERROR", f"{table['Name']} is partitioned by {keys}, not by {sorted(given)}")
    return {key: given[key] for key in keys}


def _repair(query: Query, found: Any) -> Outcome:
    table = query.catalog.table(*_place(query, found[1], found[2]))
    known = {tuple(partition.values) for partition in query.catalog.partitions(table)}
    keys = [key["Name"] for key in table.get("PartitionKeys") or []]
    new = {values_: url for values_, url in query.catalog.hive_folders(table) if values_ not in known}
    query.catalog.add_partitions(table, new, skip=True)
    names = ["/".join(f"{k}={v}" for k, v in zip(keys, values_, strict=True)) for values_ in new]
    rows: list[list[str | None]] = []
    if names:
        rows.append(["Partitions not in metastore:\t" + "\t".join(f"{table['Name']}:{name}" for name in names)])
    rows += [[f"Repair: Added partition to metastore {table['Name']}:{name}"] for name in names]
    return query.lines(rows, ["result"], "DDL", "MSCK_REPAIR_TABLE")


def _set_properties(query: Query, found: Any) -> Outcome:
    database, name = _place(query, found[1], found[2])
    table = query.catalog.table(database, name)
    added = dict(re.findall(r"'([^']*)'\s*=\s*'([^']*)'", found[3]))
    kept = {key: table[key] for key in ("Name", "Description", "TableType", "StorageDescriptor", "PartitionKeys",
                                        "ViewOriginalText", "ViewExpandedText") if key in table}  # fmt: skip
    query.catalog.replace_table(database, {**kept, "Parameters": {**table.get("Parameters", {}), **added}})
    return query.lines([], [], "DDL", "ALTER_TABLE_SET_TBLPROPERTIES")


def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(text.replace("NAME", _NAME).replace(" ", r"\s+") + r"\s*$", re.IGNORECASE | re.DOTALL)


_BY_TEXT: list[tuple[re.Pattern[str], Any]] = [
    (_pattern(r"show (?:databases|schemas)(?: like '([^']*)')?"), _show_databases),
    (_pattern(r"show (tables|views)(?: (?:in|from) [`\"]?([\w\-]+)[`\"]?)?(?:(?: like)? '([^']*)')?"), _show_tables),
    (_pattern(r"show columns (?:in|from) NAME(?: (?:in|from) [`\"]?([\w\-]+)[`\"]?)?"), _show_columns),
    (_pattern(r"show partitions NAME"), _show_partitions),
    (_pattern(r"show create (table|view) NAME"), _show_create),
    (_pattern(r"show tblproperties NAME"), _show_properties),
    (_pattern(r"(?:describe|desc)(?: extended| formatted)? NAME"), _describe),
    (_pattern(r"explain (.*)"), _explain),
    (_pattern(r"create (?:database|schema)( if not exists)? [`\"]?([\w\-]+)[`\"]?( .*)?"), _create_database),
    (_pattern(r"drop (?:database|schema)( if exists)? [`\"]?([\w\-]+)[`\"]?(?: (restrict|cascade))?"), _drop_database),
    (_pattern(r"alter table NAME add( if not exists)? (partition.*)"), _add_partitions),
    (_pattern(r"alter table NAME drop( if exists)? (partition.*)"), _drop_partitions),
    (_pattern(r"alter table NAME set tblproperties\s*\((.*)\)"), _set_properties),
    (_pattern(r"msck repair table NAME"), _repair),
    (_pattern(r"unload\s*\((.*)\) to '([^']*)'(?: with\s*\((.*)\))?"), writing.unload),
]
_BY_TREE: dict[tuple[type, str], Any] = {
    (exp.Create, "TABLE"): _create_table,
    (exp.Create, "VIEW"): _create_view,
    (exp.Drop, "TABLE"): _drop,
    (exp.Drop, "VIEW"): _drop,
    (exp.Insert, ""): writing.insert,
}
