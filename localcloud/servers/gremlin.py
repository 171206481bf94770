"""A real Gremlin Server, 3.7.3 (Neptune's), from Maven jars on a Java from a wheel; it listens on 127.0.0.1 only.

Its one graph is a TinkerTransactionGraph whose ids are what the client gives, strings as Neptune's are. What was
committed is in a journal on disk before the client is answered (`gremlin.groovy`), and survives a stop and a kill.
"""

from __future__ import annotations

import json
import threading
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path

from localcloud.servers import artifacts
from localcloud.servers.process import LOOPBACK, ServerProcess, write_private

VERSION = "3.7.3"
_PACKAGE = "org.apache.tinkerpop.gremlin"
_MAX_REQUEST = 150 * 1024 * 1024
"""Bytes of the largest request ("Amazon Neptune Limits": 150 MB)."""


def script_request(script: str) -> dict[str, object]:
    """The body of a POST to `/gremlin`: the script is Gremlin alone, as Neptune takes it, and no Groovy."""
    return {"gremlin": script, "language": "gremlin-lang", "aliases": {"g": "g"}}


class GremlinServer:
    """A Gremlin Server whose whole state lies in `data_dir`.

    `heap_mb` is the Java heap in MiB, which holds the graph too; the process takes some 150 MiB more.
    """

    def __init__(
        self,
        data_dir: Path,
        port: int,
        *,
        heap_mb: int = 512,
        name: str = "gremlin",
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

    def start(self, timeout: float = 60, cancelled: threading.Event | None = None) -> None:
        """Start the server; returns once it answers a traversal over the graph that was kept.

        Raises ArtifactError when its jars were not fetched, ServerError (and its kinds) as ServerProcess.start does.
        """
        jars = artifacts.class_path("gremlin")
        self.process.start(
            [
                artifacts.java_home() / "bin" / "java",
                f"-Xmx{self.heap_mb}m",
                "-Xms64m",
                "-XX:+UseSerialGC",  # the smallest of the collectors
                # The first compiler only: less of the processor at a start that others share.
                "-XX:TieredStopAtLevel=1",
                "-XX:+ExitOnOutOfMemoryError",
                "-Dfile.encoding=UTF-8",
                "-Dorg.slf4j.simpleLogger.showDateTime=true",
                "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSS",
                "-cp",
                ":".join(str(jar) for jar in jars),
                "groovy.ui.GroovyMain",
                Path(__file__).with_suffix(".groovy"),
                self._write_settings(),
                self.data_dir,
            ],
            ready=self.healthy,
            timeout=timeout,
            port=self.port,
            environment=self.environment,
            cancelled=cancelled,
        )

    def stop(self, timeout: float = 20) -> bool:
        """Stop the server; True when it ran."""
        return self.process.stop(timeout)

    def healthy(self) -> bool:
        """Whether the server answers a traversal."""
        asked = script_request("g.V().limit(1).count()")
        request = urllib.request.Request(f"{self.url}/gremlin", data=json.dumps(asked).encode(), method="POST")  # noqa: S310 - http
        try:
            with urllib.request.urlopen(request, timeout=5) as response:  # noqa: S310 - http
                return bool(response.status == 200)
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            return False

    def _write_settings(self) -> Path:
        """The server's settings, written into its folder; JSON is YAML."""
        graph = self.data_dir / "graph.properties"
        write_private(
            graph,
            "gremlin.graph=org.apache.tinkerpop.gremlin.tinkergraph.structure.TinkerTransactionGraph\n"
            "gremlin.tinkergraph.vertexIdManager=ANY\n"
            "gremlin.tinkergraph.edgeIdManager=ANY\n"
            "gremlin.tinkergraph.vertexPropertyIdManager=ANY\n"
            # "Gremlin standards compliance in Amazon Neptune": the default cardinality is set.
            "gremlin.tinkergraph.defaultVertexPropertyCardinality=set\n",
        )
        settings = {
            "host": LOOPBACK,
            "port": self.port,
            # "Amazon Neptune Limits": two minutes unless the parameter group says otherwise.
            "evaluationTimeout": 120_000,
            "channelizer": f"{_PACKAGE}.server.channel.WsAndHttpChannelizer",
            "maxContentLength": _MAX_REQUEST,
            "threadPoolWorker": 1,
            "gremlinPool": 4,
            "graphs": {"graph": str(graph)},
            "scriptEngines": {"gremlin-lang": {}},
            "serializers": [
                {"className": f"{_PACKAGE}.util.ser.GraphBinaryMessageSerializerV1"},
                {"className": f"{_PACKAGE}.util.ser.GraphSONMessageSerializerV3"},
                {"className": f"{_PACKAGE}.util.ser.GraphSONUntypedMessageSerializerV3"},
            ],
        }
        file = self.data_dir / "gremlin-server.yaml"
        write_private(file, json.dumps(settings, indent=2))
        return file
