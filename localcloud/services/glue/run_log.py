"""What a script prints, as events of CloudWatch Logs."""

from __future__ import annotations

import logging
import threading
import time
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

log = logging.getLogger("localcloud.glue.jobs")
_EVENTS_A_CALL = 1000
"""PutLogEvents takes 10,000 events and a MiB in all ("CloudWatch Logs quotas")."""
_LONGEST_MESSAGE = 1000
_EVERY_SECONDS = 1.0


class RunLog:
    """The two streams of one run, both named after it: standard output and standard error.

    A role that may not write logs has a run without them, as on AWS.
    """

    def __init__(self, logs: Any, run_id: str) -> None:
        self._logs = logs
        self._stream = run_id
        self._lock = threading.Lock()
        self._events: dict[str, list[dict[str, Any]]] = {"/aws-glue/jobs/output": [], "/aws-glue/jobs/error": []}
        self._last = 0.0
        self._may_write = True
        for group in self._events:
            self._create(group)

    def output(self, line: str) -> None:
        self._add("/aws-glue/jobs/output", line)

    def error(self, line: str) -> None:
        self._add("/aws-glue/jobs/error", line)

    def flush(self, *, all_of_it: bool = False) -> None:
        """Send what was printed, at most once a second unless it is the end."""
        if not all_of_it and time.monotonic() - self._last < _EVERY_SECONDS:
            return
        self._last = time.monotonic()
        for group in self._events:
            with self._lock:
                waiting, self._events[group] = self._events[group], []
            for first in range(0, len(waiting) if self._may_write else 0, _EVENTS_A_CALL):
                self._call("put_log_events", group, logEvents=waiting[first : first + _EVENTS_A_CALL])

    def _add(self, group: str, line: str) -> None:
        # An event has a message; a line of nothing is none.
        if not line:
            return
        now = int(time.time() * 1000)
        pieces = [line[start : start + _LONGEST_MESSAGE] for start in range(0, len(line), _LONGEST_MESSAGE)]
        with self._lock:
            self._events[group] += [{"timestamp": now, "message": piece} for piece in pieces]

    def _create(self, group: str) -> None:
        try:
            self._logs.create_log_group(logGroupName=group)
        except self._logs.exceptions.ResourceAlreadyExistsException:
            pass
        except (ClientError, BotoCoreError) as error:
            self._refused(group, error)
            return
        self._call("create_log_stream", group)

    def _call(self, operation: str, group: str, **parameters: Any) -> None:
        try:
            getattr(self._logs, operation)(logGroupName=group, logStreamName=self._stream, **parameters)
        except (ClientError, BotoCoreError) as error:
            self._refused(group, error)

    def _refused(self, group: str, error: Exception) -> None:
        self._may_write = False
        log.warning("run %s has no log in %s: %s", self._stream, group, error)
