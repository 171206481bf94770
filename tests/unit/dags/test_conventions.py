"""Every DAG loads and keeps the project's conventions."""

from __future__ import annotations

import socket
import time
from typing import Any

import pytest
from airflow.sdk import Asset, AssetAny
from cdap_airflow.conventions import OWNER, landed_asset

from cdap.airflow_api import CRAWLER_POOL, extraction_pool, pools
from cdap.config import load_sources
from cdap.settings import settings
from tests.unit.dags.conftest import read_dags

SOURCES = sorted(load_sources(settings().config_dir))


def test_every_dag_file_loads(dagbag: Any) -> None:
    assert dagbag.import_errors == {}


def test_there_is_an_ingest_dag_for_each_source_and_one_state_chain(dagbag: Any) -> None:
    assert sorted(dagbag.dags) == sorted(
        [
            "build_profiles",
            "check_freshness",
            "document_models",
            "train_identity",
            *(f"ingest_{name}" for name in SOURCES),
        ]
    )


def test_reading_the_dags_takes_less_than_a_second_a_file_and_asks_nobody(
    dagbag: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> None:
        raise AssertionError("a DAG file opened a connection while it was read")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    # The libraries are imported by now, as they are in the dag-processor (docs/decisions/import-once.md); processor
    # time, so that a busy machine does not fail the test.
    began = time.process_time()
    again = read_dags()
    assert again.import_errors == {}
    assert time.process_time() - began < 2 * 1.0


def test_every_dag_says_whose_it_is_and_what_it_does(dagbag: Any) -> None:
    for dag in dagbag.dags.values():
        assert dag.doc_md and dag.doc_md.strip(), dag.dag_id
        assert dag.description, dag.dag_id
        assert dag.tags, dag.dag_id
        assert dag.owner == OWNER, dag.dag_id
        assert dag.catchup is False, dag.dag_id


def test_every_task_is_tried_again_with_growing_pauses_and_ends_at_some_time(dagbag: Any) -> None:
    for dag in dagbag.dags.values():
        for task in dag.tasks:
            if task.task_id.endswith(("dbt_producer_watcher", "dbt_producer_watcher_done")):
                continue  # Cosmos decides these: its producer must not run a second build
            assert task.retries >= 1, task.task_id
            assert task.retry_exponential_backoff, task.task_id
            assert task.retry_delay.total_seconds() <= 10, task.task_id
            assert task.execution_timeout is not None, task.task_id


def test_every_param_is_described_and_may_be_left_out(dagbag: Any) -> None:
    for dag in dagbag.dags.values():
        for name in dag.params:
            param = dag.params.get_param(name)
            assert param.description, f"{dag.dag_id}.{name}"
            assert not param.value, f"{dag.dag_id}.{name}"


@pytest.mark.parametrize("source", SOURCES)
def test_a_source_lands_before_it_is_catalogued_checked_and_published(dagbag: Any, source: str) -> None:
    dag = dagbag.dags[f"ingest_{source}"]
    order = ["land", "catalog", "check", "publish"]
    assert [task.task_id for task in dag.topological_sort()] == order
    assert [asset.uri for asset in dag.get_task("publish").outlets] == [landed_asset(source).uri]


@pytest.mark.parametrize("source", SOURCES)
def test_what_takes_one_run_at_a_time_has_a_pool_of_one_slot_that_deferring_keeps(dagbag: Any, source: str) -> None:
    dag = dagbag.dags[f"ingest_{source}"]
    wanted = {pool.name: pool for pool in pools(SOURCES)}
    for task, pool in (("land", extraction_pool(source)), ("catalog", CRAWLER_POOL)):
        assert dag.get_task(task).pool == pool
        assert wanted[pool].slots == 1 and wanted[pool].include_deferred


def test_the_state_chain_is_one_run_at_a_time_that_any_source_starts(dagbag: Any) -> None:
    dag = dagbag.dags["build_profiles"]
    assert dag.max_active_runs == 1
    # One source is its asset itself, several are `a | b`: any of them, never `a & b`.
    condition = dag.timetable.asset_condition
    assets = [condition] if isinstance(condition, Asset) else condition.objects
    assert isinstance(condition, Asset | AssetAny)
    assert {asset.uri for asset in assets} == {landed_asset(source).uri for source in SOURCES}


def test_the_state_chain_shows_each_model_and_marks_the_days_last(dagbag: Any) -> None:
    dag = dagbag.dags["build_profiles"]
    names = " ".join(dag.task_ids)
    for model in ("int_identity_records", "dim_customer", "fct_orders", "customer_profile"):
        assert model in names
    assert [task.task_id for task in dag.tasks if not task.downstream_list] == ["applied"]
    assert [task.task_id for task in dag.tasks if not task.upstream_list] == ["claim"]
    upstream = {task.task_id for task in dag.get_task("identity").get_flat_relatives(upstream=True)}
    assert any("int_identity_records" in name for name in upstream)
    assert not any("dim_customer" in name for name in upstream)
