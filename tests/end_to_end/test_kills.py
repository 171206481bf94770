"""Each task and each server killed in turn (SIGKILL), the work run again: the content of a world without kills."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Iterator

import httpx
import psutil
import pytest

from demo.enterprise import Enterprise
from tests.end_to_end.conftest import DAYS, INGEST, STATE, World
from tests.end_to_end.content import difference
from tests.end_to_end.processes import attempts
from tests.end_to_end.rest import wait_for

MIDDLE = DAYS[2]
# What runs longer than it takes to find its process; `claim` and `applied` are one statement each.
TASKS = {f"{INGEST}.{task}" for task in ("land", "catalog", "check", "publish")} | {
    f"{STATE}.{task}" for task in ("identity", "check", "expectations", "publish")
}
SECONDS = 600


@pytest.fixture
def moments() -> random.Random:
    """When to kill: other moments of each task, the same ones each time the test runs."""
    return random.Random(20260303)


def land_again(world: World) -> str:
    """Clears the middle day's extraction; returns its run."""
    run: str = next(run["dag_run_id"] for run in world.airflow.runs(INGEST) if run["partition_key"] == MIDDLE)
    world.airflow.clear(INGEST, run, ["land"])
    return run


def as_an_operator_would(world: World) -> None:
    """Clears what failed, from its first failed task on."""
    for dag in (INGEST, STATE):
        for run in world.airflow.runs(dag):
            if run["state"] == "failed":
                tasks = world.airflow.tasks(dag, run["dag_run_id"])
                failed = [name for name, task in tasks.items() if task["state"] == "failed"]
                # A dbt group begins with the task that builds its models: the group is built again as a whole.
                groups = {name.split(".")[0] for name in failed if "." in name}
                starts = [name for name in tasks if name.split(".")[0] in groups] if groups else failed
                world.airflow.clear(dag, run["dag_run_id"], starts or list(tasks))


def run_to_the_end(world: World, disturb: Callable[[], None], before: int) -> None:
    """Disturbs until nothing runs and the day has been applied again; clears what failed."""
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        disturb()
        if world.airflow.idle(INGEST, STATE):
            runs = [run for dag in (INGEST, STATE) for run in world.airflow.runs(dag)]
            if any(run["state"] == "failed" for run in runs):
                as_an_operator_would(world)
            elif len(world.effective_state_runs()) > before:
                return
        time.sleep(0.2)
    raise AssertionError(f"not at its end after {SECONDS} s: {[run for run in runs if run['state'] != 'success']}")


def names_of(world: World) -> dict[str, str]:
    """`<dag>.<task>` of the attempts of runs that are under way, by the attempt's id."""
    return {
        task["id"]: f"{dag}.{name}"
        for dag in (INGEST, STATE)
        for run in world.airflow.runs(dag)
        if run["state"] == "running"
        for name, task in world.airflow.tasks(dag, run["dag_run_id"]).items()
    }


def test_every_task_that_is_killed_runs_again_to_the_same_content(world: World, moments: random.Random) -> None:
    killed: set[str] = set()
    due: dict[str, float] = {}

    def kill_each_once() -> None:
        processes = attempts()
        names = names_of(world) if processes else {}
        for attempt, process in processes.items():
            name = names.get(attempt)
            if name is None or name in killed:
                continue
            # Some at their start, some in the middle of their work.
            if time.monotonic() >= due.setdefault(attempt, time.monotonic() + moments.choice([0, 0, 0.5, 1.5])):
                try:
                    process.kill()
                except psutil.NoSuchProcess:
                    continue
                killed.add(name)

    before = len(world.effective_state_runs())
    land_again(world)
    run_to_the_end(world, kill_each_once, before)
    world.settle()
    assert len(killed) >= 10, f"too few kills to prove it: {sorted(killed)}"
    assert len(TASKS & killed) >= 6, sorted(killed)
    assert difference(world.first, world.content()) == ""


def servers(world: World) -> Iterator[tuple[str, psutil.Process]]:
    """Every server of the machine, by name."""
    for row in json.loads(world.machine.run("localcloud", "status", "--json")):
        if row["pid"] and row["name"] != "opensearch-domain":
            yield row["name"], psutil.Process(row["pid"])
    enterprise = Enterprise(world.machine.state / ".demo")
    for name, process in (("shop", enterprise.server.process.running()), ("crm", enterprise.crm.process.running())):
        assert process is not None, name
        yield name, process


def test_every_server_that_is_killed_and_started_again_leaves_the_same_content(
    world: World, moments: random.Random
) -> None:
    left = dict(servers(world))
    assert set(left) == {"gateway", "warehouse", "opensearch", "postgres", "shop", "crm"}
    order = moments.sample(sorted(left), len(left))
    next_kill = time.monotonic() + 2

    def kill_the_next() -> None:
        nonlocal next_kill
        if not order or time.monotonic() < next_kill:
            return
        name = order.pop()
        process = left.pop(name)
        for member in [process, *process.children(recursive=True)]:
            member.kill()
        psutil.wait_procs([process], timeout=20)
        # As a person would after a look at `localcloud status`.
        if name in ("shop", "crm"):
            world.machine.run("demo", "up")
        else:
            world.machine.run("localcloud", "up")
        if not world.machine.airflow.running:
            world.machine.airflow.start()
        next_kill = time.monotonic() + moments.uniform(3, 8)

    before = len(world.effective_state_runs())
    land_again(world)

    def disturb() -> None:
        kill_the_next()
        # Airflow may be about to find out that its database was gone: nothing can be asked until it has.
        wait_for("Airflow to answer", lambda: answers(world), seconds=120)

    run_to_the_end(world, disturb, before)
    # Those that the run was too short for are killed in peace, and the day lands once more.
    while order:
        next_kill = 0
        kill_the_next()
    before = len(world.effective_state_runs())
    land_again(world)
    run_to_the_end(world, lambda: None, before)
    world.settle()
    assert difference(world.first, world.content()) == ""


def answers(world: World) -> bool:
    """Whether Airflow answers; starts it again when it has ended, as its container would be."""
    if not world.machine.airflow.running:
        world.machine.airflow.start()
    try:
        world.airflow.runs(STATE)
    except (httpx.HTTPError, OSError):
        return False
    return True
