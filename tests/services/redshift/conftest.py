"""A warehouse process beside the gateway, with a namespace, a workgroup, a bucket and the warehouse's role."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg2
import pytest

ROOT = Path(__file__).resolve().parents[3]
ROLE = "warehouse-role"
PASSWORD = "Warehouse1pass"


@dataclass
class RunningWarehouse:
    """The warehouse of a gateway."""

    gateway: Any
    port: int
    role_arn: str
    bucket: str
    password: str = PASSWORD

    def connect(self, **options: Any) -> Any:
        settings: dict[str, Any] = {"user": "admin", "password": self.password, "dbname": "lake", **options}
        connection = psycopg2.connect(host="127.0.0.1", port=self.port, **settings)
        connection.autocommit = True
        return connection

    def rows(self, sql: str, values: Any = None) -> list[tuple[Any, ...]]:
        with self.connect() as connection, connection.cursor() as cursor:
            cursor.execute(sql, values)
            return list(cursor.fetchall()) if cursor.description else []

    def keys(self, prefix: str) -> list[str]:
        listed = self.gateway.client("s3").list_objects_v2(Bucket=self.bucket, Prefix=prefix)
        return [item["Key"] for item in listed.get("Contents", [])]

    def body(self, key: str) -> bytes:
        data: bytes = self.gateway.client("s3").get_object(Bucket=self.bucket, Key=key)["Body"].read()
        return data


def policy(bucket: str, *, without: str = "") -> str:
    actions = ["s3:GetObject", "s3:ListBucket", "s3:PutObject", "s3:DeleteObject", "s3:GetBucketLocation",
               "s3:AbortMultipartUpload", "glue:GetTable", "glue:GetTables", "glue:GetDatabase", "glue:GetPartitions",
               "glue:CreateDatabase", "glue:CreateTable", "glue:CreatePartition", "glue:GetPartition",
               "glue:DeleteTable", "glue:BatchCreatePartition"]  # fmt: skip
    return json.dumps(
        {
            "Version": "2012-10-17",
            "Statement": [{"Effect": "Allow", "Action": [a for a in actions if a != without], "Resource": "*"}],
        }
    )


@pytest.fixture(scope="session")
def make_role(gateway: Any) -> Callable[[str, str], str]:
    def make(name: str, document: str) -> str:
        statement = {"Effect": "Allow", "Principal": {"Service": "redshift.amazonaws.com"}, "Action": "sts:AssumeRole"}
        trust = {"Version": "2012-10-17", "Statement": [statement]}
        iam = gateway.client("iam")
        arn: str = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
        iam.put_role_policy(RoleName=name, PolicyName="access", PolicyDocument=document)
        return arn

    return make


@pytest.fixture(scope="session")
def warehouse(gateway: Any, make_role: Callable[[str, str], str]) -> Iterator[RunningWarehouse]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    servers = gateway.state / "servers.json"
    known = json.loads(servers.read_text()) if servers.exists() else {}
    known["warehouse"] = {"host": "127.0.0.1", "port": port}
    servers.write_text(json.dumps(known))
    command = [sys.executable, "-m", "localcloud.servers.warehouse_main", "--state", str(gateway.state)]
    command += ["--port", str(port), "--gateway", gateway.endpoint, "--token-file", str(gateway.state / "token")]
    command += ["--account", gateway.account_id, "--region", gateway.region]
    log = gateway.state / "warehouse.log"
    with log.open("ab") as output:
        process = subprocess.Popen(command, cwd=ROOT, stdout=output, stderr=output)
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                assert process.poll() is None and time.monotonic() < deadline, log.read_text()
                time.sleep(0.1)
        bucket = "warehouse-lake"
        gateway.client("s3").create_bucket(
            Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": gateway.region}
        )
        serverless = gateway.client("redshift-serverless")
        serverless.create_namespace(
            namespaceName="main", dbName="lake", adminUsername="admin", adminUserPassword=PASSWORD
        )
        serverless.create_workgroup(workgroupName="main", namespaceName="main")
        yield RunningWarehouse(gateway, port, make_role(ROLE, policy(bucket)), bucket)
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
