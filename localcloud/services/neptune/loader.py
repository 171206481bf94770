"""Neptune's bulk loader: load jobs over files in S3, one at a time, into the machine's Gremlin Server.

Source: "Neptune Loader Reference", "Gremlin load data format" and "Neptune Loader Error and Feed Messages" of the
Amazon Neptune User Guide. Files of vertices are loaded before those of edges. Loading an element whose id is there is a
duplicate and changes nothing but values of properties with the cardinality set, or single ones where asked to; a
running load that the machine's end interrupts has failed with LOAD_UNEXPECTED_ERROR.
"""

from __future__ import annotations

import logging
import secrets
import tempfile
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from botocore.exceptions import BotoCoreError, ClientError

from localcloud.base.cloud import Cloud
from localcloud.base.errors import AwsError
from localcloud.services.neptune.load_format import Chunk, LoadFile, RowError

log = logging.getLogger("localcloud.neptune.loader")

ASSUMED_BY = "rds.amazonaws.com"
NOT_STARTED, IN_QUEUE, IN_PROGRESS = "LOAD_NOT_STARTED", "LOAD_IN_QUEUE", "LOAD_IN_PROGRESS"
COMPLETED, FAILED, CANCELLED = "LOAD_COMPLETED", "LOAD_FAILED", "LOAD_CANCELLED_BY_USER"
STOPPED_BY_ERRORS, INTERRUPTED = "LOAD_CANCELLED_DUE_TO_ERRORS", "LOAD_UNEXPECTED_ERROR"
UNREADABLE, DENIED = "LOAD_S3_READ_ERROR", "LOAD_S3_ACCESS_DENIED_ERROR"
DEPENDENT = "LOAD_FAILED_BECAUSE_DEPENDENCY_NOT_SATISFIED"
RUNNING = (NOT_STARTED, IN_QUEUE, IN_PROGRESS)
KEPT_LOADS, KEPT_ERRORS, LONGEST_QUEUE = 1024, 10_000, 64
_COUNTS = ("totalRecords", "totalDuplicates", "parsingErrors", "datatypeMismatchErrors", "insertErrors")
_INSERTED_BY = (Path(__file__).parent / "load.groovy").read_text(encoding="utf-8")
_PARAMETERS = {"source", "format", "region", "iamRoleArn", "mode", "failOnError", "parallelism", "parserConfiguration",
               "updateSingleCardinalityProperties", "queueRequest", "dependencies", "userProvidedEdgeIds"}  # fmt: skip


