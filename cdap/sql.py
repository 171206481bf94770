"""How the platform builds Redshift SQL: with sqlglot, never by pasting data into text."""

from __future__ import annotations

from sqlglot import exp
from sqlglot.dialects.redshift import Redshift


class CdapRedshift(Redshift):
    """Redshift whose string literals escape a quote by doubling it.

    sqlglot's Redshift writes `\\'`, which Redshift reads, but redshift_connector's scan for parameters does not.
    """

    class Tokenizer(Redshift.Tokenizer):
        STRING_ESCAPES = ["'", "\\"]  # noqa: RUF012 - the attribute's type is sqlglot's


def render(expression: exp.Expr) -> str:
    """The expression as Redshift SQL."""
    return expression.sql(dialect=CdapRedshift)


def literal(value: str) -> str:
    """A string literal, quotes and backslashes escaped."""
    return render(exp.Literal.string(value))


def identifier(name: str) -> str:
    """A quoted identifier."""
    return render(exp.to_identifier(name, quoted=True))


def create_temporary(table: str, query: exp.Query) -> str:
    """The statement that fills a temporary table from a query."""
    return render(
        exp.Create(
            this=exp.to_table(table),
            kind="TABLE",
            expression=query,
            properties=exp.Properties(expressions=[exp.TemporaryProperty()]),
        )
    )
