"""The task that makes a run fail when any other failed, whatever came after it."""

from __future__ import annotations

from airflow.sdk import task


@task(trigger_rule="one_failed", retries=0)
def watcher() -> None:
    """Fail."""
    raise RuntimeError("a task of the DAG failed")
