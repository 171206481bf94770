"""A local cloud of a benchmark's own: started in a temporary folder, stopped and removed at the end."""

from __future__ import annotations

import json
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from localcloud.base.cloud import Credentials, make_client
from localcloud.servers.machine import Machine

REGION = "eu-central-1"


@dataclass(frozen=True)
class Cloud:
    """A running machine, as the account's root."""

    machine: Machine

    def client(self, service: str) -> Any:
        """A boto3 client."""
        return make_client(service, self.url("gateway"), REGION, self.root)

    @property
    def root(self) -> Credentials:
        return Credentials(**json.loads((self.machine.state / "root.json").read_text()))

    def url(self, server: str) -> str:
        """Where a server listens."""
        return self.machine.addresses()[server].url

    def pids(self) -> list[int]:
        """The processes of all servers."""
        return [process.pid for process in self.machine.processes()]


@contextmanager
def local_cloud(*, without: frozenset[str] = frozenset()) -> Iterator[Cloud]:
    """Start one without the servers that are not needed."""
    with tempfile.TemporaryDirectory(prefix="benchmark-") as folder:
        machine = Machine(Path(folder) / "state")
        # A benchmark that is told to end, by `timeout` or a shell, takes its servers along.
        before = signal.signal(signal.SIGTERM, _exit)
        try:
            machine.up(region=REGION, without=without)
            yield Cloud(machine)
        finally:
            machine.down()
            signal.signal(signal.SIGTERM, before)


def _exit(number: int, frame: FrameType | None) -> None:
    raise SystemExit(128 + number)
