"""Flows from a real CRM over HTTP into S3: windows, formats, paging, tokens, refusals, cancelling, kills."""

from __future__ import annotations

import csv
import io
import json
import signal
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from botocore.exceptions import ClientError

from tests.services.appflow.conftest import (
    BUCKET,
    CONTACTS,
    PROFILE,
    Crm,
    allow_appflow,
    contact,
    flow,
    make_profile,
    objects,
    start_crm,
    wait_for_end,
    window,
)
from tests.services.conftest import RunningGateway

DAY = datetime(2026, 3, 2, tzinfo=UTC)
Run = Callable[..., dict[str, Any]]


def lines(body: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in body.decode().splitlines()]


def test_pages_come_whole_in_one_file_though_tokens_run_out(gateway: RunningGateway, crm: Crm, run_flow: Run) -> None:
    start = DAY.replace(tzinfo=None)
    crm.put(*(contact(number, start + timedelta(seconds=number)) for number in range(CONTACTS)))
    record = run_flow(flow("all"))
    assert record["executionStatus"] == "Successful", record
    assert record["executionResult"]["recordsProcessed"] == CONTACTS
    ((key, body),) = objects(gateway, "raw/all/").items()
    assert key.startswith(f"raw/all/all/{record['executionId']}/")
    assert record["executionResult"]["bytesWritten"] == len(body)
    found = lines(body)
    assert {row["Id"] for row in found} == {f"003{number:015d}" for number in range(CONTACTS)}
    assert found[0]["SystemModstamp"].endswith(".000+0000") and found[0]["IsDeleted"] is False
    assert "attributes" not in found[0]


def test_a_window_holds_its_first_instant_and_not_its_end_and_the_deleted_only_when_asked(
    gateway: RunningGateway, crm: Crm, run_flow: Run
) -> None:
    start = DAY.replace(tzinfo=None)
    crm.put(
        contact(1, start - timedelta(seconds=1)),
        contact(2, start),
        contact(3, start + timedelta(hours=5), IsDeleted=True),
        contact(4, start + timedelta(days=1)),
    )
    tasks = window(DAY, DAY + timedelta(days=1))
    assert run_flow(flow("window", tasks))["executionResult"]["recordsProcessed"] == 1
    (body,) = objects(gateway, "raw/window/").values()
    assert [row["Id"][-1] for row in lines(body)] == ["2"]
    assert (
        run_flow(flow("window", tasks, deleted=True, prefix="raw/more"), update=True)["executionStatus"] == "Successful"
    )
    (body,) = objects(gateway, "raw/more/").values()
    assert [(row["Id"][-1], row["IsDeleted"]) for row in lines(body)] == [("2", False), ("3", True)]


def test_an_empty_window_writes_no_object(gateway: RunningGateway, crm: Crm, run_flow: Run) -> None:
    record = run_flow(flow("nothing", window(DAY, DAY + timedelta(days=1))))
    assert (record["executionStatus"], record["executionResult"]["recordsProcessed"]) == ("Successful", 0)
    assert objects(gateway, "raw/nothing/") == {}


def test_chosen_fields_under_other_names_as_csv_and_typed_parquet(
    gateway: RunningGateway, crm: Crm, run_flow: Run
) -> None:
    crm.put(contact(1, DAY.replace(tzinfo=None), LastName='O"Brien, Ann', Birthdate=DAY.date()))
    fields = {"Id": "id", "LastName": "surname", "Birthdate": "born", "HasOptedOutOfEmail": "opted_out"}
    tasks: list[dict[str, Any]] = [
        {"sourceFields": list(fields), "connectorOperator": {"Salesforce": "PROJECTION"}, "taskType": "Filter",
         "taskProperties": {}},
        *({"sourceFields": [name], "connectorOperator": {"Salesforce": "NO_OP"}, "destinationField": target,
           "taskType": "Map", "taskProperties": {}} for name, target in fields.items()),
    ]  # fmt: skip
    run_flow(flow("chosen", tasks, file_type="CSV"))
    (body,) = objects(gateway, "raw/chosen/").values()
    assert list(csv.DictReader(io.StringIO(body.decode()))) == [
        {"id": f"003{1:015d}", "surname": 'O"Brien, Ann', "born": "2026-03-02", "opted_out": "false"}
    ]
    run_flow(flow("chosen", tasks, file_type="PARQUET", typed=True, prefix="raw/typed"), update=True)
    (body,) = objects(gateway, "raw/typed/").values()
    assert pq.read_table(io.BytesIO(body)).to_pylist() == [
        {"id": f"003{1:015d}", "surname": 'O"Brien, Ann', "born": DAY.date(), "opted_out": False}
    ]


