"""SOQL, as far as clients that copy objects use it, as SQL of SQLite.

`SELECT fields | FIELDS(ALL) | count() FROM object [WHERE ...] [ORDER BY ...] [LIMIT n] [OFFSET n]` with comparisons,
LIKE, IN, NOT IN, null, AND, OR, NOT, dates and datetimes as literals (Salesforce: SOQL and SOSL Reference).
Relationships, aggregates and date functions are refused as malformed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from demo.crm.schema import OBJECTS, Field

# A quoted string, or a date (with its time), which SOQL writes without quotes.
_LITERAL = re.compile(
    r"('(?:[^'\\]|\\.)*')|\b(\d{4}-\d\d-\d\d)(T\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:?\d\d))?(?![\w'])"
)
_ALL_FIELDS = re.compile(r"\bFIELDS\s*\(\s*ALL\s*\)", re.IGNORECASE)
_EVERY_FIELD = "every_field__"
_COMPARISONS = (exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.Like)
_LOGIC = (exp.And, exp.Or, exp.Not, exp.Paren)


class SoqlError(Exception):
    """A query that Salesforce would refuse: `code` is its errorCode."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True)
class Query:
    """A checked query. `where`, `order` are SQL over the object's columns, `values` their parameters in order."""

    object: str
    fields: tuple[str, ...]
    where: str
    order: str
    values: tuple[object, ...]
    limit: int | None
    offset: int
    count: bool = False


def parse(text: str) -> Query:
    """Raises SoqlError with Salesforce's codes: MALFORMED_QUERY, INVALID_TYPE, INVALID_FIELD."""
    try:
        statement = sqlglot.parse_one(_ALL_FIELDS.sub(_EVERY_FIELD, _LITERAL.sub(_quoted, text)), read="sqlite")
    except SqlglotError as error:
        raise SoqlError("MALFORMED_QUERY", f"unexpected token in: {text} ({error})") from None
    source = statement.args.get("from_") or statement.args.get("from") if isinstance(statement, exp.Select) else None
    if source is None or not isinstance(source.this, exp.Table):
        raise SoqlError("MALFORMED_QUERY", f"expecting SELECT, fields, FROM and an object: {text}")
    name = next((known for known in OBJECTS if known.lower() == source.this.name.lower()), None)
    if name is None:
        raise SoqlError("INVALID_TYPE", f"sObject type '{source.this.name}' is not supported.")
    if "nulls last" in " ".join(text.lower().split()):
        raise SoqlError("MALFORMED_QUERY", f"NULLS LAST is not supported here: {text}")
    for clause in ("joins", "group", "having", "distinct", "with", "with_"):
        if statement.args.get(clause):
            raise SoqlError("MALFORMED_QUERY", f"{clause.strip('_')} is not supported here: {text}")
    fields, count = _selected(statement, name)
    values: list[object] = []
    where = statement.args.get("where")
    order = statement.args.get("order")
    condition = _condition(where.this, name, values) if where else "1"
    return Query(
        object=name,
        fields=fields,
        where=condition,
        order=", ".join(_ordering(item, name) for item in order.expressions) + ", Id" if order else "Id",
        values=tuple(values),
        limit=_number(statement.args.get("limit")),
        offset=_number(statement.args.get("offset")) or 0,
        count=count,
    )


def instant(text: str) -> str:
    """A datetime in any zone as the store keeps it: UTC, `2026-03-02T10:11:12.000+0000`."""
    at = datetime.fromisoformat(text.replace("Z", "+00:00")).astimezone(UTC)
    return f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03d}+0000"


def _quoted(found: re.Match[str]) -> str:
    if found[1] is not None:  # a string; SOQL escapes quotes with a backslash, SQL doubles them
        inner = re.sub(r"\\(.)", lambda escaped: escaped[1], found[1][1:-1])
        return "'" + inner.replace("'", "''") + "'"
    return f"'{instant(found[2] + found[3])}'" if found[3] else f"'{found[2]}'"


def _selected(statement: exp.Select, name: str) -> tuple[tuple[str, ...], bool]:
    chosen = statement.expressions
    if len(chosen) == 1 and isinstance(chosen[0], exp.Count) and not chosen[0].this:
        return (), True
    if len(chosen) == 1 and isinstance(chosen[0], exp.Column) and chosen[0].name == _EVERY_FIELD:
        return tuple(OBJECTS[name]), False
    return tuple(_field(item, name) for item in chosen), False


def _field(item: exp.Expression, name: str) -> str:
    if not isinstance(item, exp.Column) or item.table:
        raise SoqlError("MALFORMED_QUERY", f"not supported here: {item.sql('sqlite')}")
    field = next((known for known in OBJECTS[name] if known.lower() == item.name.lower()), None)
    if field is None:
        raise SoqlError("INVALID_FIELD", f"No such column '{item.name}' on entity '{name}'.")
    return field


def _condition(item: exp.Expression, name: str, values: list[object]) -> str:
    """SQL of a condition with its values bound; nothing of the query's own text is in it but operators."""
    if isinstance(item, exp.Paren):
        return f"({_condition(item.this, name, values)})"
    if isinstance(item, exp.And | exp.Or):
        left = _condition(item.left, name, values)
        return f"({left} {'and' if isinstance(item, exp.And) else 'or'} {_condition(item.right, name, values)})"
    if isinstance(item, exp.Not):
        return f"not ({_condition(item.this, name, values)})"
    if isinstance(item, exp.In):
        field = _field(item.this, name)
        literals = [_value(literal, name, field) for literal in item.expressions]
        if not literals:
            raise SoqlError("MALFORMED_QUERY", "IN needs a list of values")
        values.extend(literals)
        return f"{field} in ({', '.join('?' * len(literals))})"
    if isinstance(item, _COMPARISONS):
        field = _field(item.left, name)
        value = _value(item.right, name, field)
        operator = {
            exp.EQ: "is", exp.NEQ: "is not", exp.GT: ">", exp.GTE: ">=", exp.LT: "<", exp.LTE: "<=", exp.Like: "like",
        }[type(item)]  # fmt: skip
        values.append(value)
        return f"{field} {operator} ?"
    raise SoqlError("MALFORMED_QUERY", f"not supported in WHERE: {item.sql('sqlite')}")


def _value(item: exp.Expression, name: str, field: str) -> object:
    kind: Field = OBJECTS[name][field]
    if isinstance(item, exp.Null):
        return None
    if isinstance(item, exp.Boolean):
        return int(item.this)
    if isinstance(item, exp.Literal):
        text = str(item.this)
        if kind.type == "datetime" and "T" not in text:
            raise SoqlError("INVALID_FIELD", f"value of filter criterion for field '{field}' must be of type dateTime")
        return text if item.is_string else float(text)
    raise SoqlError("MALFORMED_QUERY", f"not a literal: {item.sql('sqlite')}")


def _ordering(item: exp.Expression, name: str) -> str:
    """One key of ORDER BY. Nulls come first in either direction, as Salesforce puts them when nothing is said."""
    ordered = item if isinstance(item, exp.Ordered) else exp.Ordered(this=item)
    return f"{_field(ordered.this, name)} {'desc' if ordered.args.get('desc') else 'asc'} nulls first"


def _number(clause: exp.Expression | None) -> int | None:
    if clause is None:
        return None
    try:
        return int(clause.expression.name)
    except (AttributeError, ValueError):
        raise SoqlError("MALFORMED_QUERY", "LIMIT and OFFSET take whole numbers") from None
