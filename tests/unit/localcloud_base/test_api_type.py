"""A CloudFormation type as calls of an API, on the shapes of real services."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from localcloud.base.api_type import ApiType, PropertyError, to_api


def shape(service: str, operation: str) -> Any:
    client = boto3.session.Session().client(service, region_name="us-east-1")
    return client.meta.service_model.operation_model(operation).input_shape


def test_names_and_types_become_the_apis() -> None:
    properties = {
        "EndpointIdentifier": "e",
        "EndpointType": "target",
        "EngineName": "s3",
        "Port": "5432",
        "S3Settings": {"BucketName": "b", "PreserveTransactions": "false", "RowGroupLength": "10"},
        "Tags": [{"Key": "k", "Value": "v"}],
    }
    sent = to_api(shape("dms", "CreateEndpoint"), properties, "", {})
    assert sent["Port"] == 5432
    assert sent["S3Settings"] == {"BucketName": "b", "PreserveTransactions": False, "RowGroupLength": 10}
    assert sent["Tags"] == [{"Key": "k", "Value": "v"}]


def test_camel_case_and_json_documents() -> None:
    sent = to_api(shape("redshift-serverless", "CreateNamespace"), {"NamespaceName": "n", "DbName": "d"}, "", {})
    assert sent == {"namespaceName": "n", "dbName": "d"}
    task = to_api(shape("dms", "CreateReplicationTask"), {"TableMappings": {"rules": []}}, "", {})
    assert task == {"TableMappings": '{"rules": []}'}


def test_a_property_with_no_place_is_named_by_its_path() -> None:
    properties = {"EndpointIdentifier": "e", "S3Settings": {"BucketName": "b", "Colour": "blue"}}
    with pytest.raises(PropertyError, match=r"S3Settings\.Colour"):
        to_api(shape("dms", "CreateEndpoint"), properties, "", {})


def test_renamed_and_dropped_by_decision() -> None:
    properties = {"Bucket": {"Inner": 1}, "Gone": 2}
    rename: Mapping[str, str | None] = {"Bucket": "Tagging", "Bucket.Inner": "TagSet", "Gone": None}
    with pytest.raises(PropertyError, match=r"Bucket\.Inner must be a list"):
        to_api(shape("s3", "PutBucketTagging"), properties, "", rename)


@pytest.mark.parametrize(("value", "message"), [({"Port": "many"}, "Port must be a number"), ([], "must be an object")])
def test_malformed_values(value: Any, message: str) -> None:
    with pytest.raises(PropertyError, match=message):
        to_api(shape("dms", "CreateEndpoint"), value, "", {})


class Api:
    """Stands in for a client of Systems Manager parameters; the shapes are the real ones."""

    def __init__(self) -> None:
        self.meta = boto3.session.Session().client("ssm", region_name="us-east-1").meta
        self.stored: dict[str, dict[str, Any]] = {}
        self.reads_until_ready = 0

    def put_parameter(self, **given: Any) -> dict[str, Any]:
        self.stored[given["Name"]] = {**self.stored.get(given["Name"], {}), **given}
        return {"Version": 1}

    def get_parameter(self, Name: str) -> dict[str, Any]:
        if Name not in self.stored:
            raise ClientError({"Error": {"Code": "ParameterNotFound"}}, "GetParameter")
        self.reads_until_ready -= 1
        return {"Parameter": self.stored[Name]}

    def delete_parameter(self, Name: str) -> None:
        if self.stored.pop(Name, None) is None:
            raise ClientError({"Error": {"Code": "ParameterNotFound"}}, "DeleteParameter")


def parameter_type(api: Api, **more: Any) -> ApiType:
    return ApiType(
        service="ssm",
        create="put_parameter",
        update="put_parameter",
        delete="delete_parameter",
        describe="get_parameter",
        ref=lambda sent, answer: sent["Name"],
        identity=lambda name: {"Name": name},
        attributes={"Value": lambda described: described["Parameter"]["Value"]},
        replaced=frozenset({"Name"}),
        **more,
    )


def test_create_update_delete() -> None:
    api = Api()
    kind = parameter_type(api)
    old, new = {"Name": "n", "Value": "1", "Type": "String"}, {"Name": "n", "Value": "2", "Type": "String"}
    assert kind.create_resource(api, "L", old, "stack") == ("n", {"Value": "1"})
    assert not kind.needs_replacement(old, new)
    assert kind.update_resource(api, "n", old, new) == {"Value": "2"}
    assert api.stored["n"]["Type"] == "String"
    assert kind.needs_replacement(old, {**old, "Name": "m"})
    kind.delete_resource(api, "n")
    kind.delete_resource(api, "n")
    assert api.stored == {}


def test_what_cannot_be_done_in_place_is_an_error() -> None:
    api = Api()
    kind = parameter_type(api, update_omits=frozenset({"Type"}))
    old = {"Name": "n", "Value": "1", "Type": "String"}
    kind.create_resource(api, "L", old, "stack")
    with pytest.raises(PropertyError, match="Type cannot be changed in place"):
        kind.update_resource(api, "n", old, {**old, "Type": "SecureString"})
    with pytest.raises(PropertyError, match="Value cannot be removed in place"):
        kind.update_resource(api, "n", old, {"Name": "n", "Type": "String"})
    assert api.stored["n"] == old


def test_creation_waits_until_the_resource_is_ready() -> None:
    api = Api()
    api.reads_until_ready = 3
    kind = parameter_type(api, ready=lambda described: api.reads_until_ready <= 0)
    kind.create_resource(api, "L", {"Name": "n", "Value": "1"}, "stack")
    assert api.reads_until_ready <= 0


def test_a_resource_that_never_gets_ready_is_taken_away() -> None:
    api = Api()
    kind = parameter_type(api, ready=lambda described: False, timeout=0.2)
    with pytest.raises(TimeoutError):
        kind.create_resource(api, "L", {"Name": "n", "Value": "1"}, "stack")
    assert api.stored == {}
