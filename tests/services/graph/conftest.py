"""A real Gremlin Server, and the identity log in DuckDB."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest

from cdap.graph import Graph
from cdap.identity import load_identity_config
from cdap.identity.config import IdentityConfig
from localcloud.servers.gremlin import GremlinServer
from tests.services.conftest import free_port
from tests.unit.identity.conftest import DuckDbSession


@pytest.fixture(scope="session")
def graph_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GremlinServer]:
    server = GremlinServer(tmp_path_factory.mktemp("gremlin"), free_port())
    server.start()
    yield server
    server.stop()


@pytest.fixture
def graph(graph_server: GremlinServer) -> Iterator[Graph]:
    """An empty graph; the server itself does not look at the signature."""
    aws = boto3.Session("AKIAEXAMPLE", "secret", region_name="eu-central-1")
    with Graph(graph_server.url.replace("http", "ws"), aws, longest_wait=0.5) as connected:
        connected.run(lambda g: g.V().drop().iterate(), purpose="Emptying the graph")
        yield connected


@pytest.fixture(scope="session")
def config() -> IdentityConfig:
    return load_identity_config(Path(__file__).parents[3] / "config" / "identity.yaml")


@pytest.fixture
def session() -> DuckDbSession:
    return DuckDbSession()
