"""CREATE, ALTER and DROP TABLE. Distribution, sort keys, encodings and backup are kept, and change no result."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sqlglot import exp

from localcloud.engines.sql.dialect import parse
from localcloud.engines.sql.errors import SqlError, syntax_error, unsupported
from localcloud.engines.sql.session import Plan
from localcloud.engines.sql.statements import dependents
from localcloud.engines.sql.statements.columns import ColumnDefinition, read_column, read_column_type
from localcloud.engines.sql.statements.constraints import (
    Constraint,
    drop_column,
    drop_constraint,
    read_constraint,
    record_constraints,
    rename_column,
)
from localcloud.engines.sql.statements.queries import all_columns, locate, note_insert, single_expression, will_change
from localcloud.engines.sql.tokens import Name, TokenReader
from localcloud.engines.sql.translate import bind, to_sql, translate

if TYPE_CHECKING:
    from localcloud.engines.sql.session import Session


@dataclass
class TableAttributes:
    """The physical attributes of a table."""

    diststyle: str | None = None
    distkey: str | None = None
    sortkeys: list[str] = field(default_factory=list)
    sort_style: str | None = None


def read_attributes(reader: TokenReader) -> TableAttributes:
    """Read BACKUP, DISTSTYLE, DISTKEY, SORTKEY and ENCODE as far as they go."""
    found = TableAttributes()
    while True:
        if reader.accept("backup"):
            if not reader.accept("yes"):
                reader.expect("no")
        elif reader.accept("diststyle"):
            found.diststyle = reader.identifier()
        elif reader.accept("distkey"):
            found.distkey = reader.names_in_parentheses()[0]
            found.diststyle = "key"
        elif reader.accept("compound"):
            found.sort_style = "compound"
        elif reader.accept("interleaved"):
            found.sort_style = "interleaved"
        elif reader.accept("sortkey"):
            found.sortkeys = [] if reader.accept("auto") else reader.names_in_parentheses()
        elif reader.accept("encode"):
            reader.expect("auto")
        else:
            return found


def plan_create(session: Session, reader: TokenReader, arguments: list[Any]) -> Plan:
    """CREATE [TEMP] TABLE with columns, LIKE, or AS a query."""
    reader.expect("create")
    reader.accept("local")
    temporary = reader.accept("temporary") or reader.accept("temp")
    reader.expect("table")
    skip_existing = reader.accept("if", "not", "exists")
    name = reader.name()
    temporary = temporary or name.name.startswith("#")
    listed: str | None = None
    if reader.at_parenthesis() and reader.words(2)[1] not in ("select", "with", "("):
        listed = reader.parenthesized()
    attributes = read_attributes(reader)
    if reader.accept("as"):
        query = parse(reader.rest())
        names = [TokenReader(part).identifier() for part in split_top_level(listed)] if listed else []
        table = exp.table_(name.name, db=name.schema, catalog=name.database, quoted=True)
        return create_from_query(
            session, table, query, arguments, temporary=temporary, attributes=attributes, names=names,
            skip_existing=skip_existing,
        )  # fmt: skip
    reader.finish()
    if listed is None:
        raise syntax_error("syntax error: CREATE TABLE without columns")
    return _create_columns(session, name, listed, attributes, temporary, skip_existing)


def split_top_level(text: str) -> list[str]:
    """The parts of a list divided by commas outside of parentheses."""
    reader = TokenReader(text)
    parts, depth, first = [], 0, 0
    for index, token in enumerate(reader.tokens):
        if token.text == "(":
            depth += 1
        elif token.text == ")":
            depth -= 1
        elif token.text == "," and depth == 0 and index > first:
            parts.append(text[reader.tokens[first].start : reader.tokens[index - 1].end + 1])
            first = index + 1
    if first < len(reader.tokens):
        parts.append(text[reader.tokens[first].start : reader.tokens[-1].end + 1])
    return parts


def _create_columns(
    session: Session, name: Name, listed: str, attributes: TableAttributes, temporary: bool, skip_existing: bool
) -> Plan:
    columns: list[ColumnDefinition] = []
    constraints: list[Constraint] = []
    for part in split_top_level(listed):
        element = TokenReader(part)
        words = tuple(" ".join(element.words(2)).split())
        if words[0] == "like":
            columns += _like(session, element)
        elif words[0] in ("primary", "unique", "foreign", "constraint", "check"):
            constraints.append(read_constraint(element))
        else:
            columns.append(read_column(element))
    required = {name for constraint in constraints if constraint.kind == "p" for name in constraint.columns}
    for column in columns:
        column.not_null = column.not_null or column.name in required
        if column.distkey:
            attributes.distkey, attributes.diststyle = column.name, "key"
        if column.sortkey:
            attributes.sortkeys.append(column.name)
    table = _target(session, name, temporary)

    def action() -> None:
        if exists(session, table):
            if skip_existing:
                return
            raise SqlError("42P07", f'Relation "{name.name}" already exists')
        definitions = ", ".join(_definition(session, column) for column in columns)
        session.run(f"create {'temp ' if temporary else ''}table {to_sql(table)} ({definitions})")
        if not temporary:
            record(session, table.db, table.name, attributes, columns)
            of_columns = [constraint for column in columns for constraint in column.constraints]
            record_constraints(session, table.db, table.name, [*of_columns, *constraints])

    return Plan("CREATE TABLE", action=action)


def _definition(session: Session, column: ColumnDefinition) -> str:
    text = f"{to_sql(exp.to_identifier(column.name, quoted=True))} {column.type.storage}"
    if column.identity is not None:
        seed, step = column.identity
        sequence = f"identity_{secrets.token_hex(8)}"
        home = f'"{session.database}".pg_internal.{sequence}'
        session.run(f"create sequence {home} start {seed} increment {step} minvalue -9223372036854775807")
        text += f" default nextval('{home}')"
    elif column.default is not None:
        text += f" default {to_sql(single_expression(session, column.default))}"
    return text + (" not null" if column.not_null else "")


def _like(session: Session, element: TokenReader) -> list[ColumnDefinition]:
    element.expect("like")
    source = element.name()
    defaults = element.accept("including", "defaults")
    if not defaults:
        element.accept("excluding", "defaults")
    element.finish()
    table = exp.table_(source.name, db=source.schema, quoted=True)
    place = locate(session, table)
    if place is None:
        raise SqlError("42P01", f'relation "{source.name}" does not exist')
    rows = session.fetch_all(
        f"select column_name, declared_type, is_nullable, column_default from "  # noqa: S608
        f'"{session.database}".pg_internal.all_columns where schema_name = ? and relation_name = ? order by ordinal',
        list(place),
    )
    return [
        ColumnDefinition(name, read_column_type(TokenReader(declared)), not_null=not nullable)
        if not (defaults and default)
        else ColumnDefinition(name, read_column_type(TokenReader(declared)), not_null=not nullable, default=default)
        for name, declared, nullable, default in rows
    ]


def _target(session: Session, name: Name, temporary: bool) -> Any:
    if temporary:
        return exp.table_(name.name, quoted=True)
    schema = name.schema or _creation_schema(session)
    return exp.table_(name.name, db=schema, catalog=name.database or session.database, quoted=True)


def creation_place(session: Session, name: Name) -> Any:
    """Where CREATE puts a relation: the schema that was named, else the first of the search path that is there."""
    return exp.table_(name.name, db=name.schema or _creation_schema(session), catalog=session.database, quoted=True)


def _creation_schema(session: Session) -> str:
    for schema in session.settings.schemas():
        if session.connection.execute(
            "select 1 from duckdb_schemas() where database_name = ? and schema_name = ?", [session.database, schema]
        ).fetchone():
            return schema
    raise SqlError("3F000", "no schema has been selected to create in")


def exists(session: Session, table: Any) -> bool:
    """Whether a relation of that name, of any kind, is there."""
    if not table.db:
        sql = "select 1 from duckdb_tables() where temporary and table_name = ?"
        return session.connection.execute(sql, [table.name]).fetchone() is not None
    return (
        session.connection.execute(
            f'select 1 from "{session.database}".pg_internal.all_relations '  # noqa: S608
            "where schema_name = ? and relation_name = ?",
            [table.db, table.name],
        ).fetchone()
        is not None
    )


def create_from_query(
    session: Session,
    table: Any,
    query: Any,
    arguments: list[Any],
    *,
    temporary: bool,
    attributes: TableAttributes | None = None,
    names: list[str] | None = None,
    skip_existing: bool = False,
) -> Plan:
    """CREATE TABLE AS and SELECT INTO."""
    if arguments:
        query = bind(query, arguments)
    temporary = temporary or table.name.startswith("#")
    target = _target(session, Name(table.name.lower(), table.db.lower() or None, table.catalog or None), temporary)
    translated = translate(query, session.scope)

    def action() -> int | None:
        if exists(session, target):
            if skip_existing:
                return None
            raise SqlError("42P07", f'Relation "{target.name}" already exists')
        columns = f" ({', '.join(to_sql(exp.to_identifier(n, quoted=True)) for n in names)})" if names else ""
        kind = "temp table" if temporary else "table"
        count = session.run(f"create {kind} {to_sql(target)}{columns} as {to_sql(translated)}")
        if not temporary:
            record(session, target.db, target.name, attributes or TableAttributes(), [])
            note_insert(session, (target.db, target.name))
        return count

    return Plan("SELECT", action=action)


def record(
    session: Session, schema: str, name: str, attributes: TableAttributes, columns: list[ColumnDefinition]
) -> None:
    """Keep what DuckDB's catalog does not hold of a new table."""
    home = f'"{session.database}".pg_internal'
    session.run(
        f"insert into {home}.relations values (?, ?, 'table', ?, ?, ?, ?, ?, null, now()::timestamp)",  # noqa: S608
        [schema, name, session.user, attributes.diststyle, attributes.distkey, attributes.sortkeys,
         attributes.sort_style],
    )  # fmt: skip
    for column in columns:
        session.run(
            f"insert into {home}.columns values (?, ?, ?, ?, ?, ?)",  # noqa: S608
            [schema, name, column.name, str(column.type), column.encoding,
             None if column.identity is None else f"{column.identity[0]},{column.identity[1]}"],
        )  # fmt: skip