class LoadRefusedError(Exception):
    """A request that the loader does not take: `code` and the message are what Neptune answers with status 400."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True)
class Request:
    """A load job that was asked for; `bucket` and `prefix` are of its `source`."""

    source: str
    bucket: str
    prefix: str
    role_arn: str
    mode: str
    fails_on_error: bool
    updates_single: bool
    queued: bool
    dependencies: tuple[str, ...]

    @classmethod
    def parse(cls, body: Any, region: str) -> Request:
        """From the JSON of the request. Raises LoadRefusedError."""
        if not isinstance(body, Mapping):
            raise LoadRefusedError("BadRequestException", "the body must be a JSON object")
        if unknown := sorted(set(body) - _PARAMETERS):
            raise LoadRefusedError("BadRequestException", f"unknown parameter {', '.join(unknown)}")
        if missing := [name for name in ("source", "format", "region", "iamRoleArn") if not body.get(name)]:
            raise LoadRefusedError("MissingParameterException", f"missing {', '.join(missing)}")
        if body["format"] != "csv":
            raise LoadRefusedError(
                "UnsupportedOperationException", f"the local cloud loads the format csv, got {body['format']!r}"
            )
        source = str(body["source"])
        bucket, _, prefix = source.removeprefix("s3://").partition("/")
        if not source.startswith("s3://") or not bucket:
            raise LoadRefusedError("InvalidParameterException", f"source must be s3://bucket/key, got {source!r}")
        if body["region"] != region:
            raise LoadRefusedError("S3Exception", f"the bucket must be in the cluster's region {region}")
        mode = str(body.get("mode", "AUTO")).upper()
        if mode not in ("RESUME", "NEW", "AUTO"):
            raise LoadRefusedError("InvalidParameterException", f"mode must be RESUME, NEW or AUTO, got {mode!r}")
        if str(body.get("userProvidedEdgeIds", True)).upper() != "TRUE":
            raise LoadRefusedError(
                "UnsupportedOperationException", "the local cloud loads edges with ids (userProvidedEdgeIds)"
            )
        if body.get("parserConfiguration"):
            raise LoadRefusedError("UnsupportedOperationException", "the local cloud takes no parserConfiguration")
        return cls(
            source=source,
            bucket=bucket,
            prefix=prefix,
            role_arn=str(body["iamRoleArn"]),
            mode=mode,
            fails_on_error=_flag(body, "failOnError", True),
            updates_single=_flag(body, "updateSingleCardinalityProperties", False),
            queued=_flag(body, "queueRequest", False),
            dependencies=tuple(map(str, body.get("dependencies") or ())),
        )


def _flag(body: Mapping[str, Any], name: str, default: bool) -> bool:
    value = str(body.get(name, default)).upper()
    if value not in ("TRUE", "FALSE"):
        raise LoadRefusedError("InvalidParameterException", f"{name} must be TRUE or FALSE, got {value!r}")
    return value == "TRUE"


class Loader:
    """The jobs of the machine's cluster, kept in `jobs` (JSON values), which `changed` is called to save."""

    def __init__(
        self, cloud: Cloud, server_url: str, jobs: dict[str, Any], lock: threading.RLock, changed: Callable[[], None]
    ) -> None:
        self._cloud = cloud
        self._server_url = server_url
        self._jobs = jobs
        self._lock = lock
        self._changed = changed
        self._turn = threading.Lock()
        for job in jobs.values():
            if job["overall"]["status"] in RUNNING:
                self._end(job, INTERRUPTED)

    def start(self, body: Any, roles: list[str]) -> str:
        """Begin, or queue, a load; `roles` are those of the cluster. Returns its id. Raises LoadRefusedError."""
        request = Request.parse(body, self._cloud.region)
        if request.role_arn not in roles:
            raise LoadRefusedError(
                "InvalidParameterException", f"the IAM role {request.role_arn} is not associated with the cluster"
            )
        with self._lock:
            running = [job for job in self._jobs.values() if job["overall"]["status"] in RUNNING]
            if running and not request.queued:
                raise LoadRefusedError(
                    "BulkLoadConcurrencyException",
                    "Max concurrent load limit breached: a load is running and queueRequest is not TRUE",
                )
            if len(running) > LONGEST_QUEUE:
                raise LoadRefusedError("BulkLoadQueueFullException", "Max load task queue size limit breached")
            if unknown := [of for of in request.dependencies if of not in self._jobs]:
                raise LoadRefusedError("InvalidParameterException", f"no load {', '.join(unknown)} to depend on")
            before = [job for job in self._jobs.values() if job["overall"]["fullUri"] == request.source]
            if request.mode == "RESUME" and not before:
                raise LoadRefusedError("InvalidParameterException", f"no load of {request.source} to resume")
            load_id = str(uuid.UUID(bytes=secrets.token_bytes(16), version=4))
            done = {}
            if before and request.mode != "NEW" and before[-1]["overall"]["status"] != COMPLETED:
                done = {uri: feed for uri, feed in before[-1]["feeds"].items() if feed["status"] == COMPLETED}
            self._jobs[load_id] = {
                "overall": _counted(request.source, IN_QUEUE if running else NOT_STARTED, len(before) + 1),
                "feeds": done,
                "errors": [],
            }
            for oldest in list(self._jobs)[: max(0, len(self._jobs) - KEPT_LOADS)]:
                del self._jobs[oldest]
            self._changed()
        self._cloud.run(lambda: self._run(load_id, request), name=f"neptune-load-{load_id}")
        return load_id

    def ids(self, limit: int, with_queued: bool) -> list[str]:
        """Ids of loads, the newest first."""
        with self._lock:
            found = [
                load_id for load_id, job in self._jobs.items() if with_queued or job["overall"]["status"] != IN_QUEUE
            ]
        return found[::-1][:limit]

    def status(
        self, load_id: str, *, details: bool = False, errors: bool = False, page: int = 1, errors_per_page: int = 10
    ) -> dict[str, Any] | None:
        """The payload of a status, None for a load that is not known."""
        with self._lock:
            job = self._jobs.get(load_id)
            if job is None:
                return None
            overall = dict(job["overall"])
            feeds = [dict(feed) for feed in job["feeds"].values()]
            logs = list(job["errors"])
        payload: dict[str, Any] = {
            "feedCount": [{status: number} for status, number in Counter(feed["status"] for feed in feeds).items()],
            "overallStatus": overall,
        }
        if details:
            payload["failedFeeds"] = [feed for feed in feeds if feed["status"] not in (COMPLETED, *RUNNING)]
        if errors:
            first = (page - 1) * errors_per_page
            shown = logs[first : first + errors_per_page]
            payload["errors"] = {
                "startIndex": first + 1 if shown else 0,
                "endIndex": first + len(shown),
                "loadId": load_id,
                "errorLogs": shown,
            }
        return payload

    def cancel(self, load_id: str) -> bool:
        """Stop a load, which is in progress until what it is writing is written; what it has loaded stays. False for
        one that is not known."""
        with self._lock:
            job = self._jobs.get(load_id)
            if job is not None and job["overall"]["status"] in RUNNING:
                if job["overall"]["status"] == IN_PROGRESS:
                    job["cancelled"] = True
                else:
                    self._end(job, CANCELLED)
        return job is not None

    # Running ----------------------------------------------------------------------------------------------------------

    def _run(self, load_id: str, request: Request) -> None:
        with self._turn:
            with self._lock:
                job = self._jobs.get(load_id)
                if job is None or job["overall"]["status"] not in RUNNING:
                    return
                if any(self._jobs[of]["overall"]["status"] != COMPLETED for of in request.dependencies):
                    self._end(job, DEPENDENT)
                    return
                job["overall"]["status"] = IN_PROGRESS
                job["overall"]["startTime"] = int(time.time())
                self._changed()
            try:
                with tempfile.TemporaryDirectory(prefix="neptune-load-", dir=self._cloud.paths.state) as folder:
                    self._load(job, request, Path(folder))
            except Exception as error:
                log.exception("the load %s of %s", load_id, request.source)
                self._error(job, INTERRUPTED, f"{type(error).__name__}: {error}", request.source, 0)
                self._end(job, INTERRUPTED)

    def _load(self, job: dict[str, Any], request: Request, folder: Path) -> None:
        try:
            s3 = self._cloud.client("s3", request.role_arn, ASSUMED_BY)
            files = list(self._files(s3, request, folder, job))
        except (AwsError, ClientError, BotoCoreError) as error:
            code = error.response["Error"]["Code"] if isinstance(error, ClientError) else ""
            denied = isinstance(error, AwsError) or code in ("AccessDenied", "403", "Forbidden")
            self._error(job, DENIED if denied else UNREADABLE, f"{request.source}: {error}", "", 0)
            self._end(job, FAILED)
            return
        for file in sorted(files, key=lambda of: (of.of_edges, of.uri)):
            feed = job["feeds"].setdefault(file.uri, _counted(file.uri, IN_PROGRESS, job["overall"]["runNumber"]))
            if not self._load_file(job, feed, file, request):
                return
        self._end(job, COMPLETED)

    def _files(self, s3: Any, request: Request, folder: Path, job: dict[str, Any]) -> Iterator[LoadFile]:
        pages = s3.get_paginator("list_objects_v2").paginate(Bucket=request.bucket, Prefix=request.prefix)
        keys = [item["Key"] for page in pages for item in page.get("Contents", []) if not item["Key"].endswith("/")]
        if not keys:
            raise AwsError("NoSuchKey", f"there is no object under {request.source}")
        for number, key in enumerate(keys):
            uri = f"s3://{request.bucket}/{key}"
            if uri in job["feeds"]:
                continue
            file = folder / f"{number:05d}"
            s3.download_file(request.bucket, key, str(file))
            yield LoadFile(uri, file, folder)

    def _load_file(self, job: dict[str, Any], feed: dict[str, Any], file: LoadFile, request: Request) -> bool:
        """Whether the load goes on."""
        for chunk in file.chunks():
            if job.get("cancelled"):
                feed["status"] = CANCELLED
                self._end(job, CANCELLED)
                return False
            failures = [*chunk.errors, *self._insert(chunk, request, feed, job)]
            for failure in failures:
                self._error(job, failure.code, str(failure), file.uri, failure.row)
                for counts in (feed, job["overall"]):
                    counts[failure.counted_as] += 1
            if failures and request.fails_on_error:
                feed["status"] = FAILED
                self._end(job, FAILED)
                return False
        feed["status"] = COMPLETED
        feed["totalTimeSpent"] = int(time.time()) - feed["startTime"]
        with self._lock:
            self._changed()
        return True

    def _insert(self, chunk: Chunk, request: Request, feed: dict[str, Any], job: dict[str, Any]) -> list[RowError]:
        """One transaction of the graph; returns the rows that it would not take."""
        asked = {
            "gremlin": _INSERTED_BY,
            "language": "gremlin-groovy",
            "aliases": {"g": "g"},
            "bindings": {
                "file": str(chunk.file),
                "ofEdges": chunk.of_edges,
                "updatesSingle": request.updates_single,
                "failsOnError": request.fails_on_error,
            },
        }
        answer = httpx.post(f"{self._server_url}/gremlin", json=asked, timeout=300, trust_env=False)
        if answer.status_code != 200:
            raise AwsError("InternalFailure", f"the graph refused a chunk of {chunk.of}: {answer.text[:500]}", 500)
        (told,) = answer.json()["result"]["data"]["@value"]
        duplicates, failed = int(told.split("|")[0]), [part for part in told.split("|")[1:] if part]
        with self._lock:
            for counts in (feed, job["overall"]):
                counts["totalRecords"] += chunk.rows
                counts["totalDuplicates"] += duplicates
        return [chunk.error_of(int(place), code) for place, _, code in (part.partition(":") for part in failed)]

    def _error(self, job: dict[str, Any], code: str, message: str, file: str, row: int) -> None:
        with self._lock:
            if len(job["errors"]) < KEPT_ERRORS:
                job["errors"].append({"errorCode": code, "errorMessage": message, "fileName": file, "recordNum": row})

    def _end(self, job: dict[str, Any], status: str) -> None:
        with self._lock:
            if job["overall"]["status"] in RUNNING:
                job["overall"]["status"] = status
                if job["overall"]["startTime"]:
                    job["overall"]["totalTimeSpent"] = int(time.time()) - job["overall"]["startTime"]
                if status == FAILED:
                    for feed in job["feeds"].values():
                        if feed["status"] in RUNNING:
                            feed["status"] = STOPPED_BY_ERRORS
            self._changed()


def _counted(uri: str, status: str, run: int) -> dict[str, Any]:
    started = int(time.time()) if status == IN_PROGRESS else 0
    return {"fullUri": uri, "runNumber": run, "retryNumber": 0, "status": status, "totalTimeSpent": 0,
            "startTime": started, **dict.fromkeys(_COUNTS, 0)}  # fmt: skip
