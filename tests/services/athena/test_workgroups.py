"""Workgroups, saved queries, stacks and restarts."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.services.athena.conftest import Athena


def test_a_workgroup_enforces_its_location_and_its_limit(athena: Athena) -> None:
    name = f"group-{athena.database}"
    configuration = {"ResultConfiguration": {"OutputLocation": athena.url("enforced")},
                     "BytesScannedCutoffPerQuery": 10_000_000}  # fmt: skip
    athena.client.create_work_group(Name=name, Configuration=configuration, Tags=[{"Key": "team", "Value": "data"}])
    found = athena.run("SELECT 1", WorkGroup=name)
    assert found["ResultConfiguration"]["OutputLocation"].startswith(athena.url("enforced/"))
    athena.run("CREATE TABLE big AS SELECT random() AS a FROM UNNEST(sequence(1, 2000000)) AS t(n)")
    stopped = athena.wait(athena.start("SELECT sum(a) FROM big", WorkGroup=name))
    assert (stopped["Status"]["State"], stopped["Status"]["StateChangeReason"]) == (
        "CANCELLED", "Bytes scanned limit was exceeded",
    )  # fmt: skip
    place = athena.url("copied/")
    written = f"CREATE TABLE copied WITH (external_location = '{place}') AS SELECT * FROM big"  # noqa: S608
    assert athena.wait(athena.start(written, WorkGroup=name))["Status"]["State"] == "CANCELLED"
    assert athena.keys("copied/") == [] and ["copied"] not in athena.rows("SHOW TABLES")
    athena.client.update_work_group(
        WorkGroup=name, State="DISABLED", ConfigurationUpdates={"RemoveBytesScannedCutoffPerQuery": True}
    )
    with pytest.raises(ClientError, match="is disabled"):
        athena.start("SELECT 1", WorkGroup=name)
    athena.client.update_work_group(WorkGroup=name, State="ENABLED")
    athena.run("SELECT sum(a) FROM big", WorkGroup=name)
    with pytest.raises(ClientError, match="is not empty"):
        athena.client.delete_work_group(WorkGroup=name)
    athena.client.delete_work_group(WorkGroup=name, RecursiveDeleteOption=True)
    assert name not in {group["Name"] for group in athena.client.list_work_groups()["WorkGroups"]}


def test_a_query_without_a_location_is_refused(athena: Athena) -> None:
    with pytest.raises(ClientError, match="No output location provided"):
        athena.client.start_query_execution(QueryString="SELECT 1")


def test_named_queries_are_kept(athena: Athena) -> None:
    identifier = athena.client.create_named_query(Name="daily", Database=athena.database, QueryString="SELECT 1")
    saved = athena.client.get_named_query(NamedQueryId=identifier["NamedQueryId"])["NamedQuery"]
    assert (saved["Name"], saved["QueryString"], saved["WorkGroup"]) == ("daily", "SELECT 1", "primary")
    athena.client.delete_named_query(NamedQueryId=identifier["NamedQueryId"])
    with pytest.raises(ClientError, match="was not found"):
        athena.client.get_named_query(NamedQueryId=identifier["NamedQueryId"])


def test_a_stack_makes_changes_and_removes_a_workgroup(gateway: Any, athena: Athena) -> None:
    stacks, name = gateway.client("cloudformation"), f"stack-{athena.database}"

    def template(configuration: dict[str, Any], **more: Any) -> str:
        group = {"Name": name, "RecursiveDeleteOption": True, "WorkGroupConfiguration": configuration, **more}
        query = {"Database": athena.database, "QueryString": "SELECT 1", "WorkGroup": {"Ref": "Group"}}
        return json.dumps({"Resources": {
            "Group": {"Type": "AWS::Athena::WorkGroup", "Properties": group},
            "Query": {"Type": "AWS::Athena::NamedQuery", "Properties": query},
        }})  # fmt: skip

    first = {"ResultConfiguration": {"OutputLocation": athena.url("stack/"),
                                     "EncryptionConfiguration": {"EncryptionOption": "SSE_S3"}},
             "BytesScannedCutoffPerQuery": 20_000_000}  # fmt: skip
    stacks.create_stack(StackName=name, TemplateBody=template(first))
    stacks.get_waiter("stack_create_complete").wait(StackName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 30})
    kept = athena.client.get_work_group(WorkGroup=name)["WorkGroup"]["Configuration"]
    assert kept["ResultConfiguration"] == first["ResultConfiguration"]
    assert kept["BytesScannedCutoffPerQuery"] == 20_000_000
    athena.run("SELECT 1", WorkGroup=name)
    second = {"ResultConfiguration": {"OutputLocation": athena.url("moved/")}, "EnforceWorkGroupConfiguration": False}
    stacks.update_stack(StackName=name, TemplateBody=template(second, State="DISABLED", Description="old"))
    stacks.get_waiter("stack_update_complete").wait(StackName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 30})
    group = athena.client.get_work_group(WorkGroup=name)["WorkGroup"]
    assert (group["State"], group["Description"]) == ("DISABLED", "old")
    assert group["Configuration"]["ResultConfiguration"] == second["ResultConfiguration"]
    assert "BytesScannedCutoffPerQuery" not in group["Configuration"]
    assert group["Configuration"]["EnforceWorkGroupConfiguration"] is False
    stacks.delete_stack(StackName=name)
    stacks.get_waiter("stack_delete_complete").wait(StackName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 30})
    with pytest.raises(ClientError, match="is not found"):
        athena.client.get_work_group(WorkGroup=name)
