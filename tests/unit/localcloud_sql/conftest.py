"""A warehouse in a temporary folder, and sessions on it without a network between."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from localcloud.engines.sql.session import Session
from localcloud.engines.sql.tokens import split_statements
from localcloud.engines.sql.warehouse import Warehouse

Run = Callable[..., list[tuple[Any, ...]]]


@pytest.fixture(scope="session")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warehouse]:
    made = Warehouse(tmp_path_factory.mktemp("warehouse"))
    made.set_password("admin", "Admin1234", superuser=True)
    yield made
    made.close()


@pytest.fixture
def session(warehouse: Warehouse) -> Iterator[Session]:
    opened = warehouse.open_session("admin", "dev")
    yield opened
    opened.close()


def execute(session: Session, sql: str) -> list[tuple[Any, ...]]:
    rows: list[tuple[Any, ...]] = []
    for statement in split_statements(sql):
        result = session.execute(session.plan(statement))
        rows = [tuple(row.values()) for batch in result.batches for row in batch.to_pylist()]
    return rows


@pytest.fixture
def run(session: Session) -> Run:
    return lambda sql: execute(session, sql)
