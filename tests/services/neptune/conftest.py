"""A local cloud with a Gremlin Server, and one cluster with an instance."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import boto3
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from gremlin_python.driver.driver_remote_connection import DriverRemoteConnection
from gremlin_python.process.anonymous_traversal import traversal

from localcloud.base.cloud import Credentials, make_client
from localcloud.servers.machine import Machine

REGION, ACCOUNT = "eu-central-1", "111122223333"


@dataclass
class GraphCloud:
    """A running machine, as root."""

    machine: Machine

    @property
    def root(self) -> Credentials:
        return Credentials(**json.loads((self.machine.state / "root.json").read_text()))

    def client(self, service: str) -> Any:
        return make_client(service, self.machine.addresses()["gateway"].url, REGION, self.root)

    @property
    def endpoint(self) -> str:
        address = self.machine.addresses()["neptune-cluster"]
        return f"{address.host}:{address.port}"

    def user(self, name: str, actions: list[str]) -> Credentials:
        """Keys of a user that may do `actions` on every graph."""
        iam = self.client("iam")
        iam.create_user(UserName=name)
        if actions:
            statement = {"Effect": "Allow", "Action": actions, "Resource": f"arn:aws:neptune-db:{REGION}:{ACCOUNT}:*/*"}
            policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
            iam.put_user_policy(UserName=name, PolicyName="graph", PolicyDocument=policy)
        key = iam.create_access_key(UserName=name)["AccessKey"]
        return Credentials(key["AccessKeyId"], key["SecretAccessKey"])

    def signed(self, credentials: Credentials, method: str, path: str, body: str = "") -> dict[str, str]:
        """The headers of a request signed for the graph."""
        request = AWSRequest(method=method, url=f"http://{self.endpoint}{path}", data=body)
        session = boto3.Session(credentials.access_key_id, credentials.secret_access_key, credentials.token)
        SigV4Auth(session.get_credentials(), "neptune-db", REGION).add_auth(request)
        return dict(request.headers.items())

    @contextmanager
    def traversal(self, credentials: Credentials) -> Iterator[Any]:
        """gremlinpython's traversal source, signed as Neptune's user guide shows."""
        connection = DriverRemoteConnection(
            f"ws://{self.endpoint}/gremlin", "g", headers=self.signed(credentials, "GET", "/gremlin")
        )
        try:
            yield traversal().with_remote(connection)
        finally:
            connection.close()


@pytest.fixture(scope="session")
def graph_cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GraphCloud]:
    machine = Machine(tmp_path_factory.mktemp("graph") / "state")
    machine.up(account_id=ACCOUNT, region=REGION, without=frozenset({"postgres", "opensearch", "warehouse"}))
    cloud = GraphCloud(machine)
    neptune = cloud.client("neptune")
    neptune.create_db_cluster(DBClusterIdentifier="people", Engine="neptune", EnableIAMDatabaseAuthentication=True)
    neptune.create_db_instance(
        DBInstanceIdentifier="people-1", DBInstanceClass="db.t3.medium", Engine="neptune", DBClusterIdentifier="people"
    )
    yield cloud
    machine.down()
