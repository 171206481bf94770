"""DMS's and Glue's resources from a template: created, updated in place, deleted."""

from __future__ import annotations

import json
import secrets
import time
from typing import Any

import pytest

TASK = json.dumps(
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


def template(name: str, bucket_folder: str, instance_class: str) -> dict[str, Any]:
    def role(principal: str, role_name: str) -> dict[str, Any]:
        statement = {"Effect": "Allow", "Principal": {"Service": principal}, "Action": "sts:AssumeRole"}
        trust = {"Version": "2012-10-17", "Statement": [statement]}
        return {
            "Type": "AWS::IAM::Role",
            "Properties": {"RoleName": role_name, "AssumeRolePolicyDocument": trust},
        }

    subnets = {
        f"Subnet{zone.upper()}": {
            "Type": "AWS::EC2::Subnet",
            "Properties": {
                "VpcId": {"Ref": "Vpc"},
                "CidrBlock": f"10.0.{number}.0/24",
                "AvailabilityZone": f"eu-central-1{zone}",
            },
        }
        for number, zone in enumerate("ab")
    }
    return {
        "Vpc": {"Type": "AWS::EC2::VPC", "Properties": {"CidrBlock": "10.0.0.0/16"}},
        **subnets,
        "VpcRole": role("dms.amazonaws.com", "dms-vpc-role"),
        "Writer": role("dms.amazonaws.com", f"{name}-writer"),
        "Crawling": role("glue.amazonaws.com", f"{name}-crawling"),
        "Group": {
            "Type": "AWS::DMS::ReplicationSubnetGroup",
            "DependsOn": "VpcRole",
            "Properties": {
                "ReplicationSubnetGroupIdentifier": name,
                "ReplicationSubnetGroupDescription": "private subnets",
                "SubnetIds": [{"Ref": key} for key in subnets],
            },
        },
        "Instance": {
            "Type": "AWS::DMS::ReplicationInstance",
            "Properties": {
                "ReplicationInstanceIdentifier": name,
                "ReplicationInstanceClass": instance_class,
                "ReplicationSubnetGroupIdentifier": {"Ref": "Group"},
                "AllocatedStorage": 50,
                "PubliclyAccessible": False,
                "Tags": [{"Key": "team", "Value": "data"}],
            },
        },
        "Source": {
            "Type": "AWS::DMS::Endpoint",
            "Properties": {
                "EndpointIdentifier": f"{name}-source",
                "EndpointType": "source",
                "EngineName": "postgres",
                "DatabaseName": "shop",
                "PostgreSqlSettings": {
                    "SecretsManagerSecretId": "shop",
                    "SecretsManagerAccessRoleArn": {"Fn::GetAtt": ["Writer", "Arn"]},
                },
            },
        },
        "Target": {
            "Type": "AWS::DMS::Endpoint",
            "Properties": {
                "EndpointIdentifier": f"{name}-target",
                "EndpointType": "target",
                "EngineName": "s3",
                "S3Settings": {
                    "BucketName": "lake",
                    "BucketFolder": bucket_folder,
                    "DataFormat": "parquet",
                    "ServiceAccessRoleArn": {"Fn::GetAtt": ["Writer", "Arn"]},
                },
            },
        },
        "Task": {
            "Type": "AWS::DMS::ReplicationTask",
            "Properties": {
                "ReplicationTaskIdentifier": name,
                "MigrationType": "full-load",
                "ReplicationInstanceArn": {"Ref": "Instance"},
                "SourceEndpointArn": {"Ref": "Source"},
                "TargetEndpointArn": {"Ref": "Target"},
                "TableMappings": TASK,
            },
        },
        "Database": {
            "Type": "AWS::Glue::Database",
            "Properties": {"CatalogId": {"Ref": "AWS::AccountId"}, "DatabaseInput": {"Name": name}},
        },
        "Table": {
            "Type": "AWS::Glue::Table",
            "Properties": {
                "CatalogId": {"Ref": "AWS::AccountId"},
                "DatabaseName": {"Ref": "Database"},
                "TableInput": {"Name": "t", "Description": instance_class, "PartitionKeys": [{"Name": "dt"}]},
            },
        },
        "Crawler": {
            "Type": "AWS::Glue::Crawler",
            "Properties": {
                "Name": name,
                "Role": {"Fn::GetAtt": ["Crawling", "Arn"]},
                "DatabaseName": {"Ref": "Database"},
                "Targets": {"S3Targets": [{"Path": f"s3://lake/{bucket_folder}/"}]},
                "SchemaChangePolicy": {"UpdateBehavior": "UPDATE_IN_DATABASE", "DeleteBehavior": "LOG"},
            },
        },
    }


def wait(cloudformation: Any, name: str) -> str:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        stacks = cloudformation.describe_stacks()["Stacks"]
        status = next((s["StackStatus"] for s in stacks if s["StackName"] == name), "DELETE_COMPLETE")
        if status.endswith(("COMPLETE", "FAILED")) and "CLEANUP" not in status:
            return str(status)
        time.sleep(0.1)
    raise TimeoutError(name)


def test_a_stack_of_dms_and_glue_is_created_updated_in_place_and_deleted(gateway: Any) -> None:
    name = "s" + secrets.token_hex(4)
    cloudformation, dms, glue = (gateway.client(s) for s in ("cloudformation", "dms", "glue"))

    def body(folder: str, instance_class: str) -> str:
        return json.dumps({"Resources": template(name, folder, instance_class)})

    cloudformation.create_stack(
        StackName=name, TemplateBody=body("one", "dms.t3.medium"), Capabilities=["CAPABILITY_NAMED_IAM"]
    )
    events = cloudformation.describe_stack_events
    assert wait(cloudformation, name) == "CREATE_COMPLETE", events(StackName=name)["StackEvents"]
    resources = cloudformation.describe_stack_resources(StackName=name)["StackResources"]
    ids = {r["LogicalResourceId"]: r["PhysicalResourceId"] for r in resources}

    def one(kind: str, key: str, member: str) -> dict[str, Any]:
        found = getattr(dms, f"describe_{kind}")(Filters=[{"Name": key, "Values": [ids[member]]}])
        listed = next(v for v in found.values() if isinstance(v, list))
        return dict(listed[0])

    assert one("replication_tasks", "replication-task-arn", "Task")["Status"] == "ready"
    instance = one("replication_instances", "replication-instance-arn", "Instance")
    assert instance["ReplicationSubnetGroup"]["ReplicationSubnetGroupIdentifier"] == name
    assert glue.get_table(DatabaseName=name, Name="t")["Table"]["Description"] == "dms.t3.medium"

    cloudformation.update_stack(
        StackName=name, TemplateBody=body("two", "dms.t3.large"), Capabilities=["CAPABILITY_NAMED_IAM"]
    )
    assert wait(cloudformation, name) == "UPDATE_COMPLETE", events(StackName=name)["StackEvents"]
    assert one("endpoints", "endpoint-arn", "Target")["S3Settings"]["BucketFolder"] == "two"
    instance = one("replication_instances", "replication-instance-arn", "Instance")
    assert instance["ReplicationInstanceClass"] == "dms.t3.large"
    assert glue.get_table(DatabaseName=name, Name="t")["Table"]["Description"] == "dms.t3.large"
    assert glue.get_crawler(Name=name)["Crawler"]["Targets"]["S3Targets"][0]["Path"] == "s3://lake/two/"

    cloudformation.delete_stack(StackName=name)
    assert wait(cloudformation, name) == "DELETE_COMPLETE", events(StackName=name)["StackEvents"]
    with pytest.raises(dms.exceptions.ResourceNotFoundFault):
        one("replication_instances", "replication-instance-arn", "Instance")
    with pytest.raises(glue.exceptions.EntityNotFoundException):
        glue.get_database(Name=name)


def test_a_property_that_dms_cannot_honour_fails_the_stack_and_is_named(gateway: Any) -> None:
    name = "s" + secrets.token_hex(4)
    cloudformation = gateway.client("cloudformation")
    resources = template(name, "one", "dms.t3.medium")
    resources["Target"]["Properties"]["S3Settings"]["DatePartitionEnabled"] = True
    keep = {k: resources[k] for k in ("Writer", "Target")}
    cloudformation.create_stack(
        StackName=name, TemplateBody=json.dumps({"Resources": keep}), Capabilities=["CAPABILITY_NAMED_IAM"]
    )
    assert wait(cloudformation, name) == "ROLLBACK_COMPLETE"
    events = cloudformation.describe_stack_events(StackName=name)["StackEvents"]
    reasons = [
        e["ResourceStatusReason"]
        for e in events
        if e["LogicalResourceId"] == "Target" and "FAILED" in e["ResourceStatus"]
    ]
    assert reasons and "DatePartitionEnabled" in reasons[0]
