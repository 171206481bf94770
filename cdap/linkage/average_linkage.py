"""Average linkage: always the two clusters with the highest mean score are joined, as long as it is positive."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from cdap.linkage.constraints import Flags, Indices
from cdap.linkage.model import Floats

# Components of so many records take a step together; larger ones, which are few, one after the other.
LARGEST_TOGETHER = 16


def average_linkages(
    sums: Floats, weights: Floats, forbidden: Flags | None, together: Mapping[int, Sequence[tuple[int, int]]]
) -> tuple[Indices, Floats]:
    """For n components of k records each the owner of each record, the first of its cluster, and of each owner with
    several records the mean score in its cluster: both n x k.

    `sums` are weighted scores, `weights` their weights, n x k x k and symmetric. Clusters are joined whose mean score
    is positive and for each the highest of all with another; of equal means the first in the records' order. Clusters
    with two `forbidden` records (n x k x k, symmetric) are never joined, those of records that are `together`, pairs
    by component, are.
    """
    components, size, _ = sums.shape
    owners, means = np.tile(np.arange(size), (components, 1)), np.zeros((components, size))
    singly = sorted(together) if size <= LARGEST_TOGETHER else range(components)
    for at in singly:
        barred = None if forbidden is None else forbidden[at]
        owners[at] = average_linkage(sums[at], weights[at], barred, together.get(at, ()))
        means[at] = _means(sums[at], weights[at], owners[at])
    others = np.setdiff1d(np.arange(components), singly)
    if len(others):
        barred = None if forbidden is None else forbidden[others]
        owners[others], means[others] = _step_by_step(sums[others], weights[others], barred)
    return owners, means


def _means(sums: Floats, weights: Floats, owner: Indices) -> Floats:
    """The mean score in the cluster of each owner with several records."""
    same = np.triu(owner[:, None] == owner[None, :], 1)
    of = np.broadcast_to(owner[:, None], same.shape)[same]
    inside = [np.bincount(of, of_pairs[same], len(owner)).astype(float) for of_pairs in (sums, weights)]
    return _divided(inside[0], inside[1])


def _divided(sums: Floats, weights: Floats) -> Floats:
    return np.divide(sums, weights, out=np.zeros_like(sums), where=weights > 0)


def _step_by_step(sums: Floats, weights: Floats, forbidden: Flags | None) -> tuple[Indices, Floats]:
    """Each component takes a step at a time, all of them at once: many small ones cost little."""
    sums, weights = sums.copy(), weights.copy()
    components, size, _ = sums.shape
    apart = np.zeros(sums.shape, bool) if forbidden is None else forbidden.copy()
    once = np.triu(np.ones((size, size), bool), 1)
    owner = np.tile(np.arange(size), (components, 1))
    inside = np.zeros((2, components, size))  # weighted scores in each cluster, and their weights
    going = np.arange(components)
    for _ in range(size - 1):
        mean = np.where(once & ~apart[going], sums[going] / weights[going], -np.inf).reshape(len(going), -1)
        nearest = mean.argmax(1)
        joins = mean[np.arange(len(going)), nearest] > 0
        going, nearest = going[joins], nearest[joins]
        if not len(going):
            break
        x, y = np.divmod(nearest, size)
        for at, of in enumerate((sums, weights)):
            inside[at, going, x] += inside[at, going, y] + of[going, x, y]
            of[going, x] += of[going, y]
            of[going, :, x] = of[going, x]
        inside[:, going, y] = 0.0
        apart[going, x] |= apart[going, y]
        apart[going, :, x] = apart[going, x]
        apart[going, y] = apart[going, :, y] = True
        owner[going] = np.where(owner[going] == y[:, None], x[:, None], owner[going])
    return owner, _divided(inside[0], inside[1])


def average_linkage(
    sums: Floats, weights: Floats, forbidden: Flags | None = None, together: Sequence[tuple[int, int]] = ()
) -> Indices:
    """The owner of each of k records: the first record of its cluster.

    `sums` are weighted scores, `weights` their weights, both k x k and symmetric. Clusters are joined whose mean score
    is positive and for each the highest of all with another; of equal means the first in the records' order.

    Clusters with two `forbidden` records (k x k, symmetric) are never joined, those of records that are `together` are.

    For components of any size, by chains of nearest neighbours (Murtagh 1983; Benzecri 1982), in k squared steps: the
    mean of a joined cluster to a third lies between those of its parts, so joining elsewhere makes no pair of nearest
    neighbours less near.
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
