"""Scalar SQL functions of the user's (CREATE FUNCTION ... LANGUAGE sql)."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

from sqlglot import exp

from localcloud.engines.sql.errors import SqlError, syntax_error, unsupported
from localcloud.engines.sql.session import Plan
from localcloud.engines.sql.statements.columns import read_column_type
from localcloud.engines.sql.statements.tables import _creation_schema, split_top_level
from localcloud.engines.sql.tokens import TokenReader
from localcloud.engines.sql.translate import to_sql

if TYPE_CHECKING:
    from localcloud.engines.sql.session import Session


def _argument_type(text: str) -> str:
    reader = TokenReader(text)
    try:
        declared = read_column_type(reader)
        reader.finish()
    except SqlError:
        # A name comes before the type.
        reader = TokenReader(text)
        reader.identifier()
        declared = read_column_type(reader)
    return str(declared)


def plan_create(session: Session, reader: TokenReader, arguments: list[Any]) -> Plan:
    """CREATE [OR REPLACE] FUNCTION name (types) RETURNS type volatility AS $$ select ... $$ LANGUAGE sql."""
    from localcloud.engines.sql.statements.queries import translated

    reader.expect("create")
    replace = reader.accept("or", "replace")
    reader.expect("function")
    name = reader.name()
    types = [_argument_type(part) for part in split_top_level(reader.parenthesized())]
    reader.expect("returns")
    result = read_column_type(reader)
    volatility = "volatile"
    body, language = None, None
    while not reader.done:
        if reader.accept("as"):
            body = reader.string()
        elif reader.accept("language"):
            language = reader.identifier()
        elif reader.words(1)[0] in ("volatile", "stable", "immutable"):
            volatility = reader.identifier()
        else:
            raise syntax_error(f"syntax error at or near {reader.near()}")
    if language != "sql":
        raise unsupported(f"A function in the language {language}")
    if body is None:
        raise syntax_error("syntax error: CREATE FUNCTION without a body")
    text = body

    def action() -> None:
        schema = name.schema or _creation_schema(session)
        home = f'"{session.database}".pg_internal'
        key = [schema, name.name, types]
        condition = "schema_name = ? and function_name = ? and argument_types = ?"
        found = session.connection.execute(f"select macro_name from {home}.functions where {condition}", key).fetchone()  # noqa: S608
        if found and not replace:
            raise SqlError("42723", f"function {name.name} already exists with the same argument types")
        if found:
            session.run(f"delete from {home}.functions where {condition}", key)  # noqa: S608
        parameters = [exp.column(f"p{index + 1}", quoted=True) for index in range(len(types))]
        tree = translated(session, text, list(parameters))
        if not isinstance(tree, exp.Select) or len(tree.expressions) != 1 or tree.args.get("from_"):
            raise unsupported("A SQL function that is more than SELECT and one expression")
        macro = f"function_{secrets.token_hex(6)}"
        value = to_sql(tree.expressions[0].unalias())
        names = ", ".join(f'"p{index + 1}"' for index in range(len(types)))
        session.run(f"create macro {home}.{macro}({names}) as cast({value} as {result.storage})")
        session.run(
            f"insert into {home}.functions values (?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608
            [*key, str(result), volatility, text, macro, session.user],
        )

    return Plan("CREATE FUNCTION", action=action)


def plan_drop(session: Session, reader: TokenReader, arguments: list[Any]) -> Plan:
    """DROP FUNCTION [IF EXISTS] name (types)."""
    reader.expect("drop", "function")
    skip_missing = reader.accept("if", "exists")
    name = reader.name()
    types = [_argument_type(part) for part in split_top_level(reader.parenthesized())]
    reader.accept("cascade") or reader.accept("restrict")
    reader.finish()

    def action() -> None:
        schema = name.schema or _creation_schema(session)
        home = f'"{session.database}".pg_internal'
        condition = "schema_name = ? and function_name = ? and argument_types = ?"
        key = [schema, name.name, types]
        found = session.connection.execute(f"select macro_name from {home}.functions where {condition}", key).fetchone()  # noqa: S608
        if found is None:
            if skip_missing:
                return
            raise SqlError("42883", f"function {name.name}({', '.join(types)}) does not exist")
        session.run(f"drop macro {home}.{found[0]}")
        session.run(f"delete from {home}.functions where {condition}", key)  # noqa: S608

    return Plan("DROP FUNCTION", action=action)
