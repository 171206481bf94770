"""Statements and their parameters: ``?`` filled in, by ExecutionParameters or EXECUTE ... USING."""

from __future__ import annotations

import re
from typing import Any

import sqlglot
from sqlglot import exp
from sqlglot.errors import ParseError, TokenError

from localcloud.engines.trino.errors import TrinoError
from localcloud.engines.trino.statements import bare
from localcloud.engines.trino.translate import parse

_UTILITY = ("explain", "describe", "desc")
_DML = ("select", "with", "values", "insert", "unload", "(", "execute", "delete", "update", "merge")


def statement_type(sql: str) -> str:
    """``DML``, ``DDL`` or ``UTILITY``, by the first word, as Athena says before a query has run."""
    word = re.match(r"\(|\w+", bare(sql).lower())
    if word and word[0] in _DML:
        return "DML"
    return "UTILITY" if word and word[0] in _UTILITY else "DDL"


def split(text: str) -> list[str]:
    """The expressions of USING. Raises TrinoError."""
    try:
        tree = sqlglot.parse_one(f"select {text}", read="athena")
    except (ParseError, TokenError) as error:
        raise TrinoError("SYNTAX_ERROR", f"the parameters {text!r}: {error}") from error
    return [item.sql(dialect="athena") for item in tree.expressions]


def bind(sql: str, values: list[str]) -> str:
    """The statement with its ``?`` replaced, in order. Raises TrinoError when their number differs."""
    if not values and "?" not in sql:
        return sql
    tree = parse(sql)
    places = [node for node in tree.dfs() if isinstance(node, exp.Placeholder)]
    if not values and not places:
        return sql
    if len(places) != len(values):
        raise TrinoError("INVALID_PARAMETER_USAGE",
                         f"Incorrect number of parameters: expected {len(places)} but found {len(values)}")  # fmt: skip
    for place, value in zip(places, values, strict=True):
        place.replace(_literal(value))
    return str(tree.sql(dialect="athena"))


def _literal(value: str) -> Any:
    try:
        found = sqlglot.parse_one(value, read="athena")
    except (ParseError, TokenError):
        return exp.Literal.string(value)
    # A bare word is text: a parameter never names a column.
    return exp.Literal.string(value) if found is None or found.find(exp.Column) else found
