"""The stages of a resolution: records are prepared, paired and compared, a model is trained, pairs become clusters."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter

import duckdb
import numpy as np

from cdap.errors import CdapError
from cdap.linkage.clusters import Clusters, link
from cdap.linkage.compare import codes_of, compare
from cdap.linkage.config import LinkageConfig
from cdap.linkage.consensus import join_agreeing
from cdap.linkage.constraints import Decision, Indices, constraints_of, places_of
from cdap.linkage.keys import candidate_pairs
from cdap.linkage.links import COPY, DECISION, Link, Near, links_of, links_without_evidence
from cdap.linkage.model import Model
from cdap.linkage.needed_keys import keep_needed
from cdap.linkage.prepare import Prepared, prepare
from cdap.linkage.scores import scored_pairs, scorer
from cdap.linkage.statistics import Statistics
from cdap.linkage.strangers import all_pairs, strangers

Timed = Callable[[str], AbstractContextManager[None]]


def timing(seconds: dict[str, float], progress: Callable[[str], None] = lambda _: None) -> Timed:
    """A context for each stage, which says that it begins and adds how long it took to `seconds`."""

    @contextmanager
    def timed(name: str) -> Iterator[None]:
        progress(name)
        began = perf_counter()
        yield
        seconds[name] = round(seconds.get(name, 0.0) + perf_counter() - began, 2)

    return timed


@dataclass(frozen=True)
class Compared:
    """The tables `r`, `candidates`, `pairs` and `codes` of all records; by which statistics."""

    prepared: Prepared
    pairs: int
    statistics: Statistics


def compare_all(
    db: duckdb.DuckDBPyConnection, config: LinkageConfig, records: Path, model: Model | None, timed: Timed
) -> Compared:
    """Compares the records of a file, by the fields and statistics of a model where there is one."""
    with timed("prepare"):
        if model is None:
            prepared = prepare(db, config, records)
        else:
            prepared = prepare(db, config, records, model.fields, model.statistics)
    if not prepared.fields and prepared.records > 1:
        raise CdapError(
            f"Resolving {records}",
            "no column that is named tells records apart: they are empty or constant",
            "Name other columns in the configuration",
        )
    known = prepared.known
    with timed("candidate pairs"):
        largest = known.largest_blocks if known else None
        pairs, found = candidate_pairs(db, prepared.fields, prepared.records, largest)
    with timed("compare"):
        compare(db, prepared.fields, "pairs", "codes")
    statistics = known or Statistics.of(db, prepared.given, prepared.fields, prepared.junk, prepared.nicknames, found)
    return Compared(prepared, pairs, statistics)


def train(db: duckdb.DuckDBPyConnection, compared: Compared) -> Model:
    """The model of what was compared. Takes away what only keys propose that it does not need."""
    fields, records = compared.prepared.fields, compared.prepared.records
    before = strangers(db, fields, records)
    names = "".join(f'"{name}", ' for name in fields)
    found = db.execute(f"select {names}count(*)::double as n from codes group by all order by all").fetchnumpy()  # noqa: S608
    patterns = codes_of({name: found[name] for name in fields}, fields)
    fitted = Model.fit(before, patterns, np.asarray(found["n"], float), max(all_pairs(records), 1.0), records)
    return replace(fitted, statistics=keep_needed(db, fitted, compared.statistics, records))


@dataclass(frozen=True)
class Clustered:
    """Records by place: those of `r` in its order, then those of `copies`, `compared` of the first; their clusters.

    `home` are pairs of two members of a household; `near` those that were scored near to one person, the candidate
    pairs first, then those that were only looked at since both are of one component; `together` what was decided.
    """

    uids: list[str]
    compared: int
    clusters: Clusters
    home: tuple[Indices, Indices]
    near: list[Near]
    together: tuple[Indices, Indices]
    copies: tuple[Indices, Indices]

    @property
    def matched(self) -> tuple[Indices, Indices]:
        """Candidate pairs that speak for one person."""
        near = self.near[0]
        return near.a[near.bits > 0], near.b[near.bits > 0]

    def links(self, model: Model, config: LinkageConfig) -> list[Link]:
        """The links that the clusters stand on, in the order of their records."""
        uids, cluster = self.uids, self.clusters.cluster
        links = [
            *links_of(model, config, uids, cluster, self.near),
            *links_without_evidence(uids, cluster, self.together, DECISION),
            *links_without_evidence(uids, cluster, self.copies, COPY),
        ]
        return sorted(links, key=lambda link: (link.record_a, link.record_b, link.agreement))


def cluster(
    db: duckdb.DuckDBPyConnection,
    config: LinkageConfig,
    model: Model,
    codes: str,
    decisions: Sequence[Decision],
    timed: Timed,
    keep: str | None = None,
) -> Clustered:
    """Clusters the records of the tables `r` and `copies` by the pairs of the table `codes`; of those that count `keep`
    names a table to make."""
    uids = [str(uid) for (uid,) in db.execute("select uid from r order by i").fetchall()]
    copies = [(str(uid), int(first)) for uid, first in db.execute("select uid, i from copies order by uid").fetchall()]
    compared = len(uids)
    with timed("score"):
        scored, home, near = scored_pairs(db, model, codes, keep)
    found_near = [near]
    with timed("link"):
        places = {uid: place for place, uid in enumerate(uids)} | dict(copies)
        constraints = constraints_of(db, config, decisions, places, compared)
        linked = link(compared, scored, scorer(db, model, scored, found_near), constraints)
        clusters = join_agreeing(db, model, linked, found_near, constraints)
    firsts = np.array([first for _, first in copies], np.int64)
    uids += [uid for uid, _ in copies]
    return Clustered(
        uids=uids,
        compared=compared,
        clusters=replace(clusters, cluster=_with_copies(clusters.cluster, firsts)),
        home=home,
        near=found_near,
        together=places_of(decisions, {uid: place for place, uid in enumerate(uids)}, "link"),
        copies=(firsts, compared + np.arange(len(copies))),
    )


def _with_copies(of: Indices, firsts: Indices) -> Indices:
    """With the records that were set aside: each with the record it is the same as if that is joined to any of the
    others that are the same, which says that such records are of one person; else alone.
    """
    sizes = np.bincount(of, minlength=len(of))
    alone = len(of) + np.arange(len(firsts))
    return np.concatenate([of, np.where(sizes[of[firsts]] > 1, of[firsts], alone)]).astype(np.int64)
