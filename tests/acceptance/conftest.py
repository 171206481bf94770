"""Two machines, one after the other: one with all sources from the start, one that gets the CRM later and stays."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from demo.machine import Machine
from tests.acceptance import surveys
from tests.end_to_end.content import Content
from tests.end_to_end.world import POPULATION, PROJECT, World, first_backfill

# What a checkout holds that is not part of the project, or would be large to copy.
NOT_COPIED = shutil.ignore_patterns(
    ".git", ".venv*", ".tools", ".cache", ".localcloud", ".demo", "cdk.out", "target", "logs", "__pycache__", ".*_cache"
)


@contextmanager
def machine_in(
    folder: Path, *, held_back: str | None = None, airflow_settings: Mapping[str, str] | None = None
) -> Iterator[Machine]:
    """A filled machine with a checkout of its own; the file of the source `held_back` is kept beside it."""
    project = folder / "project"
    shutil.copytree(PROJECT, project, ignore=NOT_COPIED)
    if held_back is not None:
        (project / "config" / "sources" / f"{held_back}.yaml").rename(folder / f"{held_back}.yaml")
    machine = Machine(project=project, state=folder / "state", airflow_settings=airflow_settings or {})
    try:
        machine.run("cdap", "sources", "generate")
        machine.up(lambda: machine.generate(POPULATION))
        yield machine
    finally:
        problems = machine.down()
    assert not problems, problems


@pytest.fixture(scope="session")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Content:
    """What a machine holds that had both sources from the start, by a model that was trained on all of it."""
    with machine_in(tmp_path_factory.mktemp("reference")) as machine:
        return first_backfill(machine).retrain()


@pytest.fixture(scope="session")
def late(reference: Content, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A machine that ran with the shop alone, then got the CRM by its file; `first` is what it held before."""
    folder = tmp_path_factory.mktemp("late")
    with machine_in(folder, held_back="crm") as machine:
        world = first_backfill(machine)
        (folder / "crm.yaml").rename(machine.project / "config" / "sources" / "crm.yaml")
        machine.deploy()
        world.backfill("--source", "crm")
        world.settle()
        yield world


@pytest.fixture(scope="session")
def with_crm(late: World) -> Content:
    """What the machine holds once the CRM was added, by a model that was trained on all of it, before anything else
    happens to it."""
    return late.retrain()


@pytest.fixture(scope="session")
def surveyed(late: World, with_crm: Content) -> World:
    """The same machine with a third source, kept as text; `first` is what it holds with it."""
    machine = late.machine
    surveys.fill(machine)
    (machine.project / "config" / "sources" / f"{surveys.NAME}.yaml").write_text(surveys.FILE)
    machine.deploy()
    late.backfill("--source", surveys.NAME)
    late.settle()
    return World(machine, late.airflow, late.content())