def test_an_unknown_object_a_wrong_token_and_a_server_that_is_away_are_errors_of_the_execution(
    gateway: RunningGateway, crm: Crm, run_flow: Run, connected: str
) -> None:
    definition = flow("unknown")
    definition["sourceFlowConfig"]["sourceConnectorProperties"]["Salesforce"]["object"] = "Lead"
    failed = run_flow(definition)
    assert failed["executionStatus"] == "Error"
    assert "NOT_FOUND" in failed["executionResult"]["errorInfo"]["executionMessage"]
    make_profile(gateway, "wrong", crm.url, connected, "not the token")
    failed = run_flow(flow("wrong", profile="wrong"))
    assert "invalid_grant" in failed["executionResult"]["errorInfo"]["executionMessage"]
    make_profile(gateway, "away", "http://127.0.0.1:9", connected, "any")
    failed = run_flow(flow("away", profile="away"))
    assert "http://127.0.0.1:9 cannot be reached" in failed["executionResult"]["errorInfo"]["executionMessage"]


def test_a_limit_of_the_source_ends_the_execution_and_leaves_no_object(
    gateway: RunningGateway, run_flow: Run, connected: str, tmp_path: Path
) -> None:
    limited = start_crm(tmp_path, "--daily-requests", "2")
    try:
        start = DAY.replace(tzinfo=None)
        limited.put(*(contact(number, start) for number in range(CONTACTS)))
        login = limited.store.login()
        secret = gateway.client("secretsmanager").create_secret(
            Name="limited",
            SecretString=json.dumps({"clientId": login["client_id"], "clientSecret": login["client_secret"]}),
        )["ARN"]
        gateway.client("secretsmanager").put_resource_policy(
            SecretId=secret, ResourcePolicy=allow_appflow(["secretsmanager:GetSecretValue"], [secret])
        )
        make_profile(gateway, "limited", limited.url, secret, login["refresh_token"])
        failed = run_flow(flow("limited", profile="limited"))
    finally:
        limited.process.terminate()
        limited.process.wait(10)
    assert failed["executionStatus"] == "Error"
    assert "REQUEST_LIMIT_EXCEEDED" in failed["executionResult"]["errorInfo"]["executionMessage"]
    assert objects(gateway, "raw/limited/") == {}


def test_the_bucket_has_to_let_appflow_in(gateway: RunningGateway, crm: Crm, run_flow: Run) -> None:
    crm.put(contact(1, DAY.replace(tzinfo=None)))
    failed = run_flow(flow("elsewhere", prefix="private"))
    message = failed["executionResult"]["errorInfo"]["executionMessage"]
    assert "appflow.amazonaws.com" in message and "s3:PutObject" in message and f"{BUCKET}/private" in message
    assert objects(gateway, "private/") == {}


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (
            {"tasks": [{"sourceFields": ["Id"], "taskType": "Mask", "destinationField": "Id", "taskProperties": {}}]},
            "Mask",
        ),
        ({"tasks": []}, "at least one field"),
        ({"triggerConfig": {"triggerType": "Event"}}, "Event"),
        ({"sourceFlowConfig": {"connectorType": "Marketo", "sourceConnectorProperties": {}}}, "Marketo"),
    ],
)
def test_what_would_not_be_done_is_refused(
    gateway: RunningGateway, connected: str, change: dict[str, Any], named: str
) -> None:
    with pytest.raises(ClientError, match=named) as refused:
        gateway.client("appflow").create_flow(**{**flow("refused"), **change})
    assert refused.value.response["Error"]["Code"] == "ValidationException"


