"""A warehouse session on DuckDB for tests: Redshift SQL translated by sqlglot, UNLOAD kept in memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import sqlglot
from sqlglot.tokens import TokenType

from cdap.migrations import statements
from cdap.sql import CdapRedshift

MIGRATIONS = Path(__file__).parents[3] / "migrations"


class DuckDbSession:
    """What `cdap.warehouse.Warehouse` offers. `unloaded` holds the rows of each UNLOAD by its target folder."""

    def __init__(self) -> None:
        self.connection = duckdb.connect(":memory:")
        self.connection.execute("set threads=1")
        self.unloaded: dict[str, list[dict[str, Any]]] = {}
        self.statements: list[str] = []
        self._last_unload = 0
        self._in_transaction = False

    def execute(self, sql: str, parameters: Sequence[Any] = (), *, purpose: str = "") -> int:
        self.statements.append(sql)
        if sql.startswith("UNLOAD"):
            query, target = [
                token.text
                for token in sqlglot.tokenize(sql.removeprefix("UNLOAD"), read=CdapRedshift)
                if token.token_type == TokenType.STRING
            ][:2]
            result = self._run(query, ())
            names = [column[0] for column in result.description]
            self.unloaded[target] = [dict(zip(names, row, strict=True)) for row in result.fetchall()]
            self._last_unload = len(self.unloaded[target])
            return -1
        result = self._run(sql, parameters)
        if sql.lstrip().lower().startswith(("update", "delete", "insert")):
            return int(result.fetchall()[0][0])
        return -1

    def fetch_all(self, sql: str, parameters: Sequence[Any] = (), *, purpose: str = "") -> list[tuple[Any, ...]]:
        if sql == "select pg_last_unload_count()":
            return [(self._last_unload,)]
        return self._run(sql, parameters).fetchall()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        assert not self._in_transaction
        self.connection.execute("begin")
        self._in_transaction = True
        try:
            yield
        except BaseException:
            self.connection.execute("rollback")
            raise
        else:
            self.connection.execute("commit")
        finally:
            self._in_transaction = False

    def _run(self, sql: str, parameters: Sequence[Any]) -> duckdb.DuckDBPyConnection:
        translated = sqlglot.transpile(
            sql.replace("%s", "?") if parameters else sql,
            read=CdapRedshift,
            write="duckdb",
            unsupported_level=sqlglot.ErrorLevel.IGNORE,
        )[0]
        return self.connection.execute(translated, list(parameters) or None)

    def migrate(self, *names: str) -> None:
        """Runs whole migration files, values filled in."""
        for name in names:
            for statement in statements((MIGRATIONS / name).read_text(), {}):
                self.execute(statement)
