"""DmsFullLoadOperator against a replication task whose states are played."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException, AirflowRescheduleException, TaskDeferred
from cdap_airflow.operators import dms
from cdap_airflow.operators.dms import DmsFullLoadOperator

from cdap.config import load_sources
from cdap.errors import CdapError
from cdap.settings import settings

SHOP = load_sources(settings().config_dir)["shop"]
DONE = {"Status": "stopped", "StopReason": "Stop Reason FULL_LOAD_ONLY_FINISHED"}


class PlayedTask:
    """DMS as the operator sees it: `states` come one after another, the last one stays."""

    def __init__(self, *states: dict[str, Any], statistics: list[dict[str, Any]] | None = None) -> None:
        self.states = list(states)
        self.calls: list[tuple[str, Any]] = []
        self.statistics = statistics or [
            {"TableName": name, "TableState": "Table completed", "FullLoadRows": 7, "FullLoadErrorRows": 0}
            for name in SHOP.tables
        ]
        self.conn = self

    def get_task_description(self, arn: str) -> dict[str, Any]:
        state = self.states.pop(0) if len(self.states) > 1 else self.states[0]
        return {"ReplicationTaskIdentifier": "shop", "ReplicationTaskStats": {"ElapsedTimeMillis": 1500}, **state}

    def modify_replication_task(self, arn: str, table_mappings: Any) -> None:
        self.calls.append(("modify", table_mappings))

    def start_replication_task(self, arn: str, kind: str) -> None:
        self.calls.append(("start", kind))

    def stop_replication_task(self, arn: str) -> None:
        self.calls.append(("stop", None))

    def get_paginator(self, operation: str) -> PlayedTask:
        assert operation == "describe_table_statistics"
        return self

    def paginate(self, **_: Any) -> Iterator[dict[str, Any]]:
        yield {"TableStatistics": self.statistics}


@pytest.fixture
def recorded(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    figures: list[dict[str, Any]] = []
    names = SimpleNamespace(dms_task_arn=lambda source: f"arn:{source}", lake_bucket="lake")
    monkeypatch.setattr(dms, "parameters", lambda: names)

    class NoWarehouse:
        @classmethod
        def connect(cls) -> NoWarehouse:
            return cls()

        def __enter__(self) -> NoWarehouse:
            return self

        def __exit__(self, *_: object) -> None:
            return None

    monkeypatch.setattr(dms, "Warehouse", NoWarehouse)
    monkeypatch.setattr(dms, "record", lambda context, warehouse, stage, **values: figures.append(values))
    monkeypatch.setattr(dms.time, "sleep", lambda _: None)
    return figures


def operator(task: PlayedTask, **options: Any) -> DmsFullLoadOperator:
    made = DmsFullLoadOperator(task_id="land", source="shop", **options)
    made.__dict__["hook"] = task
    return made


def context(key: str | None = "2026-03-01") -> Any:
    return {"dag_run": SimpleNamespace(partition_key=key), "params": {}}


def test_modifies_starts_waits_and_returns_what_dms_counted(recorded: list[dict[str, Any]]) -> None:
    task = PlayedTask({"Status": "ready"}, {"Status": "modifying"}, {"Status": "ready"}, {"Status": "ready"},
                      {"Status": "starting"}, {"Status": "running"}, DONE)  # fmt: skip
    result = operator(task).execute(context())
    assert [call for call, _ in task.calls] == ["modify", "start"]
    assert task.calls[1][1] == "start-replication"
    assert result["rows"] == dict.fromkeys(SHOP.tables, 7)
    assert result["load"]["last_day"] == "2026-03-01"
    assert recorded[0]["rows_out"] == 7 * len(SHOP.tables) and recorded[0]["engine_seconds"] == 1.5


def test_openlineage_is_told_what_was_read_and_how_many_rows_were_written(recorded: list[dict[str, Any]]) -> None:
    made = operator(PlayedTask({"Status": "ready"}, {"Status": "ready"}, {"Status": "ready"}, DONE))
    made.execute(context())
    lineage = made.get_openlineage_facets_on_complete(None)
    assert {(read.namespace, read.name) for read in lineage.inputs} == {("dms://shop", name) for name in SHOP.tables}
    written = {each.name: each.outputFacets["outputStatistics"].rowCount for each in lineage.outputs}
    assert written == {f"raw/shop/{name}": 7 for name in SHOP.tables}
    assert {each.namespace for each in lineage.outputs} == {"s3://lake"}


def test_a_task_that_has_run_before_is_reloaded_into_another_folder(recorded: list[dict[str, Any]]) -> None:
    ran = {**DONE, "ReplicationTaskStartDate": datetime(2026, 1, 1, tzinfo=UTC)}
    task = PlayedTask(ran)
    first, second = (operator(task).execute(context())["load"]["load_id"] for _ in range(2))
    assert first != second
    assert [value for call, value in task.calls if call == "start"] == ["reload-target", "reload-target"]


def test_an_extraction_that_a_killed_attempt_left_is_stopped_first(recorded: list[dict[str, Any]]) -> None:
    task = PlayedTask({"Status": "running"}, {"Status": "stopping"}, {"Status": "stopped"}, {"Status": "stopped"}, DONE)
    operator(task).execute(context())
    assert [call for call, _ in task.calls] == ["stop", "modify", "start"]


def test_a_failed_extraction_says_why(recorded: list[dict[str, Any]]) -> None:
    task = PlayedTask({"Status": "ready"}, {"Status": "ready"}, {"Status": "ready"}, {"Status": "running"},
                      {"Status": "failed", "LastFailureMessage": "AccessDenied s3:PutObject"})  # fmt: skip
    with pytest.raises(CdapError, match="replication task shop is failed: AccessDenied s3:PutObject"):
        operator(task).execute(context())


@pytest.mark.parametrize(
    "change", [{"TableState": "Table error"}, {"FullLoadErrorRows": 3}, {"TableName": "of another schema"}]
)
def test_a_table_that_was_not_loaded_whole_is_a_failure(recorded: list[dict[str, Any]], change: dict[str, Any]) -> None:
    task = PlayedTask(DONE)
    task.statistics[1] = {**task.statistics[1], **change}
    with pytest.raises(CdapError, match=f"table {list(SHOP.tables)[1]} is"):
        operator(task).execute(context())


def test_a_long_extraction_is_waited_for_in_the_triggerer_with_its_load(recorded: list[dict[str, Any]]) -> None:
    task = PlayedTask({"Status": "ready"}, {"Status": "ready"}, {"Status": "ready"}, {"Status": "running"})
    with pytest.raises(TaskDeferred) as deferred:
        operator(task, inline_wait=0).execute(context())
    assert deferred.value.method_name == "finish"
    kind, arguments = deferred.value.trigger.serialize()
    assert kind == "cdap_airflow.triggers.dms.DmsTaskStateTrigger" and arguments["replication_task_arn"] == "arn:shop"
    task.states = [DONE]
    result = operator(task).finish(context(), {"status": "stopped"}, **deferred.value.kwargs)
    assert result["load"] == deferred.value.kwargs["load"]


def test_a_run_without_a_day_fails_at_once_and_is_not_tried_again(recorded: list[dict[str, Any]]) -> None:
    with pytest.raises(AirflowFailException, match="neither a partition key nor the param `day`"):
        operator(PlayedTask(DONE)).execute(context(None))


def test_late_data_is_awaited_without_a_slot(recorded: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch) -> None:
    waiting = SHOP.model_copy(
        update={"late_data_wait": datetime(2999, 1, 1, tzinfo=UTC) - datetime(2026, 3, 2, tzinfo=UTC)}
    )
    monkeypatch.setattr(dms, "source_of", lambda _: waiting)
    task = PlayedTask(DONE)
    with pytest.raises(AirflowRescheduleException) as rescheduled:
        operator(task).execute(context())
    assert rescheduled.value.reschedule_date.year >= 2998
    assert task.calls == []


def test_a_killed_task_stops_the_extraction_that_it_started(recorded: list[dict[str, Any]]) -> None:
    task = PlayedTask(DONE)
    killed = operator(task)
    killed.execute(context())
    killed.on_kill()
    assert task.calls[-1] == ("stop", None)
