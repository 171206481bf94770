"""Who may do what: keys, roles, policies and the services that assume roles."""

from __future__ import annotations

import json
import uuid
from dataclasses import replace
from typing import Any

import httpx
import pytest
from botocore.exceptions import ClientError

from localcloud.base.cloud import Credentials
from localcloud.base.errors import AwsError
from localcloud.base.role_tokens import role_token


def code(error: pytest.ExceptionInfo[ClientError]) -> str:
    return str(error.value.response["Error"]["Code"])


def trust(principal: dict[str, str], condition: dict[str, Any] | None = None) -> str:
    statement: dict[str, Any] = {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}
    if condition:
        statement["Condition"] = condition
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def allow(action: str | list[str], resource: str | list[str], **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


@pytest.fixture
def role(gateway: Any) -> Any:
    """Makes a role with statements; returns its ARN."""
    iam = gateway.client("iam")
    made = []

    def make(trusted: dict[str, str], *statements: dict[str, Any], condition: Any = None) -> str:
        name = f"role-{uuid.uuid4().hex[:8]}"
        made.append(name)
        arn = iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust(trusted, condition))["Role"]["Arn"]
        document = {"Version": "2012-10-17", "Statement": list(statements) or [allow("sts:GetCallerIdentity", "*")]}
        iam.put_role_policy(RoleName=name, PolicyName="policy", PolicyDocument=json.dumps(document))
        return str(arn)

    yield make
    for name in made:
        iam.delete_role_policy(RoleName=name, PolicyName="policy")
        iam.delete_role(RoleName=name)


@pytest.fixture
def bucket(gateway: Any) -> str:
    name = f"bucket-{uuid.uuid4().hex[:8]}"
    s3 = gateway.client("s3")
    s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": gateway.region})
    s3.put_object(Bucket=name, Key="raw/a", Body=b"raw")
    s3.put_object(Bucket=name, Key="gold/a", Body=b"gold")
    return name


def assume(gateway: Any, role_arn: str, service: str) -> Credentials:
    client = gateway.internal()
    try:
        return client.service_credentials(role_arn, service)
    finally:
        client.close()


TASK = {"Service": "ecs-tasks.amazonaws.com"}


def test_a_role_reads_only_what_its_policy_names(gateway: Any, role: Any, bucket: str) -> None:
    arn = role(TASK, allow("s3:GetObject", f"arn:aws:s3:::{bucket}/raw/*"))
    s3 = gateway.client("s3", assume(gateway, arn, "ecs-tasks.amazonaws.com"))
    assert s3.get_object(Bucket=bucket, Key="raw/a")["Body"].read() == b"raw"
    with pytest.raises(ClientError) as denied:
        s3.get_object(Bucket=bucket, Key="gold/a")
    assert code(denied) == "AccessDenied"
    message = denied.value.response["Error"]["Message"]
    assert "s3:GetObject" in message
    assert f"arn:aws:s3:::{bucket}/gold/a" in message
    assert arn.rsplit("/", 1)[1] in message


def test_conditions_on_the_prefix_of_a_list_are_evaluated(gateway: Any, role: Any, bucket: str) -> None:
    condition = {"StringLike": {"s3:prefix": "raw/*"}}
    arn = role(TASK, allow("s3:ListBucket", f"arn:aws:s3:::{bucket}", Condition=condition))
    s3 = gateway.client("s3", assume(gateway, arn, "ecs-tasks.amazonaws.com"))
    assert s3.list_objects_v2(Bucket=bucket, Prefix="raw/a")["KeyCount"] == 1
    with pytest.raises(ClientError, match="s3:ListBucket"):
        s3.list_objects_v2(Bucket=bucket, Prefix="gold/")


def test_a_bucket_policy_that_demands_tls_holds_for_a_plain_endpoint(gateway: Any, role: Any, bucket: str) -> None:
    deny = {
        "Effect": "Deny",
        "Principal": {"AWS": "*"},
        "Action": "s3:*",
        "Resource": [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [deny]})
    gateway.client("s3").put_bucket_policy(Bucket=bucket, Policy=policy)
    arn = role(TASK, allow("s3:GetObject", f"arn:aws:s3:::{bucket}/*"))
    s3 = gateway.client("s3", assume(gateway, arn, "ecs-tasks.amazonaws.com"))
    assert s3.get_object(Bucket=bucket, Key="raw/a")["Body"].read() == b"raw"


