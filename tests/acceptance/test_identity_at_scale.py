"""Records by the hundred thousand that are made to make identity resolution slow or wrong."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq

from benchmarks.forms import write
from tests.unit.linkage.test_adversarial import FORM, ORDINARY, check_that_junk_joins_nobody


def test_a_junk_value_that_a_hundred_thousand_share_joins_nobody_and_costs_its_budget(tmp_path: Path) -> None:
    file = tmp_path / "persons.parquet"
    write(file, FORM, ORDINARY, seed=11)
    check_that_junk_joins_nobody(pq.read_table(file), 100_000, tmp_path)