def test_a_scheduled_flow_pulls_what_changed_since_its_last_run(
    gateway: RunningGateway, crm: Crm, connected: str
) -> None:
    appflow = gateway.client("appflow")
    crm.put(contact(1, DAY.replace(tzinfo=None)))
    schedule = {"scheduleExpression": "rate(1minutes)", "dataPullMode": "Incremental"}
    trigger = {"triggerType": "Scheduled", "triggerProperties": {"Scheduled": schedule}}
    assert appflow.create_flow(**flow("scheduled", trigger=trigger))["flowStatus"] == "Draft"
    assert appflow.start_flow(flowName="scheduled")["flowStatus"] == "Active"
    deadline = time.monotonic() + 30
    while not (records := appflow.describe_flow_execution_records(flowName="scheduled")["flowExecutions"]):
        assert time.monotonic() < deadline, "the schedule did not run"
        time.sleep(0.2)
    record = wait_for_end(gateway, "scheduled", records[0]["executionId"])
    assert record["executionResult"]["recordsProcessed"] == 1
    assert appflow.stop_flow(flowName="scheduled")["flowStatus"] == "Suspended"


def test_a_kill_half_way_leaves_an_error_no_object_and_flows_that_run_again(
    own_gateway: RunningGateway, crm: Crm
) -> None:
    own_gateway.start()
    start = DAY.replace(tzinfo=None)
    crm.put(*(contact(number, start) for number in range(CONTACTS)))
    own_gateway.client("s3").create_bucket(
        Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": own_gateway.region}
    )
    own_gateway.client("s3").put_bucket_policy(
        Bucket=BUCKET, Policy=allow_appflow(["s3:PutObject"], [f"arn:aws:s3:::{BUCKET}/raw/*"])
    )
    login = crm.store.login()
    client = {"clientId": login["client_id"], "clientSecret": login["client_secret"]}
    secret = own_gateway.client("secretsmanager").create_secret(Name="s", SecretString=json.dumps(client))["ARN"]
    own_gateway.client("secretsmanager").put_resource_policy(
        SecretId=secret, ResourcePolicy=allow_appflow(["secretsmanager:GetSecretValue"], [secret])
    )
    make_profile(own_gateway, PROFILE, crm.url, secret, login["refresh_token"])
    appflow = own_gateway.client("appflow")
    appflow.create_flow(**flow("killed"))
    killed = appflow.start_flow(flowName="killed")["executionId"]
    own_gateway.stop(signal.SIGKILL)
    own_gateway.start()
    record = wait_for_end(own_gateway, "killed", killed)
    assert record["executionStatus"] == "Error" and "start it again" in str(record["executionResult"])
    assert objects(own_gateway, "raw/") == {}
    again = wait_for_end(own_gateway, "killed", appflow.start_flow(flowName="killed")["executionId"])
    assert again["executionResult"]["recordsProcessed"] == CONTACTS
    assert sum(len(lines(body)) for body in objects(own_gateway, "raw/").values()) == CONTACTS


