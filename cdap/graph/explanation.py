"""Why two records or customers are one, as a path of links in the graph; or why they are not."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from gremlin_python.process.graph_traversal import __
from gremlin_python.process.traversal import P, T

from cdap.errors import CdapError
from cdap.graph.connection import Graph
from cdap.graph.elements import BELONGS_TO, CUSTOMER, HAS, LINKED, customer, record
from cdap.identity.config import IdentityConfig, LinkRule


class NotInGraphError(CdapError):
    """Neither a record nor a customer of the graph has this name."""


@dataclass(frozen=True)
class Link:
    """A rule linked two records (keys); `shared` are the identifiers of which both have the same value."""

    record_a: str
    record_b: str
    rule: str
    shared: tuple[str, ...]


@dataclass(frozen=True)
class Explanation:
    """`customers`: of `a` and of `b`. `path`: the fewest links from one to the other, when they are one customer.

    When they are not: `shared` are the identifiers that a record of each has in common, `forbidden` the links that an
    exclusive identifier set aside, `unmet` says of each rule what it lacks.
    """

    a: str
    b: str
    customers: tuple[str, str]
    path: tuple[Link, ...] = ()
    shared: tuple[str, ...] = ()
    forbidden: tuple[Link, ...] = ()
    unmet: tuple[tuple[str, str], ...] = ()

    @property
    def one_customer(self) -> bool:
        return self.customers[0] == self.customers[1]


def explain(graph: Graph, config: IdentityConfig, a: str, b: str) -> Explanation:
    """How `a` and `b`, each a record key or a customer id, are connected.

    Raises NotInGraphError for a name that the graph has not, GraphError when the graph cannot be asked.
    """
    found = [_find(graph, name) for name in (a, b)]
    vertices = found[0][0], found[1][0]
    customers = (vertices[0].removeprefix("customer:"), vertices[1].removeprefix("customer:"))
    if customers[0] == customers[1]:
        path = _path(graph, [found[0][1]] if found[0][1] else [], [found[1][1]] if found[1][1] else [])
        return Explanation(a, b, customers, path=path)
    common = _common(graph, *vertices)
    shared = sorted({name for names in common.values() for name in names})
    forbidden = _forbidden(graph, *vertices)
    unmet = tuple((rule.name, _lacks(rule, config, list(common.values()))) for rule in config.rules)
    return Explanation(a, b, customers, shared=tuple(shared), forbidden=forbidden, unmet=unmet)


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
    return tuple(
        _link(graph, steps[i][T.id], steps[i + 2][T.id], steps[i + 1]["rule"]) for i in range(0, len(steps) - 2, 2)
    )


def _forbidden(graph: Graph, a: str, b: str) -> tuple[Link, ...]:
    def ask(g: Any) -> list[dict[str, str]]:
        found: list[dict[str, str]] = (
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
            .by("rule")
            .by(T.id)
            .to_list()
        )
        return found

    rows = graph.run(ask, purpose="Reading the links that were set aside")
    return tuple(sorted((_link(graph, r["a"], r["b"], r["link"]) for r in rows), key=lambda x: (x.record_a, x.rule)))


def _common(graph: Graph, a: str, b: str) -> dict[tuple[str, str], set[str]]:
    """Pairs of a record of each customer, with the names of the identifiers that both have."""

    def ask(g: Any) -> list[dict[str, str]]:
        found: list[dict[str, str]] = (
            g.V(a)
            .in_(BELONGS_TO)
            .as_("a")
            .out(HAS)
            .as_("identifier")
            .in_(HAS)
            .as_("b")
            .where(__.out(BELONGS_TO).has_id(b))
            .select("a", "identifier", "b")
            .by(T.id)
            .by("name")
            .by(T.id)
            .to_list()
        )
        return found

    pairs: dict[tuple[str, str], set[str]] = defaultdict(set)
    for row in graph.run(ask, purpose="Searching identifiers in common"):
        pairs[row["a"], row["b"]].add(row["identifier"])
    return pairs


def _link(graph: Graph, a: str, b: str, rule: str) -> Link:
    def ask(g: Any) -> list[str]:
        names: list[str] = g.V(a).out(HAS).where(__.in_(HAS).has_id(b)).values("name").dedup().to_list()
        return names

    shared = graph.run(ask, purpose="Reading what a link stands on")
    return Link(a.removeprefix("record:"), b.removeprefix("record:"), rule, tuple(sorted(shared)))


def _lacks(rule: LinkRule, config: IdentityConfig, pairs: list[set[str]]) -> str:
    """What keeps a rule from linking any pair, as far as the graph knows: it holds identifiers, not attributes."""
    identifiers = {field for field in rule.match if field in config.identifiers}
    attributes = [field for field in rule.match if field not in config.identifiers]
    if not identifiers:
        return f"no pair has the same {', '.join(attributes)}" + _or_too_many(rule)
    nearest = max(pairs, key=lambda names: len(names & identifiers), default=set())
    missing = [field for field in rule.match if field in identifiers - nearest]
    if missing:
        return f"no pair shares {', '.join(missing)}"
    reasons = [f"{', '.join(attributes)} not the same or absent"] if attributes else []
    reasons += [f"{', '.join(rule.compatible)} not compatible"] if rule.compatible else []
    return f"{', '.join(sorted(identifiers))} shared, but " + " or ".join(reasons or ["set aside"]) + _or_too_many(rule)


def _or_too_many(rule: LinkRule) -> str:
    return f", or more than {rule.max_records} records do" if rule.max_records is not None else ""
