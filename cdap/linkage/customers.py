"""Customers and households of clusters, with ids that stay."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

import numpy as np

from cdap.linkage.clusters import Clusters
from cdap.linkage.constraints import Indices, components
from cdap.linkage.model import HIGHEST, LOWEST

InUse = Callable[[AbstractSet[str]], AbstractSet[str]]


@dataclass(frozen=True)
class Assignment:
    """Whose a record is: its customer, how surely (0 to 1), and the household its customer belongs to."""

    unique_id: str
    customer_id: str
    cluster_probability: float
    household_id: str


def assign(
    uids: Sequence[str], clusters: Clusters, home: tuple[Indices, Indices], previous: Mapping[str, str]
) -> list[Assignment]:
    """The assignment of each record, whose ids they are; `home` are pairs of records of one household, `previous`
    customer ids of before."""
    before = set(previous.values())
    customers = customers_of(uids, clusters.cluster, previous, before.intersection)
    homes = households_of(uids, clusters.cluster, home)
    chances = chances_of(clusters)
    return [Assignment(*row) for row in zip(uids, customers, chances, homes, strict=True)]


def chances_of(clusters: Clusters) -> list[float]:
    """Of each record how surely it is its customer's; a record by itself is."""
    chances = {place: _chance(score) for place, score in clusters.score.items()}
    return [chances.get(cluster, 1.0) for cluster in clusters.cluster.tolist()]


def _chance(score: float) -> float:
    return round(float(1 / (1 + 2 ** -min(max(score, LOWEST), HIGHEST))), 6)


def customers_of(uids: Sequence[str], clusters: Indices, previous: Mapping[str, str], in_use: InUse) -> list[str]:
    """The customer id of each record: an earlier one that most of the records had, else one of the smallest id.

    An earlier id stays with the part that holds the most of its records, of equal parts the one with the smallest. Of
    the ids that are made `in_use` says which customers of before had, here or elsewhere.
    """
    members: defaultdict[int, list[str]] = defaultdict(list)
    for uid, cluster in zip(uids, clusters.tolist(), strict=True):
        members[cluster].append(uid)
    smallest = {cluster: min(records) for cluster, records in members.items()}
    claims = sorted(
        (-count, smallest[cluster], cluster, old)
        for cluster, records in members.items()
        for old, count in Counter(previous[uid] for uid in records if uid in previous).items()
    )
    ids: dict[int, str] = {}
    taken: set[str] = set()
    for _, _, cluster, old in claims:
        if cluster not in ids and old not in taken:
            ids[cluster] = old
            taken.add(old)
    number = 0
    while missing := [cluster for cluster in members if cluster not in ids]:
        made = {cluster: _id("cus", smallest[cluster], number) for cluster in missing}
        used = in_use(set(made.values()))
        ids |= {cluster: new for cluster, new in made.items() if new not in used and new not in taken}
        number += 1
    return [ids[cluster] for cluster in clusters.tolist()]


def households_of(uids: Sequence[str], clusters: Indices, pairs: tuple[Indices, Indices]) -> list[str]:
    """The household id of each record: customers that pairs of household members join."""
    itself = np.arange(len(uids))
    joined = components(
        len(uids),
        np.concatenate([itself, clusters[pairs[0]]]),
        np.concatenate([clusters, clusters[pairs[1]]]),
    ).tolist()
    smallest: dict[int, str] = {}
    for uid, home in zip(uids, joined, strict=True):
        smallest[home] = min(uid, smallest.get(home, uid))
    ids = {home: _id("hou", of, 0) for home, of in smallest.items()}
    return [ids[home] for home in joined]


def _id(kind: str, of: str, number: int) -> str:
    return f"{kind}_{hashlib.sha256(f'{of}|{number}'.encode()).hexdigest()[:24]}"
