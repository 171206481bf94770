"""Customers found by the values of their records' identifiers."""

from __future__ import annotations

import pytest

from cdap.graph import Graph, look_up, publish_graph
from cdap.graph.look_up import Holder, NoIdentifierError
from cdap.identity.config import IdentityConfig
from tests.unit.identity.conftest import DuckDbSession, resolved

RECORDS = {
    "crm.contact:A": {"email": "Anna.Lee+news@gmail.com", "first_name": "Anna"},
    "shop.customers:1": {"email": "annalee@googlemail.com", "first_name": "Anna", "phone": "+4915187654012"},
    "shop.customers:2": {"phone": "+4915187654012", "first_name": "Bert", "email": "bert@web.de"},
}


def test_a_value_is_found_however_it_is_written(session: DuckDbSession, graph: Graph, config: IdentityConfig) -> None:
    session.replace_records(RECORDS)
    resolved(session, "r1")
    publish_graph(session, graph, config)
    members = session.members()
    found = look_up(graph, config, "email", " ANNALEE@gmail.com ")
    assert {key for holder in found for key in holder.records} == {"crm.contact:A", "shop.customers:1"}
    assert {holder.customer_id for holder in found} == {members["crm.contact:A"], members["shop.customers:1"]}
    assert look_up(graph, config, "email", "bert@web.de") == (
        Holder(members["shop.customers:2"], ("shop.customers:2",)),
    )
    by_phone = look_up(graph, config, "phone", "+4915187654012")
    assert {key for holder in by_phone for key in holder.records} == {"shop.customers:1", "shop.customers:2"}
    assert look_up(graph, config, "email", "nobody@web.de") == ()


def test_what_is_no_identifier_is_said(graph: Graph, config: IdentityConfig) -> None:
    with pytest.raises(NoIdentifierError, match="Name one of email, phone"):
        look_up(graph, config, "shoe_size", "43")
    with pytest.raises(NoIdentifierError) as refused:
        look_up(graph, config, "email", "test@test.com")
    assert "test@test.com" not in str(refused.value)
