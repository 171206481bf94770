"""The days of an ingest run, once all their data can be there."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowRescheduleException

from cdap.config import Source
from cdap.loads import Window
from cdap_airflow.run_window import run_window

if TYPE_CHECKING:
    from airflow.sdk import Context


def window_when_complete(source: Source, context: Context, log: Any) -> Window:
    """The run's days. A run whose source waits for late data gives its slot back until that has passed.

    Says what of a past day cannot be had as it was. Raises RunWindowError for days that cannot be worked on,
    AirflowRescheduleException for a wait.
    """
    now = datetime.now(UTC)
    window = run_window(source, context["dag_run"].partition_key, context["params"], now)
    late_data_is_in = window.instants(source.zone)[1] + source.late_data_wait
    if now < late_data_is_in:
        log.info("Late data of %s for %s is awaited until %s", source.name, window.last_day, late_data_is_in)
        raise AirflowRescheduleException(late_data_is_in)
    if window.last_day < now.astimezone(source.zone).date() - timedelta(days=1):
        for load, what in (
            ("snapshot", "are snapshots: they are taken as they are now, not as they were on %s"),
            ("modified_window", "hold a record by its last change: what has changed after %s is in a later day"),
        ):
            names = [name for name, table in source.tables.items() if table.load == load]
            if names:
                log.warning("%s " + what, ", ".join(names), window.last_day)
    return window