def plan_drop(session: Session, reader: TokenReader, arguments: list[Any]) -> Plan:
    """DROP TABLE [IF EXISTS] names [CASCADE | RESTRICT]."""
    reader.expect("drop", "table")
    skip_missing = reader.accept("if", "exists")
    names = [reader.name()]
    while reader.accept(","):
        names.append(reader.name())
    cascade = reader.accept("cascade")
    if not cascade:
        reader.accept("restrict")
    reader.finish()

    def action() -> None:
        for name in names:
            dependents.drop_table(session, name, cascade=cascade, skip_missing=skip_missing)

    return Plan("DROP TABLE", action=action)


def plan_alter(session: Session, reader: TokenReader, arguments: list[Any]) -> Plan:
    """ALTER TABLE: rename, columns, owner, keys, APPEND."""
    reader.expect("alter", "table")
    name = reader.name()
    table = exp.table_(name.name, db=name.schema, catalog=name.database, quoted=True)
    if reader.accept("rename", "to"):
        new = reader.name().name
        reader.finish()
        return Plan("ALTER TABLE", action=lambda: dependents.rename(session, table, new))
    if reader.accept("rename"):
        reader.accept("column")
        old = reader.identifier()
        reader.expect("to")
        new = reader.identifier()
        reader.finish()
        return Plan("ALTER TABLE", action=lambda: _rename_column(session, table, old, new))
    if reader.accept("add"):
        return _add_column(session, reader, table)
    if reader.accept("drop"):
        if reader.accept("constraint"):
            dropped = reader.identifier()
            reader.accept("cascade") or reader.accept("restrict")
            reader.finish()
            return Plan("ALTER TABLE", action=lambda: drop_constraint(session, *_place(session, table), dropped))
        reader.accept("column")
        column = reader.identifier()
        reader.accept("cascade") or reader.accept("restrict")
        reader.finish()
        return Plan("ALTER TABLE", action=lambda: _drop_column(session, table, column))
    if reader.accept("append", "from"):
        return _append(session, reader, table)
    if reader.accept("owner", "to"):
        owner = reader.identifier()
        return Plan("ALTER TABLE", action=lambda: _update(session, table, "owner", owner))
    if reader.accept("alter"):
        return alter_part(session, reader, table)
    raise unsupported(f"ALTER TABLE ... {' '.join(reader.words(2)).upper()}")


