"""Primary, unique and foreign keys: Redshift keeps them for its planner and for clients, and holds nobody to them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from localcloud.engines.sql.errors import SqlError
from localcloud.engines.sql.statements.dependents import kind_of
from localcloud.engines.sql.tokens import Name, TokenReader

if TYPE_CHECKING:
    from localcloud.engines.sql.session import Session

_SUFFIXES = {"p": "pkey", "u": "key", "f": "fkey"}


@dataclass
class Constraint:
    """A key of `columns`: `kind` is p, u or f as in PG_CONSTRAINT; a foreign key refers to `used_columns` of `used`,
    or to that relation's primary key when none are named."""

    kind: str
    columns: list[str]
    name: str | None = None
    used: Name | None = None
    used_columns: list[str] = field(default_factory=list)


def read_constraint(reader: TokenReader) -> Constraint:
    """Read a table constraint to its end. Raises SqlError for CHECK, which Redshift does not have."""
    name = reader.identifier() if reader.accept("constraint") else None
    if reader.accept("check"):
        raise SqlError("0A000", "CHECK constraints are not supported by Redshift")
    if reader.accept("primary key"):
        found = Constraint("p", reader.names_in_parentheses(), name)
    elif reader.accept("unique"):
        found = Constraint("u", reader.names_in_parentheses(), name)
    else:
        reader.expect("foreign key")
        columns = reader.names_in_parentheses()
        reader.expect("references")
        found = Constraint("f", columns, name, *read_referred(reader))
    reader.finish()
    return found


def read_referred(reader: TokenReader) -> tuple[Name, list[str]]:
    """What stands after REFERENCES: a table and maybe its columns."""
    return reader.name(), reader.names_in_parentheses() if reader.at_parenthesis() else []


def record_constraints(session: Session, schema: str, relation: str, constraints: Sequence[Constraint]) -> None:
    """Keep the keys of a table, each under a name of its own.

    Raises SqlError (42P01, 42830) for a foreign key to a table, or to a primary key, that is not there.
    """
    home = f'"{session.database}".pg_internal'
    for constraint in constraints:
        used_schema, used_name, used_columns = None, None, None
        if constraint.used is not None:
            used_schema, used_name = _place(session, constraint.used), constraint.used.name
            used_columns = constraint.used_columns or _primary_key(session, used_schema, used_name)
        session.run(
            f"insert into {home}.constraints values (?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608
            [schema, relation, constraint.name or _new_name(session, schema, relation, constraint), constraint.kind,
             constraint.columns, used_schema, used_name, used_columns],
        )  # fmt: skip


def drop_constraint(session: Session, schema: str, relation: str, name: str) -> None:
    """ALTER TABLE ... DROP CONSTRAINT. Raises SqlError (42704) when there is none of the name."""
    home = f'"{session.database}".pg_internal'
    key = [schema, relation, name]
    where = "where schema_name = ? and relation_name = ? and constraint_name = ?"
    if not session.fetch_all(f"select 1 from {home}.constraints {where}", key):  # noqa: S608
        raise SqlError("42704", f'constraint "{name}" of relation "{relation}" does not exist')
    session.run(f"delete from {home}.constraints {where}", key)  # noqa: S608


def rename_column(session: Session, schema: str, relation: str, old: str, new: str) -> None:
    """The keys of a column, and those that refer to it, follow it to its new name."""
    home = f'"{session.database}".pg_internal'
    for columns, of_schema, of_relation in (("column_names", "schema_name", "relation_name"),
                                            ("used_columns", "used_schema", "used_relation")):  # fmt: skip
        session.run(
            f"update {home}.constraints set {columns} = list_transform({columns}, lambda c: "  # noqa: S608
            f"case when c = ? then ? else c end) where {of_schema} = ? and {of_relation} = ? "
            f"and list_contains({columns}, ?)",
            [old, new, schema, relation, old],
        )


def drop_column(session: Session, schema: str, relation: str, column: str) -> None:
    """The keys of a column go with it."""
    session.run(
        f'delete from "{session.database}".pg_internal.constraints '  # noqa: S608
        "where schema_name = ? and relation_name = ? and list_contains(column_names, ?)",
        [schema, relation, column],
    )


def _place(session: Session, name: Name) -> str:
    found = kind_of(session, name.schema, name.name)
    if found is None:
        raise SqlError("42P01", f'relation "{name.name}" does not exist')
    return found[0]


def _primary_key(session: Session, schema: str, relation: str) -> list[str]:
    found = session.fetch_all(
        f'select column_names from "{session.database}".pg_internal.constraints '  # noqa: S608
        "where schema_name = ? and relation_name = ? and kind = 'p'",
        [schema, relation],
    )
    if not found:
        raise SqlError("42830", f'there is no primary key for referenced table "{relation}"')
    return list(found[0][0])


def _new_name(session: Session, schema: str, relation: str, constraint: Constraint) -> str:
    """PostgreSQL's: the table, the first column but for a primary key, what it is, a number when that is taken."""
    taken = {
        name
        for (name,) in session.fetch_all(
            f'select constraint_name from "{session.database}".pg_internal.constraints where schema_name = ?',  # noqa: S608
            [schema],
        )
    }
    parts = [relation, *([] if constraint.kind == "p" else constraint.columns[:1]), _SUFFIXES[constraint.kind]]
    name, number = "_".join(parts), 0
    while name in taken:
        number += 1
        name = "_".join(parts) + str(number)
    return name
