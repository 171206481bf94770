"""Provisioned Redshift: a cluster's life, its snapshots, and the Data API on it with sessions."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import psycopg2
import pytest
from botocore.exceptions import ClientError

from localcloud.base.cloud import Credentials, make_client
from localcloud.servers.machine import Machine

NAME, PASSWORD = "one", "MyAmazonPassword1"
REGION = "eu-central-1"
Client = Callable[[str], Any]


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """Clients of a machine whose warehouse is nobody's."""
    machine = Machine(tmp_path_factory.mktemp("clusters") / "state")
    try:
        machine.up(region=REGION, new_ports=True, without=frozenset({"opensearch", "postgres", "gremlin"}))
        root = Credentials(**json.loads((machine.state / "root.json").read_text()))
        yield lambda service: make_client(service, machine.addresses()["gateway"].url, REGION, root)
    finally:
        machine.down()


@pytest.fixture
def cluster(client: Client) -> Iterator[dict[str, Any]]:
    redshift = client("redshift")
    made: dict[str, Any] = redshift.create_cluster(
        ClusterIdentifier=NAME, NodeType="ra3.large", ClusterType="single-node", MasterUsername="adminuser",
        MasterUserPassword=PASSWORD,
    )["Cluster"]  # fmt: skip
    yield made
    redshift.delete_cluster(ClusterIdentifier=NAME, SkipFinalClusterSnapshot=True)


def connect(cluster: dict[str, Any], user: str = "adminuser", password: str = PASSWORD) -> Any:
    endpoint = cluster["Endpoint"]
    connection = psycopg2.connect(
        host=endpoint["Address"], port=endpoint["Port"], dbname=cluster["DBName"], user=user, password=password
    )
    connection.autocommit = True
    return connection


def rows(cluster: dict[str, Any], sql: str) -> list[tuple[Any, ...]]:
    connection = connect(cluster)
    try:
        with connection.cursor() as cursor:
            cursor.execute(sql)
            return list(cursor.fetchall()) if cursor.description else []
    finally:
        connection.close()


def run(client: Client, sql: str, **target: Any) -> dict[str, Any]:
    data = client("redshift-data")
    where = target or {"ClusterIdentifier": NAME, "Database": "dev", "DbUser": "adminuser"}
    started = data.execute_statement(Sql=sql, **where)
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        described: dict[str, Any] = data.describe_statement(Id=started["Id"])
        if described["Status"] in ("FINISHED", "FAILED", "ABORTED"):
            return described
        time.sleep(0.05)
    raise AssertionError(f"{sql} did not end")


def test_a_cluster_is_one_and_its_waiters_end(client: Client, cluster: dict[str, Any]) -> None:
    redshift = client("redshift")
    redshift.get_waiter("cluster_available").wait(ClusterIdentifier=NAME, WaiterConfig={"Delay": 1, "MaxAttempts": 2})
    assert rows(cluster, "select current_user, current_database()") == [("adminuser", "dev")]
    with pytest.raises(ClientError, match="ClusterAlreadyExists"):
        redshift.create_cluster(
            ClusterIdentifier=NAME, NodeType="ra3.large", MasterUsername="a", MasterUserPassword=PASSWORD
        )
    with pytest.raises(ClientError, match="ClusterQuotaExceeded"):
        redshift.create_cluster(
            ClusterIdentifier="two", NodeType="ra3.large", MasterUsername="a", MasterUserPassword=PASSWORD
        )
    with pytest.raises(ClientError, match="ServiceQuotaExceeded"):
        client("redshift-serverless").create_namespace(namespaceName="main")


def test_a_deleted_cluster_takes_its_data_along(client: Client) -> None:
    redshift = client("redshift")
    settings = {"ClusterIdentifier": "gone", "NodeType": "ra3.large", "ClusterType": "single-node",
                "MasterUsername": "adminuser", "MasterUserPassword": PASSWORD}  # fmt: skip
    made = redshift.create_cluster(**settings)["Cluster"]
    open_one = connect(made)
    rows(made, "create table kept (a int)")
    rows(made, "create schema s; create table s.kept (a int)")
    redshift.delete_cluster(ClusterIdentifier="gone", SkipFinalClusterSnapshot=True)
    redshift.get_waiter("cluster_deleted").wait(ClusterIdentifier="gone", WaiterConfig={"Delay": 1, "MaxAttempts": 2})
    with pytest.raises(psycopg2.Error):
        open_one.cursor().execute("select 1")
    with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
        connect(made)
    again = redshift.create_cluster(**settings)["Cluster"]
    try:
        found = "select nspname from pg_namespace where nspname = 's' union all select tablename from pg_tables "
        assert rows(again, found + "where tablename = 'kept'") == []
    finally:
        redshift.delete_cluster(ClusterIdentifier="gone", SkipFinalClusterSnapshot=True)


