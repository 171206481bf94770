"""What identity needs of a warehouse session; `cdap.warehouse.Warehouse` is one."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol


class SqlSession(Protocol):
    """Redshift SQL, `%s` parameters, transactions that hold everything or nothing."""

    def execute(self, sql: str, parameters: Sequence[Any] = (), *, purpose: str = ...) -> int: ...

    def fetch_all(self, sql: str, parameters: Sequence[Any] = (), *, purpose: str = ...) -> list[tuple[Any, ...]]: ...

    def transaction(self) -> AbstractContextManager[None]: ...
