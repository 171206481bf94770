"""Copies of whole databases, taken and brought back while the warehouse runs.

A copy is a DuckDB file of its own under ``backups/<name>/``, one for each database, and holds what was committed.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from localcloud.engines.sql.errors import SqlError

if TYPE_CHECKING:
    from localcloud.engines.sql.warehouse import Warehouse

_NAME = re.compile(r"[A-Za-z0-9-]{1,255}")


def take(warehouse: Warehouse, database: str, name: str) -> None:
    """Copy a database. Raises SqlError when it is missing or a copy of that name is there."""
    if database not in warehouse.databases():
        raise SqlError("3D000", f'database "{database}" does not exist')
    target = _file(warehouse, name, database)
    if target.exists():
        raise SqlError("42710", f'backup "{name}" of database "{database}" already exists')
    target.parent.mkdir(parents=True, exist_ok=True)
    unfinished = target.with_suffix(".unfinished")
    unfinished.unlink(missing_ok=True)
    warehouse.copy_to_file(database, unfinished)
    unfinished.rename(target)


def restore(warehouse: Warehouse, database: str, name: str) -> None:
    """Put a copy in the place of a database, which is lost. Raises SqlError when there is no such copy."""
    source = _file(warehouse, name, database)
    if not source.exists():
        raise SqlError("42704", f'backup "{name}" of database "{database}" does not exist')
    warehouse.replace_database(database, source)


def drop(warehouse: Warehouse, name: str) -> None:
    """Delete the copies of a name; none is no error."""
    shutil.rmtree(_file(warehouse, name, "any").parent, ignore_errors=True)


def _file(warehouse: Warehouse, name: str, database: str) -> Path:
    if not _NAME.fullmatch(name):
        raise SqlError("42602", f'invalid backup name "{name}"')
    return warehouse.folder / "backups" / name / f"{database}.duckdb"
