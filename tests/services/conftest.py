"""One local cloud for all tests of services: started once, on a free port, with its state in a temporary folder."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from localcloud.base.client import GatewayClient
from localcloud.base.cloud import Credentials, make_client

ROOT = Path(__file__).resolve().parents[2]


@dataclass
class RunningGateway:
    """A gateway process and how to reach it."""

    state: Path
    port: int
    region: str = "eu-central-1"
    account_id: str = "111122223333"
    process: subprocess.Popen[bytes] | None = None
    arguments: list[str] = field(default_factory=list)
    clients: dict[tuple[str, Credentials], Any] = field(default_factory=dict, repr=False)

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def root(self) -> Credentials:
        return Credentials(**json.loads((self.state / "root.json").read_text()))

    @property
    def token(self) -> str:
        return (self.state / "token").read_text()

    @property
    def log(self) -> Path:
        return self.state / "gateway.log"

    def client(self, service: str, credentials: Credentials | None = None) -> Any:
        """A boto3 client as root, or with given keys."""
        key = (service, credentials or self.root)
        if key not in self.clients:
            self.clients[key] = make_client(service, self.endpoint, self.region, key[1])
        return self.clients[key]

    def internal(self) -> GatewayClient:
        """The gateway as the machine's own processes use it."""
        return GatewayClient(self.endpoint, self.token)

    def start(self) -> None:
        """Start the process and wait until it is ready."""
        command = [
            sys.executable,
            "-m",
            "localcloud.base.gateway",
            "--state",
            str(self.state),
            "--port",
            str(self.port),
        ]
        command += ["--region", self.region, "--account", self.account_id, *self.arguments]
        environment = {key: value for key, value in os.environ.items() if not key.startswith("AWS_")}
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log)
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                break
            try:
                answer = httpx.get(f"{self.endpoint}/_localcloud/health", timeout=2, trust_env=False)
                if answer.status_code == 200 and answer.json()["pid"] == self.process.pid:
                    return
            except httpx.TransportError:
                time.sleep(0.05)
        raise RuntimeError(f"the gateway did not start:\n{self.log.read_text()[-4000:]}")

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        """End the process by a signal and wait for its end."""
        if self.process is not None:
            self.process.send_signal(number)
            self.process.wait(30)
            self.process = None


def free_port() -> int:
    """A port that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    """The session's gateway."""
    running = RunningGateway(tmp_path_factory.mktemp("localcloud"), free_port())
    running.start()
    yield running
    running.stop()


@pytest.fixture
def own_gateway(tmp_path: Path) -> Iterator[RunningGateway]:
    """A gateway of the test's own, to be killed and started again; the test starts it."""
    running = RunningGateway(tmp_path / "state", free_port())
    running.state.mkdir()
    yield running
    running.stop()
