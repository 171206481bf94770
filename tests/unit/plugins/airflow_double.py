"""A small Airflow behind the REST API: as much of its behaviour as `cdap backfill` relies on.

Each rule here was seen on Airflow 3.3.2 (docs/decisions/days-and-state-in-airflow.md).
"""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from typing import Any
from urllib.parse import unquote

import httpx

NOW = datetime(2026, 3, 10, tzinfo=UTC)


class AirflowDouble:
    """Runs end when runs have been asked for `steps` times; days in `failing` end failed."""

    def __init__(self) -> None:
        self.paused = {"ingest_shop": True, "build_profiles": False}
        # DAGs that their file would give if it were parsed again.
        self.unparsed: dict[str, bool] = {}
        self.runs: list[dict[str, Any]] = []
        self.asked: dict[str, int] = {}
        self.steps = 2
        self.failing: set[str] = set()
        self.pools: set[str] = {"default_pool"}
        self.open_backfill: int | None = None
        self.tokens = 0
        self.state_was_paused_when_triggered: list[bool] = []
        self.landed_while_state_ran_free = 0

    def transport(self) -> httpx.MockTransport:
        return httpx.MockTransport(self.answer)

    def answer(self, request: httpx.Request) -> httpx.Response:
        path = unquote(request.url.path)
        body = json.loads(request.content) if request.content else {}
        if path == "/auth/token":
            self.tokens += 1
            return httpx.Response(201, json={"access_token": f"token-{self.tokens}"})
        if request.headers["Authorization"] != f"Bearer token-{self.tokens}":
            return httpx.Response(401, json={"detail": "expired"})
        parts = path.removeprefix("/api/v2/").split("/")
        return getattr(self, f"_{request.method.lower()}_{parts[0]}")(parts, body, request.url.params)

    def make(self, dag: str, key: str | None, run_type: str) -> dict[str, Any]:
        run = {
            "dag_id": dag, "dag_run_id": f"{run_type}__{key}__{len(self.runs)}+00:00", "partition_key": key,
            "state": "queued", "run_type": run_type, "queued_at": NOW.isoformat(), "start_date": NOW.isoformat(),
            "end_date": None,
        }  # fmt: skip
        self.runs.append(run)
        return run

    def _advance(self) -> None:
        for run in self.runs:
            if run["state"] in ("queued", "running") and not self.paused[run["dag_id"]]:
                seen = self.asked[run["dag_run_id"]] = self.asked.get(run["dag_run_id"], 0) + 1
                run["state"] = "running"
                if seen >= self.steps:
                    run["state"] = "failed" if run["partition_key"] in self.failing else "success"
                    run["end_date"] = (NOW + timedelta(seconds=5)).isoformat()
                    if run["dag_id"] == "ingest_shop" and not self.paused["build_profiles"]:
                        self.landed_while_state_ran_free += 1

    def _get_dags(self, parts: list[str], body: Any, params: httpx.QueryParams) -> httpx.Response:
        if len(parts) == 1:
            known = [dag for dag in self.paused if dag.startswith(params["dag_id_prefix_pattern"])]
            listed = [{"dag_id": dag, "fileloc": f"{dag[:6]}.py", "file_token": f"of {dag}/it"} for dag in known]
            return self._page(listed, "dags", params)
        dag = parts[1]
        if dag not in self.paused:
            return httpx.Response(404, json={"detail": "not found"})
        if len(parts) == 2:
            return httpx.Response(200, json={"dag_id": dag, "is_paused": self.paused[dag]})
        if len(parts) == 3:
            self._advance()
            states = params.get_list("state")
            found = [run for run in self.runs if run["dag_id"] == dag and (not states or run["state"] in states)]
            return self._page(found, "dag_runs", params)
        run = next(run for run in self.runs if run["dag_run_id"] == parts[3])
        if len(parts) == 4:
            return httpx.Response(200, json=run)
        if len(parts) == 5:
            task = {
                "task_id": "land", "map_index": -1, "state": run["state"], "try_number": 3, "start_date": None,
                "end_date": None, "queued_when": None,
            }  # fmt: skip
            return self._page([task], "task_instances", params)
        content = [
            {"event": "::group::x"},
            {"event": "before"},
            {"event": "Task failed", "error_detail": [{"exc_type": "CdapError", "exc_value": "no table orders"}]},
        ]
        return httpx.Response(200, json={"content": content})

    def _put_parseDagFile(self, parts: list[str], body: Any, params: httpx.QueryParams) -> httpx.Response:
        self.paused |= self.unparsed
        self.unparsed = {}
        return httpx.Response(201, json=None)

    def _post_dags(self, parts: list[str], body: Any, params: httpx.QueryParams) -> httpx.Response:
        if parts[1] == "build_profiles":
            self.state_was_paused_when_triggered.append(self.paused["build_profiles"])
        return httpx.Response(200, json=self.make(parts[1], body["partition_key"], "manual"))

    def _patch_dags(self, parts: list[str], body: Any, params: httpx.QueryParams) -> httpx.Response:
        self.paused[parts[1]] = body["is_paused"]
        return httpx.Response(200, json={})

    def _get_backfills(self, parts: list[str], body: Any, params: httpx.QueryParams) -> httpx.Response:
        # The scheduler closes a backfill whose runs have ended.
        if not any(run["run_type"] == "backfill" and run["state"] in ("queued", "running") for run in self.runs):
            self.open_backfill = None
        found = [] if self.open_backfill is None else [{"id": self.open_backfill, "completed_at": None}]
        return self._page(found, "backfills", params)

    def _post_backfills(self, parts: list[str], body: Any, params: httpx.QueryParams) -> httpx.Response:
        if self.open_backfill is not None:
            return httpx.Response(409, json={"detail": "There is already a running backfill"})
        first, last = (date.fromisoformat(body[key][:10]) for key in ("from_date", "to_date"))
        days = [(first + timedelta(days=n)).isoformat() for n in range((last - first).days + 1)]
        for day in reversed(days) if body["run_backwards"] else days:
            before = [run for run in self.runs if run["dag_id"] == body["dag_id"] and run["partition_key"] == day]
            state = before[-1]["state"] if before else None
            again = {"none": (), "failed": ("failed",), "completed": ("failed", "success")}[body["reprocess_behavior"]]
            if state is None or state in again:
                self.make(body["dag_id"], day, "backfill")
        self.open_backfill = len(self.runs)
        return httpx.Response(200, json={"id": self.open_backfill})

    def _get_pools(self, parts: list[str], body: Any, params: httpx.QueryParams) -> httpx.Response:
        return self._page([{"name": name} for name in sorted(self.pools)], "pools", params)

    def _post_pools(self, parts: list[str], body: Any, params: httpx.QueryParams) -> httpx.Response:
        self.pools.add(body["name"])
        return httpx.Response(201, json={})

    def _get_importErrors(self, parts: list[str], body: Any, params: httpx.QueryParams) -> httpx.Response:
        return httpx.Response(200, json={"import_errors": [], "total_entries": 0})

    def _page(self, found: list[Any], key: str, params: httpx.QueryParams) -> httpx.Response:
        offset, limit = int(params.get("offset", 0)), int(params.get("limit", 50))
        return httpx.Response(200, json={key: found[offset : offset + limit], "total_entries": len(found)})
