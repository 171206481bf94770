"""The statements under `cdap/identity/sql`: Redshift SQL with `:name` parameters, bound as literals."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib import resources

import sqlglot
from sqlglot import exp

from cdap.sql import CdapRedshift, render


@dataclass(frozen=True)
class Statement:
    """One statement ready to run; `purpose` is the comment above it."""

    sql: str
    purpose: str


def statements(file: str, /, **parameters: str | int) -> Iterator[Statement]:
    """The statements of one file, in order, with its parameters bound.

    Raises ValueError for a parameter that the file has and the call has not, and for what is not SQL.
    """
    yield from _bound(file, tuple(sorted(parameters.items())))


@lru_cache(maxsize=256)
def _bound(file: str, parameters: tuple[tuple[str, str | int], ...]) -> tuple[Statement, ...]:
    return tuple(Statement(bind(expression, **dict(parameters)), purpose) for purpose, expression in _parsed(file))


@cache
def _parsed(file: str) -> tuple[tuple[str, exp.Expr], ...]:
    """The statements of one file, each with the comment above it."""
    text = (resources.files("cdap.identity") / "sql" / file).read_text(encoding="utf-8")
    found: list[tuple[str, exp.Expr]] = []
    for expression in sqlglot.parse(text, read=CdapRedshift):
        if isinstance(expression, exp.Command):
            raise ValueError(f"{file}: this is not SQL that sqlglot reads: {expression.sql()[:80]}")
        if expression is not None:
            purpose = " ".join(" ".join(expression.pop_comments() or []).split())
            found.append((purpose or f"Running {file}", expression))
    return tuple(found)


def bind(expression: exp.Expr, **parameters: str | int) -> str:
    """The expression as Redshift SQL, each `:name` replaced by the literal of that parameter."""

    def literal(node: exp.Expr) -> exp.Expr:
        if not isinstance(node, exp.Placeholder):
            return node
        if node.name not in parameters:
            raise ValueError(f"no value for the parameter :{node.name}")
        value = parameters[node.name]
        return exp.Literal.number(value) if isinstance(value, int) else exp.Literal.string(value)

    return render(expression.transform(literal))
