"""Airflow as the platform's commands see it: its stable REST API (v2), nothing of its code.

Source: Airflow's REST API reference 3.3; what backfills of partitioned DAGs do was tried
(docs/decisions/days-and-state-in-airflow.md).
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Literal, Self

import httpx

from cdap.errors import CdapError
from cdap.settings import settings

STATE_DAG = "build_profiles"
INGEST_PREFIX = "ingest_"
STATE_KEY = "current"
CRAWLER_POOL = "glue_crawler"
PAGE = 100
LINE = 1000
ACTIVE_STATES = ("queued", "running")

Reprocess = Literal["none", "failed", "completed"]


class AirflowError(CdapError):
    """Airflow cannot be reached, refuses, or does not know what was asked for."""


@dataclass(frozen=True)
class Pool:
    """A pool of slots; a deferred task keeps its slot when `include_deferred`."""

    name: str
    slots: int
    description: str
    include_deferred: bool = True


@dataclass(frozen=True)
class Run:
    """A DAG run. `day` is its partition key where that is a day."""

    dag_id: str
    run_id: str
    key: str | None
    state: str
    run_type: str
    queued_at: datetime | None
    started_at: datetime | None
    ended_at: datetime | None

    @property
    def active(self) -> bool:
        return self.state in ACTIVE_STATES

    @property
    def seconds(self) -> float | None:
        """From start to end; None while it runs."""
        if self.started_at is None or self.ended_at is None:
            return None
        return (self.ended_at - self.started_at).total_seconds()


@dataclass(frozen=True)
class TaskRun:
    """The last attempt of a task of a run."""

    dag_id: str
    run_id: str
    task_id: str
    map_index: int
    state: str | None
    attempt: int
    started_at: datetime | None
    ended_at: datetime | None
    queued_at: datetime | None


def extraction_pool(source: str) -> str:
    """The pool of a source's DMS task or AppFlow flows: one slot, since each load sets them up for itself."""
    return f"extract_{source}"


def pools(sources: Iterable[str]) -> list[Pool]:
    """The pools that the DAGs of these sources need."""
    return [
        Pool(CRAWLER_POOL, 1, "The crawler: its targets are shared, so one load at a time"),
        *(Pool(extraction_pool(name), 1, f"Extraction of source {name}: one load at a time") for name in sources),
    ]


