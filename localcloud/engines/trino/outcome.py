"""What a query did."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass
class Outcome:
    """What a query did."""

    statement: str
    """``DML``, ``DDL`` or ``UTILITY``, as Athena sorts them."""
    substatement: str
    """``SELECT``, ``CREATE_TABLE``, ``INSERT``, ..."""
    columns: list[dict[str, Any]] = field(default_factory=list)
    """ColumnInfo of the result."""
    file: Path | None = None
    """The result: quoted CSV with a header for a query, plain lines for the rest; None without one."""
    update_count: int | None = None
    written: list[str] = field(default_factory=list)
    """URLs of the objects that the query wrote into tables."""
    scanned: int = 0
    """Bytes read from objects."""
    rows: int = 0
