"""From the identity tables to the graph: what is missing is written, what should not be there goes, all is compared."""

from __future__ import annotations

import hashlib
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeVar

from gremlin_python.process.graph_traversal import __
from gremlin_python.process.traversal import Direction, T

from cdap.errors import ReconciliationError
from cdap.graph.connection import Graph
from cdap.graph.elements import Edge, Vertex
from cdap.graph.source import wanted
from cdap.identity.config import IdentityConfig
from cdap.identity.protocol import SqlSession

# "Best practices: Neptune, upserts with mergeV and mergeE": some hundred elements a request.
BATCH = 500
Item = TypeVar("Item")


@dataclass(frozen=True)
class GraphSummary:
    """`vertices` and `edges` by label, as the graph holds them afterwards; `written` and `dropped` elements of this
    run; `digest` over all ids; `seconds` of the whole call."""

    vertices: dict[str, int]
    edges: dict[str, int]
    written: int
    dropped: int
    digest: str
    seconds: float


def publish_graph(warehouse: SqlSession, graph: Graph, config: IdentityConfig) -> GraphSummary:
    """Brings the graph to what the warehouse's identity tables hold; killed and run again it ends in the same graph.

    The ids of both sides are held in memory, some 200 bytes an element. Raises ReconciliationError when the graph does
    not end with exactly the wanted elements (somebody else writes to it), GraphError and the warehouse's errors.
    """
    started = time.monotonic()
    vertices, edges = wanted(warehouse, config)
    there_vertices, there_edges = _ids(graph, "V"), _ids(graph, "E")
    new_vertices = [vertex for id_, vertex in vertices.items() if id_ not in there_vertices]
    new_edges = [edge for id_, edge in edges.items() if id_ not in there_edges]
    old_edges, old_vertices = sorted(there_edges - edges.keys()), sorted(there_vertices - vertices.keys())
    # Ends before edges; edges go before their ends, so that what goes is what was counted.
    for some in _batches(new_vertices):
        write_vertices(graph, some)
    for more in _batches(new_edges):
        write_edges(graph, more)
    for ids in _batches(old_edges):
        drop_edges(graph, ids)
    for ids in _batches(old_vertices):
        drop_vertices(graph, ids)
    digest = _check(graph, vertices, edges)
    return GraphSummary(
        vertices=dict(Counter(vertex.label for vertex in vertices.values())),
        edges=dict(Counter(edge.label for edge in edges.values())),
        written=len(new_vertices) + len(new_edges),
        dropped=len(old_edges) + len(old_vertices),
        digest=digest,
        seconds=round(time.monotonic() - started, 3),
    )


def write_vertices(graph: Graph, vertices: Sequence[Vertex]) -> None:
    """Merge vertices in one request. Their properties follow from their ids, so none has to be changed."""
    maps = [{T.id: vertex.id, T.label: vertex.label, **dict(vertex.properties)} for vertex in vertices]
    graph.run(lambda g: g.inject(maps).unfold().merge_v().iterate(), purpose="Writing vertices")


def write_edges(graph: Graph, edges: Sequence[Edge]) -> None:
    """Merge edges in one request; their ends must be there."""
    maps: list[dict[Any, Any]] = [
        {T.id: edge.id, T.label: edge.label, Direction.OUT: edge.tail, Direction.IN: edge.head, **dict(edge.properties)}
        for edge in edges
    ]
    graph.run(lambda g: g.inject(maps).unfold().merge_e().iterate(), purpose="Writing edges")


def drop_edges(graph: Graph, ids: Sequence[str]) -> None:
    """Drop edges in one request; those that are gone are no error."""
    graph.run(lambda g: g.E(*ids).drop().iterate(), purpose="Dropping edges")


def drop_vertices(graph: Graph, ids: Sequence[str]) -> None:
    """Drop vertices in one request, with their edges; those that are gone are no error."""
    graph.run(lambda g: g.V(*ids).drop().iterate(), purpose="Dropping vertices")


def digest_of(ids: Iterable[str]) -> str:
    """A digest of a set of ids, whatever their order."""
    sha = hashlib.sha256()
    for id_ in sorted(ids):
        sha.update(id_.encode() + b"\n")
    return sha.hexdigest()


def _ids(graph: Graph, kind: str) -> set[str]:
    def ask(g: Any) -> set[str]:
        return set((g.V() if kind == "V" else g.E()).id_().to_list())

    return graph.run(ask, purpose=f"Reading the ids of {'vertices' if kind == 'V' else 'edges'}")


def _check(graph: Graph, vertices: dict[str, Vertex], edges: dict[str, Edge]) -> str:
    """Compares every element by id and every edge by its ends; returns the digest."""

    def ends(g: Any) -> set[tuple[str, str, str]]:
        triple = g.E().project("id", "out", "in").by(T.id).by(__.out_v().id_()).by(__.in_v().id_())
        return {(edge["id"], edge["out"], edge["in"]) for edge in triple.to_list()}

    found_vertices, found_edges = _ids(graph, "V"), graph.run(ends, purpose="Reading the edges")
    expected = {(edge.id, edge.tail, edge.head) for edge in edges.values()}
    if found_vertices != vertices.keys() or found_edges != expected:
        raise ReconciliationError(
            f"Publishing the identity graph to {graph.endpoint}",
            f"the warehouse has {len(vertices)} vertices and {len(expected)} edges, the graph "
            f"{len(found_vertices)} and {len(found_edges)}, of which {len(found_vertices & vertices.keys())} and "
            f"{len(found_edges & expected)} are the same",
            "Nothing but this task may write to the graph; clear the task, which writes what is missing",
        )
    return digest_of([*found_vertices, *(id_ for id_, _, _ in found_edges)])


def _batches(items: Sequence[Item]) -> Iterator[list[Item]]:
    rest = iter(items)
    while batch := list(islice(rest, BATCH)):
        yield batch
