"""One machine for the whole session: local cloud, enterprise, deployed stack, Airflow."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import pytest

from demo.machine import Machine, Population

PROJECT = Path(__file__).resolve().parents[2]
POPULATION = Population(customers=300, days=5, end=date(2026, 3, 6), seed=11)
FIRST_DAY = POPULATION.end - timedelta(days=POPULATION.days - 1)


@pytest.fixture(scope="session")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    machine = Machine(project=PROJECT, state=tmp_path_factory.mktemp("machine"))
    try:
        machine.up(lambda: machine.generate(POPULATION))
        yield machine
    finally:
        problems = machine.down()
    assert not problems, problems
