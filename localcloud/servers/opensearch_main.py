"""The process of an OpenSearch node: `python -m localcloud.servers.opensearch_main --data DIR --port N`.

It starts a Java machine in this process, and in it a node as OpenSearch's own launcher does, with the modules that are
in the jars. SIGTERM and SIGINT close the node in order.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
from pathlib import Path
from typing import Any

import jpype  # type: ignore[import-untyped]

from localcloud.servers import artifacts
from localcloud.servers.process import LOOPBACK

NODE = "node-1"
MODULES = (
    "org.opensearch.search.aggregations.matrix.MatrixAggregationPlugin",
    "org.opensearch.analysis.common.CommonAnalysisPlugin",
    "org.opensearch.geo.GeoModulePlugin",
    "org.opensearch.ingest.common.IngestCommonPlugin",
    "org.opensearch.ingest.useragent.IngestUserAgentPlugin",
    "org.opensearch.script.expression.ExpressionPlugin",
    "org.opensearch.script.mustache.MustachePlugin",
    "org.opensearch.painless.PainlessPlugin",
    "org.opensearch.index.mapper.MapperExtrasPlugin",
    "org.opensearch.join.ParentJoinPlugin",
    "org.opensearch.percolator.PercolatorPlugin",
    "org.opensearch.index.rankeval.RankEvalPlugin",
    "org.opensearch.index.reindex.ReindexPlugin",
    "org.opensearch.transport.Netty4Plugin",
)
LOGGING = """status = error
appender.console.type = Console
appender.console.name = console
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %d{ISO8601} %-5p %-25c{1.} %m%n
rootLogger.level = info
rootLogger.appenderRef.console.ref = console
"""


def settings(data_dir: Path, port: int) -> dict[str, str]:
    """The node's settings."""
    return {
        "cluster.name": "localcloud",
        "node.name": NODE,
        "network.host": LOOPBACK,
        "http.port": str(port),
        "http.max_content_length": "100mb",
        "transport.port": "0",  # nobody connects to it
        "discovery.type": "single-node",
        "path.home": str(data_dir),
        "path.data": str(data_dir / "data"),
        "path.logs": str(data_dir / "logs"),
        # A disk that is nine tenths full would make the indexes read-only; a developer's disk often is.
        "cluster.routing.allocation.disk.threshold_enabled": "false",
    }


def java_options(heap_mb: int, data_dir: Path) -> list[str]:
    """Options of the Java machine."""
    return [
        f"-Xms{heap_mb}m",
        f"-Xmx{heap_mb}m",
        "-Xrs",  # leaves SIGTERM and SIGINT to this process
        # The first compiler only: half of the processor time of a start, and less for the first 100,000 documents too.
        "-XX:TieredStopAtLevel=1",
        "-XX:+ExitOnOutOfMemoryError",
        f"-XX:ErrorFile={data_dir / 'logs' / 'java-error-%p.log'}",
        f"-Djava.io.tmpdir={data_dir / 'tmp'}",
        "-Dlog4j2.disable.jmx=true",
        "-Dlog4j2.formatMsgNoLookups=true",
        "-Djava.security.manager=allow",
        # The wheel's Java knows few locales, and OpenSearch makes no index without the Thai one: ICU's jars add it.
        "-Djava.locale.providers=CLDR,COMPAT,SPI",
        "-Dfile.encoding=UTF-8",
        "-Dio.netty.noUnsafe=true",
        "-Dopensearch.set.netty.runtime.available.processors=false",
    ]


def start_node(data_dir: Path, port: int, heap_mb: int) -> Any:
    """Start the Java machine and the node in it; returns the Java object of the node."""
    config = data_dir / "config"
    for folder in (config, data_dir / "data", data_dir / "logs", data_dir / "tmp"):
        folder.mkdir(parents=True, exist_ok=True)
    (config / "log4j2.properties").write_text(LOGGING, encoding="utf-8")
    jpype.startJVM(
        str(next((artifacts.java_home() / "lib" / "server").glob("libjvm.*"))),
        *java_options(heap_mb, data_dir),
        classpath=[str(jar) for jar in artifacts.class_path("opensearch")],
        convertStrings=False,
    )
    java = jpype.JClass
    builder = java("org.opensearch.common.settings.Settings").builder()
    for key, value in settings(data_dir, port).items():
        builder.put(key, value)
    builder.putList("node.roles", "cluster_manager", "data", "ingest")
    environment = java("org.opensearch.node.InternalSettingsPreparer").prepareEnvironment(
        builder.build(),
        java("java.util.HashMap")(),
        java("java.nio.file.Paths").get(str(config)),
        jpype.JProxy("java.util.function.Supplier", dict={"get": lambda: NODE}),
    )
    log_configuration = java("org.opensearch.common.logging.LogConfigurator")
    log_configuration.registerErrorListener()
    log_configuration.setNodeName(NODE)
    log_configuration.configure(environment)
    plugins = java("java.util.ArrayList")()
    for name in MODULES:
        plugins.add(java(name).class_)
    node = java("org.codelibs.opensearch.runner.node.OpenSearchRunnerNode")(environment, plugins)
    node.start()
    return node


def main() -> None:
    """Run the node until a signal."""
    parser = argparse.ArgumentParser(description="Run an OpenSearch node on 127.0.0.1")
    parser.add_argument("--data", type=Path, required=True, help="folder of the node's data")
    parser.add_argument("--port", type=int, required=True, help="port of its HTTP API")
    parser.add_argument("--heap-mb", type=int, default=768, help="Java heap in MiB")
    arguments = parser.parse_args()
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        # Before the node is up there is nothing to close in order, and a handler of Python's would wait for it.
        signal.signal(number, signal.SIG_DFL)
    try:
        node = start_node(arguments.data.absolute(), arguments.port, arguments.heap_mb)
    except jpype.JException as error:
        print(error.stacktrace(), file=sys.stderr, flush=True)
        os._exit(1)  # Java threads of a node half started would keep the process
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    ended.wait()
    node.close()
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
