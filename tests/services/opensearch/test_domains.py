"""Domains by the OpenSearch Service API and by CloudFormation."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError
from opensearchpy import OpenSearch

from .conftest import ACCOUNT, ARN, DOMAIN, REGION, SearchCloud

Domain = Callable[..., dict[str, Any]]


def test_a_domain_is_described_as_it_was_configured(search_cloud: SearchCloud, domain: Domain) -> None:
    created = domain(
        EngineVersion="OpenSearch_2.19",
        ClusterConfig={"InstanceType": "t3.small.search", "InstanceCount": 1},
        EBSOptions={"EBSEnabled": True, "VolumeType": "gp3", "VolumeSize": 10},
        TagList=[{"Key": "team", "Value": "data"}],
    )
    client = search_cloud.client("opensearch")
    status = client.describe_domain(DomainName=DOMAIN)["DomainStatus"]
    assert status == created
    assert status["ARN"] == ARN
    assert status["DomainId"] == f"{ACCOUNT}/{DOMAIN}"
    assert f"http://{status['Endpoint']}" == search_cloud.domain_url
    assert status["ClusterConfig"]["InstanceType"] == "t3.small.search"
    assert client.list_domain_names()["DomainNames"] == [{"DomainName": DOMAIN, "EngineType": "OpenSearch"}]
    assert client.list_versions()["Versions"] == ["OpenSearch_2.19"]
    config = client.describe_domain_config(DomainName=DOMAIN)["DomainConfig"]
    assert config["EBSOptions"]["Options"] == {"EBSEnabled": True, "VolumeType": "gp3", "VolumeSize": 10}
    assert client.list_tags(ARN=ARN)["TagList"] == [{"Key": "team", "Value": "data"}]
    client.add_tags(ARN=ARN, TagList=[{"Key": "team", "Value": "x"}, {"Key": "b", "Value": "y"}])
    client.remove_tags(ARN=ARN, TagKeys=["b"])
    assert client.list_tags(ARN=ARN)["TagList"] == [{"Key": "team", "Value": "x"}]


def test_an_update_changes_what_it_names_and_keeps_the_rest(search_cloud: SearchCloud, domain: Domain) -> None:
    domain(ClusterConfig={"InstanceType": "t3.small.search", "InstanceCount": 1})
    client = search_cloud.client("opensearch")
    client.update_domain_config(DomainName=DOMAIN, ClusterConfig={"InstanceCount": 2})
    cluster = client.describe_domain(DomainName=DOMAIN)["DomainStatus"]["ClusterConfig"]
    assert (cluster["InstanceType"], cluster["InstanceCount"]) == ("t3.small.search", 2)


def test_a_second_domain_is_refused(search_cloud: SearchCloud, domain: Domain) -> None:
    domain()
    with pytest.raises(ClientError) as refused:
        search_cloud.client("opensearch").create_domain(DomainName="another")
    assert refused.value.response["Error"]["Code"] == "LimitExceededException"
    assert "profiles" in refused.value.response["Error"]["Message"]


def test_a_deleted_domain_leaves_nothing_to_the_next_one(search_cloud: SearchCloud, domain: Domain) -> None:
    domain()
    node = OpenSearch(search_cloud.node_url)
    node.index(index="people", body={"a": 1}, refresh=True)
    node.indices.put_index_template(name="t", body={"index_patterns": ["p*"], "data_stream": {}})
    node.indices.create_data_stream(name="pstream")
    node.indices.create(index=".hidden", body={"settings": {"index.hidden": True}})
    node.ingest.put_pipeline(id="p", body={"processors": []})
    node.put_script(id="s", body={"script": {"lang": "painless", "source": "1"}})
    node.cluster.put_settings(body={"persistent": {"action.auto_create_index": "false"}})
    search_cloud.client("opensearch").delete_domain(DomainName=DOMAIN)
    with pytest.raises(ClientError) as gone:
        search_cloud.client("opensearch").describe_domain(DomainName=DOMAIN)
    assert gone.value.response["Error"]["Code"] == "ResourceNotFoundException"
    domain()
    assert node.cluster.state(metric="metadata", params={"expand_wildcards": "all"})["metadata"]["indices"] == {}
    assert node.ingest.get_pipeline(ignore=404) == {}
    assert node.indices.get_index_template()["index_templates"] == []
    assert node.cluster.get_settings() == {"persistent": {}, "transient": {}}
    assert node.get_script(id="s", ignore=404)["found"] is False


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"EngineVersion": "OpenSearch_1.3"}, "OpenSearch_2.19"),
        ({"AdvancedSecurityOptions": {"Enabled": True}}, "fine-grained access control"),
        ({"CognitoOptions": {"Enabled": True}}, "Cognito"),
        ({"AutoTuneOptions": {"DesiredState": "ENABLED"}}, "AutoTuneOptions"),
        ({"AccessPolicies": "{"}, "AccessPolicies"),
        ({"VPCOptions": {"SubnetIds": ["subnet-0000"]}}, "VPCOptions"),
        ({"EncryptionAtRestOptions": {"Enabled": True, "KmsKeyId": "no-such-key"}}, "KmsKeyId"),
        ({"AdvancedOptions": {"indices.query.bool.max_clause_count": "9"}}, "max_clause_count"),
    ],
)
def test_what_is_not_supported_is_refused_by_name(domain: Domain, options: dict[str, Any], named: str) -> None:
    with pytest.raises(ClientError) as refused:
        domain(**options)
    assert named in refused.value.response["Error"]["Message"]


def test_a_stack_makes_updates_and_deletes_a_domain_in_a_vpc(search_cloud: SearchCloud) -> None:
    cloudformation = search_cloud.client("cloudformation")

    def template(count: int) -> str:
        properties = {
            "DomainName": DOMAIN,
            "EngineVersion": "OpenSearch_2.19",
            "ClusterConfig": {"InstanceType": "t3.small.search", "InstanceCount": count},
            "EBSOptions": {"EBSEnabled": True, "VolumeSize": 10, "VolumeType": "gp3"},
            "NodeToNodeEncryptionOptions": {"Enabled": True},
            "VPCOptions": {"SubnetIds": [{"Ref": "Subnet"}]},
            "AccessPolicies": {
                "Version": "2012-10-17",
                "Statement": [{
                    "Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, "Action": "es:*",
                    "Resource": f"{ARN}/*",
                }],
            },
            "Tags": [{"Key": "team", "Value": "data"}],
        }  # fmt: skip
        return json.dumps(
            {
                "Resources": {
                    "Vpc": {"Type": "AWS::EC2::VPC", "Properties": {"CidrBlock": "10.0.0.0/16"}},
                    "Subnet": {
                        "Type": "AWS::EC2::Subnet",
                        "Properties": {
                            "VpcId": {"Ref": "Vpc"}, "CidrBlock": "10.0.0.0/24", "AvailabilityZone": f"{REGION}a",
                        },
                    },
                    "Domain": {"Type": "AWS::OpenSearchService::Domain", "Properties": properties},
                },
                "Outputs": {
                    "Endpoint": {"Value": {"Fn::GetAtt": ["Domain", "DomainEndpoint"]}},
                    "Arn": {"Value": {"Fn::GetAtt": ["Domain", "Arn"]}},
                    "Name": {"Value": {"Ref": "Domain"}},
                },
            }
        )  # fmt: skip

    cloudformation.create_stack(StackName="search", TemplateBody=template(1))
    stack = _settled(cloudformation, "search")
    assert stack["StackStatus"] == "CREATE_COMPLETE", _events(cloudformation, "search")
    outputs = {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}
    assert outputs == {"Endpoint": search_cloud.domain_url.removeprefix("http://"), "Arn": ARN, "Name": DOMAIN}
    client = search_cloud.client("opensearch")
    assert {"Key": "team", "Value": "data"} in client.list_tags(ARN=ARN)["TagList"]
    status = client.describe_domain(DomainName=DOMAIN)["DomainStatus"]
    assert status["Endpoints"] == {"vpc": outputs["Endpoint"]}
    assert status["VPCOptions"]["AvailabilityZones"] == [f"{REGION}a"]

    cloudformation.update_stack(StackName="search", TemplateBody=template(2))
    assert _settled(cloudformation, "search")["StackStatus"] == "UPDATE_COMPLETE", _events(cloudformation, "search")
    assert client.describe_domain(DomainName=DOMAIN)["DomainStatus"]["ClusterConfig"]["InstanceCount"] == 2

    cloudformation.delete_stack(StackName="search")
    deadline = time.monotonic() + 60
    while client.list_domain_names()["DomainNames"] and time.monotonic() < deadline:
        time.sleep(0.1)
    assert client.list_domain_names()["DomainNames"] == []


def _settled(cloudformation: Any, name: str) -> dict[str, Any]:
    deadline = time.monotonic() + 60
    while True:
        stack: dict[str, Any] = cloudformation.describe_stacks(StackName=name)["Stacks"][0]
        if not stack["StackStatus"].endswith("IN_PROGRESS") or time.monotonic() > deadline:
            return stack
        time.sleep(0.1)


def _events(cloudformation: Any, name: str) -> list[str]:
    events = cloudformation.describe_stack_events(StackName=name)["StackEvents"]
    return [event["ResourceStatusReason"] for event in events if event.get("ResourceStatusReason")]
