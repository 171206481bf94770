"""The filter expressions of GetPartitions, evaluated over partition values by the type of their key.

Source: AWS Glue API Reference, "GetPartitions", Expression: a SQL-like condition over the partition keys with =, <>,
>, <, >=, <=, AND, OR, NOT, IN, BETWEEN, LIKE and IS NULL; keys may be string, date, timestamp, int, bigint, long,
tinyint, smallint and decimal.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

HIVE_NULL = "__HIVE_DEFAULT_PARTITION__"
Values = Sequence[Any]
# True, False, or None where a null makes it unknown, as in SQL.
Predicate = Callable[[Values], bool | None]

_TOKEN = re.compile(
    r"""\s*(?:
        (?P<string>'(?:[^']|'')*')
      | (?P<quoted>"(?:[^"]|"")*"|`[^`]*`)
      | (?P<number>[-+]?\d+(?:\.\d+)?)
      | (?P<operator><>|!=|<=|>=|=|<|>|\(|\)|,)
      | (?P<word>[A-Za-z_][\w.$-]*)
    )""",
    re.VERBOSE,
)
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "<>": operator.ne,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_MIRROR = {"=": "=", "<>": "<>", "!=": "!=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}
_KEYWORDS = {"AND", "OR", "NOT", "IN", "BETWEEN", "LIKE", "IS", "NULL", "DATE", "TIMESTAMP"}


class ExpressionError(ValueError):
    """The expression is not valid, or names a key or a type that cannot be filtered on."""


@dataclass(frozen=True)
class PartitionKey:
    name: str
    type: str


def typed_values(keys: Sequence[PartitionKey], values: Sequence[str]) -> list[Any]:
    """The values of one partition in the types of their keys; None for Hive's null and for what does not parse."""
    result: list[Any] = []
    for key, value in zip(keys, values, strict=True):
        try:
            result.append(None if value == HIVE_NULL else _convert(key, value))
        except (ValueError, InvalidOperation):
            result.append(None)
    return result


def _convert(key: PartitionKey, text: str) -> Any:
    kind = key.type.lower().split("(")[0].strip()
    if kind in ("string", "varchar", "char"):
        return text
    if kind in ("int", "integer", "bigint", "long", "tinyint", "smallint"):
        return int(text)
    if kind == "decimal":
        return Decimal(text)
    if kind == "date":
        return date.fromisoformat(text)
    if kind == "timestamp":
        return datetime.fromisoformat(text)
    raise ExpressionError(f"the partition key {key.name} has the type {key.type}, which an expression cannot filter on")


def parse_expression(text: str, keys: Sequence[PartitionKey]) -> Predicate:
    """A predicate over typed partition values. Raises ExpressionError saying where the expression is wrong."""
    parser = _Parser(text, keys)
    predicate = parser.disjunction()
    parser.expect_end()
    return predicate