def alter_part(session: Session, reader: TokenReader, table: Any) -> Plan:
    """ALTER ... ALTER: distribution, sort keys, encodings and lengths."""
    if reader.accept("diststyle"):
        style = reader.identifier()
        key = reader.identifier() if reader.accept("distkey") else None

        def distribute() -> None:
            _update(session, table, "diststyle", style)
            _update(session, table, "distkey", key)

        return Plan("ALTER TABLE", action=distribute)
    if reader.accept("distkey"):
        column = reader.identifier()
        return Plan("ALTER TABLE", action=lambda: _update(session, table, "distkey", column))
    if reader.accept("compound") or reader.words(1) == ("sortkey",):
        reader.expect("sortkey")
        keys = [] if reader.accept("none") or reader.accept("auto") else reader.names_in_parentheses()
        return Plan("ALTER TABLE", action=lambda: _update(session, table, "sortkeys", keys))
    reader.accept("column")
    column = reader.identifier()
    if reader.accept("encode"):
        reader.identifier()
        return Plan("ALTER TABLE", action=lambda: None)
    if not reader.accept("type"):
        raise unsupported(f"ALTER TABLE ... ALTER COLUMN ... {' '.join(reader.words(2)).upper()}")
    declared = read_column_type(reader)
    reader.finish()
    if declared.length is None:
        raise SqlError("0A000", f'cannot alter type of column "{column}": only the size of a varchar can be changed')

    def resize() -> None:
        place = _place(session, table)
        home = f'"{session.database}".pg_internal.columns'
        key = [*place, column]
        session.run(f"delete from {home} where schema_name = ? and relation_name = ? and column_name = ?", key)  # noqa: S608
        session.run(f"insert into {home} values (?, ?, ?, ?, null, null)", [*key, str(declared)])  # noqa: S608

    return Plan("ALTER TABLE", action=resize)