class AirflowApi:
    """A session with Airflow's REST API. Every method raises AirflowError when Airflow cannot do what is asked."""

    def __init__(self, url: str, user: str, password: str, *, transport: httpx.BaseTransport | None = None) -> None:
        self._url = url.rstrip("/")
        self._user = user
        self._password = password
        self._http = httpx.Client(timeout=30, transport=transport)
        self._token = ""

    @classmethod
    def connect(cls) -> Self:
        """By the settings `airflow_url`, `airflow_user`, `airflow_password`; logs in, so that a failure shows here."""
        chosen = settings()
        if chosen.airflow_password is None:
            raise AirflowError(
                f"Connecting to Airflow at {chosen.airflow_url}",
                "no password is set",
                "Set CDAP_AIRFLOW_URL, CDAP_AIRFLOW_USER and CDAP_AIRFLOW_PASSWORD",
            )
        api = cls(chosen.airflow_url, chosen.airflow_user, chosen.airflow_password.get_secret_value())
        api._log_in()
        return api

    @property
    def url(self) -> str:
        return self._url

    def close(self) -> None:
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # DAGs -------------------------------------------------------------------------------------------------------------

    def dag(self, dag_id: str) -> dict[str, Any] | None:
        """A DAG's description; None when Airflow has none of that name."""
        response = self._call("GET", f"/dags/{dag_id}", allow=(404,))
        return None if response.status_code == httpx.codes.NOT_FOUND else dict(response.json())

    def ask_to_parse(self, prefix: str) -> bool:
        """Asks for the files of the DAGs whose ids begin with `prefix` to be parsed before it is their time.

        False when Airflow knows no such DAG, hence no file to ask for.
        """
        known = [dag for dag in self._pages("/dags", "dags", {"dag_id_prefix_pattern": prefix}) if dag["file_token"]]
        for token in {dag["fileloc"]: dag["file_token"] for dag in known}.values():
            # 409: it has been asked for already.
            self._call("PUT", f"/parseDagFile/{_quoted(token)}", allow=(409,))
        return bool(known)

    def set_paused(self, dag_id: str, paused: bool) -> None:
        self._call("PATCH", f"/dags/{dag_id}", params={"update_mask": "is_paused"}, json={"is_paused": paused})

    def import_errors(self) -> list[str]:
        """What of the DAG folder Airflow could not load, as `file: error`."""
        return [
            f"{error['filename']}: {error['stack_trace'].strip().splitlines()[-1]}"
            for error in self._call("GET", "/importErrors").json()["import_errors"]
        ]

    def ensure_pools(self, wanted: Sequence[Pool]) -> list[str]:
        """Makes the pools that are missing; returns their names. Existing ones are left as their owner set them."""
        present = {pool["name"] for pool in self._pages("/pools", "pools")}
        missing = [pool for pool in wanted if pool.name not in present]
        for pool in missing:
            body = {
                "name": pool.name,
                "slots": pool.slots,
                "description": pool.description,
                "include_deferred": pool.include_deferred,
            }
            # 409: another command made it in between.
            self._call("POST", "/pools", json=body, allow=(409,))
        return [pool.name for pool in missing]

    # Runs -------------------------------------------------------------------------------------------------------------

    def runs(self, dag_id: str, *, key: str | None = None, active: bool = False) -> list[Run]:
        """Runs of a DAG, oldest first; those of one partition key, or only those that are queued or running."""
        query: dict[str, Any] = {"order_by": "id"}
        if active:
            query["state"] = list(ACTIVE_STATES)
        found = [_run(item) for item in self._pages(f"/dags/{dag_id}/dagRuns", "dag_runs", query)]
        return [run for run in found if key is None or run.key == key]

    def run(self, dag_id: str, run_id: str) -> Run:
        return _run(self._call("GET", f"/dags/{dag_id}/dagRuns/{_quoted(run_id)}").json())

    def trigger(self, dag_id: str, *, key: str | None = None, conf: Mapping[str, Any] | None = None) -> Run:
        """Starts a run now."""
        body = {"logical_date": None, "partition_key": key, "conf": dict(conf or {})}
        return _run(self._call("POST", f"/dags/{dag_id}/dagRuns", json=body).json())

    def tasks(self, dag_id: str, run_id: str) -> list[TaskRun]:
        """The tasks of a run, each with its last attempt."""
        path = f"/dags/{dag_id}/dagRuns/{_quoted(run_id)}/taskInstances"
        return [
            TaskRun(
                dag_id=dag_id,
                run_id=run_id,
                task_id=item["task_id"],
                map_index=item["map_index"],
                state=item["state"],
                attempt=item["try_number"],
                started_at=_instant(item["start_date"]),
                ended_at=_instant(item["end_date"]),
                queued_at=_instant(item["queued_when"]),
            )
            for item in self._pages(path, "task_instances")
        ]

    def log_tail(self, task: TaskRun, lines: int = 25) -> list[str]:
        """The last lines that a task's attempt logged; where an error was logged, its message and what led to it."""
        path = f"/dags/{task.dag_id}/dagRuns/{_quoted(task.run_id)}/taskInstances/{task.task_id}/logs/{task.attempt}"
        answer = self._call(
            "GET",
            path,
            params={"map_index": task.map_index, "full_content": "true"},
            headers={"Accept": "application/json"},
            allow=(404,),
        )
        if answer.status_code == httpx.codes.NOT_FOUND:
            return ["(no log)"]
        content = answer.json().get("content", [])
        texts: list[str] = []
        for event in content if isinstance(content, list) else [content]:
            texts.extend(_log_lines(event))
        return texts[-lines:]

    # Backfills --------------------------------------------------------------------------------------------------------

    def active_backfill(self, dag_id: str) -> dict[str, Any] | None:
        """The backfill of a DAG that is not completed; Airflow takes one at a time."""
        answer = self._call("GET", "/backfills", params={"dag_id": dag_id, "limit": PAGE, "order_by": "-id"}).json()
        return next((dict(item) for item in answer["backfills"] if item["completed_at"] is None), None)

    def create_backfill(
        self,
        dag_id: str,
        first: date,
        last: date,
        *,
        reprocess: Reprocess,
        backwards: bool,
        max_active_runs: int,
    ) -> int:
        """Makes a run for each day that has none, or again for those that failed or completed; returns its id.

        A partitioned DAG's backfill goes over partition dates, both ends included.
        """
        body = {
            "dag_id": dag_id,
            "from_date": f"{first.isoformat()}T00:00:00Z",
            "to_date": f"{last.isoformat()}T00:00:00Z",
            "reprocess_behavior": reprocess,
            "run_backwards": backwards,
            "max_active_runs": max_active_runs,
        }
        return int(self._call("POST", "/backfills", json=body).json()["id"])

    def await_no_backfill(self, dag_id: str, timeout: float = 120) -> None:
        """Waits until Airflow has closed a backfill whose runs have ended; its scheduler does so every 30 seconds."""
        deadline = time.monotonic() + timeout
        while (backfill := self.active_backfill(dag_id)) is not None:
            if time.monotonic() > deadline:
                raise AirflowError(
                    f"Waiting for backfill {backfill['id']} of {dag_id}",
                    f"it is still open after {timeout:.0f} s",
                    f"See {self._url}/dags/{dag_id}/backfills",
                )
            time.sleep(1)

    # HTTP -------------------------------------------------------------------------------------------------------------

    def _pages(self, path: str, key: str, query: Mapping[str, Any] | None = None) -> Iterator[dict[str, Any]]:
        offset = 0
        while True:
            answer = self._call("GET", path, params={**(query or {}), "limit": PAGE, "offset": offset}).json()
            yield from answer[key]
            offset += len(answer[key])
            if not answer[key] or offset >= answer["total_entries"]:
                return

    def _call(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        json: Any = None,
        headers: Mapping[str, str] | None = None,
        allow: Sequence[int] = (),
    ) -> httpx.Response:
        if not self._token:
            self._log_in()
        response = self._send(method, path, params, json, headers)
        if response.status_code == httpx.codes.UNAUTHORIZED:  # the token has expired
            self._log_in()
            response = self._send(method, path, params, json, headers)
        if response.is_success or response.status_code in allow:
            return response
        raise AirflowError(
            f"Asking Airflow for {method} {path}",
            f"it answered {response.status_code}: {_detail(response)}",
            f"See {self._url}",
        )

    def _send(
        self, method: str, path: str, params: Mapping[str, Any] | None, body: Any, headers: Mapping[str, str] | None
    ) -> httpx.Response:
        try:
            return self._http.request(
                method,
                f"{self._url}/api/v2{path}",
                params=params,
                json=body,
                headers={"Authorization": f"Bearer {self._token}", **(headers or {})},
            )
        except httpx.HTTPError as error:
            raise self._unreachable(error) from error

    def _log_in(self) -> None:
        """AWS or here, the token comes from the auth manager's `/auth/token` (simple auth manager, Airflow 3)."""
        try:
            response = self._http.post(
                f"{self._url}/auth/token", json={"username": self._user, "password": self._password}
            )
        except httpx.HTTPError as error:
            raise self._unreachable(error) from error
        if not response.is_success:
            raise AirflowError(
                f"Logging in to Airflow at {self._url} as {self._user}",
                f"it answered {response.status_code}: {_detail(response)}",
                "Check CDAP_AIRFLOW_USER and CDAP_AIRFLOW_PASSWORD",
            )
        self._token = response.json()["access_token"]

    def _unreachable(self, error: httpx.HTTPError) -> AirflowError:
        return AirflowError(
            f"Reaching Airflow at {self._url}",
            str(error) or type(error).__name__,
            "Check that it is up and that CDAP_AIRFLOW_URL is its address",
        )