class _Parser:
    def __init__(self, text: str, keys: Sequence[PartitionKey]) -> None:
        self._text = text
        self._tokens = self._tokenize(text)
        self._place = 0
        self._keys = list(keys)
        self._index = {k.name.lower(): i for i, k in enumerate(keys)}

    def _tokenize(self, text: str) -> list[tuple[str, str]]:
        tokens, place = [], 0
        text = text.rstrip()
        while place < len(text):
            match = _TOKEN.match(text, place)
            if match is None or match.lastgroup is None:
                raise self._wrong(f"at {text[place : place + 20]!r}")
            kind, token = match.lastgroup, match[match.lastgroup]
            if kind == "word" and token.upper() in _KEYWORDS:
                kind, token = "keyword", token.upper()
            tokens.append((kind, token))
            place = match.end()
        return tokens

    def _wrong(self, what: str) -> ExpressionError:
        return ExpressionError(f"the expression {self._text!r} is not valid {what}")

    def _peek(self) -> tuple[str, str]:
        return self._tokens[self._place] if self._place < len(self._tokens) else ("end", "")

    def _next(self) -> tuple[str, str]:
        token = self._peek()
        self._place += 1
        return token

    def _accept(self, token: str) -> bool:
        kind, found = self._peek()
        if kind in ("keyword", "operator") and found == token:
            self._place += 1
            return True
        return False

    def _expect(self, token: str) -> None:
        if not self._accept(token):
            raise self._wrong(f"at {self._peek()[1] or 'its end'!r}: {token} was expected")

    def expect_end(self) -> None:
        if self._peek()[0] != "end":
            raise self._wrong(f"at {self._peek()[1]!r}")

    def disjunction(self) -> Predicate:
        parts = [self._conjunction()]
        while self._accept("OR"):
            parts.append(self._conjunction())
        return parts[0] if len(parts) == 1 else lambda values: _any([p(values) for p in parts])

    def _conjunction(self) -> Predicate:
        parts = [self._negation()]
        while self._accept("AND"):
            parts.append(self._negation())
        return parts[0] if len(parts) == 1 else lambda values: _all([p(values) for p in parts])

    def _negation(self) -> Predicate:
        if self._accept("NOT"):
            inner = self._negation()
            return lambda values: _not(inner(values))
        if self._accept("("):
            inner = self.disjunction()
            self._expect(")")
            return inner
        return self._comparison()

    def _comparison(self) -> Predicate:
        kind, _ = self._peek()
        if kind in ("string", "number") or (kind == "keyword"):
            # A literal first: 5 < key
            literal = self._literal()
            sign = self._sign()
            index = self._key()
            return self._compare(index, _MIRROR[sign], literal)
        index = self._key()
        if self._accept("IS"):
            negated = self._accept("NOT")
            self._expect("NULL")
            return (lambda v: v[index] is not None) if negated else (lambda v: v[index] is None)
        negated = self._accept("NOT")
        inner = self._membership(index)
        if inner is None:
            if negated:
                raise self._wrong("after NOT: IN, BETWEEN or LIKE was expected")
            sign = self._sign()
            return self._compare(index, sign, self._literal())
        chosen = inner
        return (lambda v: _not(chosen(v))) if negated else chosen

    def _membership(self, index: int) -> Predicate | None:
        if self._accept("IN"):
            self._expect("(")
            options = {self._typed(index, self._literal())}
            while self._accept(","):
                options.add(self._typed(index, self._literal()))
            self._expect(")")
            return lambda v: None if v[index] is None else v[index] in options
        if self._accept("BETWEEN"):
            low = self._typed(index, self._literal())
            self._expect("AND")
            high = self._typed(index, self._literal())
            return lambda v: None if v[index] is None else low <= v[index] <= high
        if self._accept("LIKE"):
            pattern = _like(self._literal())
            return lambda v: None if v[index] is None else pattern.fullmatch(str(v[index])) is not None
        return None

    def _compare(self, index: int, sign: str, literal: str) -> Predicate:
        value, compare = self._typed(index, literal), _COMPARE[sign]
        return lambda v: None if v[index] is None else compare(v[index], value)

    def _sign(self) -> str:
        kind, token = self._next()
        if kind != "operator" or token not in _COMPARE:
            raise self._wrong(f"at {token or 'its end'!r}: a comparison was expected")
        return token

    def _key(self) -> int:
        kind, token = self._next()
        name = token[1:-1] if kind == "quoted" else token
        if kind not in ("word", "quoted"):
            raise self._wrong(f"at {token or 'its end'!r}: a partition key was expected")
        if name.lower() not in self._index:
            raise ExpressionError(
                f"the expression {self._text!r} names {name}, which is not a partition key of the table "
                f"({', '.join(k.name for k in self._keys) or 'it has none'})"
            )
        return self._index[name.lower()]

    def _literal(self) -> str:
        kind, token = self._next()
        if kind == "keyword" and token in ("DATE", "TIMESTAMP"):
            kind, token = self._next()
            if kind != "string":
                raise self._wrong("after DATE or TIMESTAMP: a string was expected")
        if kind == "string":
            return token[1:-1].replace("''", "'")
        if kind == "number":
            return token
        raise self._wrong(f"at {token or 'its end'!r}: a string or a number was expected")

    def _typed(self, index: int, literal: str) -> Any:
        key = self._keys[index]
        try:
            return _convert(key, literal)
        except (ValueError, InvalidOperation) as error:
            if isinstance(error, ExpressionError):
                raise
            raise ExpressionError(
                f"the expression {self._text!r} compares {key.name}, of type {key.type}, with {literal!r}"
            ) from error


def _like(pattern: str) -> re.Pattern[str]:
    parts = {"%": ".*", "_": "."}
    return re.compile("".join(parts.get(c, re.escape(c)) for c in pattern), re.DOTALL)


def _any(found: list[bool | None]) -> bool | None:
    return True if True in found else (None if None in found else False)


def _all(found: list[bool | None]) -> bool | None:
    return False if False in found else (None if None in found else True)


def _not(found: bool | None) -> bool | None:
    return None if found is None else not found
