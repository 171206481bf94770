"""One query, from its text to its result in files: what it reads, computes, writes and changes in the catalog."""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path
from typing import Any

import duckdb

from localcloud.engines.trino import statements, values
from localcloud.engines.trino.catalog import Catalog
from localcloud.engines.trino.errors import ScanLimitError, TrinoError, from_engine
from localcloud.engines.trino.outcome import Outcome
from localcloud.engines.trino.translate import to_duckdb


class Query:
    """Runs one query in an engine of its own, which can be interrupted.

    ``folder`` takes the result and what is on its way to a table. ``work_location`` is the URL under which a CREATE
    TABLE AS without a location of its own puts its objects. ``scan_limit`` is the most bytes that may be read.
    """

    def __init__(
        self,
        catalog: Catalog,
        folder: Path,
        database: str,
        execution_id: str,
        work_location: str,
        *,
        memory: str,
        scan_limit: int | None = None,
    ) -> None:
        self.catalog = catalog
        self.folder = folder
        self.database = database.lower()
        self.execution_id = execution_id
        self.work_location = work_location
        self.scanned = 0
        self._memory = memory
        self._scan_limit = scan_limit
        self._connection: duckdb.DuckDBPyConnection | None = None
        self._interrupted = False

    def run(self, sql: str) -> Outcome:
        """Run the query. Raises :class:`TrinoError`, of it :class:`ScanLimitError` before anything was written."""
        self.folder.mkdir(parents=True, exist_ok=True)
        try:
            outcome = statements.run(self, sql)
        except TrinoError:
            raise
        except Exception as error:
            raise from_engine(error) from error
        finally:
            if self._connection is not None:
                self._connection.close()
        outcome.scanned = self.scanned
        return outcome

    def interrupt(self) -> None:
        """Stop what the engine is doing."""
        self._interrupted = True
        if self._connection is not None:
            self._connection.interrupt()

    # For statements --------------------------------------------------------------------------------------------------

    def connection(self) -> duckdb.DuckDBPyConnection:
        """The engine, made when the first statement needs one."""
        if self._interrupted:
            raise TrinoError("USER_CANCELED", "Query was canceled")
        if self._connection is None:
            connection = duckdb.connect(":memory:")
            connection.execute("set python_enable_replacements = false; set timezone = 'UTC'")
            connection.execute("set enable_progress_bar = false; set preserve_insertion_order = true")
            connection.execute(f"set memory_limit = '{self._memory}'")
            connection.execute(f"set temp_directory = {_literal(str(self.folder / 'spill'))}")
            text = (resources.files("localcloud.engines.trino") / "functions.sql").read_text()
            for statement in connection.extract_statements(text):
                connection.execute(statement)
            values.register(connection)
            connection.execute("pragma enable_profiling='no_output'")
            self._connection = connection
        return self._connection

    def translated(self, tree: Any) -> str:
        """The DuckDB text of a query's tree."""
        return to_duckdb(tree, self.database, self.catalog.relation)

    def described(self, text: str) -> list[tuple[str, Any]]:
        """Names and engine types of a query's columns."""
        relation = self.connection().sql(text)
        return list(zip(relation.columns, relation.types, strict=True))

    def execute(self, text: str) -> int:
        """Run DuckDB SQL, count what it read, and return its count where it has one."""
        connection = self.connection()
        cursor = connection.execute(text)
        row = cursor.fetchone() if cursor.description else None
        profile = json.loads(connection.get_profiling_information(format="json"))
        self.scanned += int(profile.get("io", {}).get("total_bytes_read", 0))
        if self._scan_limit is not None and self.scanned > self._scan_limit:
            raise ScanLimitError
        return int(row[0]) if row and isinstance(row[0], int) else 0

    def copy(self, text: str, target: Path, options: str) -> int:
        """Write a query's rows to a file or folder; how many."""
        return self.execute(f"copy ({text}) to {_literal(str(target))} ({options})")

    def select(self, tree: Any, statement: str = "DML", substatement: str = "SELECT") -> Outcome:
        """Run a query for its rows."""
        text = self.translated(tree)
        described = self.described(text)
        names = [name.lower() for name, _ in described]
        # A subquery cannot have two columns of one name, which a result can.
        inner = ", ".join(f"c{index}" for index in range(len(described)))
        projections = ", ".join(
            f"{values.as_text(f'c{index}', kind)} as c{index}" for index, (_, kind) in enumerate(described)
        )
        body = self.folder / "rows.csv"
        texts = f"select {projections} from ({text}) source({inner})"  # noqa: S608 a translated tree
        count = self.copy(texts, body, "format csv, header false, force_quote *")
        file = self.folder / "result.csv"
        with file.open("wb") as out, body.open("rb") as rows:
            out.write(",".join(_quoted(name) for name in names).encode() + b"\n")
            while block := rows.read(1 << 20):
                out.write(block)
        body.unlink()
        columns = [values.column_info(name, kind) for name, (_, kind) in zip(names, described, strict=True)]
        return Outcome(statement, substatement, columns, file, rows=count)

    def lines(self, rows: list[list[str | None]], columns: list[str], statement: str, substatement: str) -> Outcome:
        """The result of a statement that answers in lines, its columns parted by tabs."""
        self.folder.mkdir(parents=True, exist_ok=True)
        file = self.folder / "result.txt"
        text = "\n".join("\t".join("" if cell is None else cell for cell in row) for row in rows)
        file.write_text(text + ("\n" if rows else ""), encoding="utf-8")
        infos = [{"CatalogName": "hive", "SchemaName": "", "TableName": "", "Name": name, "Label": name,
                  "Type": "string", "Precision": 0, "Scale": 0, "Nullable": "UNKNOWN", "CaseSensitive": False}
                 for name in columns]  # fmt: skip
        return Outcome(statement, substatement, infos, file, rows=len(rows))


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
