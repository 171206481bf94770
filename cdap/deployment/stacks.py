"""Create or update a CloudFormation stack and follow it to its end."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from cdap.errors import CdapError

# Limits of CreateStack ("AWS CloudFormation quotas"): a template body inline, else by an S3 URL.
INLINE_LIMIT = 51_200
POLL_SECONDS = 1.0
CAPABILITIES = ["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM"]


class DeploymentError(CdapError):
    """A stack did not reach its goal; the message names the resources that failed and why."""


@dataclass(frozen=True)
class StackResult:
    """What a deployment came to: `action` is `created`, `updated` or `unchanged`."""

    name: str
    action: str
    status: str
    resources: int
    outputs: dict[str, str]
    seconds: float


def deploy_stack(
    session: Any, name: str, template: Path, on_event: Callable[[str], None] = lambda line: None
) -> StackResult:
    """Create or update the stack `name` from `template`, calling `on_event` with a line for each resource event.

    `session` is a boto3 session. Raises DeploymentError when the stack is rolled back or cannot be updated.
    """
    started = time.monotonic()
    cloudformation = session.client("cloudformation")
    body = json.dumps(json.loads(template.read_text()), separators=(",", ":"))
    arguments = {
        "StackName": name,
        "Capabilities": CAPABILITIES,
        "Tags": [{"Key": "application", "Value": "cdap"}],
        **_template(session, name, body),
    }
    current = _describe(cloudformation, name)
    if current and current["StackStatus"] == "ROLLBACK_COMPLETE":
        # A first creation that failed leaves a husk that can only be deleted.
        cloudformation.delete_stack(StackName=name)
        _follow(cloudformation, current["StackId"], set(), on_event)
        current = None
    seen = _event_ids(cloudformation, name) if current else set()
    action = "updated" if current else "created"
    try:
        stack_id = (cloudformation.update_stack if current else cloudformation.create_stack)(**arguments)["StackId"]
    except ClientError as error:
        if "No updates are to be performed" not in str(error):
            raise DeploymentError(
                f"Deploying stack {name}",
                error.response["Error"]["Message"],
                "Correct infra/ or config/ and deploy again",
            ) from error
        assert current is not None
        stack_id, action = current["StackId"], "unchanged"
    final = _follow(cloudformation, stack_id, seen, on_event)
    status = final["StackStatus"]
    if status not in ("CREATE_COMPLETE", "UPDATE_COMPLETE"):
        found = _explain(cloudformation, stack_id, status, final.get("StackStatusReason", ""), seen)
        raise DeploymentError(f"Deploying stack {name}", found, "Correct what the resources say and deploy again")
    pages = cloudformation.get_paginator("list_stack_resources").paginate(StackName=stack_id)
    return StackResult(
        name=name,
        action=action,
        status=status,
        resources=sum(len(page["StackResourceSummaries"]) for page in pages),
        outputs={output["OutputKey"]: output["OutputValue"] for output in final.get("Outputs", [])},
        seconds=round(time.monotonic() - started, 1),
    )


def _template(session: Any, name: str, body: str) -> dict[str, str]:
    """The template as CreateStack takes it: inline, or through a private bucket when it is too long for that."""
    if len(body.encode()) <= INLINE_LIMIT:
        return {"TemplateBody": body}
    s3 = session.client("s3")
    account = session.client("sts").get_caller_identity()["Account"]
    bucket = f"cdap-deploy-{account}-{session.region_name}"
    try:
        s3.head_bucket(Bucket=bucket)
    except ClientError as error:
        if error.response["Error"]["Code"] not in ("404", "NoSuchBucket", "NotFound"):
            raise
        location = (
            {}
            if session.region_name == "us-east-1"
            else {"CreateBucketConfiguration": {"LocationConstraint": session.region_name}}
        )
        s3.create_bucket(Bucket=bucket, **location)
        s3.put_public_access_block(
            Bucket=bucket,
            PublicAccessBlockConfiguration={
                "BlockPublicAcls": True,
                "IgnorePublicAcls": True,
                "BlockPublicPolicy": True,
                "RestrictPublicBuckets": True,
            },
        )
    key = f"{name}.template.json"
    s3.put_object(Bucket=bucket, Key=key, Body=body.encode())
    # The form that the CDK writes; the local cloud reads no other.
    return {"TemplateURL": f"https://s3.{session.region_name}.amazonaws.com/{bucket}/{key}"}


def _describe(cloudformation: Any, name: str) -> dict[str, Any] | None:
    try:
        stacks: list[dict[str, Any]] = cloudformation.describe_stacks(StackName=name)["Stacks"]
    except ClientError as error:
        if "does not exist" in str(error):
            return None
        raise
    return stacks[0]


def _events(cloudformation: Any, stack: str) -> list[dict[str, Any]]:
    pages = cloudformation.get_paginator("describe_stack_events").paginate(StackName=stack)
    return [event for page in pages for event in page["StackEvents"]]


def _event_ids(cloudformation: Any, stack: str) -> set[str]:
    return {event["EventId"] for event in _events(cloudformation, stack)}


def _follow(cloudformation: Any, stack_id: str, seen: set[str], on_event: Callable[[str], None]) -> dict[str, Any]:
    known = set(seen)
    while True:
        stack = _describe(cloudformation, stack_id)
        if stack is None:
            return {"StackStatus": "DELETE_COMPLETE"}
        for event in reversed(_events(cloudformation, stack_id)):
            if event["EventId"] not in known:
                known.add(event["EventId"])
                on_event(f"{event['ResourceStatus']:<24} {event['ResourceType']} {event['LogicalResourceId']}")
        if not stack["StackStatus"].endswith("_IN_PROGRESS"):
            return stack
        time.sleep(POLL_SECONDS)


def _explain(cloudformation: Any, stack_id: str, status: str, reason: str, seen: set[str]) -> str:
    failures = [
        f"  {event['ResourceType']} {event['LogicalResourceId']}: {event.get('ResourceStatusReason', 'no reason')}"
        for event in reversed(_events(cloudformation, stack_id))
        if event["EventId"] not in seen and event["ResourceStatus"].endswith("_FAILED")
    ]
    return f"it ended in {status}. {reason}\n" + "\n".join(failures)
