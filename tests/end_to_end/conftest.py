"""One machine for the whole session: local cloud, enterprise, deployed stack, Airflow; five days landed once."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from demo.machine import Machine
from tests.end_to_end.world import POPULATION, PROJECT, World, first_backfill


@pytest.fixture(scope="session")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    machine = Machine(project=PROJECT, state=tmp_path_factory.mktemp("machine"))
    try:
        machine.up(lambda: machine.generate(POPULATION))
        yield machine
    finally:
        problems = machine.down()
    assert not problems, problems


@pytest.fixture(scope="session")
def world(machine: Machine) -> World:
    return first_backfill(machine)
