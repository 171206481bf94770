"""What crawls and jobs tell of themselves, as events of CloudWatch Logs.

Source: AWS Glue Developer Guide, "Logging for AWS Glue jobs" (the groups `/aws-glue/jobs/output` and
`/aws-glue/jobs/error`, a stream a run), "Configuring AWS Glue crawlers" (`/aws-glue/crawlers`, a stream a crawler).
"""

from __future__ import annotations

import logging
import threading
import time
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

log = logging.getLogger("localcloud.glue.logs")
_EVENTS_A_CALL = 1000
"""PutLogEvents takes 10,000 events and a MiB in all ("CloudWatch Logs quotas")."""
_LONGEST_MESSAGE = 1000
_EVERY_SECONDS = 1.0


class LogStream:
    """One stream of a group, which are made when there is something to write.

    A role that may not write logs works without them, as on AWS.
    """

    def __init__(self, logs: Any, group: str, name: str) -> None:
        self._logs, self._group, self._name = logs, group, name
        self._lock = threading.Lock()
        self._events: list[dict[str, Any]] = []
        self._last = 0.0
        self._made = self._refused = False

    def write(self, line: str) -> None:
        """Adds a line to what is waiting; any thread may."""
        # An event has a message; a line of nothing is none.
        if not line:
            return
        now = int(time.time() * 1000)
        pieces = [line[start : start + _LONGEST_MESSAGE] for start in range(0, len(line), _LONGEST_MESSAGE)]
        with self._lock:
            self._events += [{"timestamp": now, "message": piece} for piece in pieces]

    def flush(self, *, all_of_it: bool = False) -> None:
        """Send what is waiting, at most once a second unless it is the end."""
        if not all_of_it and time.monotonic() - self._last < _EVERY_SECONDS:
            return
        self._last = time.monotonic()
        with self._lock:
            waiting, self._events = self._events, []
        if not waiting or self._refused:
            return
        try:
            self._make()
            for first in range(0, len(waiting), _EVENTS_A_CALL):
                self._logs.put_log_events(
                    logGroupName=self._group,
                    logStreamName=self._name,
                    logEvents=waiting[first : first + _EVENTS_A_CALL],
                )
        except (ClientError, BotoCoreError) as error:
            self._refused = True
            log.warning("%s has no log in %s: %s", self._name, self._group, error)

    def _make(self) -> None:
        if self._made:
            return
        for operation, names in (
            (self._logs.create_log_group, {"logGroupName": self._group}),
            (self._logs.create_log_stream, {"logGroupName": self._group, "logStreamName": self._name}),
        ):
            try:
                operation(**names)
            except self._logs.exceptions.ResourceAlreadyExistsException:
                continue
        self._made = True
