"""A real Gremlin Server, 3.7.3, the last version whose language Neptune speaks; it listens on 127.0.0.1 only.

Its graph is transactional and in memory. It is written to the data folder when the server ends in order and read at the
next start; a kill loses what came since. Neptune keeps every write: what fills the graph has to be able to do so again.
"""

from __future__ import annotations

import json
import logging
import os
import threading
from collections import deque
from collections.abc import Mapping
from pathlib import Path

import httpx

from localcloud.servers import artifacts
from localcloud.servers.process import LOOPBACK, ServerProcess

log = logging.getLogger("localcloud.gremlin")
VERSION = "3.7.3"
_EVALUATION_MS = 120_000
_MAX_CONTENT = 64 * 1024 * 1024
_GRAPH = """gremlin.graph=org.apache.tinkerpop.gremlin.tinkergraph.structure.TinkerTransactionGraph
gremlin.tinkergraph.vertexIdManager=ANY
gremlin.tinkergraph.edgeIdManager=ANY
gremlin.tinkergraph.vertexPropertyIdManager=LONG
# As Neptune has it ("Gremlin standards compliance in Amazon Neptune").
gremlin.tinkergraph.defaultVertexPropertyCardinality=set
gremlin.tinkergraph.graphFormat=graphson
gremlin.tinkergraph.graphLocation={file}
"""
_INIT = "def globals = [:]\nglobals << [g : traversal().withEmbedded(graph)]\n"
_SERIALIZERS = "org.apache.tinkerpop.gremlin.util.ser"
_PLUGINS = "org.apache.tinkerpop.gremlin"


class GremlinServer:
    """A Gremlin Server whose whole state lies in `data_dir`. `heap_mb` is the Java heap in MiB."""

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
        self.process = ServerProcess(name, run_dir or self.data_dir, log_file or self.data_dir / f"{name}.log")

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self.port}"

    def start(self, timeout: float = 60, cancelled: threading.Event | None = None) -> None:
        """Start the server; returns once it answers a traversal.

        Raises ArtifactError when its jars were not fetched, ServerError (and its kinds) as ServerProcess.start does.
        """
        jars = artifacts.class_path("gremlin")
        self._drop_broken_graph()
        settings = self._write_settings()
        self.process.start(
            [
                artifacts.java_home() / "bin" / "java",
                f"-Xmx{self.heap_mb}m",
                # The first compiler only: half of the processor time of a start.
                "-XX:TieredStopAtLevel=1",
                "-XX:+ExitOnOutOfMemoryError",
                "-cp",
                os.pathsep.join(map(str, jars)),
                "org.apache.tinkerpop.gremlin.server.GremlinServer",
                settings,
            ],
            ready=self.healthy,
            timeout=timeout,
            port=self.port,
            environment=self.environment,
            working_dir=self.data_dir,
            cancelled=cancelled,
        )

    def stop(self, timeout: float = 30) -> bool:
        """Stop the server, which writes its graph down; True when it ran."""
        return self.process.stop(timeout)

    def healthy(self) -> bool:
        """Whether the server answers a traversal."""
        try:
            answer = httpx.post(f"{self.url}/gremlin", json={"gremlin": "g.inject(1)"}, timeout=5, trust_env=False)
        except httpx.TransportError:
            return False
        return answer.status_code == 200

    @property
    def _saved(self) -> Path:
        return self.data_dir / "graph.json"

    def _drop_broken_graph(self) -> None:
        """A kill while the graph is written leaves a part of it, which the server would not start from."""
        if not self._saved.exists():
            return
        with self._saved.open("rb") as file:
            lines = deque(file, maxlen=1)
        try:
            json.loads(lines[0] if lines else b"{}")
        except ValueError:
            log.warning("the graph in %s was not written to its end: beginning with an empty one", self._saved)
            self._saved.unlink()

    def _write_settings(self) -> Path:
        self.data_dir.mkdir(parents=True, exist_ok=True)
        graph, init = self.data_dir / "graph.properties", self.data_dir / "init.groovy"
        graph.write_text(_GRAPH.format(file=self._saved), encoding="utf-8")
        init.write_text(_INIT, encoding="utf-8")
        registry = {"ioRegistries": ["org.apache.tinkerpop.gremlin.tinkergraph.structure.TinkerIoRegistryV3"]}
        settings = {
            "host": LOOPBACK,
            "port": self.port,
            "evaluationTimeout": _EVALUATION_MS,
            "channelizer": "org.apache.tinkerpop.gremlin.server.channel.WsAndHttpChannelizer",
            "maxContentLength": _MAX_CONTENT,
            "threadPoolWorker": 1,
            "gremlinPool": 4,
            "graphs": {"graph": str(graph)},
            "scriptEngines": {
                "gremlin-groovy": {
                    "plugins": {
                        f"{_PLUGINS}.server.jsr223.GremlinServerGremlinPlugin": {},
                        f"{_PLUGINS}.tinkergraph.jsr223.TinkerGraphGremlinPlugin": {},
                        f"{_PLUGINS}.jsr223.ImportGremlinPlugin": {"classImports": ["java.lang.Math"]},
                        f"{_PLUGINS}.jsr223.ScriptFileGremlinPlugin": {"files": [str(init)]},
                    }
                }
            },
            "serializers": [
                {"className": f"{_SERIALIZERS}.GraphSONMessageSerializerV3", "config": registry},
                {"className": f"{_SERIALIZERS}.GraphBinaryMessageSerializerV1", "config": registry},
                {"className": f"{_SERIALIZERS}.GraphSONUntypedMessageSerializerV3", "config": registry},
            ],
        }
        # YAML reads JSON.
        file = self.data_dir / "server.yaml"
        file.write_text(json.dumps(settings, indent=2), encoding="utf-8")
        return file
