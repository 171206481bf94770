"""A DAG as a test."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def get_test_run(dag: Any, **arguments: Any) -> Callable[[], None]:
    """A test that runs the DAG in this process and asks that it succeeds."""

    def test_run() -> None:
        run = dag.test(**arguments)
        failed = sorted(task.task_id for task in run.get_task_instances() if task.state == "failed")
        assert str(run.state) == "success", f"{dag.dag_id} is {run.state}; failed tasks: {', '.join(failed)}"

    return test_run
