"""Column definitions."""

from __future__ import annotations

from dataclasses import dataclass, field

from localcloud.engines.sql.errors import SqlError, syntax_error
from localcloud.engines.sql.statements.constraints import Constraint, read_referred
from localcloud.engines.sql.tokens import TokenReader
from localcloud.engines.sql.types import DeclaredType, declared_type

_SECOND_WORDS = {"double": "precision", "character": "varying", "binary": "varying"}


@dataclass
class ColumnDefinition:
    """A column as CREATE TABLE defines it."""

    name: str
    type: DeclaredType
    not_null: bool = False
    default: str | None = None
    identity: tuple[int, int] | None = None
    encoding: str | None = None
    distkey: bool = False
    sortkey: bool = False
    constraints: list[Constraint] = field(default_factory=list)


def read_column_type(reader: TokenReader) -> DeclaredType:
    """Read a type with its arguments. Raises SqlError (42704)."""
    name = reader.identifier()
    second = _SECOND_WORDS.get(name)
    if second and reader.accept(second):
        name += f" {second}"
    arguments: list[int] = []
    if reader.at_parenthesis():
        for part in reader.parenthesized().split(","):
            word = part.strip().lower()
            if word == "max":
                arguments.append(65535)
            elif word.isdigit():
                arguments.append(int(word))
            else:
                raise syntax_error(f'syntax error: "{word}" is not a size of a type')
    if name in ("time", "timestamp"):
        for words in ("with time zone", "without time zone"):
            if reader.accept(words):
                name += f" {words}"
                break
    try:
        return declared_type(name, tuple(arguments))
    except KeyError:
        raise SqlError("42704", f'type "{name}" does not exist') from None


def read_column(reader: TokenReader) -> ColumnDefinition:
    """Read a column's name, type, attributes and constraints to the end."""
    column = ColumnDefinition(reader.identifier(), read_column_type(reader))
    while not reader.done:
        _read_attribute(reader, column)
    return column


def _read_attribute(reader: TokenReader, column: ColumnDefinition) -> None:
    if reader.accept("not", "null"):
        column.not_null = True
    elif reader.accept("primary key"):
        column.not_null = True
        column.constraints.append(Constraint("p", [column.name]))
    elif reader.accept("unique"):
        column.constraints.append(Constraint("u", [column.name]))
    elif reader.accept("null"):
        pass
    elif reader.accept("encode"):
        column.encoding = reader.identifier()
    elif reader.accept("distkey"):
        column.distkey = True
    elif reader.accept("sortkey"):
        column.sortkey = True
    elif reader.accept("identity") or reader.accept("generated", "by", "default", "as", "identity"):
        column.identity = _identity(reader)
    elif reader.accept("default"):
        column.default = _default(reader)
    elif reader.accept("references"):
        column.constraints.append(Constraint("f", [column.name], None, *read_referred(reader)))
    elif reader.accept("collate"):
        if not (reader.accept("case_sensitive") or reader.accept("cs")):
            raise SqlError("0A000", "a case-insensitive collation is not supported by this warehouse")
    else:
        raise syntax_error(f"syntax error at or near {reader.near()}")


def _identity(reader: TokenReader) -> tuple[int, int]:
    parts = [int(part.replace(" ", "")) for part in reader.parenthesized().split(",")]
    return parts[0], parts[1]


_ATTRIBUTES = {
    "not",
    "null",
    "primary key",
    "primary",
    "unique",
    "encode",
    "distkey",
    "sortkey",
    "references",
    "collate",
}


def _default(reader: TokenReader) -> str:
    first = reader.position
    depth = 0
    while not reader.done:
        word = reader.tokens[reader.position].text.lower()
        if depth == 0 and reader.position > first and word in _ATTRIBUTES and not reader.is_string():
            break
        depth += {"(": 1, ")": -1}.get(word, 0)
        reader.position += 1
    return reader.sql[reader.tokens[first].start : reader.tokens[reader.position - 1].end + 1]
