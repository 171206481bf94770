"""The graph server by itself: what was acknowledged survives a kill, what was not leaves no trace."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from gremlin_python.driver.client import Client
from gremlin_python.driver.driver_remote_connection import DriverRemoteConnection
from gremlin_python.driver.protocol import GremlinServerError
from gremlin_python.process.anonymous_traversal import traversal
from gremlin_python.process.graph_traversal import GraphTraversalSource
from gremlin_python.process.traversal import Direction, T
from gremlin_python.statics import long

from localcloud.servers.gremlin import GremlinServer
from localcloud.servers.process import free_port


@contextmanager
def connected(server: GremlinServer) -> Iterator[GraphTraversalSource]:
    connection = DriverRemoteConnection(f"{server.url.replace('http', 'ws')}/gremlin", "g")
    try:
        yield traversal().with_remote(connection)
    finally:
        connection.close()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GremlinServer]:
    started = GremlinServer(tmp_path_factory.mktemp("gremlin"), free_port())
    started.start()
    yield started
    started.stop()


@pytest.fixture
def g(server: GremlinServer) -> Iterator[GraphTraversalSource]:
    with connected(server) as source:
        source.V().drop().iterate()
        yield source


def kill_and_start(server: GremlinServer) -> None:
    process = server.process.running()
    assert process is not None
    os.kill(process.pid, signal.SIGKILL)
    process.wait(10)
    server.start()


def content(g: GraphTraversalSource) -> tuple[Any, Any]:
    vertices = {v[T.id]: v for v in g.V().element_map().to_list()}
    edges = {e[T.id]: e for e in g.E().element_map().to_list()}
    return vertices, edges


def test_what_was_acknowledged_survives_a_kill_with_ids_types_and_changes(
    server: GremlinServer, g: GraphTraversalSource
) -> None:
    g.inject([{T.id: f"v{n}", T.label: "Record", "n": n} for n in range(1000)]).unfold().merge_v().iterate()
    pairs = [
        {T.id: f"e{n}", T.label: "next", Direction.OUT: f"v{n}", Direction.IN: f"v{n + 1}", "weight": n / 2}
        for n in range(999)
    ]
    g.inject(pairs).unfold().merge_e().iterate()
    g.V("v1").property("name", "é\n\"'").property("big", long(2**40)).property("flag", True).iterate()
    g.E("e1").property("weight", 9.5).iterate()
    g.V("v2").properties("n").drop().iterate()
    g.V("v500").drop().iterate()  # with its two edges
    g.E("e10").drop().iterate()
    before = content(g)
    assert (len(before[0]), len(before[1])) == (999, 996)

    kill_and_start(server)

    with connected(server) as again:
        assert content(again) == before
        again.V("v3").property("n", -1).iterate()
    kill_and_start(server)  # the second start reads the snapshot that the first one wrote
    with connected(server) as again:
        assert again.V("v3").values("n").to_list() == [3, -1]  # the default cardinality is set, as in Neptune
        assert again.V().count().next() == 999


def test_a_transaction_that_was_rolled_back_or_torn_is_not_there_after_a_kill(
    server: GremlinServer, g: GraphTraversalSource
) -> None:
    g.add_v("Record").property(T.id, "kept").iterate()
    transaction = g.tx()
    inside = transaction.begin()
    inside.add_v("Record").property(T.id, "dropped").iterate()
    transaction.rollback()
    journal = server.data_dir / "journal.jsonl"
    process = server.process.running()
    assert process is not None
    os.kill(process.pid, signal.SIGKILL)
    process.wait(10)
    whole = journal.read_text()
    journal.write_text(whole + whole.splitlines()[-2].replace("kept", "torn") + "\n" + '{"@type":"g:Ma')
    server.start()
    with connected(server) as again:
        assert again.V().id_().to_list() == ["kept"]


def test_a_session_is_durable_as_a_whole(server: GremlinServer, g: GraphTraversalSource) -> None:
    transaction = g.tx()
    inside = transaction.begin()
    inside.add_v("Customer").property(T.id, "one").iterate()
    inside.add_v("Customer").property(T.id, "two").iterate()
    transaction.commit()
    kill_and_start(server)
    with connected(server) as again:
        assert sorted(again.V().id_().to_list()) == ["one", "two"]


def test_scripts_are_gremlin_and_nothing_else(server: GremlinServer, g: GraphTraversalSource) -> None:
    g.add_v("Record").property(T.id, "a").iterate()
    client = Client(f"{server.url.replace('http', 'ws')}/gremlin", "g")
    options = {"language": "gremlin-lang"}
    try:
        assert client.submit("g.V().count()", request_options=options).all().result() == [1]
        with pytest.raises(GremlinServerError):
            client.submit("System.getProperty('user.home')", request_options=options).all().result()
    finally:
        client.close()


def test_an_id_that_was_read_and_dropped_may_be_used_again(server: GremlinServer, g: GraphTraversalSource) -> None:
    for name in ("first", "second"):
        g.inject([{T.id: end, T.label: "Record", "name": name} for end in ("a", "b")]).unfold().merge_v().iterate()
        edge = {T.id: "ab", T.label: "next", Direction.OUT: "a", Direction.IN: "b"}
        g.inject([edge]).unfold().merge_e().iterate()
        assert g.V("a").out("next").values("name").to_list() == [name]
        g.V().drop().iterate()
