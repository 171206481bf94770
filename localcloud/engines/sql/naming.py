"""Names of output columns that a query does not name, as Redshift gives them."""

from __future__ import annotations

from typing import Any

from sqlglot import exp

_CAST_NAMES = {
    "INT": "int4",
    "BIGINT": "int8",
    "SMALLINT": "int2",
    "DOUBLE": "float8",
    "FLOAT": "float4",
    "DECIMAL": "numeric",
    "BOOLEAN": "bool",
    "CHAR": "bpchar",
    "TEXT": "text",
    "VARCHAR": "varchar",
}


def name_outputs(expression: Any) -> None:
    """Give every unnamed output column of every SELECT its name: a function's own name, else ``?column?``."""
    for select in expression.find_all(exp.Select):
        if isinstance(select.parent, exp.Exists):
            continue
        for projection in list(select.expressions):
            if isinstance(projection, exp.Alias | exp.Aliases | exp.Column | exp.Star):
                continue
            if isinstance(projection, exp.Dot) and isinstance(projection.expression, exp.Star | exp.Identifier):
                continue
            projection.replace(exp.alias_(projection.copy(), output_name(projection), quoted=True))


def output_name(node: Any) -> str:
    """The name that Redshift gives to an output column with this expression."""
    if isinstance(node, exp.Anonymous):
        return str(node.this).lower()
    if isinstance(node, exp.Column):
        return str(node.name)
    if isinstance(node, exp.Cast):
        inner = output_name(node.this)
        return inner if inner != "?column?" else _cast_name(node.args["to"])
    if isinstance(node, exp.Window | exp.WithinGroup | exp.Filter | exp.IgnoreNulls | exp.Paren):
        return output_name(node.this)
    if isinstance(node, exp.Dot):
        return output_name(node.expression)
    for kind, name in _FIXED:
        if isinstance(node, kind):
            return name
    return "?column?"


def _cast_name(kind: Any) -> str:
    name = str(getattr(kind.this, "value", kind.this))
    return _CAST_NAMES.get(name, name.lower())


_FIXED: tuple[tuple[type, str], ...] = (
    (exp.Case, "case"),
    (exp.Extract, "date_part"),
    (exp.Substring, "substring"),
    (exp.Trim, "btrim"),
    (exp.StrPosition, "position"),
    (exp.CurrentDate, "date"),
    (exp.CurrentTimestamp, "timestamp"),
    (exp.CurrentUser, "current_user"),
    (exp.SessionUser, "session_user"),
)
