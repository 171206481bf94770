"""One source's extraction by Amazon AppFlow, as one task."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.providers.amazon.aws.hooks.appflow import AppflowHook
from airflow.providers.amazon.aws.operators.base_aws import AwsBaseOperator
from airflow.providers.amazon.aws.utils.mixins import aws_template_fields

from cdap import lineage
from cdap.errors import CdapError
from cdap.flows import flow_of_load
from cdap.loads import Load, begin_load
from cdap.parameters import parameters
from cdap.warehouse import Warehouse
from cdap_airflow.failures import no_retry_when_lasting
from cdap_airflow.late_data import window_when_complete
from cdap_airflow.lineage import LineageMixin
from cdap_airflow.stage_figures import record, source_of
from cdap_airflow.triggers.appflow import BUSY, AppflowExecutionsTrigger, all_ended, execution_record, execution_records

if TYPE_CHECKING:
    from airflow.sdk import Context


class AppflowExtractOperator(LineageMixin, AwsBaseOperator[AppflowHook]):
    """Extracts a source's days by its AppFlow flows, a flow a table, into a folder of the load's own.

    Sets each flow's window and folder (UpdateFlow), starts all of them, waits, and verifies what AppFlow counted. The
    flows are shared by all runs of the source, so the pool's one slot must be held over all of that. The provider's
    own operators change the shared flow as well, but wait on the worker and by polls of 20 s.

    A record that has changed since a past day is not in that day's window any more, but in that of its last change:
    all windows together hold every record, whenever they are extracted.

    Returns `{"load": Load.to_json(), "rows": {table: rows}, "engine_seconds": float}`.

    .. seealso::
        Amazon AppFlow API reference: UpdateFlow, StartFlow, DescribeFlowExecutionRecords

    :param source: name of the source, of kind appflow
    :param inline_wait: seconds to wait on the worker before deferring
    :param poll_interval: seconds between two looks at the executions when deferred
    :param timeout: seconds after which a deferred wait fails
    """

    aws_hook_class = AppflowHook
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
        self._started: dict[str, str] = {}

    @no_retry_when_lasting
    def execute(self, context: Context) -> dict[str, Any]:
        source = source_of(self.source)
        window = window_when_complete(source, context, self.log)
        flows = {table: parameters().flow(source.name, table) for table in source.tables}
        self._make_idle(flows.values())
        load = begin_load(source, window, datetime.now(UTC))
        self.log.info("Load %s of %s, %s to %s", load.load_id, source.name, load.first_day, load.last_day)
        for table, flow in flows.items():
            described = self.hook.conn.describe_flow(flowName=flow)
            self.hook.conn.update_flow(**flow_of_load(described, source, table, load))
        for table, flow in flows.items():
            self._started[table] = self.hook.conn.start_flow(flowName=flow)["executionId"]
        executions = {flows[table]: execution_id for table, execution_id in self._started.items()}
        if not self._have_ended(executions):
            self.defer(
                trigger=AppflowExecutionsTrigger(executions, self.poll_interval, self.aws_conn_id, self.region_name),
                method_name="finish",
                kwargs={"load": load.to_json(), "executions": dict(self._started)},
                timeout=timedelta(seconds=self.timeout),
            )
        return self.finish(context, None, load.to_json(), dict(self._started))

    @no_retry_when_lasting
    def finish(
        self, context: Context, event: dict[str, Any] | None, load: dict[str, str], executions: Mapping[str, str]
    ) -> dict[str, Any]:
        """Verify how the executions (id by table) ended; the triggerer comes back to here after long ones."""
        extraction = Load.from_json(load)
        rows, seconds = {}, 0.0
        for table, execution_id in executions.items():
            found = self._verified(extraction, table, execution_id)
            rows[table] = int(found["executionResult"].get("recordsProcessed", 0))
            seconds = max(seconds, (found["lastUpdatedAt"] - found["startedAt"]).total_seconds())
        total = sum(rows.values())
        self.log.info("%s records of %s tables extracted in %.1f s", total, len(rows), seconds)
        with Warehouse.connect() as warehouse:
            record(context, warehouse, "land", load=extraction, rows_in=total, rows_out=total, engine_seconds=seconds)
        names, source = parameters(), source_of(self.source)
        self.moved(
            [lineage.source_table(source, table) for table in rows],
            [lineage.raw_table(names, source, table, count) for table, count in rows.items()],
        )
        return {"load": load, "rows": rows, "engine_seconds": seconds}

    def on_kill(self) -> None:
        """Cancel what this attempt started: nothing will point at its folder."""
        for table, execution_id in self._started.items():
            self.hook.conn.cancel_flow_executions(
                flowName=parameters().flow(self.source, table), executionIds=[execution_id]
            )

    def _verified(self, load: Load, table: str, execution_id: str) -> dict[str, Any]:
        flow = parameters().flow(self.source, table)
        found = execution_record(self.hook.conn, flow, execution_id)
        status = found["executionStatus"] if found else "not among the flow's executions"
        if found is None or status != "Successful":
            error = (found or {}).get("executionResult", {}).get("errorInfo", {})
            raise CdapError(
                f"Extracting {self.source}.{table}, {load.first_day} to {load.last_day}, load {load.load_id}",
                f"execution {execution_id} of flow {flow} is {status}: "
                f"{error.get('executionMessage', 'AppFlow gives no reason')}",
                "Correct the cause and clear this task; it extracts into a new folder",
            )
        return found

    def _make_idle(self, flows: Any) -> None:
        """End what a killed attempt left running; the pool has one slot for the source, so it is nobody else's."""
        for flow in flows:
            running = [
                found["executionId"]
                for found in execution_records(self.hook.conn, flow)
                if found["executionStatus"] in BUSY
            ]
            if not running:
                continue
            self.log.warning("Flow %s runs on behalf of an attempt that is gone; cancelling it", flow)
            self.hook.conn.cancel_flow_executions(flowName=flow, executionIds=running)
            deadline = time.monotonic() + self.inline_wait * 8
            while not all(all_ended(self.hook.conn, {flow: execution_id}) for execution_id in running):
                if time.monotonic() > deadline:
                    raise CdapError(
                        f"Preparing the flows of {self.source}",
                        f"{flow} still runs and was not cancelled in time",
                        "Look at the flow in AppFlow and clear this task when it has ended",
                    )
                time.sleep(1)

    def _have_ended(self, executions: dict[str, str]) -> bool:
        """Whether the executions end within the time that this operator waits on the worker."""
        deadline = time.monotonic() + self.inline_wait
        pause = 0.2
        while not all_ended(self.hook.conn, executions):
            if time.monotonic() > deadline:
                return False
            time.sleep(pause)
            pause = min(pause * 1.5, 2)
        return True
