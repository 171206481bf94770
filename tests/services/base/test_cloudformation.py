"""Templates: create, update, rollback and delete, and nothing ignored."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

DONE = ("COMPLETE", "FAILED")


class Stacks:
    """Deploys templates under names of their own and takes them away again."""

    def __init__(self, gateway: Any) -> None:
        self.gateway = gateway
        self.client = gateway.client("cloudformation")
        self.names: list[str] = []

    def create(self, resources: dict[str, Any], outputs: dict[str, Any] | None = None) -> str:
        name = f"stack-{uuid.uuid4().hex[:8]}"
        self.names.append(name)
        self.client.create_stack(
            StackName=name, TemplateBody=template(resources, outputs), Capabilities=["CAPABILITY_NAMED_IAM"]
        )
        self.wait(name)
        return name

    def update(self, name: str, resources: dict[str, Any]) -> str:
        self.client.update_stack(
            StackName=name, TemplateBody=template(resources), Capabilities=["CAPABILITY_NAMED_IAM"]
        )
        return self.wait(name)

    def delete(self, name: str) -> str:
        self.client.delete_stack(StackName=name)
        return self.wait(name)

    def wait(self, name: str) -> str:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            status = self.status(name)
            if status.endswith(DONE) and "CLEANUP" not in status:
                return status
            time.sleep(0.05)
        raise TimeoutError(name)

    def status(self, name: str) -> str:
        try:
            return str(self.client.describe_stacks(StackName=name)["Stacks"][0]["StackStatus"])
        except ClientError:
            return "DELETE_COMPLETE"

    def reasons(self, name: str) -> str:
        events = self.client.describe_stack_events(StackName=name)["StackEvents"]
        return "\n".join(e.get("ResourceStatusReason", "") for e in events if e["ResourceStatus"].endswith("FAILED"))

    def resource(self, name: str, logical_id: str = "R") -> str:
        found = self.client.describe_stack_resource(StackName=name, LogicalResourceId=logical_id)
        return str(found["StackResourceDetail"]["PhysicalResourceId"])


def template(resources: dict[str, Any], outputs: dict[str, Any] | None = None) -> str:
    return json.dumps({"Resources": resources, **({"Outputs": outputs} if outputs else {})})


@pytest.fixture
def stacks(gateway: Any) -> Iterator[Stacks]:
    made = Stacks(gateway)
    yield made
    for name in made.names:
        if made.status(name) != "DELETE_COMPLETE":
            made.delete(name)


def resource(kind: str, properties: dict[str, Any]) -> dict[str, Any]:
    return {"R": {"Type": kind, "Properties": properties}}


def unique(prefix: str) -> str:
    return f"{prefix}-{uuid.uuid4().hex[:8]}"


# what is not supported -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "kind", ["AWS::ECS::Cluster", "AWS::RDS::DBInstance", "AWS::KinesisFirehose::DeliveryStream", "AWS::Nobody::Knows"]
)
def test_a_type_that_nobody_makes_is_refused_by_name(stacks: Stacks, kind: str) -> None:
    with pytest.raises(ClientError, match=kind):
        stacks.create(resource(kind, {}))


UNSUPPORTED = {
    "AWS::SSM::Parameter": ({"Type": "String", "Value": "v"}, {"Nonsense": "x"}, "Nonsense"),
    "AWS::SNS::Topic": ({}, {"Nonsense": "x"}, "Nonsense"),
    "AWS::KMS::Key": ({"Description": "d"}, {"Nonsense": True}, "Nonsense"),
    "AWS::Logs::LogGroup": ({}, {"Nonsense": "x"}, "Nonsense"),
    "AWS::SQS::Queue": ({}, {"Nonsense": "x"}, "Nonsense"),
    "AWS::EC2::VPC": ({"CidrBlock": "10.1.0.0/16"}, {"Nonsense": "x"}, "Nonsense"),
    "AWS::S3::Bucket": ({}, {"ReplicationConfiguration": {"Role": "r", "Rules": []}}, "ReplicationConfiguration"),
    "AWS::SecretsManager::Secret": ({}, {"ReplicaRegions": [{"Region": "us-west-2"}]}, "ReplicaRegions"),
}


@pytest.mark.parametrize("kind", sorted(UNSUPPORTED))
def test_a_property_that_nobody_honours_fails_the_stack_on_create(stacks: Stacks, kind: str) -> None:
    good, bad, name = UNSUPPORTED[kind]
    stack = stacks.create(resource(kind, {**good, **bad}))
    assert stacks.status(stack) == "ROLLBACK_COMPLETE"
    reasons = stacks.reasons(stack)
    assert kind in reasons
    assert "R:" in reasons
    assert name in reasons


@pytest.mark.parametrize("kind", sorted(UNSUPPORTED))
def test_a_property_that_nobody_honours_fails_the_stack_on_update(stacks: Stacks, kind: str) -> None:
    good, bad, name = UNSUPPORTED[kind]
    stack = stacks.create(resource(kind, good))
    before = stacks.resource(stack)
    assert stacks.update(stack, resource(kind, {**good, **bad})) == "UPDATE_ROLLBACK_COMPLETE"
    assert stacks.resource(stack) == before
    reasons = stacks.reasons(stack)
    assert kind in reasons
    assert name in reasons


def test_an_unsupported_property_is_found_at_any_depth(stacks: Stacks) -> None:
    rule = {"Id": "a", "Status": "Enabled", "Prefix": "raw/", "Transitions": [{"TransitionInDays": 1, "Wrong": 1}]}
    stack = stacks.create(resource("AWS::S3::Bucket", {"LifecycleConfiguration": {"Rules": [rule]}}))
    assert stacks.status(stack) == "ROLLBACK_COMPLETE"
    assert "LifecycleConfiguration.Rules[0].Transitions[0].Wrong" in stacks.reasons(stack)


def test_a_failed_resource_takes_the_others_away(stacks: Stacks, gateway: Any) -> None:
    name = f"/{unique('rollback')}"
    resources = {
        "Parameter": {"Type": "AWS::SSM::Parameter", "Properties": {"Name": name, "Type": "String", "Value": "v"}},
        "Topic": {"Type": "AWS::SNS::Topic", "DependsOn": "Parameter", "Properties": {"Nonsense": 1}},
    }
    stack = stacks.create(resources)
    assert stacks.status(stack) == "ROLLBACK_COMPLETE"
    with pytest.raises(ClientError, match="ParameterNotFound"):
        gateway.client("ssm").get_parameter(Name=name)


# buckets -------------------------------------------------------------------------------------------------------------


def bucket_properties(key: str, days: int) -> dict[str, Any]:
    default = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key}
    return {
        "BucketEncryption": {
            "ServerSideEncryptionConfiguration": [{"ServerSideEncryptionByDefault": default, "BucketKeyEnabled": True}]
        },
        "VersioningConfiguration": {"Status": "Enabled"},
        "PublicAccessBlockConfiguration": {
            "BlockPublicAcls": True,
            "BlockPublicPolicy": True,
            "IgnorePublicAcls": True,
            "RestrictPublicBuckets": True,
        },
        "LifecycleConfiguration": {
            "Rules": [
                {
                    "Id": "raw",
                    "Status": "Enabled",
                    "Prefix": "raw/",
                    "ExpirationInDays": days,
                    "NoncurrentVersionExpiration": {"NoncurrentDays": 30},
                    "Transitions": [{"StorageClass": "INTELLIGENT_TIERING", "TransitionInDays": 30}],
                },
                {"Id": "uploads", "Status": "Enabled", "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 7}},
            ]
        },
        "Tags": [{"Key": "application", "Value": "test"}],
    }


def test_a_bucket_has_what_its_template_says_on_create_and_on_update(stacks: Stacks, gateway: Any) -> None:
    key = gateway.client("kms").create_key()["KeyMetadata"]["Arn"]
    stack = stacks.create(resource("AWS::S3::Bucket", bucket_properties(key, 365)))
    assert stacks.status(stack) == "CREATE_COMPLETE", stacks.reasons(stack)
    bucket, s3 = stacks.resource(stack), gateway.client("s3")
    rule = s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"][0]
    assert rule["ApplyServerSideEncryptionByDefault"] == {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key}
    assert rule["BucketKeyEnabled"] is True
    assert s3.get_bucket_versioning(Bucket=bucket)["Status"] == "Enabled"
    assert all(s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"].values())
    assert s3.get_bucket_tagging(Bucket=bucket)["TagSet"] == [{"Key": "application", "Value": "test"}]
    raw, uploads = s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]
    assert raw["Filter"] == {"Prefix": "raw/"}
    assert raw["Expiration"] == {"Days": 365}
    assert raw["NoncurrentVersionExpiration"] == {"NoncurrentDays": 30}
    assert raw["Transitions"] == [{"Days": 30, "StorageClass": "INTELLIGENT_TIERING"}]
    assert uploads["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 7}

    changed = bucket_properties(key, 30)
    del changed["Tags"]
    assert stacks.update(stack, resource("AWS::S3::Bucket", changed)) == "UPDATE_COMPLETE", stacks.reasons(stack)
    assert stacks.resource(stack) == bucket
    assert s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"][0]["Expiration"] == {"Days": 30}
    with pytest.raises(ClientError, match="NoSuchTagSet"):
        s3.get_bucket_tagging(Bucket=bucket)


def test_a_stack_with_a_full_bucket_is_not_deleted(stacks: Stacks, gateway: Any) -> None:
    stack = stacks.create(resource("AWS::S3::Bucket", {}))
    bucket, s3 = stacks.resource(stack), gateway.client("s3")
    s3.put_object(Bucket=bucket, Key="a", Body=b"kept")
    assert stacks.delete(stack) == "DELETE_FAILED"
    assert "BucketNotEmpty" in stacks.reasons(stack)
    assert s3.get_object(Bucket=bucket, Key="a")["Body"].read() == b"kept"
    s3.delete_object(Bucket=bucket, Key="a")
    assert stacks.delete(stack) == "DELETE_COMPLETE"


# secrets -------------------------------------------------------------------------------------------------------------


def test_a_generated_secret_follows_every_rule(stacks: Stacks, gateway: Any) -> None:
    rules = {
        "SecretStringTemplate": '{"username": "admin"}',
        "GenerateStringKey": "password",
        "PasswordLength": 40,
        "ExcludePunctuation": True,
        "ExcludeUppercase": True,
        "ExcludeCharacters": "abc",
    }
    properties = {"Name": unique("secret"), "GenerateSecretString": rules, "Description": "first"}
    outputs = {"Ref": {"Value": {"Ref": "R"}}}
    name = stacks.create(resource("AWS::SecretsManager::Secret", properties), outputs)
    assert stacks.status(name) == "CREATE_COMPLETE", stacks.reasons(name)
    client, arn = gateway.client("secretsmanager"), stacks.resource(name)
    assert arn.startswith("arn:aws:secretsmanager:")
    assert stacks.client.describe_stacks(StackName=name)["Stacks"][0]["Outputs"][0]["OutputValue"] == arn
    secret = json.loads(client.get_secret_value(SecretId=arn)["SecretString"])
    assert secret["username"] == "admin"
    assert len(secret["password"]) == 40
    assert set(secret["password"]) <= set("defghijklmnopqrstuvwxyz0123456789")
    properties["Description"] = "second"
    assert stacks.update(name, resource("AWS::SecretsManager::Secret", properties)) == "UPDATE_COMPLETE"
    assert json.loads(client.get_secret_value(SecretId=arn)["SecretString"]) == secret
    assert client.describe_secret(SecretId=arn)["Description"] == "second"


def test_a_template_reads_a_secret_that_it_made(stacks: Stacks, gateway: Any) -> None:
    parameter = f"/{unique('resolved')}"
    reference = {"Fn::Join": ["", ["{{resolve:secretsmanager:", {"Ref": "S"}, ":SecretString:password}}"]]}
    stack = stacks.create(
        {
            "S": {"Type": "AWS::SecretsManager::Secret", "Properties": {"SecretString": '{"password": "hidden"}'}},
            "P": {
                "Type": "AWS::SSM::Parameter",
                "Properties": {"Name": parameter, "Type": "String", "Value": reference},
            },
        }
    )
    assert stacks.status(stack) == "CREATE_COMPLETE", stacks.reasons(stack)
    assert gateway.client("ssm").get_parameter(Name=parameter)["Parameter"]["Value"] == "hidden"


# other mended properties ---------------------------------------------------------------------------------------------


def test_a_topic_keeps_its_key_on_create_and_on_update(stacks: Stacks, gateway: Any) -> None:
    stack = stacks.create(resource("AWS::SNS::Topic", {"KmsMasterKeyId": "alias/one"}))
    assert stacks.status(stack) == "CREATE_COMPLETE", stacks.reasons(stack)
    topic, sns = stacks.resource(stack), gateway.client("sns")
    assert sns.get_topic_attributes(TopicArn=topic)["Attributes"]["KmsMasterKeyId"] == "alias/one"
    assert stacks.update(stack, resource("AWS::SNS::Topic", {"KmsMasterKeyId": "alias/two"})) == "UPDATE_COMPLETE"
    assert sns.get_topic_attributes(TopicArn=topic)["Attributes"]["KmsMasterKeyId"] == "alias/two"


def test_a_stream_is_encrypted_and_not_quietly_left_at_its_shards(stacks: Stacks, gateway: Any) -> None:
    properties: dict[str, Any] = {
        "Name": unique("stream"),
        "ShardCount": 1,
        "StreamEncryption": {"EncryptionType": "KMS", "KeyId": "alias/one"},
    }
    stack = stacks.create(resource("AWS::Kinesis::Stream", properties))
    assert stacks.status(stack) == "CREATE_COMPLETE", stacks.reasons(stack)
    kinesis = gateway.client("kinesis")
    summary = kinesis.describe_stream_summary(StreamName=properties["Name"])["StreamDescriptionSummary"]
    assert (summary["EncryptionType"], summary["KeyId"], summary["OpenShardCount"]) == ("KMS", "alias/one", 1)
    properties["ShardCount"] = 2
    assert stacks.update(stack, resource("AWS::Kinesis::Stream", properties)) == "UPDATE_ROLLBACK_COMPLETE"
    assert "ShardCount" in stacks.reasons(stack)


def test_a_security_group_refers_to_itself(stacks: Stacks, gateway: Any) -> None:
    rule = {
        "GroupId": {"Fn::GetAtt": ["G", "GroupId"]},
        "SourceSecurityGroupId": {"Fn::GetAtt": ["G", "GroupId"]},
        "IpProtocol": "tcp",
        "FromPort": 443,
        "ToPort": 443,
        "Description": "itself",
    }
    resources: dict[str, Any] = {
        "V": {"Type": "AWS::EC2::VPC", "Properties": {"CidrBlock": "10.2.0.0/16"}},
        "G": {"Type": "AWS::EC2::SecurityGroup", "Properties": {"GroupDescription": "d", "VpcId": {"Ref": "V"}}},
        "I": {"Type": "AWS::EC2::SecurityGroupIngress", "Properties": rule},
    }
    stack = stacks.create(resources)
    assert stacks.status(stack) == "CREATE_COMPLETE", stacks.reasons(stack)
    ec2, group = gateway.client("ec2"), stacks.resource(stack, "G")

    def permissions() -> list[Any]:
        return [
            (p["FromPort"], p["UserIdGroupPairs"][0]["GroupId"])
            for p in ec2.describe_security_groups(GroupIds=[group])["SecurityGroups"][0]["IpPermissions"]
        ]

    assert permissions() == [(443, group)]
    rule["FromPort"] = rule["ToPort"] = 5439
    assert stacks.update(stack, resources) == "UPDATE_COMPLETE", stacks.reasons(stack)
    assert permissions() == [(5439, group)]
    del resources["I"]
    assert stacks.update(stack, resources) == "UPDATE_COMPLETE", stacks.reasons(stack)
    assert permissions() == []