def _add_column(session: Session, reader: TokenReader, table: Any) -> Plan:
    if reader.words(1)[0].split()[0] in ("primary", "unique", "foreign", "constraint"):
        constraint = read_constraint(reader)
        return Plan("ALTER TABLE", action=lambda: record_constraints(session, *_place(session, table), [constraint]))
    reader.accept("column")
    column = read_column(reader)
    if column.identity is not None:
        raise SqlError("0A000", "ALTER TABLE ADD COLUMN does not take an identity column")
    if column.not_null and column.default is None:
        raise SqlError("0A000", "ALTER TABLE ADD COLUMN defined as NOT NULL must have a non-null default expression")

    def action() -> None:
        definition = _definition(session, column).removesuffix(" not null")
        session.run(f"alter table {to_sql(table)} add column {definition}")
        place = locate(session, table)
        if place is not None:
            session.run(
                f'insert into "{session.database}".pg_internal.columns values (?, ?, ?, ?, ?, null)',  # noqa: S608
                [*place, column.name, str(column.type), column.encoding],
            )

    return Plan("ALTER TABLE", action=action)


def _rename_column(session: Session, table: Any, old: str, new: str) -> None:
    session.run(f'alter table {to_sql(table)} rename column "{old}" to "{new}"')
    place = locate(session, table)
    if place is not None:
        session.run(
            f'update "{session.database}".pg_internal.columns set column_name = ? '  # noqa: S608
            "where schema_name = ? and relation_name = ? and column_name = ?",
            [new, *place, old],
        )
        rename_column(session, *place, old, new)


def _drop_column(session: Session, table: Any, column: str) -> None:
    session.run(f'alter table {to_sql(table)} drop column "{column}"')
    place = locate(session, table)
    if place is not None:
        session.run(
            f'delete from "{session.database}".pg_internal.columns '  # noqa: S608
            "where schema_name = ? and relation_name = ? and column_name = ?",
            [*place, column],
        )
        drop_column(session, *place, column)


def _append(session: Session, reader: TokenReader, table: Any) -> Plan:
    source_name = reader.name()
    source = exp.table_(source_name.name, db=source_name.schema, catalog=source_name.database, quoted=True)
    ignore, fill = reader.accept("ignoreextra"), reader.accept("filltarget")
    reader.finish()

    def action() -> int | None:
        have = [name for name, _ in all_columns(session, source)]
        want = [name for name, _ in all_columns(session, table)]
        if set(have) - set(want) and not ignore:
            raise SqlError("42703", f"columns only in {source.name}: {sorted(set(have) - set(want))}; see IGNOREEXTRA")
        if set(want) - set(have) and not fill:
            raise SqlError("42703", f"columns only in {table.name}: {sorted(set(want) - set(have))}; see FILLTARGET")
        will_change(session, table, inserts=True)
        will_change(session, source)
        names = ", ".join(f'"{name}"' for name in want if name in have)
        count = session.run(f"insert into {to_sql(table)} ({names}) select {names} from {to_sql(source)}")  # noqa: S608
        session.run(f"delete from {to_sql(source)}")  # noqa: S608
        return count

    return Plan("ALTER TABLE APPEND", action=action)


def _place(session: Session, table: Any) -> tuple[str, str]:
    place = locate(session, table)
    if place is None:
        raise SqlError("42P01", f'relation "{table.name}" does not exist')
    return place


def _update(session: Session, table: Any, column: str, value: Any) -> None:
    session.run(
        f'update "{session.database}".pg_internal.relations set {column} = ? '  # noqa: S608 the columns are ours
        "where schema_name = ? and relation_name = ?",
        [value, *_place(session, table)],
    )
