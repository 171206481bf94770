"""Airflow's own hook and operator for Athena, as the amazon provider brings them, against the local cloud."""

from __future__ import annotations

from typing import Any

import pytest

from tests.services.athena.conftest import Athena


@pytest.fixture
def aws(gateway: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    root = gateway.root
    settings = {"AWS_ACCESS_KEY_ID": root.access_key_id, "AWS_SECRET_ACCESS_KEY": root.secret_access_key,
                "AWS_DEFAULT_REGION": gateway.region, "AWS_ENDPOINT_URL": gateway.endpoint}  # fmt: skip
    for name, value in settings.items():
        monkeypatch.setenv(name, value)


@pytest.mark.usefixtures("aws")
def test_the_hook_runs_waits_and_reads(athena: Athena) -> None:
    from airflow.providers.amazon.aws.hooks.athena import AthenaHook

    hook = AthenaHook(aws_conn_id=None)
    started = hook.run_query(
        "SELECT n, n * 2 AS twice FROM UNNEST(sequence(1, 3)) AS t(n) ORDER BY n",
        {"Database": athena.database},
        {"OutputLocation": athena.url("hook/")},
    )
    assert hook.poll_query_status(started, max_polling_attempts=60, sleep_time=1) == "SUCCEEDED"
    rows = hook.get_query_results(started)["ResultSet"]["Rows"]
    assert [[cell["VarCharValue"] for cell in row["Data"]] for row in rows[1:]] == [["1", "2"], ["2", "4"], ["3", "6"]]
    assert hook.get_output_location(started) == athena.url(f"hook/{started}.csv")
    failed = hook.run_query(
        "SELECT * FROM missing", {"Database": athena.database}, {"OutputLocation": athena.url("hook/")}
    )
    assert hook.poll_query_status(failed, max_polling_attempts=60, sleep_time=1) == "FAILED"
    assert "TABLE_NOT_FOUND" in (hook.get_state_change_reason(failed) or "")


@pytest.mark.usefixtures("aws")
def test_the_operator_creates_and_asks_a_table(athena: Athena) -> None:
    from airflow.providers.amazon.aws.operators.athena import AthenaOperator

    def run(query: str) -> str | None:
        operator = AthenaOperator(
            task_id="ask", query=query, database=athena.database, output_location=athena.url("operator/"),
            aws_conn_id=None, sleep_time=1, max_polling_attempts=60,
        )  # fmt: skip
        identifier: str | None = operator.execute({})
        return identifier

    athena.put("people/a.csv", "id,name\n1,Ann\n2,Bo\n")
    run(
        "CREATE EXTERNAL TABLE people (id int, name string) ROW FORMAT DELIMITED FIELDS TERMINATED BY ',' "
        f"LOCATION '{athena.url('people/')}' TBLPROPERTIES ('skip.header.line.count' = '1')"
    )
    asked = run("SELECT name FROM people WHERE id = 2")
    assert asked is not None and athena.results(asked) == [["name"], ["Bo"]]
