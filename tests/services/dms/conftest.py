"""A source database, a bucket and the roles for tests of DMS on a running local cloud."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import psycopg2
import pytest

from localcloud.servers.postgres import PostgresEndpoint, PostgresServer

MAPPINGS = json.dumps(
    {
        "rules": [
            {
                "rule-type": "selection",
                "rule-id": "1",
                "rule-name": "all",
                "rule-action": "include",
                "object-locator": {"schema-name": "public", "table-name": "%"},
            }
        ]
    }
)


@pytest.fixture(scope="session")
def source_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    server = PostgresServer(tmp_path_factory.mktemp("dms-source"))
    server.start()
    yield server
    server.stop()


def make_role(iam: Any, name: str, principals: list[str], statements: list[dict[str, Any]]) -> str:
    trust = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": {"Service": principals}, "Action": "sts:AssumeRole"}],
    }
    arn: str = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
    if statements:
        policy = {"Version": "2012-10-17", "Statement": statements}
        iam.put_role_policy(RoleName=name, PolicyName="allow", PolicyDocument=json.dumps(policy))
    return arn


@dataclass
class Replication:
    """Everything a task needs, made for one test."""

    dms: Any
    s3: Any
    iam: Any
    secrets: Any
    database: PostgresEndpoint
    bucket: str
    name: str
    instance: str = ""
    source: str = ""
    target: str = ""
    writer: str = ""

    def execute(self, statements: str) -> None:
        connection = psycopg2.connect(self.database.url)
        with connection, connection.cursor() as cursor:
            cursor.execute(statements)
        connection.close()

    def task(self, mappings: str = MAPPINGS, settings: dict[str, Any] | None = None, **more: Any) -> str:
        arn: str = self.dms.create_replication_task(
            ReplicationTaskIdentifier=f"{self.name}-{secrets.token_hex(3)}",
            SourceEndpointArn=self.source,
            TargetEndpointArn=self.target,
            ReplicationInstanceArn=self.instance,
            **{
                "MigrationType": "full-load",
                "TableMappings": mappings,
                "ReplicationTaskSettings": json.dumps(settings or {}),
                **more,
            },
        )["ReplicationTask"]["ReplicationTaskArn"]
        return arn

    def described(self, task: str) -> dict[str, Any]:
        found: dict[str, Any] = self.dms.describe_replication_tasks(
            Filters=[{"Name": "replication-task-arn", "Values": [task]}]
        )["ReplicationTasks"][0]
        return found

    def wait(self, task: str, *states: str, timeout: float = 60) -> dict[str, Any]:
        deadline = time.monotonic() + timeout
        while True:
            found = self.described(task)
            if found["Status"] in states:
                return found
            assert time.monotonic() < deadline, f"the task is {found['Status']}, not {states}"
            time.sleep(0.05)

    def run(self, task: str, start: str = "start-replication") -> dict[str, Any]:
        self.dms.start_replication_task(ReplicationTaskArn=task, StartReplicationTaskType=start)
        return self.wait(task, "stopped", "failed")

    def keys(self) -> list[str]:
        return [e["Key"] for e in self.s3.list_objects_v2(Bucket=self.bucket).get("Contents", [])]


def build(client: Callable[[str], Any], server: PostgresServer) -> Replication:
    name = "d" + secrets.token_hex(4)
    iam, s3 = client("iam"), client("s3")
    database = server.create_database(name)
    it = Replication(client("dms"), s3, iam, client("secretsmanager"), database, f"lake-{name}", name)
    s3.create_bucket(Bucket=it.bucket, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    it.secrets.create_secret(
        Name=f"sources/{name}",
        SecretString=json.dumps(
            {"host": database.host, "port": database.port, "username": database.user, "password": database.password}
        ),
    )
    reader = make_role(
        iam,
        f"{name}-reader",
        ["dms.eu-central-1.amazonaws.com"],
        [{"Effect": "Allow", "Action": "secretsmanager:GetSecretValue", "Resource": "*"}],
    )
    it.writer = make_role(
        iam,
        f"{name}-writer",
        ["dms.amazonaws.com"],
        [
            {
                "Effect": "Allow",
                "Action": ["s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload"],
                "Resource": f"arn:aws:s3:::{it.bucket}/raw/*",
            },
            {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": f"arn:aws:s3:::{it.bucket}"},
        ],
    )
    it.instance = it.dms.create_replication_instance(
        ReplicationInstanceIdentifier=name,
        ReplicationInstanceClass="dms.t3.medium",
    )["ReplicationInstance"]["ReplicationInstanceArn"]
    it.source = it.dms.create_endpoint(
        EndpointIdentifier=f"{name}-source",
        EndpointType="source",
        EngineName="postgres",
        DatabaseName=database.database,
        PostgreSQLSettings={"SecretsManagerSecretId": f"sources/{name}", "SecretsManagerAccessRoleArn": reader},
    )["Endpoint"]["EndpointArn"]
    it.target = it.dms.create_endpoint(
        EndpointIdentifier=f"{name}-target",
        EndpointType="target",
        EngineName="s3",
        S3Settings={
            "BucketName": it.bucket,
            "BucketFolder": "raw",
            "DataFormat": "parquet",
            "ServiceAccessRoleArn": it.writer,
        },
    )["Endpoint"]["EndpointArn"]
    return it


@pytest.fixture
def replication(gateway: Any, source_server: PostgresServer) -> Replication:
    return build(gateway.client, source_server)
