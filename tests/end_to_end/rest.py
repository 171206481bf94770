"""Airflow's REST API, apart from the platform's own client, so that neither hides the other's faults."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, TypeVar

import httpx

from demo.airflow import AirflowEndpoint

Found = TypeVar("Found")

# Only so that a test which waits for what never comes ends: a state run on a busy machine takes minutes.
LIMIT = 1200.0


class AirflowRest:
    """Runs and task instances of one Airflow."""

    def __init__(self, endpoint: AirflowEndpoint) -> None:
        login = {"username": endpoint.user, "password": endpoint.password}
        token = httpx.post(f"{endpoint.url}/auth/token", json=login).raise_for_status().json()["access_token"]
        self._http = httpx.Client(
            base_url=f"{endpoint.url}/api/v2", headers={"Authorization": f"Bearer {token}"}, timeout=30
        )

    def get(self, path: str, **parameters: Any) -> Any:
        return self._http.get(path, params=parameters).raise_for_status().json()

    def post(self, path: str, body: dict[str, Any]) -> Any:
        answer = self._http.post(path, json=body)
        assert answer.is_success, f"POST {path}: {answer.status_code} {answer.text[:500]}"
        return answer.json()

    def patch(self, path: str, body: dict[str, Any]) -> Any:
        answer = self._http.patch(path, json=body)
        assert answer.is_success, f"PATCH {path}: {answer.status_code} {answer.text[:500]}"
        return answer.json()

    def runs(self, dag: str) -> list[dict[str, Any]]:
        """Every run of a DAG, oldest first."""
        found = self.get(f"/dags/{dag}/dagRuns", limit=1000)["dag_runs"]
        return sorted(found, key=lambda run: run["run_after"])

    def tasks(self, dag: str, run: str) -> dict[str, dict[str, Any]]:
        """The task instances of a run by task id."""
        found = self.get(f"/dags/{dag}/dagRuns/{run}/taskInstances", limit=1000)["task_instances"]
        return {task["task_id"]: task for task in found}

    def log(self, dag: str, run: str, task: str, attempt: int) -> str:
        """What a task wrote."""
        answer = self._http.get(
            f"/dags/{dag}/dagRuns/{run}/taskInstances/{task}/logs/{attempt}", params={"full_content": True}
        )
        return answer.raise_for_status().text

    def clear(self, dag: str, run: str, tasks: list[str]) -> None:
        """Clear tasks of a run and all that comes after them."""
        self.post(
            f"/dags/{dag}/clearTaskInstances",
            {
                "dry_run": False, "dag_run_id": run, "task_ids": tasks, "only_failed": False,
                "include_downstream": True, "reset_dag_runs": True,
            },
        )  # fmt: skip

    def idle(self) -> bool:
        """Whether no run of any DAG is queued or running."""
        return self.get("/dags/~/dagRuns", state=["queued", "running"], limit=1)["total_entries"] == 0


def wait_for(what: str, look: Callable[[], Found | None], seconds: float = LIMIT, every: float = 1) -> Found:
    """The first thing that `look` finds; fails naming `what` after `seconds`."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := look():
            return found
        time.sleep(every)
    raise AssertionError(f"waited {seconds} s for {what}")
