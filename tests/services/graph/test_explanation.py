"""Why two are one customer, or are not, told from the graph."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from cdap.graph import Graph, explain, publish_graph
from cdap.graph.explanation import Link, NotInGraphError
from cdap.identity.config import IdentityConfig
from cdap.identity.matching import Matched
from tests.unit.identity.conftest import DuckDbSession, SharedValues, resolved

BORN = date(1980, 1, 2)
RECORDS: dict[str, dict[str, Any]] = {
    "crm.contact:A": {"email": "anna@web.de", "first_name": "Anna", "birth_date": BORN},
    "shop.customers:1": {
        "email": "anna@web.de",
        "first_name": "Anna",
        "birth_date": BORN,
        "phone": "+4915187654012",
    },
    "shop.customers:2": {"phone": "+4915187654012", "first_name": "Anna", "birth_date": BORN, "account_id": "9"},
    "shop.orders:3": {"account_id": "9"},
    "crm.contact:B": {"email": "anna@web.de", "first_name": "Bert"},
    "crm.contact:C": {"email": "carl@web.de"},
}


def published(session: DuckDbSession, graph: Graph, config: IdentityConfig) -> dict[str, str]:
    session.replace_records(RECORDS)
    resolved(session, "r1")
    publish_graph(session, graph, config)
    return session.members()


def test_the_path_names_what_each_link_stands_on(session: DuckDbSession, graph: Graph, config: IdentityConfig) -> None:
    published(session, graph, config)
    told = explain(graph, "crm.contact:A", "shop.orders:3")
    assert told.one_customer
    assert told.path == (
        Link("crm.contact:A", "shop.customers:1", "email", 1.0, {}),
        Link("shop.customers:1", "shop.customers:2", "phone", 1.0, {}),
        Link("shop.customers:2", "shop.orders:3", "account_id", 1.0, {}),
    )


def test_of_two_customers_it_is_told_what_they_share_and_what_spoke_for_them(
    session: DuckDbSession, graph: Graph, config: IdentityConfig
) -> None:
    class Doubting(SharedValues):
        """An e-mail address alone is not enough."""

        def match(self, warehouse: DuckDbSession, run_id: str, as_of: str) -> Matched:
            matched = super().match(warehouse, run_id, as_of)
            warehouse.execute("update resolve_assigned set cluster = record_key")
            warehouse.execute(
                "update resolve_links set used = false, bits = -1.5, "
                """evidence = '{"email":3.5,"first_name":-5.0}'"""
            )
            return matched

    session.replace_records({key: RECORDS[key] for key in ("crm.contact:B", "shop.customers:1", "crm.contact:C")})
    resolved(session, "r1", matcher=Doubting())
    publish_graph(session, graph, config)
    members = session.members()
    told = explain(graph, "crm.contact:B", members["shop.customers:1"])
    assert not told.one_customer
    assert told.shared == ("email",)
    assert told.path == ()
    (link,) = told.apart
    assert {link.record_a, link.record_b} == {"crm.contact:B", "shop.customers:1"}
    assert (link.rule, link.bits, link.evidence) == ("email", -1.5, {"email": 3.5, "first_name": -5.0})
    apart = explain(graph, "crm.contact:B", "crm.contact:C")
    assert apart.shared == apart.apart == ()


def test_a_decision_is_a_link_without_bits(session: DuckDbSession, graph: Graph, config: IdentityConfig) -> None:
    class Decided(SharedValues):
        def match(self, warehouse: DuckDbSession, run_id: str, as_of: str) -> Matched:
            matched = super().match(warehouse, run_id, as_of)
            warehouse.execute("update resolve_assigned set cluster = 'one'")
            warehouse.execute("insert into resolve_links values ('a.t:1', 'a.t:2', 'decision', null, '{}', true)")
            return matched

    session.replace_records({"a.t:1": {"email": "x@y.de"}, "a.t:2": {"email": "z@y.de"}})
    resolved(session, "r1", matcher=Decided())
    publish_graph(session, graph, config)
    assert explain(graph, "a.t:2", "a.t:1").path == (Link("a.t:2", "a.t:1", "decision", None, {}),)


def test_a_name_that_is_not_there_is_refused(session: DuckDbSession, graph: Graph, config: IdentityConfig) -> None:
    published(session, graph, config)
    with pytest.raises(NotInGraphError, match="Looking up nobody"):
        explain(graph, "nobody", "crm.contact:C")
