"""Queries and the statements that change rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlglot import exp

from localcloud.engines.sql.dialect import parse
from localcloud.engines.sql.errors import SqlError, syntax_error, unsupported
from localcloud.engines.sql.functions import translation as functions
from localcloud.engines.sql.session import Plan
from localcloud.engines.sql.tokens import TokenReader
from localcloud.engines.sql.translate import bind, datetime_text, to_sql, translate

if TYPE_CHECKING:
    from localcloud.engines.sql.session import Session


def translated(session: Session, sql: str, arguments: list[Any]) -> Any:
    """The DuckDB tree of a Redshift query or change."""
    tree = parse(sql)
    if arguments:
        tree = bind(tree, arguments)
    if isinstance(tree, exp.Command):
        raise unsupported(f"The statement {sql.split(None, 1)[0].upper()} in this form")
    return translate(tree, session.scope)


def plan_query(session: Session, reader: TokenReader, arguments: list[Any]) -> Plan:
    """SELECT, WITH, VALUES; and SELECT ... INTO, which creates a table."""
    tree = parse(reader.sql)
    if isinstance(tree, exp.Insert | exp.Update | exp.Delete | exp.Merge):
        return plan_change(session, reader, arguments)
    into = tree.args.get("into") if isinstance(tree, exp.Select) else None
    if into is not None:
        from localcloud.engines.sql.statements.tables import create_from_query

        tree.set("into", None)
        return create_from_query(session, into.this, tree, arguments, temporary=bool(into.args.get("temporary")))
    if arguments:
        tree = bind(tree, arguments)
    return Plan("SELECT", query=to_sql(translate(tree, session.scope)))


def plan_explain(session: Session, reader: TokenReader, arguments: list[Any]) -> Plan:
    """EXPLAIN: the engine's plan, a line a row."""
    reader.expect("explain")
    reader.accept("verbose")
    inner = to_sql(translated(session, reader.rest(), arguments))
    rows = session.fetch_all("explain " + inner)
    lines = [line for row in rows for line in str(row[-1]).splitlines()]
    values = exp.values([(line,) for line in lines] or [("",)], alias="plan", columns=["query plan"])
    return Plan("EXPLAIN", query=to_sql(exp.select('"query plan" AS "QUERY PLAN"', dialect="duckdb").from_(values)))


def plan_insert(session: Session, reader: TokenReader, arguments: list[Any]) -> Plan:
    """INSERT INTO ... VALUES or a query, with declared lengths held."""
    tree = translated(session, reader.sql, arguments)
    _name_the_first_columns(session, tree)
    hold_lengths(session, tree)
    _read_datetimes(session, tree)
    return _changing(session, "INSERT", tree)


def _changing(session: Session, tag: str, tree: Any) -> Plan:
    target = tree.this.this if isinstance(tree.this, exp.Schema) else tree.this

    def action() -> int | None:
        will_change(session, target, inserts=tag in ("INSERT", "MERGE"))
        return session.run(to_sql(tree))

    return Plan(tag, action=action)


def plan_change(session: Session, reader: TokenReader, arguments: list[Any]) -> Plan:
    """UPDATE, DELETE and MERGE."""
    sql = reader.sql
    words = reader.words(2)
    if words[0] == "delete" and words[1] != "from":
        sql = sql[: reader.tokens[0].end + 1] + " from" + sql[reader.tokens[0].end + 1 :]
    if words[0] == "merge" and reader.sql.lower().rstrip().endswith("duplicates"):
        raise unsupported("MERGE ... REMOVE DUPLICATES")
    tree = translated(session, sql, arguments)
    return _changing(session, words[0].upper(), tree)


def plan_truncate(session: Session, reader: TokenReader, arguments: list[Any]) -> Plan:
    """TRUNCATE, which in Redshift commits the transaction that it is in."""
    reader.expect("truncate")
    reader.accept("table")
    name = reader.name()
    reader.finish()
    table = exp.table_(name.name, db=name.schema, catalog=name.database, quoted=True)

    def action() -> None:
        will_change(session, table)
        session.run(f"delete from {to_sql(table)}")  # noqa: S608 the name is quoted
        if session.in_transaction:
            session.commit()
            session.begin()

    return Plan("TRUNCATE", action=action)


def _name_the_first_columns(session: Session, tree: Any) -> None:
    """Values fewer than the table's columns are for its first columns; the others get their defaults."""
    source = tree.expression
    if isinstance(tree.this, exp.Schema) or not isinstance(source, exp.Values | exp.Select):
        return
    rows = source.expressions if isinstance(source, exp.Values) else [exp.Tuple(expressions=source.expressions)]
    given = rows[0].expressions if rows and isinstance(rows[0], exp.Tuple) else rows[:1]
    if any(value.is_star for value in given):
        return
    names = [name for name, _ in all_columns(session, tree.this)]
    if len(given) < len(names):
        columns = [exp.to_identifier(name, quoted=True) for name in names[: len(given)]]
        tree.set("this", exp.Schema(this=tree.this, expressions=columns))


