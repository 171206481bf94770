"""What the graph should hold, read from the warehouse."""

from __future__ import annotations

from importlib import resources
from typing import Any

from cdap.graph import elements
from cdap.graph.elements import Edge, Vertex
from cdap.identity.config import IdentityConfig
from cdap.identity.identifiers import identifiers_query
from cdap.identity.protocol import SqlSession


def wanted(warehouse: SqlSession, config: IdentityConfig) -> tuple[dict[str, Vertex], dict[str, Edge]]:
    """Vertices and edges by id, all read in one transaction.

    Identifiers are those that the resolution may use: normalised, without junk and without values that too many share.
    """
    vertices: dict[str, Vertex] = {}
    edges: dict[str, Edge] = {}

    def add(edge: Edge, *ends: Vertex) -> None:
        edges[edge.id] = edge
        vertices.update((end.id, end) for end in ends)

    names = list(config.identifiers)
    with warehouse.transaction():
        for key, *values in warehouse.fetch_all(identifiers_query(config), purpose="Reading the records' identifiers"):
            vertices.setdefault((vertex := elements.record(key)).id, vertex)
            for name, value in zip(names, values, strict=True):
                if value is not None:
                    add(elements.has(key, name, value), elements.identifier(name, value))
        for key, customer_id in _fetch(warehouse, "members.sql"):
            add(elements.belongs_to(key, customer_id), elements.record(key), elements.customer(customer_id))
        for key_a, key_b, *link in _fetch(warehouse, "links.sql"):
            add(elements.linked(key_a, key_b, *link), elements.record(key_a), elements.record(key_b))
    return vertices, edges


def _fetch(warehouse: SqlSession, file: str) -> list[tuple[Any, ...]]:
    purpose, _, sql = (resources.files("cdap.graph") / "sql" / file).read_text(encoding="utf-8").partition("\n")
    return warehouse.fetch_all(sql, purpose=purpose.removeprefix("--").strip())
