"""What was answered is still there after a stop and after a kill."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from localcloud.base.durability import INTERVAL_SECONDS

TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Principal": {"Service": "ecs-tasks.amazonaws.com"}, "Action": "sts:AssumeRole"}
        ],
    }
)
POLICY = json.dumps(
    {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "ssm:GetParameter", "Resource": "*"}]}
)


def fill(gateway: Any) -> str:
    """Things of several services; returns the role's ARN."""
    location = {"LocationConstraint": gateway.region}
    gateway.client("s3").create_bucket(Bucket="kept-bucket", CreateBucketConfiguration=location)
    gateway.client("s3").put_bucket_versioning(Bucket="kept-bucket", VersioningConfiguration={"Status": "Enabled"})
    gateway.client("s3").put_object(Bucket="kept-bucket", Key="raw/dt=1/a", Body=b"kept", Metadata={"k": "v"})
    iam = gateway.client("iam")
    arn = str(iam.create_role(RoleName="kept-role", AssumeRolePolicyDocument=TRUST)["Role"]["Arn"])
    iam.put_role_policy(RoleName="kept-role", PolicyName="p", PolicyDocument=POLICY)
    gateway.client("ssm").put_parameter(Name="/kept", Value="v", Type="String")
    gateway.client("secretsmanager").create_secret(Name="kept-secret", SecretString="hidden")
    gateway.client("kms").create_alias(
        AliasName="alias/kept", TargetKeyId=gateway.client("kms").create_key()["KeyMetadata"]["KeyId"]
    )
    gateway.client("sqs").create_queue(QueueName="kept-queue")
    template = {"Resources": {"T": {"Type": "AWS::SNS::Topic", "Properties": {"TopicName": "kept-topic"}}}}
    cloudformation = gateway.client("cloudformation")
    cloudformation.create_stack(StackName="kept-stack", TemplateBody=json.dumps(template))
    cloudformation.get_waiter("stack_create_complete").wait(StackName="kept-stack", WaiterConfig={"Delay": 1})
    return arn


def check(gateway: Any) -> None:
    s3 = gateway.client("s3")
    found = s3.get_object(Bucket="kept-bucket", Key="raw/dt=1/a")
    assert (found["Body"].read(), found["Metadata"]) == (b"kept", {"k": "v"})
    assert s3.get_bucket_versioning(Bucket="kept-bucket")["Status"] == "Enabled"
    assert gateway.client("iam").list_role_policies(RoleName="kept-role")["PolicyNames"] == ["p"]
    assert gateway.client("ssm").get_parameter(Name="/kept")["Parameter"]["Value"] == "v"
    assert gateway.client("secretsmanager").get_secret_value(SecretId="kept-secret")["SecretString"] == "hidden"
    assert "alias/kept" in [a["AliasName"] for a in gateway.client("kms").list_aliases()["Aliases"]]
    assert gateway.client("sqs").get_queue_url(QueueName="kept-queue")["QueueUrl"].endswith("kept-queue")
    topics = [t["TopicArn"].rsplit(":", 1)[1] for t in gateway.client("sns").list_topics()["Topics"]]
    assert topics == ["kept-topic"]
    stacks = gateway.client("cloudformation").describe_stacks(StackName="kept-stack")["Stacks"]
    assert [stack["StackStatus"] for stack in stacks] == ["CREATE_COMPLETE"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_everything_survives_the_end_of_the_process(own_gateway: Any, number: signal.Signals) -> None:
    own_gateway.start()
    role = fill(own_gateway)
    internal = own_gateway.internal()
    session = internal.service_credentials(role, "ecs-tasks.amazonaws.com")
    internal.close()
    root = own_gateway.root
    if number == signal.SIGKILL:
        time.sleep(4 * INTERVAL_SECONDS)
    own_gateway.stop(number)
    own_gateway.start()
    assert own_gateway.root == root
    check(own_gateway)
    # The session that a task holds is still its role's, and no more than that.
    assert own_gateway.client("ssm", session).get_parameter(Name="/kept")["Parameter"]["Value"] == "v"
    with pytest.raises(ClientError, match="ssm:PutParameter"):
        own_gateway.client("ssm", session).put_parameter(Name="/other", Value="v", Type="String")


def test_a_change_is_on_disk_when_it_is_answered(own_gateway: Any) -> None:
    own_gateway.start()
    ssm = own_gateway.client("ssm")
    ssm.put_parameter(Name="/first", Value="v", Type="String")
    ssm.put_parameter(Name="/last", Value="v", Type="String")
    own_gateway.stop(signal.SIGKILL)
    own_gateway.start()
    assert ssm.get_parameter(Name="/last")["Parameter"]["Value"] == "v"


def test_a_second_gateway_on_a_port_says_so(gateway: Any, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "localcloud.base.gateway", "--state", str(tmp_path), "--port", str(gateway.port)]
    second = subprocess.run(command, cwd=Path(__file__).parents[3], capture_output=True, text=True, timeout=60)
    assert second.returncode == 1
    assert f"port {gateway.port} of 127.0.0.1 is in use" in second.stderr
