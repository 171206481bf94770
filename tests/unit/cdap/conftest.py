"""A source to test with, and a warehouse session of one's own."""

from __future__ import annotations

import pytest

from cdap.config import Source, load_source
from tests.unit.cdap.duckdb_session import DuckDbSession

SOURCE = """
name: till
description: Receipts of a shop in Berlin.
kind: dms
database: till
schema: public
timezone: Europe/Berlin
tables:
  receipts:
    description: One row a receipt.
    load: append
    window_column: issued_at
    key: [receipt_id]
    changed_at: issued_at
    columns:
      receipt_id: {type: bigint, required: true, min: 1, description: Number.}
      issued_at: {type: timestamp, required: true, description: When it was issued.}
      amount: {type: "decimal(8,2)", min: 0, max: 5000, description: Sum.}
      method: {type: string, enum: [cash, card, "gift 'n go"], description: How it was paid.}
      code: {type: string, pattern: '^[A-Z]+\\.[0-9]+$', max_length: 6, description: Till's code.}
  clerks:
    description: One row a clerk.
    load: snapshot
    key: [clerk_id]
    changed_at: updated_at
    columns:
      clerk_id: {type: integer, required: true, description: Number.}
      name: {type: string, required: true, pii: name, description: Name.}
      born: {type: date, min: 1900-01-01, description: Birth date.}
      updated_at: {type: timestamptz, description: When it last changed.}
"""


@pytest.fixture
def session() -> DuckDbSession:
    return DuckDbSession()


@pytest.fixture(scope="session")
def till(tmp_path_factory: pytest.TempPathFactory) -> Source:
    path = tmp_path_factory.mktemp("config") / "till.yaml"
    path.write_text(SOURCE)
    return load_source(path)
