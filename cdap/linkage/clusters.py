"""Customers of scored pairs: inside each component always the two clusters with the highest mean score are joined.

Average linkage, the mean weighted by how much of two records could be compared, all pairs of a component scored. A
component of matches held together by a chain of weak links thus falls apart where it should.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from cdap.linkage.average_linkage import average_linkages
from cdap.linkage.constraints import Constraints, Flags, Indices, components
from cdap.linkage.model import HIGHEST, Floats

# A component of more records is cut at ever higher scores until its parts are at most so large.
LARGEST_COMPONENT = 400
# Pairs of components of one size that are handled at once.
AT_ONCE = 2_000_000


@dataclass(frozen=True)
class Scored:
    """Pairs of records a < b, each once: score in bits and weight of what could be compared."""

    a: Indices
    b: Indices
    score: Floats
    weight: Floats


@dataclass(frozen=True)
class Clusters:
    """`cluster` of each record, a record's place; `score` of each cluster that is one of several records, in bits.

    `component` of each record is that of what matches and decisions join, before anything is cut: nothing that is of
    another one has a say in its clusters.
    """

    cluster: Indices
    score: dict[int, float]
    component: Indices
    largest_component: int
    cut_at: float


def link(
    records: int,
    pairs: Scored,
    more: Callable[[Indices, Indices], Scored],
    constraints: Constraints = Constraints(),  # noqa: B008 nothing changes it
) -> Clusters:
    """Clusters of records 0 to `records` - 1, as the constraints allow.

    `more` takes the records of components of more than two, with their component, and scores the pairs not yet scored.
    """
    kept = pairs.score > 0

    def joined() -> Indices:
        together = constraints.together
        a, b = np.concatenate([pairs.a[kept], together[0]]), np.concatenate([pairs.b[kept], together[1]])
        return components(records, a, b)

    whole = of = joined()
    sizes = np.bincount(of, minlength=1)
    largest, cut = int(sizes.max()), 0.0
    while sizes.max() > LARGEST_COMPONENT and cut < HIGHEST - 1:
        cut += 1.0
        too_large = sizes[of] > LARGEST_COMPONENT
        kept &= ~too_large[pairs.a] | (pairs.score > cut)
        of = joined()
        sizes = np.bincount(of)
    if sizes.max() > LARGEST_COMPONENT:
        of = _split(of, sizes, pairs, kept, constraints)
        sizes = np.bincount(of)
    inside = of[pairs.a] == of[pairs.b]
    several = np.flatnonzero(sizes[of] > 2)
    extra = more(several, of[several])
    a, b = np.concatenate([pairs.a[inside], extra.a]), np.concatenate([pairs.b[inside], extra.b])
    score = np.concatenate([pairs.score[inside], extra.score])
    weight = np.concatenate([pairs.weight[inside], extra.weight])

    # Components by size: those of one are next to one another.
    by_size = np.argsort(sizes, kind="stable")
    sizes, of = sizes[by_size], np.argsort(by_size)[of]
    by_component = np.argsort(of[a], kind="stable")
    a, b, score, weight = a[by_component], b[by_component], score[by_component], weight[by_component]
    edges = np.searchsorted(of[a], np.arange(len(sizes) + 1))
    members = np.argsort(of, kind="stable")
    starts = np.concatenate([[0], np.cumsum(sizes)])
    place = np.empty(records, np.int64)
    place[members] = np.arange(records) - starts[of[members]]
    decided = np.zeros(len(sizes), bool)
    decided[of[constraints.together[0]]] = True

    cluster = np.arange(records)
    scores: dict[int, float] = {}
    for first, end in _batches(sizes):
        size = int(sizes[first])
        ids = members[starts[first] : starts[end]].reshape(-1, size)
        span = slice(edges[first], edges[end])
        at, x, y = of[a[span]] - first, place[a[span]], place[b[span]]
        weights = np.ones((len(ids), size, size))
        weights[at, x, y] = weights[at, y, x] = weight[span]
        sums = np.zeros(weights.shape)
        sums[at, x, y] = sums[at, y, x] = score[span] * weight[span]
        together = {int(row): constraints.joined(ids[row]) for row in np.flatnonzero(decided[first:end])}
        owners, means = average_linkages(sums, weights, constraints.forbidden(ids), together)
        cluster[ids] = np.take_along_axis(ids, owners, 1)
        held = np.bincount((owners + np.arange(len(ids))[:, None] * size).ravel(), minlength=ids.size)
        owning = held > 1
        scores.update(zip(ids.ravel()[owning].tolist(), means.ravel()[owning].tolist(), strict=True))
    return Clusters(cluster, scores, whole, largest, cut)


def _batches(sizes: Indices) -> Iterator[tuple[int, int]]:
    """Of the sizes of components, which ascend, spans of one size and more than one record that are handled at once."""
    first = int(np.searchsorted(sizes, 2))
    while first < len(sizes):
        size = int(sizes[first])
        end = min(int(np.searchsorted(sizes, size + 1)), first + max(AT_ONCE // size**2, 1))
        yield first, end
        first = end


def _split(of: Indices, sizes: Indices, pairs: Scored, kept: Flags, constraints: Constraints) -> Indices:
    """Components of at most LARGEST_COMPONENT records: those that are larger are put together again, pair by pair from
    the surest on, and no part is joined with another when both together are too large.
    """
    chosen = np.flatnonzero(kept & (sizes[of[pairs.a]] > LARGEST_COMPONENT))
    chosen = chosen[np.lexsort((pairs.b[chosen], pairs.a[chosen], -pairs.score[chosen]))]
    parts: dict[int, list[int]] = {int(i): [int(i)] for i in np.flatnonzero(sizes[of] > LARGEST_COMPONENT)}
    decided = [(a, b) for a, b in zip(*(side.tolist() for side in constraints.together), strict=True) if a in parts]
    for place, (a, b) in enumerate([*decided, *zip(pairs.a[chosen].tolist(), pairs.b[chosen].tolist(), strict=True)]):
        small, large = sorted((parts[a], parts[b]), key=len)
        if small is not large and (place < len(decided) or len(small) + len(large) <= LARGEST_COMPONENT):
            large += small
            for record in small:
                parts[record] = large
    split = of.copy()
    for record, part in parts.items():
        split[record] = len(sizes) + min(part)
    return np.asarray(np.unique(split, return_inverse=True)[1], np.int64)
