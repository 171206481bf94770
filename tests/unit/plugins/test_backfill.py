from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from airflow_double import NOW, AirflowDouble

from cdap.airflow_api import AirflowApi, AirflowError
from cdap.cli import backfill as command
from cdap.config import load_sources
from cdap.errors import CdapError
from cdap.loads import Window
from cdap.settings import settings

SHOP = [load_sources(settings().config_dir)["shop"]]
FIVE_DAYS = Window(date(2026, 3, 1), date(2026, 3, 5))
KEYS = [day.isoformat() for day in FIVE_DAYS.days()]


@pytest.fixture
def airflow() -> AirflowDouble:
    return AirflowDouble()


@pytest.fixture
def run(airflow: AirflowDouble, monkeypatch: pytest.MonkeyPatch) -> Callable[..., command.Summary]:
    monkeypatch.setattr(command, "POLL_INTERVAL", 0.001)

    def go(window: Window = FIVE_DAYS, **options: Any) -> command.Summary:
        with AirflowApi("http://airflow", "admin", "x", transport=airflow.transport()) as api:
            arguments = {"one_load": False, "reprocess": "failed", "backwards": False, "now": NOW, "histories": {}}
            arguments |= options
            return command.run_backfill(api, SHOP, window, **arguments)

    return go


def days_of(airflow: AirflowDouble) -> list[str]:
    return [run["partition_key"] for run in airflow.runs if run["dag_id"] == "ingest_shop"]


def state_runs(airflow: AirflowDouble) -> list[dict[str, Any]]:
    return [run for run in airflow.runs if run["dag_id"] == "build_profiles"]


def test_five_days_are_five_runs_and_then_one_state_run(airflow: AirflowDouble, run: Any) -> None:
    summary = run()
    assert days_of(airflow) == KEYS
    assert [state["state"] for state in state_runs(airflow)] == ["success"]
    assert (summary.day_runs, summary.state_run) == (5, state_runs(airflow)[0]["dag_run_id"])
    assert {"glue_crawler", "extract_shop"} <= airflow.pools


def test_the_state_chain_is_held_back_while_days_land_and_free_when_it_is_started(
    airflow: AirflowDouble, run: Any
) -> None:
    run()
    assert airflow.landed_while_state_ran_free == 0
    assert airflow.state_was_paused_when_triggered == [False]


def test_days_that_have_run_are_left_alone_unless_they_are_to_be_run_again(airflow: AirflowDouble, run: Any) -> None:
    run()
    assert run().day_runs == 0
    assert run(reprocess="completed", backwards=True).day_runs == 5
    assert days_of(airflow) == KEYS + KEYS[::-1]


def test_a_failed_day_fails_the_backfill_with_its_log_and_frees_the_state_chain(
    airflow: AirflowDouble, run: Any
) -> None:
    airflow.failing = {KEYS[2]}
    with pytest.raises(command.BackfillFailed, match="1 of 5 runs failed, first task land of ingest_shop") as failure:
        run()
    assert failure.value.log[-1] == "CdapError: no table orders"
    assert airflow.paused["build_profiles"] is False
    assert state_runs(airflow) == []


def test_the_same_command_after_a_failure_runs_the_failed_days_only(airflow: AirflowDouble, run: Any) -> None:
    airflow.failing = {KEYS[2]}
    with pytest.raises(command.BackfillFailed):
        run()
    airflow.failing = set()
    assert run().day_runs == 1
    assert days_of(airflow) == [*KEYS, KEYS[2]]


def test_a_source_s_history_as_one_load_is_one_run_of_the_last_day(airflow: AirflowDouble, run: Any) -> None:
    assert run(one_load=True).day_runs == 1
    assert days_of(airflow) == [KEYS[-1]]


def test_a_history_that_is_missing_is_a_run_of_its_own_beside_the_days(airflow: AirflowDouble, run: Any) -> None:
    history = Window(date(2020, 1, 1), date(2026, 2, 28))
    summary = run(histories={"shop": history})
    assert summary.day_runs == 6
    assert sorted(days_of(airflow)) == ["2026-02-28", *KEYS]
    assert any("2020-01-01 to 2026-02-28" in note for note in summary.notes)


def test_a_second_start_waits_for_the_days_under_way_and_makes_none_twice(airflow: AirflowDouble, run: Any) -> None:
    airflow.steps = 6
    for key in KEYS[:2]:
        airflow.make("ingest_shop", key, "backfill")
    airflow.paused["ingest_shop"] = False
    assert run().day_runs == 5
    assert sorted(days_of(airflow)) == KEYS


def test_a_day_that_has_not_ended_is_refused_before_anything_runs(airflow: AirflowDouble, run: Any) -> None:
    with pytest.raises(CdapError, match="has not ended"):
        run(Window(date(2026, 3, 9), date(2026, 3, 10)))
    assert airflow.runs == []


def test_an_expired_token_is_renewed(airflow: AirflowDouble) -> None:
    with AirflowApi("http://airflow", "admin", "x", transport=airflow.transport()) as api:
        assert api.runs("ingest_shop") == []
        airflow.tokens += 1  # what was given out counts no more
        assert api.runs("ingest_shop") == []


def test_runs_are_read_over_all_pages(airflow: AirflowDouble) -> None:
    for number in range(230):
        airflow.make("ingest_shop", f"{number}", "backfill")
    with AirflowApi("http://airflow", "admin", "x", transport=airflow.transport()) as api:
        assert len(api.runs("ingest_shop")) == 230


def test_a_dag_that_airflow_does_not_have_is_named(airflow: AirflowDouble, monkeypatch: pytest.MonkeyPatch) -> None:
    del airflow.paused["build_profiles"]
    with AirflowApi("http://airflow", "admin", "x", transport=airflow.transport()) as api:
        monkeypatch.setattr(command, "POLL_INTERVAL", 0.001)
        with pytest.raises(AirflowError, match="Looking for DAG build_profiles"):
            command._await_dag(api, "build_profiles", timeout=0.02)


def test_the_dag_of_a_source_that_was_just_added_is_asked_for(
    airflow: AirflowDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "POLL_INTERVAL", 0.001)
    airflow.unparsed = {"ingest_till": False}
    with AirflowApi("http://airflow", "admin", "x", transport=airflow.transport()) as api:
        command._await_dag(api, "ingest_till", timeout=0.5)
        assert not airflow.unparsed
        assert not api.ask_to_parse("nothing_")
