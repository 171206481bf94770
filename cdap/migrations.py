"""Applies `migrations/*.sql` to the warehouse: each once, in order, unchanged ever after."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import sqlglot
from sqlglot.tokenizer_core import Token, TokenType

from cdap.errors import MigrationError
from cdap.parameters import Parameters
from cdap.parameters import parameters as read_parameters
from cdap.settings import settings
from cdap.sql import CdapRedshift, literal
from cdap.warehouse import Warehouse

FILE_NAME = re.compile(r"(\d{4})_([a-z0-9_]+)\.sql")
WITHOUT_TRANSACTION = "-- transaction: none"
RECORD = 0


@dataclass(frozen=True)
class Migration:
    """One file. `checksum` is the SHA-256 of its text as it is in the file, before values are bound."""

    number: int
    name: str
    text: str
    checksum: str

    @property
    def in_transaction(self) -> bool:
        return not self.text.startswith(WITHOUT_TRANSACTION)


def read_migrations(folder: Path) -> list[Migration]:
    """The folder's migrations in order. Raises MigrationError for a name that is none, or a number given twice."""
    found: dict[int, Migration] = {}
    for path in sorted(folder.glob("*.sql")):
        match = FILE_NAME.fullmatch(path.name)
        if match is None:
            raise MigrationError(
                f"Reading {path}", "its name is not NNNN_what_it_does.sql", "Rename it, with the next free number"
            )
        number, text = int(match[1]), path.read_text(encoding="utf-8")
        if number in found:
            raise MigrationError(
                f"Reading {path}",
                f"number {number:04d} is also that of {found[number].name}",
                "Give the newer one the next free number",
            )
        found[number] = Migration(number, match[2], text, hashlib.sha256(text.encode()).hexdigest())
    if RECORD not in found:
        raise MigrationError(
            f"Reading {folder}", "0000_migrations.sql is not there", "Set CDAP_MIGRATIONS_DIR to the folder that has it"
        )
    return [found[number] for number in sorted(found)]


def statements(text: str, values: Mapping[str, str]) -> Iterator[str]:
    """The statements of a script, each `:name` outside strings and comments replaced by its value as a literal.

    DDL takes no bound parameters in Redshift, so the values become escaped literals. Raises KeyError for a name
    without a value.
    """
    tokens = sqlglot.tokenize(text, read=CdapRedshift)
    begin = 0
    pending: list[Token] = []
    for token in tokens:
        if token.token_type == TokenType.SEMICOLON:
            if pending:
                yield _bound(text[begin : token.start], pending, begin, values)
            begin, pending = token.end + 1, []
        else:
            pending.append(token)
    if pending:
        yield _bound(text[begin:], pending, begin, values)


def _bound(statement: str, tokens: list[Token], offset: int, values: Mapping[str, str]) -> str:
    parts: list[str] = []
    done = 0
    for token, following in pairwise(tokens):
        if token.token_type == TokenType.COLON and following.start == token.end + 1 and following.text.isidentifier():
            parts += [statement[done : token.start - offset], literal(values[following.text])]
            done = following.end + 1 - offset
    return "".join([*parts, statement[done:]]).strip()


def apply(warehouse: Warehouse, parameters: Parameters | None = None, folder: Path | None = None) -> list[str]:
    """Applies what is pending; returns `NNNN_name` of each migration applied, oldest first.

    Raises MigrationError when an applied file was changed, a file comes before one that was applied, or a statement
    is refused. A migration is one transaction with its record; one that cannot be (`-- transaction: none` in its
    first line) is written so that running it again changes nothing.
    """
    names = parameters if parameters is not None else read_parameters()
    values = {
        "raw_database": names.raw_database,
        "clean_database": names.clean_database,
        "role_arn": names.warehouse.role_arn,
    }
    migrations = read_migrations(folder if folder is not None else settings().migrations_dir)
    for statement in statements(migrations[0].text, values):
        warehouse.execute(statement, purpose="Making the record of migrations")
    rows = warehouse.fetch_all(
        "select number, checksum from ops.migrations order by number", purpose="Reading which migrations were applied"
    )
    applied = {int(number): str(checksum) for number, checksum in rows}
    done = []
    for migration in migrations:
        if migration.number == RECORD:
            continue
        label = f"{migration.number:04d}_{migration.name}"
        if migration.number in applied:
            if applied[migration.number] != migration.checksum:
                raise MigrationError(
                    f"Checking migration {label}",
                    "the file is not the one that was applied to this warehouse",
                    "Restore it, and put the change into a new migration",
                )
            continue
        if applied and migration.number < max(applied):
            raise MigrationError(
                f"Applying migration {label}",
                f"number {max(applied):04d} was applied before it",
                "Give it the next free number",
            )
        _apply_one(warehouse, migration, label, values)
        applied[migration.number] = migration.checksum
        done.append(label)
    return done


def _apply_one(warehouse: Warehouse, migration: Migration, label: str, values: Mapping[str, str]) -> None:
    try:
        to_run = list(statements(migration.text, values))
    except KeyError as error:
        raise MigrationError(
            f"Applying migration {label}",
            f"it names :{error.args[0]}, which has no value",
            f"Known are {', '.join(f':{name}' for name in sorted(values))}",
        ) from None
    if migration.in_transaction:
        with warehouse.transaction():
            _run(warehouse, migration, label, to_run)
    else:
        _run(warehouse, migration, label, to_run)


def _run(warehouse: Warehouse, migration: Migration, label: str, to_run: list[str]) -> None:
    for position, statement in enumerate(to_run, start=1):
        warehouse.execute(statement, purpose=f"Applying migration {label}, statement {position} of {len(to_run)}")
    warehouse.execute(
        "insert into ops.migrations (number, name, checksum, applied_at) values (%s, %s, %s, %s)",
        (migration.number, migration.name, migration.checksum, datetime.now(UTC).replace(tzinfo=None)),
        purpose=f"Recording migration {label}",
    )
