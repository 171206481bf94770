"""DMS on a running local cloud: real PostgreSQL, real bucket, real roles."""

from __future__ import annotations

import io
import json
import signal
import time
from typing import Any

import pyarrow.parquet as pq
import pytest
from botocore.exceptions import ClientError

from localcloud.servers.postgres import PostgresServer

from .conftest import MAPPINGS, Replication, build, make_role


def code(error: pytest.ExceptionInfo[ClientError]) -> str:
    return str(error.value.response["Error"]["Code"])


def test_a_full_load_puts_every_table_into_the_bucket_and_counts_its_rows(replication: Replication) -> None:
    replication.execute("""
        create table orders as select i as id, i * 1.5 as amount from generate_series(1, 2500) i;
        create table empty (id int)
    """)
    task = replication.task()
    assert replication.described(task)["Status"] == "ready"
    done = replication.run(task)
    assert (done["Status"], done["StopReason"]) == ("stopped", "Stop Reason FULL_LOAD_ONLY_FINISHED"), done
    stats = done["ReplicationTaskStats"]
    assert (stats["FullLoadProgressPercent"], stats["TablesLoaded"], stats["TablesErrored"]) == (100, 2, 0)
    assert stats["FullLoadFinishDate"] >= stats["FullLoadStartDate"]
    assert replication.keys() == ["raw/public/orders/LOAD00000001.parquet"]
    body = replication.s3.get_object(Bucket=replication.bucket, Key=replication.keys()[0])["Body"].read()
    assert pq.read_table(io.BytesIO(body))["id"].to_pylist() == list(range(1, 2501))
    tables = replication.dms.describe_table_statistics(ReplicationTaskArn=task)["TableStatistics"]
    assert {t["TableName"]: (t["FullLoadRows"], t["TableState"]) for t in tables} == {
        "empty": (0, "Table completed"),
        "orders": (2500, "Table completed"),
    }
    assert all(t["FullLoadEndTime"] >= t["FullLoadStartTime"] for t in tables)


def test_start_types_are_those_of_a_full_load_task(replication: Replication) -> None:
    replication.execute("create table t as select 1 as id")
    task = replication.task()
    for start in ("reload-target", "resume-processing"):
        with pytest.raises(ClientError) as error:
            replication.dms.start_replication_task(ReplicationTaskArn=task, StartReplicationTaskType=start)
        assert code(error) == "InvalidParameterCombinationException"
    assert replication.run(task)["Status"] == "stopped"
    with pytest.raises(ClientError, match="valid only for tasks running for the first time"):
        replication.dms.start_replication_task(ReplicationTaskArn=task, StartReplicationTaskType="start-replication")
    assert replication.run(task, "reload-target")["Status"] == "stopped"


def test_new_mappings_send_the_next_load_into_another_folder(replication: Replication) -> None:
    replication.execute("create table t as select 1 as id")
    task = replication.task()
    replication.run(task)
    rules = json.loads(MAPPINGS)["rules"]
    rules.append(
        {
            "rule-type": "transformation",
            "rule-id": "2",
            "rule-name": "folder",
            "rule-target": "schema",
            "object-locator": {"schema-name": "public"},
            "rule-action": "rename",
            "value": "l2/public",
        }
    )
    replication.dms.modify_replication_task(ReplicationTaskArn=task, TableMappings=json.dumps({"rules": rules}))
    replication.run(task, "reload-target")
    assert replication.keys() == ["raw/l2/public/t/LOAD00000001.parquet", "raw/public/t/LOAD00000001.parquet"]


def test_a_writer_without_permission_fails_the_task_naming_action_resource_and_role(replication: Replication) -> None:
    replication.execute("create table t as select 1 as id")
    replication.iam.delete_role_policy(RoleName=f"{replication.name}-writer", PolicyName="allow")
    task = replication.task(settings={"FullLoadSettings": {"TargetTablePrepMode": "DO_NOTHING"}})
    failed = replication.run(task)
    assert failed["Status"] == "failed"
    message = failed["LastFailureMessage"]
    assert "s3:PutObject" in message and f"{replication.name}-writer" in message
    assert f"arn:aws:s3:::{replication.bucket}/raw/public/t/LOAD00000001.parquet" in message


def test_a_role_that_does_not_trust_dms_fails_the_task_naming_it(replication: Replication) -> None:
    replication.execute("create table t as select 1 as id")
    stranger = make_role(replication.iam, f"{replication.name}-stranger", ["lambda.amazonaws.com"], [])
    replication.dms.modify_endpoint(EndpointArn=replication.target, S3Settings={"ServiceAccessRoleArn": stranger})
    failed = replication.run(replication.task())
    assert failed["Status"] == "failed" and f"{replication.name}-stranger" in failed["LastFailureMessage"]


def test_a_missing_secret_fails_the_task(replication: Replication) -> None:
    replication.secrets.delete_secret(SecretId=f"sources/{replication.name}", ForceDeleteWithoutRecovery=True)
    failed = replication.run(replication.task())
    assert failed["Status"] == "failed" and "secret" in failed["LastFailureMessage"].lower()


def test_connections_are_really_tried(replication: Replication) -> None:
    dms = replication.dms
    wrong = dms.create_endpoint(
        EndpointIdentifier=f"{replication.name}-wrong",
        EndpointType="source",
        EngineName="postgres",
        ServerName="127.0.0.1",
        Port=replication.database.port,
        Username="postgres",
        Password="wrong",
        DatabaseName="postgres",
    )["Endpoint"]
    assert "Password" not in wrong
    found = {}
    for endpoint in (replication.source, replication.target, wrong["EndpointArn"]):
        dms.test_connection(ReplicationInstanceArn=replication.instance, EndpointArn=endpoint)
        deadline = time.monotonic() + 20
        while True:
            connection = dms.describe_connections(Filters=[{"Name": "endpoint-arn", "Values": [endpoint]}])[
                "Connections"
            ][0]
            if connection["Status"] != "testing":
                break
            assert time.monotonic() < deadline
            time.sleep(0.05)
        found[endpoint] = connection
    assert found[replication.source]["Status"] == "successful", found
    assert found[replication.target]["Status"] == "successful", found
    assert found[wrong["EndpointArn"]]["Status"] == "failed"
    assert "password authentication failed" in found[wrong["EndpointArn"]]["LastFailureMessage"]


