"""The Redshift Serverless and Data APIs."""

from __future__ import annotations

import time
from typing import Any

import psycopg2
import pytest
from botocore.exceptions import ClientError

from tests.services.redshift.conftest import RunningWarehouse


def finished(client: Any, identifier: str) -> dict[str, Any]:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        described: dict[str, Any] = client.describe_statement(Id=identifier)
        if described["Status"] in ("FINISHED", "FAILED", "ABORTED"):
            return described
        time.sleep(0.05)
    raise AssertionError(f"statement {identifier} did not end")


def run(warehouse: RunningWarehouse, sql: str, **more: Any) -> dict[str, Any]:
    client = warehouse.gateway.client("redshift-data")
    started = client.execute_statement(WorkgroupName="main", Database="lake", Sql=sql, **more)
    return finished(client, started["Id"])


def test_the_workgroup_names_the_endpoint(warehouse: RunningWarehouse) -> None:
    workgroup = warehouse.gateway.client("redshift-serverless").get_workgroup(workgroupName="main")["workgroup"]
    assert workgroup["endpoint"]["port"] == warehouse.port
    assert workgroup["status"] == "AVAILABLE"


def test_a_second_namespace_is_refused(warehouse: RunningWarehouse) -> None:
    with pytest.raises(ClientError, match="ServiceQuotaExceededException"):
        warehouse.gateway.client("redshift-serverless").create_namespace(namespaceName="second")


def test_temporary_credentials_log_in(warehouse: RunningWarehouse) -> None:
    given = warehouse.gateway.client("redshift-serverless").get_credentials(workgroupName="main", dbName="lake")
    with warehouse.connect(user=given["dbUser"].lower(), password=given["dbPassword"]) as connection:
        cursor = connection.cursor()
        cursor.execute("select current_user")
        assert cursor.fetchone() == (given["dbUser"].lower(),)


def test_a_wrong_password_is_refused(warehouse: RunningWarehouse) -> None:
    with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
        warehouse.connect(password="wrong")


def test_a_managed_password_is_kept_in_a_secret(warehouse: RunningWarehouse) -> None:
    serverless = warehouse.gateway.client("redshift-serverless")
    namespace = serverless.update_namespace(namespaceName="main", manageAdminPassword=True)["namespace"]
    try:
        described = run(warehouse, "select current_user", SecretArn=namespace["adminPasswordSecretArn"])
        assert described["Status"] == "FINISHED", described
    finally:
        serverless.update_namespace(namespaceName="main", adminUserPassword=warehouse.password)


def test_statement_with_parameters_and_result(warehouse: RunningWarehouse) -> None:
    described = run(
        warehouse,
        "select :n::int + 1 as n, 'a:b' as t, :s as s, null as nothing",
        Parameters=[{"name": "n", "value": "41"}, {"name": "s", "value": "it's"}],
    )
    assert described["Status"] == "FINISHED", described
    result = warehouse.gateway.client("redshift-data").get_statement_result(Id=described["Id"])
    assert result["Records"] == [[{"longValue": 42}, {"stringValue": "a:b"}, {"stringValue": "it's"}, {"isNull": True}]]
    assert [column["typeName"] for column in result["ColumnMetadata"]][:2] == ["int4", "varchar"]


def test_a_failed_statement_says_why(warehouse: RunningWarehouse) -> None:
    described = run(warehouse, "select * from nowhere")
    assert described["Status"] == "FAILED"
    assert 'relation "nowhere" does not exist' in described["Error"]


def test_a_batch_is_one_transaction(warehouse: RunningWarehouse) -> None:
    client = warehouse.gateway.client("redshift-data")
    statements = ["create table public.batch (a int)", "insert into public.batch values (1)", "select 1/0"]
    started = client.batch_execute_statement(WorkgroupName="main", Database="lake", Sqls=statements)
    described = finished(client, started["Id"])
    assert [part["Status"] for part in described["SubStatements"]] == ["FINISHED", "FINISHED", "FAILED"]
    assert warehouse.rows("select count(*) from information_schema.tables where table_name = 'batch'") == [(0,)]
    assert client.list_statements(Status="ALL")["Statements"][0]["Id"] == started["Id"]