def _run(item: Mapping[str, Any]) -> Run:
    return Run(
        dag_id=item["dag_id"],
        run_id=item["dag_run_id"],
        key=item["partition_key"],
        state=item["state"],
        run_type=item["run_type"],
        queued_at=_instant(item["queued_at"]),
        started_at=_instant(item["start_date"]),
        ended_at=_instant(item["end_date"]),
    )


def _instant(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _quoted(run_id: str) -> str:
    """Run ids hold `+`, which a path may hold, and may hold `/`, which it may not."""
    return run_id.replace("%", "%25").replace("/", "%2F").replace("+", "%2B")


def _detail(response: httpx.Response) -> str:
    try:
        detail = response.json().get("detail", response.text)
    except (ValueError, AttributeError):
        detail = response.text
    return str(detail)[:500]


def _log_lines(event: Any) -> list[str]:
    if isinstance(event, str):
        return event.splitlines()
    if not isinstance(event, Mapping):
        return [str(event)]
    lines = str(event.get("event", "")).splitlines()
    # The first is the error itself, the others are what it was raised from: a library's words, of any length.
    for error in (event.get("error_detail") or ())[:1]:
        lines.append(f"{error.get('exc_type')}: {error.get('exc_value')}")
    return [line[:LINE] for line in lines if not line.startswith("::")]