def test_a_running_task_cannot_be_changed_or_deleted_and_stops_when_told(replication: Replication) -> None:
    replication.execute("create table big as select i, repeat('x', 300) as x from generate_series(1, 400000) i")
    task, dms = replication.task(), replication.dms
    dms.start_replication_task(ReplicationTaskArn=task, StartReplicationTaskType="start-replication")
    replication.wait(task, "running")
    for call in (
        lambda: dms.modify_replication_task(ReplicationTaskArn=task, TableMappings=MAPPINGS),
        lambda: dms.delete_replication_task(ReplicationTaskArn=task),
        lambda: dms.start_replication_task(ReplicationTaskArn=task, StartReplicationTaskType="reload-target"),
    ):
        with pytest.raises(ClientError) as error:
            call()
        assert code(error) == "InvalidResourceStateFault"
    assert dms.stop_replication_task(ReplicationTaskArn=task)["ReplicationTask"]["Status"] == "stopping"
    assert replication.wait(task, "stopped")["StopReason"] == "Stop Reason NORMAL"
    assert replication.keys() == []
    with pytest.raises(ClientError) as error:
        dms.stop_replication_task(ReplicationTaskArn=task)
    assert code(error) == "InvalidResourceStateFault"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"MigrationType": "cdc"}, "change data capture"),
        ({"MigrationType": "full-load-and-cdc"}, "change data capture"),
        ({"TableMappings": "{"}, "not valid JSON"),
        ({"TableMappings": json.dumps({"rules": [{"rule-type": "table-settings", "rule-id": "5"}]})}, "rule 5"),
        (
            {"ReplicationTaskSettings": json.dumps({"ValidationSettings": {"EnableValidation": True}})},
            "EnableValidation",
        ),
        ({"ReplicationTaskSettings": json.dumps({"FullLoadSettings": {"Typo": 1}})}, "FullLoadSettings.Typo"),
    ],
)
def test_what_a_task_cannot_do_is_refused_by_name(
    replication: Replication, change: dict[str, Any], message: str
) -> None:
    with pytest.raises(ClientError, match=message):
        replication.task(**change)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"DatePartitionEnabled": True}, "DatePartitionEnabled"),
        ({"Rfc4180": False}, "Rfc4180"),
        ({"DataFormat": "csv", "CsvDelimiter": "||"}, "CsvDelimiter"),
        ({"CannedAclForObjects": "public-read"}, "CannedAclForObjects"),
        ({"EncryptionMode": "sse-kms"}, "ServerSideEncryptionKmsKeyId"),
    ],
)
def test_what_an_endpoint_cannot_do_is_refused_by_name(
    replication: Replication, settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(ClientError, match=message):
        replication.dms.modify_endpoint(EndpointArn=replication.target, S3Settings=settings)


def test_parts_in_use_cannot_be_deleted_and_missing_ones_are_not_found(replication: Replication) -> None:
    dms, task = replication.dms, replication.task()
    for call in (
        lambda: dms.delete_endpoint(EndpointArn=replication.source),
        lambda: dms.delete_replication_instance(ReplicationInstanceArn=replication.instance),
    ):
        with pytest.raises(ClientError) as error:
            call()
        assert code(error) == "InvalidResourceStateFault"
    dms.delete_replication_task(ReplicationTaskArn=task)
    with pytest.raises(ClientError) as error:
        replication.described(task)
    assert code(error) == "ResourceNotFoundFault"
    dms.delete_endpoint(EndpointArn=replication.source)
    dms.delete_endpoint(EndpointArn=replication.target)
    dms.delete_replication_instance(ReplicationInstanceArn=replication.instance)
    with pytest.raises(ClientError) as error:
        dms.delete_endpoint(EndpointArn=replication.source)
    assert code(error) == "ResourceNotFoundFault"


def test_tags_are_kept(replication: Replication) -> None:
    dms = replication.dms
    dms.add_tags_to_resource(
        ResourceArn=replication.instance, Tags=[{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}]
    )
    dms.remove_tags_from_resource(ResourceArn=replication.instance, TagKeys=["a"])
    tags = dms.list_tags_for_resource(ResourceArn=replication.instance)["TagList"]
    assert [(t["Key"], t["Value"]) for t in tags] == [("b", "2")]


def test_a_task_that_a_kill_interrupted_has_failed_and_can_be_started_again(
    own_gateway: Any, source_server: PostgresServer
) -> None:
    own_gateway.start()
    it = build(own_gateway.client, source_server)
    it.execute("create table big as select i, repeat('x', 300) as x from generate_series(1, 400000) i")
    task = it.task()
    it.dms.start_replication_task(ReplicationTaskArn=task, StartReplicationTaskType="start-replication")
    it.wait(task, "running")
    own_gateway.stop(signal.SIGKILL)
    own_gateway.start()
    found = it.described(task)
    assert found["Status"] == "failed" and "not complete" in found["LastFailureMessage"]
    it.execute("delete from big where i > 10")
    assert it.run(task, "reload-target")["Status"] == "stopped"
    assert it.dms.describe_table_statistics(ReplicationTaskArn=task)["TableStatistics"][0]["FullLoadRows"] == 10
