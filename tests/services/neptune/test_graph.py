"""Gremlin through the cluster's endpoint: answers, rights, and what outlives a restart."""

from __future__ import annotations

import time
from typing import Any

import httpx
import pytest
from botocore.exceptions import ClientError
from gremlin_python.driver.client import Client
from gremlin_python.process.graph_traversal import __
from gremlin_python.process.traversal import Cardinality, Direction, T
from gremlin_python.statics import long

from tests.services.neptune.conftest import GraphCloud


def test_a_graph_is_written_and_read_with_string_ids(graph_cloud: GraphCloud) -> None:
    with graph_cloud.traversal(graph_cloud.root) as g:
        g.V().drop().iterate()
        people = [{T.id: f"person-{number}", T.label: "Person", "age": long(number)} for number in range(1200)]
        for start in range(0, len(people), 500):
            g.inject(people[start : start + 500]).unfold().merge_v().iterate()
        edges = [
            {T.label: "knows", Direction.OUT: f"person-{number}", Direction.IN: f"person-{number + 1}"}
            for number in range(3)
        ]
        g.inject(edges).unfold().merge_e().iterate()
        g.inject(people[:500]).unfold().merge_v().iterate()
        assert g.V().has_label("Person").count().next() == 1200
        assert g.V("person-0").repeat(__.out("knows")).times(3).id_().to_list() == ["person-3"]


def test_a_property_is_a_set_unless_it_is_said_to_be_single(graph_cloud: GraphCloud) -> None:
    with graph_cloud.traversal(graph_cloud.root) as g:
        g.add_v("Person").property(T.id, "many").iterate()
        for name in ("Ann", "Anna"):
            g.V("many").property("name", name).property(Cardinality.single, "last", name).iterate()
        assert set(g.V("many").values("name").to_list()) == {"Ann", "Anna"}
        assert g.V("many").values("last").to_list() == ["Anna"]
        g.V("many").drop().iterate()


def test_a_failed_query_changes_nothing(graph_cloud: GraphCloud) -> None:
    with graph_cloud.traversal(graph_cloud.root) as g:
        before = g.V().count().next()
        with pytest.raises(Exception, match="already exists"):
            g.add_v("Person").property(T.id, "twice").add_v("Person").property(T.id, "twice").iterate()
        assert g.V().count().next() == before


def test_http_answers_queries_and_the_status(graph_cloud: GraphCloud) -> None:
    url = f"http://{graph_cloud.endpoint}"
    body = '{"gremlin": "g.inject(1, 2).sum()"}'
    answer = httpx.post(
        f"{url}/gremlin", content=body, headers=graph_cloud.signed(graph_cloud.root, "POST", "/gremlin", body)
    )
    assert answer.status_code == 200 and answer.json()["result"]["data"]["@value"][0]["@value"] == 3
    status = httpx.get(f"{url}/status", headers=graph_cloud.signed(graph_cloud.root, "GET", "/status")).json()
    assert status["status"] == "healthy" and status["gremlin"]["version"] == "tinkerpop-3.7.3"


def test_only_signed_requests_of_those_who_may_pass(graph_cloud: GraphCloud) -> None:
    url = f"http://{graph_cloud.endpoint}/gremlin"
    body = '{"gremlin": "g.V().count()"}'
    assert httpx.post(url, content=body).status_code == 403
    nobody = graph_cloud.user("nobody", [])
    refused = httpx.post(url, content=body, headers=graph_cloud.signed(nobody, "POST", "/gremlin", body))
    assert refused.status_code == 403 and "neptune-db:ReadDataViaQuery" in refused.json()["detailedMessage"]
    wrong = graph_cloud.signed(graph_cloud.root, "POST", "/gremlin", body)
    assert httpx.post(url, content=body.replace("V()", "E()"), headers=wrong).status_code == 403
    with pytest.raises(Exception, match=r"403"), graph_cloud.traversal(nobody) as g:
        g.V().count().next()


def test_a_reader_changes_nothing_by_any_way(graph_cloud: GraphCloud) -> None:
    reader = graph_cloud.user("reader", ["neptune-db:ReadDataViaQuery"])
    with graph_cloud.traversal(reader) as g:
        before = g.V().count().next()

    def add(g: Any) -> None:
        g.add_v("Person").iterate()

    def merge(g: Any) -> None:
        g.inject([{T.label: "Person"}]).unfold().merge_v().iterate()

    def drop(g: Any) -> None:
        g.V().drop().iterate()

    client = Client(f"ws://{graph_cloud.endpoint}/gremlin", "g", headers=graph_cloud.signed(reader, "GET", "/gremlin"))
    with pytest.raises(Exception):  # noqa: B017, PT011 the driver's errors differ
        client.submit("g.'add' + 'V'; g.V().count()").all().result()
    client.close()
    for change in (add, merge, drop):
        with pytest.raises(Exception), graph_cloud.traversal(reader) as g:  # noqa: B017, PT011 the driver's errors differ
            change(g)
    body = '{"gremlin": "g.addV()"}'
    refused = httpx.post(
        f"http://{graph_cloud.endpoint}/gremlin",
        content=body,
        headers=graph_cloud.signed(reader, "POST", "/gremlin", body),
    )
    assert refused.status_code == 403 and "WriteDataViaQuery" in refused.text
    with graph_cloud.traversal(reader) as g:
        assert g.V().count().next() == before


def test_a_graph_outlives_an_orderly_end_of_its_server(graph_cloud: GraphCloud) -> None:
    with graph_cloud.traversal(graph_cloud.root) as g:
        g.add_v("Person").property(T.id, "kept").property("name", "Zoë").iterate()
    machine = graph_cloud.machine
    assert machine.process("gremlin").stop(30)
    machine.up(without=frozenset({"postgres", "opensearch", "warehouse"}))
    deadline = time.monotonic() + 10
    while True:
        try:
            with graph_cloud.traversal(graph_cloud.root) as g:
                assert g.V("kept").values("name").to_list() == ["Zoë"]
            return
        except OSError:
            assert time.monotonic() < deadline


def test_a_stopped_cluster_answers_nobody_and_a_killed_gateway_forgets_nothing(graph_cloud: GraphCloud) -> None:
    neptune, machine = graph_cloud.client("neptune"), graph_cloud.machine
    neptune.stop_db_cluster(DBClusterIdentifier="people")
    assert neptune.describe_db_clusters()["DBClusters"][0]["Status"] == "stopped"
    with pytest.raises(ClientError, match="InvalidDBClusterStateFault"):
        neptune.stop_db_cluster(DBClusterIdentifier="people")
    url = f"http://{graph_cloud.endpoint}/status"
    assert httpx.get(url, headers=graph_cloud.signed(graph_cloud.root, "GET", "/status", "")).status_code == 404
    neptune.start_db_cluster(DBClusterIdentifier="people")
    gateway = machine.process("gateway").running()
    assert gateway is not None
    gateway.kill()
    gateway.wait(10)
    machine.up(without=frozenset({"postgres", "opensearch", "warehouse"}))
    assert [cluster["Status"] for cluster in neptune.describe_db_clusters()["DBClusters"]] == ["available"]
    answer = httpx.get(url, headers=graph_cloud.signed(graph_cloud.root, "GET", "/status", ""))
    assert answer.json()["status"] == "healthy"
