"""A critical expectation that fails keeps the last good profiles in the index and says which rows failed."""

from __future__ import annotations

from typing import Any

from tests.end_to_end.rest import wait_for
from tests.end_to_end.world import STATE, World, warehouse_of


def execute(world: World, statement: str, values: Any = None) -> list[tuple[Any, ...]]:
    connection = warehouse_of(world.machine)
    try:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(statement, values)
            return list(cursor.fetchall()) if cursor.description else []
    finally:
        connection.close()


def published(world: World) -> list[tuple[Any, ...]]:
    return sorted(execute(world, "select customer_id, profile_hash, index_name from ops.published_profiles"))


def test_a_failed_expectation_keeps_the_last_good_profiles_and_names_the_rows(world: World) -> None:
    run = world.effective_state_runs()[-1]
    before = published(world)
    (bad,), (other,) = execute(world, "select customer_id from marts.customer_profile order by customer_id limit 2")
    shown = world.machine.cdap("profile", "show", "--id", bad)
    execute(
        world, "update marts.customer_profile set order_count = -5, profile_hash = 'x' where customer_id = %s", (bad,)
    )
    attempts = world.airflow.tasks(STATE, run)["expectations"]["try_number"]
    world.airflow.clear(STATE, run, ["expectations"])
    wait_for("the expectations to fail", lambda: world.airflow.tasks(STATE, run)["expectations"]["state"] == "failed")
    world.settle()

    tasks = world.airflow.tasks(STATE, run)
    assert tasks["expectations"]["try_number"] == attempts + 1, "what is wrong with the data is not tried again"
    assert tasks["publish"]["state"] == tasks["applied"]["state"] == "upstream_failed"
    log = world.airflow.log(STATE, run, "expectations", tasks["expectations"]["try_number"])
    for part in ("expect_column_values_to_be_between of order_count", "1 of ", bad, "Nothing was published"):
        assert part in log, f"{part} is not in the log of expectations:\n{log[-3000:]}"
    assert other not in log
    assert published(world) == before
    assert world.machine.cdap("profile", "show", "--id", bad) == shown
    index = world.machine.cdap("quality", "docs", "--out", str(world.machine.state / "data_docs"))["index"]
    assert index.endswith("/index.html")

    # Built again from what has landed, the mart is good, and the same run goes on.
    world.airflow.clear(STATE, run, ["identity"])
    wait_for("the run to end well", lambda: world.airflow.tasks(STATE, run)["applied"]["state"] == "success")
    world.settle()
    assert published(world) == before
    assert world.content() == world.first
