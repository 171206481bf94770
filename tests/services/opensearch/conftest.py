"""A local cloud with an OpenSearch node, and one domain in it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import boto3
import pytest
from opensearchpy import AWSV4SignerAuth, OpenSearch, RequestsHttpConnection, Urllib3AWSV4SignerAuth

from localcloud.base.cloud import Credentials, make_client
from localcloud.servers.machine import Machine

REGION, ACCOUNT, DOMAIN = "eu-central-1", "111122223333", "profiles"
ARN = f"arn:aws:es:{REGION}:{ACCOUNT}:domain/{DOMAIN}"


@dataclass
class SearchCloud:
    """A running machine, as root."""

    machine: Machine

    def client(self, service: str, credentials: Credentials | None = None) -> Any:
        root = Credentials(**json.loads((self.machine.state / "root.json").read_text()))
        return make_client(service, self.machine.addresses()["gateway"].url, REGION, credentials or root)

    def role(self, name: str, actions: list[str], resource: str = f"{ARN}/*") -> Credentials:
        """Keys of a role that may do `actions` on `resource`; nothing when there are none."""
        iam = self.client("iam")
        trust = {
            "Version": "2012-10-17",
            "Statement": [{"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}}],
        }
        trust["Statement"][0]["Action"] = "sts:AssumeRole"  # type: ignore[index]
        arn = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
        if actions:
            statement = {"Effect": "Allow", "Action": actions, "Resource": resource}
            policy = {"Version": "2012-10-17", "Statement": [statement]}
            iam.put_role_policy(RoleName=name, PolicyName="allow", PolicyDocument=json.dumps(policy))
        keys = self.client("sts").assume_role(RoleArn=arn, RoleSessionName="test")["Credentials"]
        return Credentials(keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"])

    @property
    def domain_url(self) -> str:
        return self.machine.addresses()["opensearch-domain"].url

    @property
    def node_url(self) -> str:
        return self.machine.addresses()["opensearch"].url

    def search(self, credentials: Credentials, *, requests: bool = False) -> OpenSearch:
        """opensearch-py with its own signer, on urllib3 (its default) or on `requests`."""
        session = boto3.Session(credentials.access_key_id, credentials.secret_access_key, credentials.token)
        keys = session.get_credentials()
        if requests:
            auth = AWSV4SignerAuth(keys, REGION, "es")
            return OpenSearch(self.domain_url, http_auth=auth, connection_class=RequestsHttpConnection, timeout=60)
        return OpenSearch(self.domain_url, http_auth=Urllib3AWSV4SignerAuth(keys, REGION, "es"), timeout=60)


@pytest.fixture(scope="session")
def search_cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SearchCloud]:
    machine = Machine(tmp_path_factory.mktemp("search") / "state")
    try:
        machine.up(account_id=ACCOUNT, region=REGION, without=frozenset({"warehouse", "postgres"}))
        yield SearchCloud(machine)
    finally:
        machine.down()


@pytest.fixture
def domain(search_cloud: SearchCloud) -> Iterator[Callable[..., dict[str, Any]]]:
    """Make the domain, with the given options; it is deleted after the test."""
    client = search_cloud.client("opensearch")

    def create(**options: Any) -> dict[str, Any]:
        status: dict[str, Any] = client.create_domain(DomainName=DOMAIN, **options)["DomainStatus"]
        return status

    yield create
    for name in client.list_domain_names()["DomainNames"]:
        client.delete_domain(DomainName=name["DomainName"])
