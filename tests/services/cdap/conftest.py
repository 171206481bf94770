"""A lake, a catalog and a warehouse to run loads through: real services, deployed by hand for these tests."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redshift_connector

from cdap.migrations import apply
from cdap.parameters import Parameters
from cdap.warehouse import Warehouse
from tests.services.conftest import ROOT, RunningGateway, free_port

TRUST = {"redshift": "redshift.amazonaws.com", "crawler": "glue.amazonaws.com"}
# The role's permissions are the stack's business; these tests are about what the library does.
EVERYTHING = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}


@pytest.fixture(scope="session")
def warehouse_port() -> int:
    """Where each module's warehouse listens: the names of the stack outlive the process."""
    return free_port()


@pytest.fixture(scope="module")
def warehouse_process(
    gateway: RunningGateway, warehouse_port: int, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[None]:
    """A warehouse process on the session's gateway, ended with the module: others open the same databases."""
    port, log = warehouse_port, tmp_path_factory.mktemp("warehouse") / "warehouse.log"
    command = [sys.executable, "-m", "localcloud.servers.warehouse_main", "--state", str(gateway.state)]
    command += ["--port", str(port), "--gateway", gateway.endpoint, "--token-file", str(gateway.state / "token")]
    command += ["--account", gateway.account_id, "--region", gateway.region]
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=ROOT, stdout=output, stderr=output)
    try:
        await_connection(port, gateway.token, process, log)
        yield
    finally:
        process.terminate()
        process.wait(30)


def await_connection(port: int, password: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            connection = redshift_connector.connect(
                host="127.0.0.1", port=port, database="dev", user="rdsdb", password=password, ssl=False
            )
        except (redshift_connector.Error, OSError):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the warehouse did not start:\n{log.read_text()[-4000:]}") from None
            time.sleep(0.1)
        else:
            connection.close()
            return


@pytest.fixture(scope="session")
def names(gateway: RunningGateway, warehouse_port: int) -> Parameters:
    """The names of a small stack: bucket, databases, crawler, roles, warehouse and its secret."""
    mark = uuid.uuid4().hex[:8]
    bucket = f"lake-{mark}"
    gateway.client("s3").create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": gateway.region})
    iam, glue, roles = gateway.client("iam"), gateway.client("glue"), {}
    for name, principal in TRUST.items():
        trust = {
            "Version": "2012-10-17",
            "Statement": [{"Effect": "Allow", "Principal": {"Service": principal}, "Action": "sts:AssumeRole"}],
        }
        role = iam.create_role(RoleName=f"{name}-{mark}", AssumeRolePolicyDocument=json.dumps(trust))["Role"]
        iam.put_role_policy(RoleName=f"{name}-{mark}", PolicyName="all", PolicyDocument=json.dumps(EVERYTHING))
        roles[name] = role["Arn"]
    for name in ("raw", "clean", "discovered"):
        glue.create_database(DatabaseInput={"Name": f"{name}_{mark}"})
    glue.create_crawler(
        Name=f"crawler-{mark}",
        Role=roles["crawler"],
        DatabaseName=f"discovered_{mark}",
        Targets={"S3Targets": [{"Path": f"s3://{bucket}/raw/"}]},
    )
    secret = gateway.client("secretsmanager").create_secret(
        Name=f"warehouse-{mark}", SecretString=json.dumps({"username": "rdsdb", "password": gateway.token})
    )
    return Parameters(
        {
            "/cdap/lake/bucket": bucket,
            "/cdap/glue/crawler": f"crawler-{mark}",
            **{f"/cdap/glue/database/{name}": f"{name}_{mark}" for name in ("raw", "clean", "discovered")},
            "/cdap/warehouse/host": "127.0.0.1",
            "/cdap/warehouse/port": str(warehouse_port),
            "/cdap/warehouse/database": "dev",
            "/cdap/warehouse/workgroup": "none",
            "/cdap/warehouse/secret_arn": secret["ARN"],
            "/cdap/warehouse/sslmode": "disable",
            "/cdap/warehouse/role_arn": roles["redshift"],
        }
    )


@pytest.fixture(scope="module")
def warehouse(gateway: RunningGateway, names: Parameters, warehouse_process: None) -> Iterator[Warehouse]:
    """A session on a migrated warehouse."""
    with Warehouse.connect(names, secrets=gateway.client("secretsmanager")) as session:
        apply(session, names)
        yield session


@pytest.fixture(scope="session")
def s3(gateway: RunningGateway) -> Any:
    return gateway.client("s3")


@pytest.fixture(scope="session")
def glue(gateway: RunningGateway) -> Any:
    return gateway.client("glue")
