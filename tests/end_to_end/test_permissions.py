"""A permission that the template lacks fails the task that needs it, naming action, resource and role."""

from __future__ import annotations

import json
from typing import Any

from tests.end_to_end.rest import wait_for
from tests.end_to_end.world import DAYS, INGEST, World, client

STACK, TEMPLATES = "cdap-platform", "templates-of-the-permissions-test"


def without(template: dict[str, Any], policy_of: str, action: str) -> dict[str, Any]:
    """The template with `action` taken out of the policy whose logical id begins with `policy_of`."""
    altered: dict[str, Any] = json.loads(json.dumps(template))
    removed = 0
    for name, resource in altered["Resources"].items():
        if resource["Type"] == "AWS::IAM::Policy" and name.startswith(policy_of):
            for statement in resource["Properties"]["PolicyDocument"]["Statement"]:
                actions = statement["Action"]
                if isinstance(actions, list) and action in actions:
                    actions.remove(action)
                    removed += 1
    assert removed, f"no policy {policy_of} with {action}"
    return altered


def deploy(world: World, template: dict[str, Any]) -> None:
    """Update the stack; its template is too long to be sent inline."""
    s3, cloudformation = client(world.machine, "s3"), client(world.machine, "cloudformation")
    region = s3.meta.region_name
    s3.create_bucket(Bucket=TEMPLATES, CreateBucketConfiguration={"LocationConstraint": region})
    s3.put_object(Bucket=TEMPLATES, Key=STACK, Body=json.dumps(template).encode())
    try:
        url = f"https://s3.{region}.amazonaws.com/{TEMPLATES}/{STACK}"
        cloudformation.update_stack(StackName=STACK, TemplateURL=url, Capabilities=["CAPABILITY_NAMED_IAM"])
        cloudformation.get_waiter("stack_update_complete").wait(StackName=STACK, WaiterConfig={"Delay": 1})
    finally:
        s3.delete_object(Bucket=TEMPLATES, Key=STACK)
        s3.delete_bucket(Bucket=TEMPLATES)


def test_a_missing_permission_fails_the_right_task_and_names_action_resource_and_role(world: World) -> None:
    path = world.machine.state / "cdk.out" / f"{STACK}.template.json"
    template = json.loads(path.read_text())
    run = next(r["dag_run_id"] for r in world.airflow.runs(INGEST) if r["partition_key"] == DAYS[0])
    deploy(world, without(template, "ReplicationWriterRole", "s3:PutObject"))
    try:
        world.airflow.clear(INGEST, run, ["land"])
        wait_for("land to fail", lambda: world.airflow.tasks(INGEST, run)["land"]["state"] == "failed")
    finally:
        deploy(world, template)
    task = world.airflow.tasks(INGEST, run)["land"]
    log = world.airflow.log(INGEST, run, "land", task["try_number"])
    for part in ("s3:PutObject", "raw/shop/", "cdap-dms-writer"):
        assert part in log, f"{part} is not in the log of land:\n{log[-3000:]}"
    world.expect_same_after(lambda: world.airflow.clear(INGEST, run, ["land"]))