def test_cloudformation_makes_updates_and_deletes_profile_and_flow(
    gateway: RunningGateway, crm: Crm, connected: str
) -> None:
    cloudformation, appflow = gateway.client("cloudformation"), gateway.client("appflow")
    gateway.client("ssm").put_parameter(Name="/crm/url", Value=crm.url, Type="String")
    token = {"token": crm.store.login()["refresh_token"]}
    gateway.client("secretsmanager").create_secret(Name="crm-token", SecretString=json.dumps(token))

    def template(prefix: str) -> str:
        target = {"BucketName": BUCKET, "BucketPrefix": prefix, "S3OutputFormatConfig": {"FileType": "JSON"}}
        source = {"Object": "Account", "IncludeDeletedRecords": True}
        return json.dumps(
            {
                "Parameters": {"Url": {"Type": "AWS::SSM::Parameter::Value<String>", "Default": "/crm/url"}},
                "Resources": {
                    "Profile": {
                        "Type": "AWS::AppFlow::ConnectorProfile",
                        "Properties": {
                            "ConnectorProfileName": "stack-crm",
                            "ConnectorType": "Salesforce",
                            "ConnectionMode": "Public",
                            "ConnectorProfileConfig": {
                                "ConnectorProfileProperties": {"Salesforce": {"InstanceUrl": {"Ref": "Url"}}},
                                "ConnectorProfileCredentials": {
                                    "Salesforce": {
                                        "RefreshToken": "{{resolve:secretsmanager:crm-token:SecretString:token}}",
                                        "ClientCredentialsArn": connected,
                                    }
                                },
                            },
                        },
                    },
                    "Flow": {
                        "Type": "AWS::AppFlow::Flow",
                        "Properties": {
                            "FlowName": "stack-account",
                            "TriggerConfig": {"TriggerType": "OnDemand"},
                            "SourceFlowConfig": {
                                "ConnectorType": "Salesforce",
                                "ConnectorProfileName": {"Ref": "Profile"},
                                "SourceConnectorProperties": {"Salesforce": source},
                            },
                            "DestinationFlowConfigList": [
                                {"ConnectorType": "S3", "DestinationConnectorProperties": {"S3": target}}
                            ],
                            "Tasks": [
                                {
                                    "SourceFields": [],
                                    "TaskType": "Map_all",
                                    "TaskProperties": [{"Key": "EXCLUDE_SOURCE_FIELDS_LIST", "Value": "[]"}],
                                }
                            ],
                            "Tags": [{"Key": "team", "Value": "data"}],
                        },
                    },
                },
                "Outputs": {"Arn": {"Value": {"Fn::GetAtt": ["Flow", "FlowArn"]}}},
            }
        )

    cloudformation.create_stack(StackName="crm-stack", TemplateBody=template("raw/one"))
    cloudformation.get_waiter("stack_create_complete").wait(StackName="crm-stack", WaiterConfig={"Delay": 1})
    made = appflow.describe_flow(flowName="stack-account")
    assert made["tags"] == {"team": "data"}
    assert made["sourceFlowConfig"]["sourceConnectorProperties"]["Salesforce"]["includeDeletedRecords"] is True
    profile = appflow.describe_connector_profiles(connectorProfileNames=["stack-crm"])["connectorProfileDetails"][0]
    assert profile["connectorProfileProperties"]["Salesforce"]["instanceUrl"] == crm.url
    assert "credentials" not in profile
    execution = appflow.start_flow(flowName="stack-account")["executionId"]
    assert wait_for_end(gateway, "stack-account", execution)["executionStatus"] == "Successful"

    cloudformation.update_stack(StackName="crm-stack", TemplateBody=template("raw/two"))
    cloudformation.get_waiter("stack_update_complete").wait(StackName="crm-stack", WaiterConfig={"Delay": 1})
    target = appflow.describe_flow(flowName="stack-account")["destinationFlowConfigList"][0]
    assert target["destinationConnectorProperties"]["S3"]["bucketPrefix"] == "raw/two"

    cloudformation.delete_stack(StackName="crm-stack")
    cloudformation.get_waiter("stack_delete_complete").wait(StackName="crm-stack", WaiterConfig={"Delay": 1})
    assert "stack-account" not in [item["flowName"] for item in appflow.list_flows()["flows"]]