def test_an_explicit_deny_of_a_bucket_policy_wins(gateway: Any, role: Any, bucket: str) -> None:
    arn = role(TASK, allow("s3:*", "*"))
    deny = {
        "Effect": "Deny",
        "Principal": {"AWS": arn},
        "Action": "s3:GetObject",
        "Resource": f"arn:aws:s3:::{bucket}/*",
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [deny]})
    gateway.client("s3").put_bucket_policy(Bucket=bucket, Policy=policy)
    s3 = gateway.client("s3", assume(gateway, arn, "ecs-tasks.amazonaws.com"))
    with pytest.raises(ClientError, match="explicit deny"):
        s3.get_object(Bucket=bucket, Key="raw/a")


READS = {
    "athena": lambda c: c.list_work_groups(),
    "cloudformation": lambda c: c.describe_stacks(),
    "cloudtrail": lambda c: c.describe_trails(),
    "cloudwatch": lambda c: c.describe_alarms(),
    "cognito-idp": lambda c: c.list_user_pools(MaxResults=5),
    "dynamodb": lambda c: c.list_tables(),
    "ec2": lambda c: c.describe_vpcs(),
    "events": lambda c: c.list_rules(),
    "glue": lambda c: c.get_databases(),
    "iam": lambda c: c.list_roles(),
    "kinesis": lambda c: c.list_streams(),
    "kms": lambda c: c.list_keys(),
    "lambda": lambda c: c.list_functions(),
    "logs": lambda c: c.describe_log_groups(),
    "resourcegroupstaggingapi": lambda c: c.get_resources(),
    "s3": lambda c: c.list_buckets(),
    "scheduler": lambda c: c.list_schedules(),
    "secretsmanager": lambda c: c.list_secrets(),
    "sns": lambda c: c.list_topics(),
    "sqs": lambda c: c.list_queues(),
    "ssm": lambda c: c.describe_parameters(),
}


@pytest.mark.parametrize("service", sorted(READS))
def test_a_role_without_rights_is_denied_everywhere_and_root_is_not(gateway: Any, role: Any, service: str) -> None:
    READS[service](gateway.client(service))
    arn = role(TASK)
    with pytest.raises(ClientError) as denied:
        READS[service](gateway.client(service, assume(gateway, arn, "ecs-tasks.amazonaws.com")))
    assert code(denied) in ("AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "AuthorizationError")
    message = denied.value.response["Error"]["Message"]
    assert arn.rsplit("/", 1)[1] in message
    assert "on resource" in message


@pytest.mark.parametrize("key", ["test", "000000000000", "111122223333", "AKIANOBODYNOBODYNOBO"])
def test_keys_that_nobody_was_given_are_refused(gateway: Any, key: str) -> None:
    with pytest.raises(ClientError) as denied:
        gateway.client("s3", Credentials(key, "test")).list_buckets()
    assert code(denied) in ("InvalidAccessKeyId", "UnrecognizedClientException", "InvalidClientTokenId")


def test_a_wrong_secret_is_refused_for_root_too(gateway: Any) -> None:
    with pytest.raises(ClientError) as denied:
        gateway.client("ssm", replace(gateway.root, secret_access_key="wrong")).describe_parameters()
    assert code(denied) in ("SignatureDoesNotMatch", "InvalidSignatureException")


def test_requests_without_a_signature_are_refused(gateway: Any, bucket: str) -> None:
    assert httpx.get(f"{gateway.endpoint}/{bucket}/raw/a").status_code == 403
    assert httpx.get(f"{gateway.endpoint}/").status_code == 403
    headers = {"X-Amz-Target": "AmazonSSM.DescribeParameters", "Content-Type": "application/x-amz-json-1.1"}
    assert httpx.post(f"{gateway.endpoint}/", headers=headers, content=b"{}").status_code in (400, 403)


def test_a_presigned_url_reads_the_object_it_names(gateway: Any, bucket: str) -> None:
    s3 = gateway.client("s3")
    url = s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "raw/a"})
    assert httpx.get(url).content == b"raw"
    assert httpx.get(url.replace("raw/a", "gold/a")).status_code == 403


@pytest.mark.parametrize("path", ["/_ministack/reset", "/_localstack/health", "/_ministack/config", "/health"])
def test_the_doors_of_the_base_are_shut(gateway: Any, path: str) -> None:
    assert httpx.post(gateway.endpoint + path).status_code == 404


def test_a_role_is_given_only_to_the_service_that_it_trusts(gateway: Any, role: Any) -> None:
    arn = role({"Service": "dms.amazonaws.com"})
    assert assume(gateway, arn, "dms.amazonaws.com").token
    with pytest.raises(AwsError) as denied:
        assume(gateway, arn, "glue.amazonaws.com")
    assert arn in denied.value.message
    assert "glue.amazonaws.com" in denied.value.message
    with pytest.raises(AwsError, match="does not exist"):
        assume(gateway, arn + "x", "dms.amazonaws.com")


