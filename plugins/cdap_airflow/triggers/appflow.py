"""Waiting for executions of AppFlow flows without a worker."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from airflow.providers.amazon.aws.hooks.appflow import AppflowHook

from cdap_airflow.triggers.polling import PollingTrigger

BUSY = ("InProgress", "CancelStarted")


def execution_records(appflow: Any, flow: str) -> Iterator[dict[str, Any]]:
    """The records of a flow's executions, newest first."""
    page: dict[str, Any] = {"nextToken": ""}
    while (token := page.get("nextToken")) is not None:
        page = appflow.describe_flow_execution_records(flowName=flow, **({"nextToken": token} if token else {}))
        yield from page["flowExecutions"]


def execution_record(appflow: Any, flow: str, execution_id: str) -> dict[str, Any] | None:
    """The record of one execution; None while AppFlow does not list it yet."""
    return next((found for found in execution_records(appflow, flow) if found["executionId"] == execution_id), None)


def all_ended(appflow: Any, executions: dict[str, str]) -> bool:
    """Whether every execution (id by flow) has ended, however."""
    records = [execution_record(appflow, flow, execution_id) for flow, execution_id in executions.items()]
    return all(record is not None and record["executionStatus"] not in BUSY for record in records)


class AppflowExecutionsTrigger(PollingTrigger):
    """Fires when every execution has ended, however.

    :param executions: the id of the execution to wait for, by flow
    """

    parameters = ("executions",)

    def __init__(
        self,
        executions: dict[str, str],
        poll_interval: float = 5,
        aws_conn_id: str | None = "aws_default",
        region_name: str | None = None,
    ) -> None:
        super().__init__(poll_interval, aws_conn_id, region_name)
        self.executions = executions

    def look(self) -> dict[str, Any] | None:
        hook = AppflowHook(aws_conn_id=self.aws_conn_id, region_name=self.region_name)
        return {"status": "ended"} if all_ended(hook.conn, self.executions) else None
