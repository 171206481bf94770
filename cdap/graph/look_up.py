"""Whose an identifier is, told from the graph."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gremlin_python.process.graph_traversal import __
from gremlin_python.process.traversal import T

from cdap.errors import CdapError
from cdap.graph.connection import Graph
from cdap.graph.elements import BELONGS_TO, HAS, identifier
from cdap.identity.config import IdentityConfig
from cdap.identity.normalisation import normalised


class NoIdentifierError(CdapError):
    """`config/identity.yaml` names no such identifier, or the value says nothing about a person."""


@dataclass(frozen=True)
class Holder:
    """A customer, and its records (keys) that have the value."""

    customer_id: str
    records: tuple[str, ...]


def look_up(graph: Graph, config: IdentityConfig, name: str, value: str) -> tuple[Holder, ...]:
    """The customers with a record that has this value of an identifier, as it is normalised; none when nobody has.

    A value that too many records share is nobody's. Raises NoIdentifierError, and GraphError when the graph cannot be
    asked.
    """
    doing = f"Looking up the identifier {name}"
    rule = config.identifiers.get(name)
    if rule is None:
        raise NoIdentifierError(doing, "there is none of this name", f"Name one of {', '.join(config.identifiers)}")
    usable = normalised(value, rule)
    if usable is None:
        # The value itself is personal and goes into no message.
        raise NoIdentifierError(
            doing, "the value is empty, too short or one that says nothing about a person", "Give another value"
        )

    def ask(g: Any) -> list[dict[str, str]]:
        found: list[dict[str, str]] = (
            g.V(identifier(name, usable).id)
            .in_(HAS)
            .project("record", "customer")
            .by(T.id)
            .by(__.out(BELONGS_TO).id_())
            .to_list()
        )
        return found

    holders: dict[str, list[str]] = {}
    for row in graph.run(ask, purpose=doing):
        customer_id = row["customer"].removeprefix("customer:")
        holders.setdefault(customer_id, []).append(row["record"].removeprefix("record:"))
    return tuple(Holder(customer_id, tuple(sorted(records))) for customer_id, records in sorted(holders.items()))
