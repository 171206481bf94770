"""Customers of scored pairs: inside each component always the two clusters with the highest mean score are joined.

Average linkage, the mean weighted by how much of two records could be compared, all pairs of a component scored. A
component of matches held together by a chain of weak links thus falls apart where it should.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from cdap.linkage.constraints import Constraints, Flags, Indices, components
from cdap.linkage.model import HIGHEST, Floats

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
        forbidden = None if constraints.hold_nothing else constraints.forbidden(ids)
        together = [] if forbidden is None else constraints.joined(ids)
        if len(ids) == 2:
            if together or forbidden is None or not forbidden.any():
                cluster[ids] = ids[0]
                scores[int(ids[0])] = HIGHEST if together else float(score[span][0])
            continue
        x, y, size = place[a[span]], place[b[span]], len(ids)
        weights = np.ones((size, size))
        weights[x, y] = weights[y, x] = weight[span]
        sums = np.zeros((size, size))
        sums[x, y] = sums[y, x] = score[span] * weight[span]
        owners = average_linkage(sums, weights, forbidden, together)
        cluster[ids] = ids[owners]
        for owner in np.unique(owners):
            of_owner = np.flatnonzero(owners == owner)
            if len(of_owner) > 1:
                block = np.ix_(of_owner, of_owner)
                upper = np.triu_indices(len(of_owner), 1)
                scores[int(ids[owner])] = float(sums_of(sums, block, upper) / sums_of(weights, block, upper))
    return Clusters(cluster, scores, whole, largest, cut)


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


def sums_of(values: Floats, block: tuple[Indices, ...], upper: tuple[Indices, ...]) -> float:
    return float(values[block][upper].sum())


def average_linkage(
    sums: Floats, weights: Floats, forbidden: Flags | None = None, together: Sequence[tuple[int, int]] = ()
) -> Indices:
    """The owner of each of k records: the first record of its cluster.

    `sums` are weighted scores, `weights` their weights, both k x k and symmetric. Clusters are joined whose mean score
    is positive and for each the highest of all with another; of equal means the first in the records' order.

    Clusters with two `forbidden` records (k x k, symmetric) are never joined, those of records that are `together` are.

    By chains of nearest neighbours (Murtagh 1983; Benzecri 1982), in k squared steps: the mean of a joined cluster to
    a third lies between those of its parts, so joining elsewhere makes no pair of nearest neighbours less near.
    """
    sums, weights = sums.copy(), weights.copy()
    size = len(sums)
    owner = np.arange(size)
    alive = np.ones(size, bool)
    forbidden = np.zeros((size, size), bool) if forbidden is None else forbidden.copy()

    def join(x: int, y: int) -> None:
        sums[x] += sums[y]
        sums[:, x] = sums[x]
        weights[x] += weights[y]
        weights[:, x] = weights[x]
        forbidden[x] |= forbidden[y]
        forbidden[:, x] = forbidden[x]
        alive[y] = False
        owner[owner == y] = x

    for a, b in together:
        x, y = sorted((int(owner[a]), int(owner[b])))
        if x != y:
            join(x, y)
    # Each is the nearest to the one before it.
    chain: list[int] = []
    while alive.any():
        if not chain:
            chain.append(int(np.argmax(alive)))
        end = chain[-1]
        mean = np.where(alive & ~forbidden[end], sums[end] / weights[end], -np.inf)
        mean[end] = -np.inf
        nearest = int(np.argmax(mean))
        if not mean[nearest] > 0:
            # Nor does anything that is joined later come near to it.
            alive[end] = False
            chain.pop()
        elif len(chain) > 1 and mean[chain[-2]] >= mean[nearest]:
            x, y = sorted(chain[-2:])
            join(x, y)
            del chain[-2:]
        else:
            chain.append(nearest)
    return owner
