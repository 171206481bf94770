"""What a service of ours is: operations as methods, nothing ignored, all of AWS's protocols."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, ClassVar

import pytest

from localcloud.base.cloud import Cloud, Credentials, Paths
from localcloud.base.errors import AwsError
from localcloud.base.ownership import Ownership
from localcloud.base.service import Service
from localcloud.services import registry


class Identity:
    def role_credentials(
        self, role_arn: str, service_principal: str, session_name: str, seconds: int = 3600
    ) -> Credentials:
        raise AwsError("AccessDenied", "nobody")

    def authorize(self, role_arn: str, action: str, resources: list[str]) -> None:
        raise AwsError("AccessDenied", "nobody")

    def authorize_service(self, service_principal: str, action: str, resource: str, context: object = None) -> None:
        raise AwsError("AccessDenied", "nobody")


class DataMigration(Service):
    name: ClassVar[str] = "dms"

    def describe_endpoints(self, Filters: list[Any] | None = None) -> dict[str, Any]:
        return {"Endpoints": [{"EndpointArn": "arn", "Port": 1, "Asked": Filters}]}

    def delete_endpoint(self, EndpointArn: str) -> dict[str, Any]:
        raise AwsError("ResourceNotFoundFault", f"{EndpointArn} does not exist")

    def test_connection(self, ReplicationInstanceArn: str, EndpointArn: str) -> dict[str, Any]:
        raise RuntimeError("a defect")


class Domains(Service):
    name: ClassVar[str] = "opensearch"

    def describe_domain(self, DomainName: str) -> dict[str, Any]:
        return {"DomainStatus": {"DomainId": "i", "DomainName": DomainName, "ARN": "a", "ClusterConfig": {}}}


class Neptune(Service):
    name: ClassVar[str] = "neptune"

    def describe_db_clusters(self, DBClusterIdentifier: str | None = None) -> dict[str, Any]:
        return {"DBClusters": [{"DBClusterIdentifier": DBClusterIdentifier, "Port": 8182}]}


@pytest.fixture
def cloud(tmp_path: Path) -> Cloud:
    return Cloud(
        account_id="111122223333",
        region="eu-central-1",
        endpoint_url="http://127.0.0.1:1",
        paths=Paths(tmp_path, tmp_path / "s3", tmp_path / "logs"),
        root=Credentials("AKIA", "secret"),
        identity=Identity(),
        state_changed=lambda scope: None,
    )


async def ask(service: Service, operation: str, **parameters: Any) -> tuple[int, dict[str, str], dict[str, Any]]:
    headers = {"x-amz-target": f"AmazonDMSv20160101.{operation}", "content-type": "application/x-amz-json-1.1"}
    body = json.dumps(parameters).encode()
    status, headers, answer = await service.handle_request("POST", "/", headers, body, {})
    return status, headers, json.loads(answer)


async def test_an_operation_is_a_method(cloud: Cloud) -> None:
    status, _, answer = await ask(DataMigration(cloud), "DescribeEndpoints")
    assert (status, answer["Endpoints"][0]["Port"]) == (200, 1)


async def test_an_error_has_the_code_of_the_model(cloud: Cloud) -> None:
    status, _, answer = await ask(DataMigration(cloud), "DeleteEndpoint", EndpointArn="x")
    assert (status, answer["__type"]) == (400, "ResourceNotFoundFault")
    assert "x does not exist" in (answer.get("message") or answer.get("Message"))


@pytest.mark.parametrize(
    ("operation", "parameters", "names"),
    [
        ("StartReplicationTask", {"ReplicationTaskArn": "a"}, ["dms", "StartReplicationTask"]),
        ("DescribeEndpoints", {"MaxRecords": 20}, ["DescribeEndpoints", "MaxRecords"]),
        ("DeleteEndpoint", {}, ["DeleteEndpoint", "EndpointArn"]),
    ],
)
async def test_what_is_not_supported_or_missing_is_named(
    cloud: Cloud, operation: str, parameters: dict[str, Any], names: list[str]
) -> None:
    status, _, answer = await ask(DataMigration(cloud), operation, **parameters)
    assert status in (400, 501)
    assert all(name in json.dumps(answer) for name in names)


async def test_a_defect_is_an_internal_failure_and_not_silence(cloud: Cloud) -> None:
    status, _, answer = await ask(DataMigration(cloud), "TestConnection", ReplicationInstanceArn="a", EndpointArn="b")
    assert status == 500
    assert "a defect" in json.dumps(answer)


async def test_an_unknown_operation_is_not_found(cloud: Cloud) -> None:
    status, _, answer = await ask(DataMigration(cloud), "InventThings")
    assert (status, answer["__type"]) == (404, "UnknownOperationException")


async def test_rest_services_are_routed_by_path(cloud: Cloud) -> None:
    path = "/2021-01-01/opensearch/domain/my-domain"
    status, _, body = await Domains(cloud).handle_request("GET", path, {}, b"", {})
    assert (status, json.loads(body)["DomainStatus"]["DomainName"]) == (200, "my-domain")
    status, _, body = await Domains(cloud).handle_request("GET", f"{path}/config", {}, b"", {})
    assert status == 501
    assert b"DescribeDomainConfig" in body


async def test_query_services_answer_xml(cloud: Cloud) -> None:
    body = b"Action=DescribeDBClusters&Version=2014-10-31&DBClusterIdentifier=graph"
    headers = {"content-type": "application/x-www-form-urlencoded"}
    status, _, answer = await Neptune(cloud).handle_request("POST", "/", headers, body, {})
    assert status == 200
    assert b"<DBClusterIdentifier>graph</DBClusterIdentifier>" in answer


def test_scopes_come_from_the_models() -> None:
    assert DataMigration.signing_scope() == "dms"
    assert Domains.signing_scope() == "es"
    assert Neptune.signing_scope() == "rds"


def test_a_method_that_would_swallow_parameters_is_refused(cloud: Cloud) -> None:
    class Sloppy(Service):
        name: ClassVar[str] = "dms"

        def describe_endpoints(self, **ignored: Any) -> dict[str, Any]:
            return {}

    with pytest.raises(TypeError, match=r"DescribeEndpoints takes \*\*kwargs"):
        Sloppy(cloud)


def test_a_service_has_one_owner() -> None:
    with pytest.raises(ValueError, match="two owners"):
        Ownership({}, [DataMigration, DataMigration])
    owners = Ownership({"glue": {"Start*": "no engine"}, "dms": {}}, [DataMigration])
    assert owners.refusal("dms", "DescribeEndpoints") is None
    assert "glue:StartJobRun" in str(owners.refusal("glue", "StartJobRun"))
    assert owners.refusal("glue", "GetTable") is None
    assert "'firehose'" in str(owners.refusal("firehose", None))


def test_a_client_of_a_role_needs_the_service_that_assumes_it(cloud: Cloud) -> None:
    with pytest.raises(ValueError, match="service principal"):
        cloud.client("s3", role_arn="arn:aws:iam::111122223333:role/r")
    with pytest.raises(AwsError, match="nobody"):
        cloud.client("s3", role_arn="arn:aws:iam::111122223333:role/r", service_principal="dms.amazonaws.com")


def test_a_server_that_is_not_there_is_named(cloud: Cloud) -> None:
    with pytest.raises(AwsError, match="warehouse"):
        cloud.server("warehouse")
    cloud.paths.servers.write_text(json.dumps({"warehouse": {"host": "127.0.0.1", "port": 5439}}))
    assert cloud.server("warehouse").port == 5439


@pytest.mark.parametrize("service", registry.OURS, ids=lambda service: service.name)
def test_a_change_of_any_service_is_saved(service: type[Service], cloud: Cloud) -> None:
    """A service of several classes once lost its changes to a base class that had a `changed` of its own."""
    saved: list[str] = []
    cloud.state_changed = saved.append
    service(cloud).changed()
    assert saved == [service.signing_scope()]