def test_a_snapshot_is_what_was_there_and_comes_back(client: Client) -> None:
    redshift = client("redshift")
    made = redshift.create_cluster(
        ClusterIdentifier="first", NodeType="ra3.large", ClusterType="single-node", MasterUsername="adminuser",
        MasterUserPassword=PASSWORD, DBName="sales",
    )["Cluster"]  # fmt: skip
    rows(made, "create table t (id int identity(1, 1), a varchar(9) not null) distkey(id)")
    rows(made, "insert into t (a) values ('one')")
    rows(made, "create view v as select a from t")
    redshift.create_cluster_snapshot(SnapshotIdentifier="s1", ClusterIdentifier="first")
    redshift.get_waiter("snapshot_available").wait(SnapshotIdentifier="s1", WaiterConfig={"Delay": 1, "MaxAttempts": 2})
    with pytest.raises(ClientError, match="ClusterSnapshotAlreadyExists"):
        redshift.create_cluster_snapshot(SnapshotIdentifier="s1", ClusterIdentifier="first")
    rows(made, "insert into t (a) values ('two')")
    redshift.delete_cluster(ClusterIdentifier="first", FinalClusterSnapshotIdentifier="s2")
    for snapshot, held in (("s1", ["one"]), ("s2", ["one", "two"])):
        redshift.restore_from_cluster_snapshot(ClusterIdentifier="second", SnapshotIdentifier=snapshot)
        (again,) = redshift.describe_clusters(ClusterIdentifier="second")["Clusters"]
        client("redshift").modify_cluster(ClusterIdentifier="second", MasterUserPassword=PASSWORD)
        assert [row[0] for row in rows(again, "select a from v order by 1")] == held
        rows(again, "insert into t (a) values ('more')")
        redshift.delete_cluster(ClusterIdentifier="second", SkipFinalClusterSnapshot=True)
        redshift.delete_cluster_snapshot(SnapshotIdentifier=snapshot)
    assert redshift.describe_cluster_snapshots()["Snapshots"] == []


def test_a_paused_cluster_takes_no_statements(client: Client, cluster: dict[str, Any]) -> None:
    redshift = client("redshift")
    redshift.pause_cluster(ClusterIdentifier=NAME)
    assert redshift.describe_clusters(ClusterIdentifier=NAME)["Clusters"][0]["ClusterStatus"] == "paused"
    with pytest.raises(ClientError, match="InvalidClusterState"):
        redshift.pause_cluster(ClusterIdentifier=NAME)
    with pytest.raises(ClientError, match="is paused"):
        run(client, "select 1")
    redshift.resume_cluster(ClusterIdentifier=NAME)
    assert run(client, "select 1")["Status"] == "FINISHED"


def test_temporary_credentials_leave_the_password_as_it_is(client: Client, cluster: dict[str, Any]) -> None:
    redshift = client("redshift")
    given = redshift.get_cluster_credentials(ClusterIdentifier=NAME, DbUser="adminuser")
    with connect(cluster, given["DbUser"], given["DbPassword"]).cursor() as cursor:
        cursor.execute("select current_user")
        assert cursor.fetchone() == ("adminuser",)
    assert rows(cluster, "select 1") == [(1,)]
    with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
        connect(cluster, "adminuser", given["DbPassword"])
    with pytest.raises(ClientError, match="does not exist"):
        redshift.get_cluster_credentials(ClusterIdentifier=NAME, DbUser="nobody")


def test_a_session_keeps_its_temporary_tables(client: Client, cluster: dict[str, Any]) -> None:
    began = run(client, "create temporary table t (a int)", ClusterIdentifier=NAME, Database="dev", DbUser="adminuser",
                SessionKeepAliveSeconds=60)  # fmt: skip
    session = began["SessionId"]
    assert run(client, "insert into t values (1); insert into t values (2)", SessionId=session)["Status"] == "FINISHED"
    counted = run(client, "select count(*) from t", SessionId=session)
    answer = client("redshift-data").get_statement_result(Id=counted["Id"])
    assert answer["Records"] == [[{"longValue": 2}]]
    assert run(client, "select * from missing", SessionId=session)["Status"] == "FAILED"
    assert run(client, "select * from t", SessionId=session, SessionKeepAliveSeconds=0)["Status"] == "FINISHED"
    with pytest.raises(ClientError, match="has ended"):
        run(client, "select 1", SessionId=session)
    assert run(client, "select * from t")["Status"] == "FAILED"


def test_a_request_names_one_warehouse_and_one_user(client: Client, cluster: dict[str, Any]) -> None:
    for target in ({}, {"ClusterIdentifier": NAME}, {"ClusterIdentifier": NAME, "Database": "dev"},
                   {"ClusterIdentifier": NAME, "WorkgroupName": "main", "Database": "dev", "DbUser": "adminuser"},
                   {"SessionId": "2f5a2c0e-2a36-4a4b-8a55-2a3c2f1f4f0e", "Database": "dev"}):  # fmt: skip
        with pytest.raises(ClientError, match="ValidationException"):
            client("redshift-data").execute_statement(Sql="select 1", **target)
    found = client("redshift-data").list_databases(ClusterIdentifier=NAME, Database="dev", DbUser="adminuser")
    assert "dev" in found["Databases"]
