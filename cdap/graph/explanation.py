"""Why two records or customers are one, as a path of links in the graph; or why they are not."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gremlin_python.process.graph_traversal import __
from gremlin_python.process.traversal import P, T

from cdap.errors import CdapError
from cdap.graph.connection import Graph
from cdap.graph.elements import BELONGS_TO, CUSTOMER, HAS, LINKED, customer, record


class NotInGraphError(CdapError):
    """Neither a record nor a customer of the graph has this name."""


@dataclass(frozen=True)
class Link:
    """Two records (keys) that speak for one person, or nearly: `rule` names the fields in which they are equal, `bits`
    is log2 of the odds, None where a person decided, and `evidence` what each field says, in bits."""

    record_a: str
    record_b: str
    rule: str
    bits: float | None
    evidence: Mapping[str, float]


@dataclass(frozen=True)
class Explanation:
    """`customers`: of `a` and of `b`. `path`: the fewest links from one to the other, when they are one customer.

    When they are not: `shared` are the identifiers that a record of each has in common, `apart` the links between
    them that were outweighed or forbidden, or that are rather against than for; the strongest first.
    """

    a: str
    b: str
    customers: tuple[str, str]
    path: tuple[Link, ...] = ()
    shared: tuple[str, ...] = ()
    apart: tuple[Link, ...] = ()

    @property
    def one_customer(self) -> bool:
        return self.customers[0] == self.customers[1]


def explain(graph: Graph, a: str, b: str) -> Explanation:
    """How `a` and `b`, each a record key or a customer id, are connected.

    Raises NotInGraphError for a name that the graph has not, GraphError when the graph cannot be asked.
    """
    found = [_find(graph, name) for name in (a, b)]
    vertices = found[0][0], found[1][0]
    customers = (vertices[0].removeprefix("customer:"), vertices[1].removeprefix("customer:"))
    if customers[0] == customers[1]:
        path = _path(graph, [found[0][1]] if found[0][1] else [], [found[1][1]] if found[1][1] else [])
        return Explanation(a, b, customers, path=path)
    return Explanation(a, b, customers, shared=_shared(graph, *vertices), apart=_apart(graph, *vertices))


def _find(graph: Graph, name: str) -> tuple[str, str]:
    """The customer of a name, and the record that it names (empty for a customer)."""
    vertices = (record(name).id, customer(name).id)

    def ask(g: Any) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = (
            g.V(*vertices)
            .project("id", "label", "customer")
            .by(T.id)
            .by(T.label)
            .by(__.coalesce(__.out(BELONGS_TO).id_(), __.id_()))
            .to_list()
        )
        return found

    found = graph.run(ask, purpose=f"Looking up {name}")
    if not found:
        raise NotInGraphError(
            f"Looking up {name} in the identity graph",
            "it has neither a record nor a customer of this name",
            "Give a record key (source.table:id) or a customer id; `cdap profile show --id` follows merged ids",
        )
    return found[0]["customer"], "" if found[0]["label"] == CUSTOMER else found[0]["id"]


def _path(graph: Graph, start: list[str], end: list[str]) -> tuple[Link, ...]:
    """The fewest used links between two records; none where one end is the customer itself, which has them all."""
    if not start or not end:
        return ()

    def ask(g: Any) -> list[Any]:
        # `dedup` in the loop sees every record once, so this is a breadth-first search.
        step = __.both_e(LINKED).has("used", True).other_v().dedup()
        found: list[Any] = (
            g.V(*start).until(__.has_id(P.within(end))).repeat(step).limit(1).path().by(__.element_map()).to_list()
        )
        return found

    paths = graph.run(ask, purpose="Searching the path")
    steps = paths[0].objects if paths else []
    return tuple(_link(steps[i][T.id], steps[i + 2][T.id], steps[i + 1]) for i in range(0, len(steps) - 2, 2))


def _apart(graph: Graph, a: str, b: str) -> tuple[Link, ...]:
    def ask(g: Any) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = (
            g.V(a)
            .in_(BELONGS_TO)
            .as_("a")
            .both_e(LINKED)
            .has("used", False)
            .as_("link")
            .other_v()
            .as_("b")
            .where(__.out(BELONGS_TO).has_id(b))
            .select("a", "link", "b")
            .by(T.id)
            .by(__.element_map())
            .by(T.id)
            .to_list()
        )
        return found

    links = [
        _link(row["a"], row["b"], row["link"]) for row in graph.run(ask, purpose="Reading the links between the two")
    ]
    return tuple(sorted(links, key=lambda link: (-(link.bits or 0.0), link.record_a, link.record_b)))


def _shared(graph: Graph, a: str, b: str) -> tuple[str, ...]:
    """The names of the identifiers of which a record of each customer has the same value."""

    def ask(g: Any) -> list[str]:
        names: list[str] = (
            g.V(a)
            .in_(BELONGS_TO)
            .out(HAS)
            .where(__.in_(HAS).out(BELONGS_TO).has_id(b))
            .values("name")
            .dedup()
            .to_list()
        )
        return names

    return tuple(sorted(graph.run(ask, purpose="Searching identifiers in common")))


def _link(a: str, b: str, edge: Mapping[Any, Any]) -> Link:
    return Link(
        a.removeprefix("record:"),
        b.removeprefix("record:"),
        edge["rule"],
        edge.get("bits"),
        json.loads(edge["evidence"]),
    )
