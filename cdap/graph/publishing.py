"""From the identity tables to the graph: what is missing is written, what should not be there goes, all is compared."""

from __future__ import annotations

import hashlib
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from gremlin_python.process.graph_traversal import __
from gremlin_python.process.traversal import Direction, T

from cdap.errors import ReconciliationError
from cdap.graph.batches import batches
from cdap.graph.bulk import BulkLoader
from cdap.graph.connection import Graph
from cdap.graph.elements import Edge, Vertex
from cdap.graph.source import wanted
from cdap.identity.config import IdentityConfig
from cdap.identity.protocol import SqlSession

# "Best practices: Neptune, upserts with mergeV and mergeE": some hundred elements a request.
BATCH = 500
# So many missing elements and more are loaded in bulk: a first load, or one after a change of model.
BULK_FROM = 20_000


@dataclass(frozen=True)
class GraphSummary:
    """`vertices` and `edges` by label, as the graph holds them afterwards; `written` and `dropped` elements of this
    run, `in_bulk` when they were written by the bulk loader; `digest` over all ids; `seconds` of the whole call."""

    vertices: dict[str, int]
    edges: dict[str, int]
    written: int
    dropped: int
    in_bulk: bool
    digest: str
    seconds: float


def publish_graph(
    warehouse: SqlSession, graph: Graph, config: IdentityConfig, loader: BulkLoader | None = None
) -> GraphSummary:
    """Brings the graph to what the warehouse's identity tables hold; killed and run again it ends in the same graph.

    What is missing is written in batches, or by the `loader` where that is much; without one always in batches.

    The ids of both sides are held in memory, some 200 bytes an element. Raises ReconciliationError when the graph does
    not end with exactly the wanted elements (somebody else writes to it), GraphError and the warehouse's errors.
    """
    started = time.monotonic()
    vertices, edges = wanted(warehouse, config)
    if loader is not None:
        # Those of a run that was killed: they would go on writing what may no longer be wanted.
        loader.cancel_all()
    there_vertices, there_edges = _ids(graph, "V"), _ids(graph, "E")
    new_vertices = [vertex for id_, vertex in vertices.items() if id_ not in there_vertices]
    new_edges = [edge for id_, edge in edges.items() if id_ not in there_edges]
    old_edges, old_vertices = sorted(there_edges - edges.keys()), sorted(there_vertices - vertices.keys())
    in_bulk = loader is not None and len(new_vertices) + len(new_edges) >= BULK_FROM
    if loader is not None and in_bulk:
        loader.load(new_vertices, new_edges)
    else:
        # Ends before edges.
        for some in batches(new_vertices, BATCH):
            write_vertices(graph, some)
        for more in batches(new_edges, BATCH):
            write_edges(graph, more)
    # Edges go before their ends, so that what goes is what was counted.
    for ids in batches(old_edges, BATCH):
        drop_edges(graph, ids)
    for ids in batches(old_vertices, BATCH):
        drop_vertices(graph, ids)
    digest = _check(graph, vertices, edges)
    return GraphSummary(
        vertices=dict(Counter(vertex.label for vertex in vertices.values())),
        edges=dict(Counter(edge.label for edge in edges.values())),
        written=len(new_vertices) + len(new_edges),
        dropped=len(old_edges) + len(old_vertices),
        in_bulk=in_bulk,
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
