"""Days in any order, once or again, whole or killed half way: one state (docs/architecture.md)."""

from __future__ import annotations

from tests.end_to_end.processes import attempts
from tests.end_to_end.rest import wait_for
from tests.end_to_end.world import DAYS, INGEST, STATE, World

MIDDLE = DAYS[2]


def run_of(world: World, day: str) -> str:
    return next(run["dag_run_id"] for run in world.airflow.runs(INGEST) if run["partition_key"] == day)


def test_five_days_are_five_runs_and_at_most_five_effective_state_runs(world: World) -> None:
    assert [run["partition_key"] for run in world.airflow.runs(INGEST)] == DAYS
    assert {run["state"] for run in world.airflow.runs(INGEST)} == {"success"}
    assert 1 <= len(world.effective_state_runs()) <= 5
    assert all(world.first[table] for table in ("marts.customer_profile", "marts.fct_orders", "members"))


def test_every_record_has_a_customer_and_every_customer_a_profile(world: World) -> None:
    customers, profiles = len(world.first["members"]), len(world.first["marts.customer_profile"])
    records = sum(len(members) for members in world.first["members"])
    assert customers == profiles
    assert records == len(world.first["intermediate.int_identity_records"]) > customers


def test_a_repeated_backfill_runs_every_day_again_and_changes_nothing(world: World) -> None:
    before = world.started()
    world.expect_same_after(lambda: world.backfill("--reprocess"))
    after = world.started()
    assert all(after[day] > before[day] for day in DAYS), "a repeat that made no run proves nothing"


def test_a_backfill_that_runs_backwards_changes_nothing(world: World) -> None:
    before = world.started()
    world.expect_same_after(lambda: world.backfill("--reprocess", "--backwards"))
    after = world.started()
    assert all(after[day] > before[day] for day in DAYS), "a repeat that made no run proves nothing"


def test_one_day_of_one_source_alone_changes_nothing(world: World) -> None:
    before = world.started()
    world.expect_same_after(lambda: world.backfill("--reprocess", "--source", "shop", first=MIDDLE, last=MIDDLE))
    after = world.started()
    assert {day for day in DAYS if after[day] > before[day]} == {MIDDLE}


def test_clearing_an_ingest_task_lands_a_new_load_and_changes_nothing(world: World) -> None:
    run = run_of(world, MIDDLE)
    attempts = world.airflow.tasks(INGEST, run)["land"]["try_number"]
    world.expect_same_after(lambda: world.airflow.clear(INGEST, run, ["land"]))
    assert world.airflow.tasks(INGEST, run)["land"]["try_number"] > attempts


def test_clearing_the_middle_of_the_state_chain_changes_nothing(world: World) -> None:
    run = world.effective_state_runs()[-1]
    attempts = world.airflow.tasks(STATE, run)["identity"]["try_number"]
    world.airflow.clear(STATE, run, ["identity"])
    wait_for(
        "the cleared state run to end",
        lambda: (
            world.airflow.tasks(STATE, run)["applied"]["state"] == "success"
            and world.airflow.tasks(STATE, run)["identity"]["try_number"] > attempts
        ),
    )
    world.settle()
    assert world.content() == world.first


def test_a_task_that_is_killed_half_way_runs_again_to_the_same_content(world: World) -> None:
    run = run_of(world, MIDDLE)
    attempts = world.airflow.tasks(INGEST, run)["check"]["try_number"]

    def kill_check() -> None:
        world.airflow.clear(INGEST, run, ["land"])
        wait_for("the check to run", lambda: kill_task(world, run, "check"), seconds=90, every=0.05)

    world.expect_same_after(kill_check)
    assert world.airflow.tasks(INGEST, run)["check"]["try_number"] > attempts + 1, "the kill came too late to prove it"


def kill_task(world: World, run: str, task: str) -> bool:
    """SIGKILL to the process that runs a task's current attempt; True when there was one."""
    process = attempts().get(world.airflow.tasks(INGEST, run)[task]["id"])
    if process is not None:
        process.kill()
    return process is not None
