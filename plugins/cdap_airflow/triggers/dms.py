"""Waiting for a DMS replication task without a worker."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from airflow.providers.amazon.aws.hooks.dms import DmsHook
from airflow.triggers.base import BaseTrigger, TriggerEvent


class DmsTaskStateTrigger(BaseTrigger):
    """Fires when a replication task has left the states in which it is working, with the state it is in then.

    The provider has no waiter that ends with both `stopped` and `failed`, and its asynchronous client needs
    aiobotocore, which pins botocore; the SDK's own client in a thread does for a poll every few seconds.

    :param replication_task_arn: the task
    :param busy_states: the states to wait through
    :param poll_interval: seconds between two DescribeReplicationTasks
    :param aws_conn_id: the Airflow connection of AWS
    :param region_name: the region; None for the connection's
    """

    def __init__(
        self,
        replication_task_arn: str,
        busy_states: list[str],
        poll_interval: float = 5,
        aws_conn_id: str | None = "aws_default",
        region_name: str | None = None,
    ) -> None:
        super().__init__()
        self.replication_task_arn = replication_task_arn
        self.busy_states = busy_states
        self.poll_interval = poll_interval
        self.aws_conn_id = aws_conn_id
        self.region_name = region_name

    def serialize(self) -> tuple[str, dict[str, Any]]:
        return (
            f"{type(self).__module__}.{type(self).__qualname__}",
            {
                "replication_task_arn": self.replication_task_arn,
                "busy_states": self.busy_states,
                "poll_interval": self.poll_interval,
                "aws_conn_id": self.aws_conn_id,
                "region_name": self.region_name,
            },
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        hook = DmsHook(aws_conn_id=self.aws_conn_id, region_name=self.region_name)
        while True:
            status = await asyncio.to_thread(hook.get_task_status, self.replication_task_arn)
            if status not in self.busy_states:
                yield TriggerEvent({"status": status or "deleted"})
                return
            await asyncio.sleep(self.poll_interval)
