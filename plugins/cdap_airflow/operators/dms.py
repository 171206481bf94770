"""One source's extraction by AWS DMS, as one task."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, cast

from airflow.providers.amazon.aws.hooks.dms import DmsHook
from airflow.providers.amazon.aws.operators.base_aws import AwsBaseOperator
from airflow.providers.amazon.aws.utils.mixins import aws_template_fields

from cdap import lineage
from cdap.config import DmsSource
from cdap.errors import CdapError
from cdap.loads import Load, begin_load, dms_table_mappings
from cdap.parameters import parameters
from cdap.warehouse import Warehouse
from cdap_airflow.failures import no_retry_when_lasting
from cdap_airflow.late_data import window_when_complete
from cdap_airflow.lineage import LineageMixin
from cdap_airflow.stage_figures import record, source_of
from cdap_airflow.triggers.dms import DmsTaskStateTrigger

if TYPE_CHECKING:
    from airflow.sdk import Context

# States of a replication task (AWS DMS: Task status) in which it will go on by itself.
CHANGING = ["creating", "modifying", "moving", "testing", "stopping", "deleting"]
WORKING = ["starting", "running"]
FULL_LOAD_FINISHED = "FULL_LOAD_ONLY_FINISHED"
TABLE_COMPLETED = "Table completed"


class DmsFullLoadOperator(LineageMixin, AwsBaseOperator[DmsHook]):
    """Extracts a source's days by a DMS full-load task into a folder of the load's own, and verifies what DMS counted.

    Modifies the replication task's table mappings to the days and the new load's folder, starts it, waits. The
    provider has an operator for each of these steps; they are one task here because the replication task is shared
    by all runs of the source, so the pool's one slot must be held over all three
    (docs/decisions/one-task-a-dms-load.md). Every attempt makes a new load: what a killed one wrote is a folder that
    nothing points at, and an extraction that it left running is stopped first.

    Waits a few seconds on the worker, since small extractions end within them, then in the triggerer. A run whose
    source has a wait for late data gives its slot back until that has passed.

    Returns `{"load": Load.to_json(), "rows": {table: rows}, "engine_seconds": float}`.

    .. seealso::
        AWS DMS user guide: Task status, Modifying a task, Table statistics (DescribeTableStatistics)

    :param source: name of the source, of kind dms
    :param inline_wait: seconds to wait on the worker before deferring
    :param poll_interval: seconds between two looks at the replication task when deferred
    :param timeout: seconds after which a deferred wait fails
    """

    aws_hook_class = DmsHook
    template_fields: Sequence[str] = aws_template_fields("source")
    ui_color = "#e3edf7"

    def __init__(
        self,
        *,
        source: str,
        inline_wait: float = 15,
        poll_interval: float = 10,
        timeout: float = 6 * 3600,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.source = source
        self.inline_wait = inline_wait
        self.poll_interval = poll_interval
        self.timeout = timeout
        self._started_arn: str | None = None

    @no_retry_when_lasting
    def execute(self, context: Context) -> dict[str, Any]:
        source = source_of(self.source)
        window = window_when_complete(source, context, self.log)
        arn = parameters().dms_task_arn(source.name)
        self._make_idle(arn)
        load = begin_load(source, window, datetime.now(UTC))
        self.log.info("Load %s of %s, %s to %s", load.load_id, source.name, load.first_day, load.last_day)
        self.hook.modify_replication_task(
            arn, table_mappings=dms_table_mappings(cast(DmsSource, source), load.load_id, window)
        )
        if not self._left(arn, CHANGING):
            self._defer(arn, CHANGING, "start", load)
        return self.start(context, None, load.to_json())

    @no_retry_when_lasting
    def start(self, context: Context, event: dict[str, Any] | None, load: dict[str, str]) -> dict[str, Any]:
        """Start the modified task and wait for it; the triggerer comes back to here after a long modification."""
        arn = parameters().dms_task_arn(self.source)
        # `start-replication` is for a task that never ran; `reload-target` for any other (StartReplicationTask).
        first = "ReplicationTaskStartDate" not in self._describe(arn)
        self.hook.start_replication_task(arn, "start-replication" if first else "reload-target")
        self._started_arn = arn
        if not self._left(arn, CHANGING + WORKING):
            self._defer(arn, CHANGING + WORKING, "finish", Load.from_json(load))
        return self.finish(context, None, load)

    @no_retry_when_lasting
    def finish(self, context: Context, event: dict[str, Any] | None, load: dict[str, str]) -> dict[str, Any]:
        """Verify how the task ended and what it counted; the triggerer comes back to here after a long extraction."""
        extraction = Load.from_json(load)
        arn = parameters().dms_task_arn(self.source)
        task = self._describe(arn)
        doing = f"Extracting {self.source}, {extraction.first_day} to {extraction.last_day}, load {extraction.load_id}"
        if task["Status"] != "stopped" or FULL_LOAD_FINISHED not in task.get("StopReason", ""):
            reason = task.get("LastFailureMessage") or task.get("StopReason") or "DMS gives no reason"
            raise CdapError(
                doing,
                f"the replication task {task['ReplicationTaskIdentifier']} is {task['Status']}: {reason}",
                "Correct the cause and clear this task; it extracts into a new folder",
            )
        rows = self._verified_rows(arn, doing)
        seconds = task.get("ReplicationTaskStats", {}).get("ElapsedTimeMillis", 0) / 1000
        total = sum(rows.values())
        self.log.info("%s rows of %s tables extracted in %.1f s", total, len(rows), seconds)
        with Warehouse.connect() as warehouse:
            record(context, warehouse, "land", load=extraction, rows_in=total, rows_out=total, engine_seconds=seconds)
        names, source = parameters(), source_of(self.source)
        self.moved(
            [lineage.source_table(source, table) for table in rows],
            [lineage.raw_table(names, source, table, count) for table, count in rows.items()],
        )
        return {"load": load, "rows": rows, "engine_seconds": seconds}

    def on_kill(self) -> None:
        """Stop the extraction that this attempt started: nothing will point at its folder."""
        if self._started_arn is not None:
            self.hook.stop_replication_task(self._started_arn)

    def _verified_rows(self, arn: str, doing: str) -> dict[str, int]:
        """Rows by table, of every table of the source; raises CdapError for a table that DMS did not load whole."""
        statistics = {}
        pages = self.hook.conn.get_paginator("describe_table_statistics").paginate(ReplicationTaskArn=arn)
        for page in pages:
            statistics.update({table["TableName"]: table for table in page["TableStatistics"]})
        rows = {}
        for name in source_of(self.source).tables:
            table = statistics.get(name)
            state = table.get("TableState", "") if table else "absent from the statistics"
            errors = table.get("FullLoadErrorRows", 0) if table else 0
            if table is None or state != TABLE_COMPLETED or errors:
                raise CdapError(
                    doing,
                    f"table {name} is {state!r}, {errors} rows in error",
                    "See the replication task's log and whether the source has the table, then clear this task",
                )
            rows[name] = int(table["FullLoadRows"])
        return rows

    def _make_idle(self, arn: str) -> None:
        """Wait until the task can be modified, stopping what a killed attempt left running.

        The pool has one slot for the source's replication task, so nobody else's run can be meant.
        """
        deadline = time.monotonic() + self.inline_wait * 8
        stopped = False
        while (status := self._describe(arn)["Status"]) in CHANGING + WORKING:
            if status in WORKING and not stopped:
                self.log.warning("The replication task is %s on behalf of an attempt that is gone; stopping it", status)
                self.hook.stop_replication_task(arn)
                stopped = True
            if time.monotonic() > deadline:
                raise CdapError(
                    f"Preparing the replication task of {self.source}",
                    f"it is {status} and did not become idle",
                    "Look at the task in DMS and clear this task when it is stopped or ready",
                )
            time.sleep(1)

    def _left(self, arn: str, states: list[str]) -> bool:
        """Whether the task leaves `states` within the time that this operator waits on the worker."""
        deadline = time.monotonic() + self.inline_wait
        pause = 0.2
        while self._describe(arn)["Status"] in states:
            if time.monotonic() > deadline:
                return False
            time.sleep(pause)
            pause = min(pause * 1.5, 2)
        return True

    def _defer(self, arn: str, states: list[str], method: str, load: Load) -> None:
        self.defer(
            trigger=DmsTaskStateTrigger(arn, states, self.poll_interval, self.aws_conn_id, self.region_name),
            method_name=method,
            kwargs={"load": load.to_json()},
            timeout=timedelta(seconds=self.timeout),
        )

    def _describe(self, arn: str) -> dict[str, Any]:
        task = self.hook.get_task_description(arn)
        if task is None:
            raise CdapError(
                f"Extracting {self.source}", f"DMS has no replication task {arn}", "Deploy the stack with `cdap deploy`"
            )
        return dict(task)