def test_a_trust_policy_may_demand_the_source_account(gateway: Any, role: Any) -> None:
    ours = role({"Service": "dms.amazonaws.com"}, condition={"StringEquals": {"aws:SourceAccount": gateway.account_id}})
    assert assume(gateway, ours, "dms.amazonaws.com").token
    other = role({"Service": "dms.amazonaws.com"}, condition={"StringEquals": {"aws:SourceAccount": "999999999999"}})
    with pytest.raises(AwsError, match="trust policy"):
        assume(gateway, other, "dms.amazonaws.com")


def test_root_cannot_assume_a_role_that_trusts_a_service_only(gateway: Any, role: Any) -> None:
    arn = role({"Service": "dms.amazonaws.com"})
    with pytest.raises(ClientError) as denied:
        gateway.client("sts").assume_role(RoleArn=arn, RoleSessionName="session")
    assert code(denied) == "AccessDenied"


def test_a_role_assumes_another_when_both_policies_say_so(gateway: Any, role: Any, bucket: str) -> None:
    target = role({"AWS": f"arn:aws:iam::{gateway.account_id}:root"}, allow("s3:GetObject", f"arn:aws:s3:::{bucket}/*"))
    without = role(TASK)
    with_right = role(TASK, allow("sts:AssumeRole", target))
    sts = gateway.client("sts", assume(gateway, without, "ecs-tasks.amazonaws.com"))
    with pytest.raises(ClientError, match="sts:AssumeRole"):
        sts.assume_role(RoleArn=target, RoleSessionName="session")
    sts = gateway.client("sts", assume(gateway, with_right, "ecs-tasks.amazonaws.com"))
    got = sts.assume_role(RoleArn=target, RoleSessionName="session")["Credentials"]
    s3 = gateway.client("s3", Credentials(got["AccessKeyId"], got["SecretAccessKey"], got["SessionToken"]))
    assert s3.get_object(Bucket=bucket, Key="raw/a")["Body"].read() == b"raw"


def test_engines_ask_whether_a_role_may(gateway: Any, role: Any, bucket: str) -> None:
    arn = role({"Service": "redshift.amazonaws.com"}, allow("s3:PutObject", f"arn:aws:s3:::{bucket}/clean/*"))
    client = gateway.internal()
    client.authorize(arn, "s3:PutObject", [f"arn:aws:s3:::{bucket}/clean/x"])
    with pytest.raises(AwsError) as denied:
        client.authorize(arn, "s3:PutObject", [f"arn:aws:s3:::{bucket}/clean/x", f"arn:aws:s3:::{bucket}/raw/x"])
    for part in ("s3:PutObject", f"arn:aws:s3:::{bucket}/raw/x", arn):
        assert part in denied.value.message
    client.close()


def test_containers_get_their_role_as_on_fargate(gateway: Any, role: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import botocore.session

    arn = role(TASK)
    name = arn.rsplit("/", 1)[1]
    for variable in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{gateway.endpoint}/_localcloud/credentials/{name}")
    monkeypatch.setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN", role_token(gateway.token, name))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    session = botocore.session.Session()
    sts = session.create_client("sts", region_name=gateway.region, endpoint_url=gateway.endpoint)
    assert sts.get_caller_identity()["Arn"].startswith(f"arn:aws:sts::{gateway.account_id}:assumed-role/{name}/")


def test_containers_get_no_role_that_does_not_trust_them(gateway: Any, role: Any) -> None:
    name = role({"Service": "dms.amazonaws.com"}).rsplit("/", 1)[1]
    url = f"{gateway.endpoint}/_localcloud/credentials/{name}"
    assert httpx.get(url, headers={"Authorization": role_token(gateway.token, name)}).status_code == 403


def test_a_container_cannot_ask_for_another_role_than_its_own(gateway: Any, role: Any) -> None:
    mine, other = (role(TASK).rsplit("/", 1)[1] for _ in range(2))
    url = f"{gateway.endpoint}/_localcloud/credentials/{mine}"
    assert httpx.get(url, headers={"Authorization": role_token(gateway.token, mine)}).status_code == 200
    for token in ("", "wrong", gateway.token, role_token(gateway.token, other)):
        assert httpx.get(url, headers={"Authorization": token}).status_code == 401


def test_secrets_of_the_cloud_are_readable_by_their_owner_only(gateway: Any) -> None:
    for name in ("root.json", "token"):
        assert (gateway.state / name).stat().st_mode & 0o777 == 0o600
