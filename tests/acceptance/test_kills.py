"""SIGKILL to every task and every server in turn while loads are made again; run again, the content is what it was."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import psutil
import pytest

from demo.airflow_services import SERVICES
from demo.enterprise import Enterprise
from demo.machine import Machine
from localcloud.servers.machine import SERVERS
from localcloud.servers.machine import Machine as LocalCloud
from tests.acceptance.conftest import machine_in
from tests.end_to_end.processes import attempts
from tests.end_to_end.world import DAYS, INGEST, STATE, World, first_backfill

SEED = 8
# The attempt of a task that is killed lives no longer than this many seconds.
LONGEST_LIFE = 4.0
# Airflow's own are five minutes each: how long a task may be silent, and how often the tasks of a scheduler that is
# gone are looked for.
QUICK_TO_NOTICE = {
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "60",
    "AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "60",
}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with machine_in(tmp_path_factory.mktemp("kills"), airflow_settings=QUICK_TO_NOTICE) as machine:
        yield first_backfill(machine)


@contextmanager
def in_the_background(world: World) -> Iterator[Future[Any]]:
    """All days loaded again while the caller does its harm; the command itself may fail of it."""
    with ThreadPoolExecutor(1) as pool:
        yield pool.submit(world.backfill, "--reprocess")


def test_every_task_is_killed_once(world: World) -> None:
    chance = random.Random(SEED)
    expected = {(dag, task) for dag in (INGEST, "ingest_crm", STATE) for task in tasks_of(world, dag)}
    killed: dict[tuple[str, str], int] = {}
    ended = threading.Event()
    with in_the_background(world) as repeat:
        repeat.add_done_callback(lambda _: ended.set())
        while not (ended.is_set() and world.airflow.idle()):
            for dag, run, task, attempt in running(world):
                if (dag, task) in killed:
                    continue
                time.sleep(chance.uniform(0, LONGEST_LIFE))
                process = attempts().get(attempt)
                if process is not None:
                    process.kill()
                    killed[dag, task] = world.airflow.tasks(dag, run)[task]["try_number"]
            time.sleep(0.1)
    print("killed: " + ", ".join(sorted(f"{dag}.{task}" for dag, task in killed)))
    # Some of them take less time than it takes to see them.
    assert len(killed) >= max(10, len(expected) // 2), f"killed {sorted(killed)} of {sorted(expected)}"
    expect_whole(world)


def test_every_server_is_killed_and_started_again(world: World) -> None:
    chance = random.Random(SEED)
    victims = [*servers_of(world.machine)]
    chance.shuffle(victims)
    with ThreadPoolExecutor(1) as pool:
        repeat = pool.submit(world.backfill, "--reprocess")
        for victim in victims:
            time.sleep(chance.uniform(5, 25))
            if repeat.done():
                repeat = pool.submit(world.backfill, "--reprocess")
            print(f"{datetime.now(UTC):%H:%M:%S} killing {victim}", flush=True)
            servers_of(world.machine)[victim].kill()
            time.sleep(chance.uniform(0, 5))
            start_what_is_missing(world.machine)
    print(f"the command ended with {repeat.exception() or 'success'}")
    start_what_is_missing(world.machine)
    expect_whole(world)


def expect_whole(world: World) -> None:
    """Run again, as a user would after such a night, the platform holds what it held before."""
    world.settle()
    world.backfill()
    world.expect_same_after(lambda: world.backfill("--reprocess", first=DAYS[-1]))


def tasks_of(world: World, dag: str) -> set[str]:
    return {task["task_id"] for task in world.airflow.get(f"/dags/{dag}/tasks")["tasks"]}


def running(world: World) -> list[tuple[str, str, str, str]]:
    """DAG, run, task and attempt of every task that a process runs now."""
    found = world.airflow.get("/dags/~/dagRuns/~/taskInstances", state="running", limit=100)["task_instances"]
    return [(task["dag_id"], task["dag_run_id"], task["task_id"], task["id"]) for task in found]


def servers_of(machine: Machine) -> dict[str, psutil.Process]:
    """The process of each server of the machine by name; Airflow's are the children of the one that started them."""
    cloud, enterprise = LocalCloud(machine.state / ".localcloud"), Enterprise(machine.state / ".demo")
    owners = {name: cloud.process(name) for name in SERVERS} | {
        "shop": enterprise.server.process, "crm": enterprise.crm.process, "airflow": machine.airflow.process,
    }  # fmt: skip
    found = {name: process for name, owner in owners.items() if (process := owner.running()) is not None}
    services = sorted(found["airflow"].children(), key=lambda child: child.pid)
    return found | {f"airflow {name}": child for name, child in zip(SERVICES, services, strict=True)}


def start_what_is_missing(machine: Machine) -> None:
    """What keeps services up would do it: systemd, a container's restart policy."""
    if len(LocalCloud(machine.state / ".localcloud").running()) < len(SERVERS):
        machine.run("localcloud", "up")
    machine.run("demo", "up")
    # Airflow ends, in some seconds, when one of its services does.
    process = machine.airflow.process.running()
    if process is not None and len(process.children()) < len(SERVICES):
        psutil.wait_procs([process], timeout=30)
    if not machine.airflow.running:
        machine.airflow.stop()
        machine.airflow.start()
