"""A CRM with a few contacts, a bucket that AppFlow may write to, and a connector profile."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from demo.crm.contacts import ContactRow
from demo.crm.store import Store
from tests.services.conftest import ROOT, RunningGateway, free_port

BUCKET, PROFILE = "appflow-lake", "crm"
CONTACTS = 4500


def contact(number: int, at: datetime, **values: Any) -> ContactRow:
    """A contact that was made, and last changed, at an instant."""
    row: dict[str, Any] = dict.fromkeys(ContactRow.__dataclass_fields__)
    row |= {"Id": f"003{number:015d}", "LastName": f"Name {number}", "Email": f"person{number}@mail.test"}
    row |= {"CreatedDate": at, "LastModifiedDate": at, "SystemModstamp": at}
    row |= {"HasOptedOutOfEmail": False, "IsDeleted": False}
    return ContactRow(**(row | values))


@dataclass
class Crm:
    """The running CRM service."""

    store: Store
    url: str
    process: subprocess.Popen[bytes]

    def put(self, *rows: ContactRow) -> None:
        with self.store.transaction() as connection:
            self.store.replace(connection, "Contact", rows)

    def clear(self) -> None:
        with self.store.transaction() as connection:
            self.store.clear(connection)


def start_crm(folder: Path, *options: str) -> Crm:
    port = free_port()
    process = subprocess.Popen([sys.executable, "-m", "demo.crm", str(folder), "--port", str(port), *options], cwd=ROOT)
    deadline = time.monotonic() + 30
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            break
        except OSError:
            assert process.poll() is None and time.monotonic() < deadline, "the CRM did not start"
            time.sleep(0.05)
    return Crm(Store(folder), f"http://127.0.0.1:{port}", process)


@pytest.fixture(scope="session")
def crm_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Crm]:
    # Tokens so short-lived that long copies have to renew them.
    running = start_crm(tmp_path_factory.mktemp("crm"), "--token-seconds", "0.3")
    yield running
    running.process.terminate()
    running.process.wait(10)


@pytest.fixture
def crm(crm_service: Crm) -> Crm:
    crm_service.clear()
    return crm_service


def allow_appflow(actions: list[str], resources: list[str]) -> str:
    statement = {"Effect": "Allow", "Principal": {"Service": "appflow.amazonaws.com"}, "Action": actions}
    return json.dumps({"Version": "2012-10-17", "Statement": [{**statement, "Resource": resources}]})


@pytest.fixture(scope="session")
def connected(gateway: RunningGateway, crm_service: Crm) -> str:
    """The bucket, the secret of the connected application and the connector profile; returns the secret's ARN."""
    s3 = gateway.client("s3")
    s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": gateway.region})
    s3.put_bucket_policy(Bucket=BUCKET, Policy=allow_appflow(["s3:PutObject"], [f"arn:aws:s3:::{BUCKET}/raw/*"]))
    login = crm_service.store.login()
    secrets = gateway.client("secretsmanager")
    client = {"clientId": login["client_id"], "clientSecret": login["client_secret"]}
    arn: str = secrets.create_secret(Name="crm-application", SecretString=json.dumps(client))["ARN"]
    secrets.put_resource_policy(SecretId=arn, ResourcePolicy=allow_appflow(["secretsmanager:GetSecretValue"], [arn]))
    make_profile(gateway, PROFILE, crm_service.url, arn, login["refresh_token"])
    return arn


def make_profile(gateway: RunningGateway, name: str, url: str, secret: str, refresh_token: str) -> None:
    gateway.client("appflow").create_connector_profile(
        connectorProfileName=name,
        connectorType="Salesforce",
        connectionMode="Public",
        connectorProfileConfig={
            "connectorProfileProperties": {"Salesforce": {"instanceUrl": url}},
            "connectorProfileCredentials": {
                "Salesforce": {
                    "refreshToken": refresh_token,
                    "clientCredentialsArn": secret,
                    "oAuth2GrantType": "AUTHORIZATION_CODE",
                }
            },
        },
    )


def flow(name: str, tasks: list[dict[str, Any]] | None = None, **options: Any) -> dict[str, Any]:
    """The arguments of CreateFlow and UpdateFlow."""
    output = {
        "fileType": options.get("file_type", "JSON"),
        "prefixConfig": {"prefixType": "PATH", "pathPrefixHierarchy": ["EXECUTION_ID"]},
        "preserveSourceDataTyping": options.get("typed", False),
    }
    source = {"object": "Contact", "includeDeletedRecords": options.get("deleted", False)}
    return {
        "flowName": name,
        "triggerConfig": options.get("trigger", {"triggerType": "OnDemand"}),
        "sourceFlowConfig": {
            "connectorType": "Salesforce",
            "connectorProfileName": options.get("profile", PROFILE),
            "sourceConnectorProperties": {"Salesforce": source},
            "incrementalPullConfig": {"datetimeTypeFieldName": "SystemModstamp"},
        },
        "destinationFlowConfigList": [
            {
                "connectorType": "S3",
                "destinationConnectorProperties": {
                    "S3": {
                        "bucketName": BUCKET,
                        "bucketPrefix": options.get("prefix", f"raw/{name}"),
                        "s3OutputFormatConfig": output,
                    }
                },
            }
        ],
        "tasks": tasks or [{"sourceFields": [], "taskType": "Map_all", "taskProperties": {}}],
    }


def window(first: datetime, end: datetime) -> list[dict[str, Any]]:
    """All fields of what changed in [first, end)."""
    bounds = {"LOWER_BOUND": int(first.timestamp() * 1000) - 1, "UPPER_BOUND": int(end.timestamp() * 1000)}
    return [
        {
            "sourceFields": ["SystemModstamp"],
            "connectorOperator": {"Salesforce": "BETWEEN"},
            "taskType": "Filter",
            "taskProperties": {"DATA_TYPE": "datetime", **{key: str(value) for key, value in bounds.items()}},
        },
        {"sourceFields": [], "taskType": "Map_all", "taskProperties": {}},
    ]


@pytest.fixture
def run_flow(gateway: RunningGateway, connected: str) -> Callable[..., dict[str, Any]]:
    """Make a flow, or update it, start it and wait for its end; returns the record of its execution."""
    appflow = gateway.client("appflow")

    def run(definition: dict[str, Any], *, update: bool = False) -> dict[str, Any]:
        (appflow.update_flow if update else appflow.create_flow)(**definition)
        started = appflow.start_flow(flowName=definition["flowName"])["executionId"]
        return wait_for_end(gateway, definition["flowName"], started)

    return run


def wait_for_end(gateway: RunningGateway, name: str, execution_id: str) -> dict[str, Any]:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        records = gateway.client("appflow").describe_flow_execution_records(flowName=name)["flowExecutions"]
        record: dict[str, Any] = next(r for r in records if r["executionId"] == execution_id)
        if record["executionStatus"] not in ("InProgress", "CancelStarted"):
            return record
        time.sleep(0.05)
    raise AssertionError(f"{name} did not end: {record}")


def objects(gateway: RunningGateway, prefix: str) -> dict[str, bytes]:
    """The objects under a prefix."""
    s3 = gateway.client("s3")
    keys = [item["Key"] for item in s3.list_objects_v2(Bucket=BUCKET, Prefix=prefix).get("Contents", [])]
    return {key: s3.get_object(Bucket=BUCKET, Key=key)["Body"].read() for key in keys}
