"""Customers of scored pairs: inside each component always the two clusters with the highest mean score are joined.

Average linkage, the mean weighted by how much of two records could be compared, all pairs of a component scored. A
component of matches held together by a chain of weak links thus falls apart where it should.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from cdap.linkage.model import HIGHEST, Floats

Indices = npt.NDArray[np.int64]

# A component of more records is cut at ever higher scores until its parts are at most so large.
LARGEST_COMPONENT = 400


@dataclass(frozen=True)
class Scored:
    """Pairs of records a < b, each once: score in bits and weight of what could be compared."""

    a: Indices
    b: Indices
    score: Floats
    weight: Floats


@dataclass(frozen=True)
class Clusters:
    """`cluster` of each record, a record's place; `score` of each cluster that is one of several records, in bits."""

    cluster: Indices
    score: dict[int, float]
    largest_component: int
    cut_at: float


def components(records: int, a: Indices, b: Indices) -> Indices:
    """The component of each record."""
    edges = coo_matrix((np.ones(len(a), np.int8), (a, b)), shape=(records, records)).tocsr()
    return np.asarray(connected_components(edges, directed=False)[1], np.int64)


def link(records: int, pairs: Scored, more: Callable[[Indices, Indices], Scored]) -> Clusters:
    """Clusters of records 0 to `records` - 1.

    `more` takes the records of components of more than two, with their component, and scores the pairs not yet scored.
    """
    kept = pairs.score > 0
    of = components(records, pairs.a[kept], pairs.b[kept])
    sizes = np.bincount(of, minlength=1)
    largest, cut = int(sizes.max()), 0.0
    while sizes.max() > LARGEST_COMPONENT and cut < HIGHEST - 0.5:
        cut += 1.0
        too_large = sizes[of] > LARGEST_COMPONENT
        kept &= ~too_large[pairs.a] | (pairs.score > cut)
        of = components(records, pairs.a[kept], pairs.b[kept])
        sizes = np.bincount(of)
    inside = of[pairs.a] == of[pairs.b]
    several = np.flatnonzero(sizes[of] > 2)
    extra = more(several, of[several])
    a, b = np.concatenate([pairs.a[inside], extra.a]), np.concatenate([pairs.b[inside], extra.b])
    score = np.concatenate([pairs.score[inside], extra.score])
    weight = np.concatenate([pairs.weight[inside], extra.weight])

    cluster = np.arange(records)
    scores: dict[int, float] = {}
    by_component = np.argsort(of[a], kind="stable")
    a, b, score, weight = a[by_component], b[by_component], score[by_component], weight[by_component]
    edges = np.searchsorted(of[a], np.arange(len(sizes) + 1))
    members = np.argsort(of, kind="stable")
    starts = np.concatenate([[0], np.cumsum(sizes)])
    place = np.empty(records, np.int64)
    place[members] = np.arange(records) - starts[of[members]]
    for component in np.flatnonzero(sizes > 1):
        ids = members[starts[component] : starts[component + 1]]
        span = slice(edges[component], edges[component + 1])
        if len(ids) == 2:
            cluster[ids] = ids[0]
            scores[int(ids[0])] = float(score[span][0])
            continue
        x, y, size = place[a[span]], place[b[span]], len(ids)
        weights = np.ones((size, size))
        weights[x, y] = weights[y, x] = weight[span]
        sums = np.zeros((size, size))
        sums[x, y] = sums[y, x] = score[span] * weight[span]
        owners = average_linkage(sums, weights)
        cluster[ids] = ids[owners]
        for owner in np.unique(owners):
            of_owner = np.flatnonzero(owners == owner)
            if len(of_owner) > 1:
                block = np.ix_(of_owner, of_owner)
                upper = np.triu_indices(len(of_owner), 1)
                scores[int(ids[owner])] = float(sums_of(sums, block, upper) / sums_of(weights, block, upper))
    return Clusters(cluster, scores, largest, cut)


def sums_of(values: Floats, block: tuple[Indices, ...], upper: tuple[Indices, ...]) -> float:
    return float(values[block][upper].sum())


def average_linkage(sums: Floats, weights: Floats) -> Indices:
    """The owner of each of k records: the first record of its cluster.

    `sums` are weighted scores, `weights` their weights, both k x k and symmetric. Joins the pair of clusters with the
    highest mean as long as it is positive; of equal means the first pair in the records' order.
    """
    sums, weights = sums.copy(), weights.copy()
    size = len(sums)
    owner = np.arange(size)
    alive = np.ones(size, bool)
    lower = np.tri(size, dtype=bool)
    while True:
        mean = np.where(lower | ~alive[:, None] | ~alive[None, :], -np.inf, sums / weights)
        best = int(np.argmax(mean))
        x, y = divmod(best, size)
        if not mean[x, y] > 0:
            return owner
        sums[x] += sums[y]
        sums[:, x] = sums[x]
        weights[x] += weights[y]
        weights[:, x] = weights[x]
        alive[y] = False
        owner[owner == y] = x
