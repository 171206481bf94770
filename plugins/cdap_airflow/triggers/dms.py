"""Waiting for a DMS replication task without a worker."""

from __future__ import annotations

from typing import Any

from airflow.providers.amazon.aws.hooks.dms import DmsHook

from cdap_airflow.triggers.polling import PollingTrigger


class DmsTaskStateTrigger(PollingTrigger):
    """Fires when a replication task has left the states in which it is working, with the state it is in then.

    The provider has no waiter that ends with both `stopped` and `failed`.

    :param replication_task_arn: the task
    :param busy_states: the states to wait through
    """

    parameters = ("replication_task_arn", "busy_states")

    def __init__(
        self,
        replication_task_arn: str,
        busy_states: list[str],
        poll_interval: float = 5,
        aws_conn_id: str | None = "aws_default",
        region_name: str | None = None,
    ) -> None:
        super().__init__(poll_interval, aws_conn_id, region_name)
        self.replication_task_arn = replication_task_arn
        self.busy_states = busy_states

    def look(self) -> dict[str, Any] | None:
        hook = DmsHook(aws_conn_id=self.aws_conn_id, region_name=self.region_name)
        status = hook.get_task_status(self.replication_task_arn)
        return None if status in self.busy_states else {"status": status or "deleted"}