def hold_lengths(session: Session, tree: Any) -> None:
    """Make an INSERT fail on a value that is longer than its column's declared type, as Redshift does."""
    target = tree.this
    columns: list[str] | None = None
    if isinstance(target, exp.Schema):
        columns = [column.name for column in target.expressions]
        target = target.this
    limits = column_limits(session, target)
    if not limits or tree.expression is None:
        return
    order = columns or [name for name, _ in all_columns(session, target)]
    bounds = [limits.get(name) for name in order]
    if not any(bounds):
        return
    source = tree.expression
    if isinstance(source, exp.Values):
        for row in source.expressions:
            if not isinstance(row, exp.Tuple):
                continue
            for value, bound in zip(list(row.expressions), bounds, strict=False):
                if bound and not _is_default(value):
                    value.replace(bounded(value.copy(), bound))
        return
    if not isinstance(source, exp.Query):
        return
    aliases = [f"c{index}" for index in range(len(order))]
    inner = exp.Subquery(
        this=source.copy(),
        alias=exp.TableAlias(this=exp.to_identifier("source"), columns=[exp.to_identifier(a) for a in aliases]),
    )
    if source.args.get("with_") and isinstance(source, exp.Select):
        inner = exp.Subquery(this=source.copy(), alias=inner.args["alias"])
    projections = [
        bounded(exp.column(alias), bound) if bound else exp.column(alias)
        for alias, bound in zip(aliases, bounds, strict=True)
    ]
    source.replace(exp.Select(expressions=projections).from_(inner))


def _read_datetimes(session: Session, tree: Any) -> None:
    """Write the dates and times among the VALUES of an INSERT as the engine reads them."""
    source = tree.expression
    if not isinstance(source, exp.Values):
        return
    target = tree.this.this if isinstance(tree.this, exp.Schema) else tree.this
    types = dict(all_columns(session, target))
    order = [c.name for c in tree.this.expressions] if isinstance(tree.this, exp.Schema) else list(types)
    for row in source.expressions:
        for column, value in zip(order, row.expressions if isinstance(row, exp.Tuple) else (), strict=False):
            if types.get(column) in ("DATE", "TIMESTAMP") and isinstance(value, exp.Literal) and value.is_string:
                value.replace(exp.Literal.string(datetime_text(str(value.this), types[column])))


def bounded(value: Any, limit: int) -> Any:
    """``value`` as text of at most ``limit`` bytes, or an error when it is longer."""
    text = exp.Cast(this=value, to=exp.DataType.build("VARCHAR"))
    return functions.macro("bounded_or_error", text, exp.Literal.number(limit))


def _is_default(value: Any) -> bool:
    return (isinstance(value, exp.Column | exp.Var) and value.name.lower() == "default") or isinstance(value, exp.Null)


def locate(session: Session, table: Any) -> tuple[str, str] | None:
    """(schema, name) of a table of this database; None for a temporary or missing one."""
    name, schema = table.name.lower(), (table.db or "").lower() or None
    schemas = [schema] if schema else session.settings.schemas()
    if schema is None:
        temporary = session.connection.execute(
            "select 1 from duckdb_tables() where temporary and table_name = ?", [name]
        ).fetchone()
        if temporary:
            return None
    for candidate in schemas:
        found = session.connection.execute(
            "select 1 from duckdb_tables() where database_name = ? and schema_name = ? and table_name = ? "
            "union all select 1 from duckdb_views() where database_name = ? and schema_name = ? and view_name = ?",
            [session.database, candidate, name, session.database, candidate, name],
        ).fetchone()
        if found:
            return candidate, name
    return None


def will_change(session: Session, table: Any, *, inserts: bool = False) -> None:
    """Note that the running statement changes the rows of a table. Raises SqlError (42809) for a view."""
    place = locate(session, table)
    if place is None:
        return
    home = f'"{session.database}".pg_internal'
    row = session.connection.execute(
        f"select kind from {home}.relations where schema_name = ? and relation_name = ?",  # noqa: S608
        list(place),
    ).fetchone()
    if row and row[0] == "materialized":
        raise SqlError("42809", f'cannot change materialized view "{place[1]}"', hint="Change its tables; REFRESH it.")
    session.changed.add(place)
    if inserts:
        note_insert(session, place)


def note_insert(session: Session, place: tuple[str, str]) -> None:
    """Keep that rows are inserted into a table now, for SYS_QUERY_DETAIL: dbt reads a table's age out of it."""
    session.run(
        f'insert into "{session.database}".pg_internal.insert_steps values (?, ?, ?, now()::timestamp)',  # noqa: S608
        [*place, session.user],
    )


def column_limits(session: Session, table: Any) -> dict[str, int]:
    """Declared lengths (bytes) of a table's character columns."""
    from localcloud.engines.sql.types import character_limit

    place = locate(session, table)
    if place is None:
        return {}
    rows = session.connection.execute(
        f'select column_name, declared_type from "{session.database}".pg_internal.columns '  # noqa: S608
        "where schema_name = ? and relation_name = ?",
        list(place),
    ).fetchall()
    limits = {name: character_limit(declared) for name, declared in rows}
    return {name: limit for name, limit in limits.items() if limit is not None}


def all_columns(session: Session, table: Any) -> list[tuple[str, str]]:
    """(name, DuckDB type) of a table's columns, in order. Raises SqlError when there is no such table."""
    rows = session.fetch_all(f"describe {to_sql(exp.table_(table.name, db=table.db or None, quoted=True))}")
    if not rows:
        raise SqlError("42P01", f'relation "{table.name}" does not exist')
    return [(str(row[0]), str(row[1])) for row in rows]


def single_expression(session: Session, text: str) -> Any:
    """A scalar expression, such as a default, translated."""
    tree = translated(session, f"select {text}", [])
    if not isinstance(tree, exp.Select) or len(tree.expressions) != 1:
        raise syntax_error(f"syntax error: not an expression: {text}")
    return tree.expressions[0].unalias()
