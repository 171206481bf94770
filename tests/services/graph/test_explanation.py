"""Why two are one customer, or are not, told from the graph."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from cdap.graph import Graph, explain, publish_graph
from cdap.graph.explanation import Link, NotInGraphError
from cdap.identity import load_identity_config, resolve
from cdap.identity.config import IdentityConfig
from tests.unit.identity.conftest import DuckDbSession

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


def published(session: DuckDbSession, graph: Graph, rules: IdentityConfig) -> dict[str, str]:
    session.replace_records(RECORDS)
    resolve(session, rules, "r1")
    publish_graph(session, graph, rules)
    return session.members()


def test_the_path_names_each_rule_and_what_it_stands_on(
    session: DuckDbSession, graph: Graph, rules: IdentityConfig
) -> None:
    published(session, graph, rules)
    told = explain(graph, rules, "crm.contact:A", "shop.orders:3")
    assert told.one_customer
    assert (
        told.path
        == (
            Link("crm.contact:A", "shop.customers:1", "email_first_name_birth_date", ("email",)),
            Link("shop.customers:1", "shop.customers:2", "phone_first_name_birth_date", ("phone",)),
            Link("shop.customers:2", "shop.orders:3", "account", ("account_id",)),
        )
        or told.path[0].rule == "email_first_name"
    )
    assert [link.record_b for link in told.path] == ["shop.customers:1", "shop.customers:2", "shop.orders:3"]


def test_two_that_share_an_identifier_only_are_told_apart_by_what_rules_lack(
    session: DuckDbSession, graph: Graph, rules: IdentityConfig
) -> None:
    members = published(session, graph, rules)
    told = explain(graph, rules, "crm.contact:B", members["shop.customers:2"])
    assert not told.one_customer
    assert told.shared == ("email",)
    assert told.path == told.forbidden == ()
    unmet = dict(told.unmet)
    assert unmet["account"] == "no pair shares account_id"
    assert (
        unmet["email_first_name"] == "email shared, but first_name not the same or absent or birth_date not compatible"
    )
    apart = explain(graph, rules, "crm.contact:B", "crm.contact:C")
    assert apart.shared == ()
    assert dict(apart.unmet)["email_first_name"] == "no pair shares email"


def test_a_link_that_an_exclusive_identifier_forbids_is_named(
    session: DuckDbSession, graph: Graph, tmp_path: Path
) -> None:
    file = tmp_path / "identity.yaml"
    file.write_text(
        "identifiers:\n  email: {normalise: [lower]}\n  account_id: {exclusive: true}\n"
        "rules:\n  - {name: same_email, match: [email]}\n"
    )
    rules = load_identity_config(file)
    session.replace_records(
        {"a.t:1": {"email": "x@y.de", "account_id": "1"}, "a.t:2": {"email": "x@y.de", "account_id": "2"}}
    )
    resolve(session, rules, "r1")
    publish_graph(session, graph, rules)
    told = explain(graph, rules, "a.t:2", "a.t:1")
    assert not told.one_customer
    assert told.forbidden == (Link("a.t:2", "a.t:1", "same_email", ("email",)),)


def test_a_name_that_is_not_there_is_refused(session: DuckDbSession, graph: Graph, rules: IdentityConfig) -> None:
    published(session, graph, rules)
    with pytest.raises(NotInGraphError, match="Looking up nobody"):
        explain(graph, rules, "nobody", "crm.contact:C")
