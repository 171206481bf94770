"""A real OpenSearch node, 2.19.1, from Maven jars on a Java from a wheel; it listens on 127.0.0.1 only.

The node runs inside a process of Python (`localcloud.servers.opensearch_main`), because OpenSearch's own launcher
refuses to run as root and wants an installation on disk. Its data is in one folder and survives a stop and a kill.
"""

from __future__ import annotations

import json
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path

from localcloud.servers import artifacts
from localcloud.servers.process import LOOPBACK, ServerProcess

VERSION = "2.19.1"


class OpenSearchServer:
    """An OpenSearch node whose whole state lies in `data_dir`.

    `heap_mb` is the Java heap in MiB; the process takes some 300 MiB more.
    """

    def __init__(
        self,
        data_dir: Path,
        port: int,
        *,
        heap_mb: int = 768,
        name: str = "opensearch",
        run_dir: Path | None = None,
        log_file: Path | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.data_dir = data_dir.absolute()
        self.port = port
        self.heap_mb = heap_mb
        self.environment = environment
        self.process = ServerProcess(name, run_dir or self.data_dir, log_file or self.data_dir / "logs" / f"{name}.log")

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self.port}"

    def start(self, timeout: float = 90, cancelled: threading.Event | None = None) -> None:
        """Start the node; returns once it answers and has recovered its indexes (health not red).

        Raises ArtifactError when its jars were not fetched, ServerError (and its kinds) as ServerProcess.start does.
        """
        artifacts.class_path("opensearch")  # said here, in the words of the command, and not in the node's log
        self.process.start(
            [
                sys.executable,
                "-m",
                "localcloud.servers.opensearch_main",
                "--data",
                self.data_dir,
                "--port",
                str(self.port),
                "--heap-mb",
                str(self.heap_mb),
            ],
            ready=self.healthy,
            timeout=timeout,
            port=self.port,
            environment=self.environment,
            cancelled=cancelled,
        )

    def stop(self, timeout: float = 20) -> bool:
        """Stop the node; True when it ran."""
        return self.process.stop(timeout)

    def healthy(self) -> bool:
        """Whether the node answers and all primary shards of its indexes are there."""
        try:
            with urllib.request.urlopen(f"{self.url}/_cluster/health", timeout=5) as response:  # noqa: S310 - http
                return json.load(response)["status"] in ("green", "yellow")
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            return False
