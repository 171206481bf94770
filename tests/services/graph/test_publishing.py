"""The identity graph is what the warehouse says, however often and from whatever state it is published."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from gremlin_python.process.graph_traversal import __
from gremlin_python.process.traversal import T

from cdap.errors import ReconciliationError
from cdap.graph import Graph, publish_graph, publishing
from cdap.graph.connection import GraphError
from cdap.identity.config import IdentityConfig
from tests.unit.identity.conftest import DuckDbSession, resolved

ANNA = {"email": "anna@web.de", "first_name": "Anna", "birth_date": date(1980, 1, 2)}
RECORDS: dict[str, dict[str, Any]] = {
    "shop.customers:1": {**ANNA, "phone": "+4915187654012"},
    "crm.contact:A": {**ANNA, "email": "ANNA+news@web.de"},
    "shop.customers:2": {"email": "anna@web.de", "first_name": "Bert", "account_id": "77"},
    "crm.contact:B": {"phone": "+4915146802468"},
    "crm.contact:C": {"email": "test@test.com"},
}


def fill(session: DuckDbSession, records: dict[str, dict[str, Any]], run: str) -> None:
    session.replace_records(records)
    resolved(session, run)


def test_the_graph_holds_records_identifiers_customers_and_links(
    session: DuckDbSession, graph: Graph, config: IdentityConfig
) -> None:
    fill(session, RECORDS, "r1")
    summary = publish_graph(session, graph, config)
    assert summary.vertices == {"Record": 5, "Identifier": 4, "Customer": 4}
    assert summary.edges["belongs_to"] == 5
    assert summary.edges["has"] == 6
    members = session.members()
    pairs = graph.run(
        lambda g: g.E().has_label("belongs_to").project("r", "c").by(__.out_v().id_()).by(__.in_v().id_()).to_list(),
        purpose="Reading",
    )
    assert {(p["r"], p["c"]) for p in pairs} == {(f"record:{r}", f"customer:{c}") for r, c in members.items()}
    rule_names = graph.run(lambda g: g.E().has_label("linked").values("rule").to_list(), purpose="Reading")
    known = session.fetch_all('select rule from "identity".edges where known_to is null')
    assert sorted(rule_names) == sorted(rule for (rule,) in known)
    everything = str(graph.run(lambda g: g.V().element_map().to_list(), purpose="Reading"))
    assert "web.de" not in everything
    assert "87654012" not in everything


def test_publishing_again_writes_nothing_and_changes_are_followed(
    session: DuckDbSession, graph: Graph, config: IdentityConfig
) -> None:
    fill(session, RECORDS, "r1")
    first = publish_graph(session, graph, config)
    again = publish_graph(session, graph, config)
    assert (again.written, again.dropped, again.digest) == (0, 0, first.digest)
    fewer = {key: value for key, value in RECORDS.items() if key != "crm.contact:A"}
    fill(session, {**fewer, "crm.contact:D": {"account_id": "77"}}, "r2")
    changed = publish_graph(session, graph, config)
    assert changed.dropped >= 3
    assert graph.run(lambda g: g.V("record:crm.contact:A").count().next(), purpose="Reading") == 0
    fill(session, RECORDS, "r3")
    assert publish_graph(session, graph, config).digest == first.digest


def test_what_was_half_written_or_written_by_others_ends_in_the_same_graph(
    session: DuckDbSession, graph: Graph, config: IdentityConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(session, RECORDS, "r1")
    expected = publish_graph(session, graph, config).digest
    graph.run(lambda g: g.V().has_label("Record").limit(2).drop().iterate(), purpose="Losing some")
    graph.run(lambda g: g.add_v("Record").property(T.id, "record:stray").iterate(), purpose="A stray")
    monkeypatch.setattr(publishing, "BATCH", 2)
    assert publish_graph(session, graph, config).digest == expected

    def killed(*_: Any) -> None:
        raise KeyboardInterrupt

    graph.run(lambda g: g.V().drop().iterate(), purpose="Emptying")
    with monkeypatch.context() as patched:
        patched.setattr(publishing, "write_edges", killed)
        with pytest.raises(KeyboardInterrupt):
            publish_graph(session, graph, config)
    assert publish_graph(session, graph, config).digest == expected


def test_an_edge_that_ends_elsewhere_is_found_out(session: DuckDbSession, graph: Graph, config: IdentityConfig) -> None:
    fill(session, RECORDS, "r1")
    publish_graph(session, graph, config)
    edge = graph.run(lambda g: g.E().has_label("belongs_to").id_().next(), purpose="Reading")
    stray = "record:crm.contact:C"
    graph.run(lambda g: g.E(edge).drop().iterate(), purpose="Bending")
    graph.run(
        lambda g: g.V(stray).add_e("belongs_to").to(__.V(stray)).property(T.id, edge).iterate(), purpose="Bending"
    )
    with pytest.raises(ReconciliationError, match="of which 13 and"):
        publish_graph(session, graph, config)


def test_writers_in_each_others_way_are_sent_again(graph: Graph) -> None:
    from concurrent.futures import ThreadPoolExecutor

    graph.run(lambda g: g.add_v("Counter").property(T.id, "c").iterate(), purpose="Preparing")
    others = [Graph(graph.endpoint, graph._aws, longest_wait=0.5) for _ in range(3)]

    def write(number: int) -> None:
        for step in range(10):
            value = f"{number}-{step}"
            others[number].run(lambda g, value=value: g.V("c").property("set", value).iterate(), purpose="Writing")

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(write, range(3)))
    for other in others:
        other.close()
    assert graph.run(lambda g: g.V("c").values("set").count().next(), purpose="Reading") == 30


def test_what_the_graph_refuses_is_said_with_the_purpose(graph: Graph) -> None:
    with pytest.raises(GraphError, match="Writing nonsense in the graph at ws://"):
        graph.run(lambda g: g.V().has_label("x").fold().merge_v().iterate(), purpose="Writing nonsense")
    with (
        Graph("ws://127.0.0.1:9", graph._aws, longest_wait=0.01) as nobody,
        pytest.raises(GraphError, match="attempts"),
    ):
        nobody.run(lambda g: g.V().count().next(), purpose="Counting")
