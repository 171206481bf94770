"""Which views rest on which relations: dropping and renaming with them in mind."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlglot import exp

from localcloud.engines.sql.dialect import WarehouseDialect, parse
from localcloud.engines.sql.errors import SqlError
from localcloud.engines.sql.statements.queries import locate
from localcloud.engines.sql.tokens import Name
from localcloud.engines.sql.translate import to_sql, translate

if TYPE_CHECKING:
    from localcloud.engines.sql.session import Session


def kind_of(session: Session, schema: str | None, name: str) -> tuple[str, str] | None:
    """(schema, kind) of a relation: table, view, late_binding, materialized or temp; None when there is none."""
    if schema is None:
        temporary = session.connection.execute(
            "select 1 from duckdb_tables() where temporary and table_name = ?", [name]
        ).fetchone()
        if temporary:
            return "", "temp"
    for candidate in [schema] if schema else session.settings.schemas():
        row = session.connection.execute(
            f'select kind from "{session.database}".pg_internal.all_relations '  # noqa: S608
            "where schema_name = ? and relation_name = ?",
            [candidate, name],
        ).fetchone()
        if row:
            return candidate, str(row[0])
    return None


def views_on(session: Session, schema: str, name: str) -> list[tuple[str, str]]:
    """The bound views that use a relation."""
    return session.fetch_all(
        f'select distinct schema_name, view_name from "{session.database}".pg_internal.view_uses '  # noqa: S608
        "where used_schema = ? and used_name = ?",
        [schema, name],
    )


def drop_table(session: Session, name: Name, *, cascade: bool, skip_missing: bool) -> None:
    """Drop a table, with CASCADE the views on it too. Raises SqlError (42P01, 42809, 2BP01)."""
    found = kind_of(session, name.schema, name.name)
    if found is None:
        if skip_missing:
            return
        raise SqlError("42P01", f'Table "{name.name}" does not exist')
    schema, kind = found
    if kind == "temp":
        session.run(f"drop table {to_sql(exp.table_(name.name, quoted=True))}")
        return
    if kind != "table":
        raise SqlError("42809", f'"{name.name}" is not a table', hint="Use DROP VIEW to remove a view.")
    _drop(session, schema, name.name, "table", cascade)


def drop_view(session: Session, name: Name, *, cascade: bool, skip_missing: bool, materialized: bool) -> None:
    """Drop a view of any kind."""
    found = kind_of(session, name.schema, name.name)
    if found is None:
        if skip_missing:
            return
        raise SqlError("42P01", f'View "{name.name}" does not exist')
    schema, kind = found
    if kind in ("table", "temp") or (kind == "materialized") != materialized:
        what = "a materialized view" if materialized else "a view"
        raise SqlError("42809", f'"{name.name}" is not {what}')
    _drop(session, schema, name.name, kind, cascade)


def _drop(session: Session, schema: str, name: str, kind: str, cascade: bool) -> None:
    users = views_on(session, schema, name)
    if users and not cascade:
        raise SqlError(
            "2BP01",
            f"cannot drop {'table' if kind == 'table' else 'view'} {name} because other objects depend on it",
            detail=", ".join(f"view {view} depends on {name}" for _, view in users),
            hint="Use DROP ... CASCADE to drop the dependent objects too.",
        )
    for view_schema, view in users:
        found = kind_of(session, view_schema, view)
        if found:
            _drop(session, view_schema, view, found[1], True)
    table = exp.table_(name, db=schema, catalog=session.database, quoted=True)
    if kind in ("table", "materialized"):
        session.run(f"drop table {to_sql(table)}")
    elif kind == "view":
        session.run(f"drop view {to_sql(table)}")
    forget(session, schema, name)


def forget(session: Session, schema: str, name: str) -> None:
    """Remove what is kept of a relation."""
    home = f'"{session.database}".pg_internal'
    for table in ("relations", "columns", "comments", "constraints", "insert_steps"):
        session.run(f"delete from {home}.{table} where schema_name = ? and relation_name = ?", [schema, name])  # noqa: S608
    for table in ("view_uses", "materialized_views"):
        session.run(f"delete from {home}.{table} where schema_name = ? and view_name = ?", [schema, name])  # noqa: S608
    session.run(
        f"delete from {home}.privileges where object_kind = 'table' and schema_name = ? and object_name = ?",  # noqa: S608
        [schema, name],
    )


def rename(session: Session, table: Any, new: str) -> None:
    """ALTER TABLE ... RENAME TO, of tables and views; bound views follow the relation to its new name."""
    found = kind_of(session, table.db or None, table.name)
    if found is None:
        raise SqlError("42P01", f'relation "{table.name}" does not exist')
    schema, kind = found
    if kind == "temp":
        session.run(f'alter table "{table.name}" rename to "{new}"')
        return
    if kind == "materialized":
        raise SqlError("42809", f'"{table.name}" is a materialized view: it cannot be renamed')
    if kind_of(session, schema, new):
        raise SqlError("42P07", f'Relation "{new}" already exists')
    place = exp.table_(table.name, db=schema, catalog=session.database, quoted=True)
    if kind == "table":
        session.run(f'alter table {to_sql(place)} rename to "{new}"')
    elif kind == "view":
        session.run(f'alter view {to_sql(place)} rename to "{new}"')
    home = f'"{session.database}".pg_internal'
    for kept, column in (("relations", "relation_name"), ("columns", "relation_name"), ("view_uses", "view_name"),
                         ("privileges", "object_name"), ("comments", "relation_name"),
                         ("constraints", "relation_name"), ("insert_steps", "relation_name")):  # fmt: skip
        session.run(
            f"update {home}.{kept} set {column} = ? where schema_name = ? and {column} = ?",  # noqa: S608
            [new, schema, table.name],
        )
    for view_schema, view in views_on(session, schema, table.name):
        _retarget(session, view_schema, view, (schema, table.name), new)
    session.run(
        f"update {home}.constraints set used_relation = ? where used_schema = ? and used_relation = ?",  # noqa: S608
        [new, schema, table.name],
    )
    session.run(
        f"update {home}.view_uses set used_name = ? where used_schema = ? and used_name = ?",  # noqa: S608
        [new, schema, table.name],
    )


def _retarget(session: Session, view_schema: str, view: str, old: tuple[str, str], new: str) -> None:
    """Let a bound view read ``new`` where it read ``old``: PostgreSQL binds views to relations, not to names."""
    home = f'"{session.database}".pg_internal'
    row = session.connection.execute(
        f"select definition, kind from {home}.relations where schema_name = ? and relation_name = ?",  # noqa: S608
        [view_schema, view],
    ).fetchone()
    if row is None:
        return
    tree = parse(row[0])
    for table in tree.find_all(exp.Table):
        if table.name == old[1] and (table.db or old[0]) == old[0]:
            if not table.alias:
                table.set("alias", exp.TableAlias(this=exp.to_identifier(old[1], quoted=True)))
            table.set("this", exp.to_identifier(new, quoted=True))
    definition = text_of(tree)
    session.run(
        f"update {home}.relations set definition = ? where schema_name = ? and relation_name = ?",  # noqa: S608
        [definition, view_schema, view],
    )
    if row[1] == "view":
        target = exp.table_(view, db=view_schema, catalog=session.database, quoted=True)
        session.run(f"create or replace view {to_sql(target)} as {to_sql(translate(parse(definition), session.scope))}")


def qualify(session: Session, tree: Any) -> list[tuple[str, str]]:
    """Write the schema into each unqualified table name of a view's query; the relations that it uses."""
    from localcloud.engines.sql.translate import fold_names, is_cte

    used: list[tuple[str, str]] = []
    fold_names(tree)
    for table in tree.find_all(exp.Table):
        if not isinstance(table.this, exp.Identifier) or (not table.db and is_cte(table)):
            continue
        place = locate(session, table)
        if place is None:
            continue
        if not table.db:
            table.set("db", exp.to_identifier(place[0], quoted=True))
        used.append(place)
    return used


def in_cte(table: Any) -> bool:
    """Whether the name means a common table expression."""
    from localcloud.engines.sql.translate import is_cte

    return is_cte(table)


def text_of(query: Any) -> str:
    """A query as Redshift SQL, all names quoted."""
    return str(query.sql(dialect=WarehouseDialect, identify=True, normalize_functions=False))


def record_view(session: Session, target: Any, kind: str, definition: str, used: list[tuple[str, str]]) -> None:
    """Keep what DuckDB's catalog does not hold of a view: its kind, owner, Redshift text and what it rests on."""
    home = f'"{session.database}".pg_internal'
    session.run(
        f"insert into {home}.relations values (?, ?, ?, ?, null, null, null, null, ?, now()::timestamp)",  # noqa: S608
        [target.db, target.name, kind, session.user, definition],
    )
    for schema, name in used:
        session.run(
            f"insert into {home}.view_uses values (?, ?, ?, ?)",  # noqa: S608
            [target.db, target.name, schema, name],
        )
