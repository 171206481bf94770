"""What is behind is told by SNS, and the run fails so that it shows."""

from __future__ import annotations

import json
from typing import Any

from tests.end_to_end.rest import wait_for
from tests.end_to_end.world import World, client

DAG = "check_freshness"


def test_days_that_are_long_over_are_an_alert_on_the_topic(world: World) -> None:
    sns, sqs, ssm = (client(world.machine, name) for name in ("sns", "sqs", "ssm"))
    topic = ssm.get_parameter(Name="/cdap/alerts/topic_arn")["Parameter"]["Value"]
    queue = sqs.create_queue(QueueName="alerts")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    statement = {
        "Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"}, "Action": "sqs:SendMessage", "Resource": arn,
        "Condition": {"ArnEquals": {"aws:SourceArn": topic}},
    }  # fmt: skip
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    sqs.set_queue_attributes(QueueUrl=queue, Attributes={"Policy": policy})
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)

    run = world.airflow.post(f"/dags/{DAG}/dagRuns", {"logical_date": None})["dag_run_id"]
    wait_for("the check to fail", lambda: world.airflow.tasks(DAG, run)["check"]["state"] == "failed")
    assert world.airflow.tasks(DAG, run)["check"]["try_number"] == 1, "an alert is not sent again by a retry"

    def alert() -> dict[str, Any] | None:
        messages = sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=1).get("Messages", [])
        return json.loads(messages[0]["Body"]) if messages else None

    message = wait_for("the alert", alert, seconds=30)
    assert message["Subject"].startswith("CDAP dev: ") and "source shop" in message["Subject"]
    for part in ("source shop is behind since 2026-03-08 12:00 UTC", "2026-03-06", "cdap backfill --source shop"):
        assert part in message["Message"], message["Message"]
    assert "the index" not in message["Message"]
