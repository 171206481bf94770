"""From a file of records to customers and households, by a model that is trained on it or was before."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa

from cdap.errors import CdapError
from cdap.linkage.clusters import Clusters, Scored, link
from cdap.linkage.compare import codes_of, compare
from cdap.linkage.config import LinkageConfig
from cdap.linkage.constraints import Decision, Indices, components, constraints_of
from cdap.linkage.fields import EQUAL, kind_of
from cdap.linkage.keys import candidate_pairs, keys
from cdap.linkage.links import COPY, DECISION, NEAR, Link, Near, links_of, links_without_evidence
from cdap.linkage.model import HIGHEST, LOWEST, Model
from cdap.linkage.prepare import Junk, Prepared, fields_of, prepare
from cdap.linkage.strangers import all_pairs, strangers

# Two customers live together when it is likelier than not and they share one of these.
OF_A_HOUSEHOLD = ("street", "phone")
NO_PAIRS = Scored(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0), np.zeros(0))


@dataclass(frozen=True)
class Assignment:
    """Whose a record is: its customer, how surely (0 to 1), and the household its customer belongs to."""

    unique_id: str
    customer_id: str
    cluster_probability: float
    household_id: str


@dataclass(frozen=True)
class Resolution:
    """The assignments in the order of the ids, the links that they stand on, the model that was used, and what there
    is to know of the run."""

    assignments: tuple[Assignment, ...]
    links: tuple[Link, ...]
    model: Model
    report: Mapping[str, Any]


def resolve(
    records: Path,
    config: LinkageConfig,
    *,
    model: Path | None = None,
    previous: Mapping[str, str] | None = None,
    decisions: Iterable[Decision] = (),
    tell_links: bool = False,
    threads: int | None = None,
    progress: Callable[[str], None] = lambda _: None,
) -> Resolution:
    """Resolves the records of a CSV or Parquet file.

    `model` is a file of a model; without one a model is trained on the records. `previous` are customer ids by unique
    id of an earlier run: a customer keeps its id as long as most of its records stay together. `decisions` hold
    whatever the model says; one on a record that is a copy of many is one on all of them. The links, which at a million
    records take some seconds to put into words, are told when `tell_links` asks for them.

    Raises RecordsError and ModelError for files that cannot be used, CdapError when nothing can be compared.
    """
    seconds: dict[str, float] = {}
    timed = _timed(seconds, progress)
    with _database(threads) as db:
        trained = Model.load(model, fields_of(config)) if model is not None else None
        prepared, pairs = _compared(db, config, records, timed, trained.fields if trained else None)
        uids = [str(uid) for (uid,) in db.execute("select uid from r order by i").fetchall()]
        copies = [(str(uid), int(first)) for uid, first in db.execute("select uid, i from copies").fetchall()]
        with timed("model"):
            fitted = trained or _train(db, prepared)
        with timed("score"):
            scored, households, near = _scored(db, fitted, "codes")
        found_near = [near]
        with timed("link"):
            places = {uid: place for place, uid in enumerate(uids)} | dict(copies)
            constraints = constraints_of(db, config, decisions, places, prepared.records)
            clusters = link(prepared.records, scored, _scorer(db, fitted, scored, found_near), constraints)
        links: list[Link] = []
        if tell_links:
            links += links_of(fitted, config, uids, clusters.cluster, found_near)
            links += links_without_evidence(uids, clusters.cluster, constraints.together, DECISION)
    compared = len(uids)
    uids, clusters = _with_copies(uids, clusters, copies)
    if tell_links:
        numbered = (np.array([first for _, first in copies], np.int64), np.arange(compared, len(uids)))
        links += links_without_evidence(uids, clusters.cluster, numbered, COPY)
    customers = _customers(uids, clusters, previous or {})
    homes = _households(uids, clusters.cluster, households)
    chances = {place: _chance(score) for place, score in clusters.score.items()}
    assignments = tuple(
        Assignment(uids[place], customers[place], chances.get(int(clusters.cluster[place]), 1.0), homes[place])
        for place in sorted(range(len(uids)), key=uids.__getitem__)
    )
    sizes = Counter(customers)
    return Resolution(
        assignments,
        tuple(sorted(links, key=lambda link: (link.record_a, link.record_b, link.agreement))),
        fitted,
        {
            "records": len(uids),
            "customers": len(sizes),
            "households": len(set(homes)),
            "fields": list(fitted.fields),
            "keys": len(keys(fitted.fields)),
            "pairs": pairs,
            "largest_component": clusters.largest_component,
            "cut_at": clusters.cut_at,
            "largest_customer": max(sizes.values(), default=0),
            "junk": [_shown(junk) for junk in prepared.junk],
            "seconds": {name: round(value, 2) for name, value in seconds.items()},
            "model": fitted.report,
        },
    )


def train(records: Path, config: LinkageConfig, *, threads: int | None = None) -> Model:
    """The model that `resolve` trains on the records when it is given none; raises what that raises."""
    with _database(threads) as db:
        prepared, _ = _compared(db, config, records, _timed({}, lambda _: None), None)
        return _train(db, prepared)


@contextmanager
def _database(threads: int | None) -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as db:
        if threads is not None:
            db.execute(f"set threads = {int(threads)}")
        yield db


def _compared(
    db: duckdb.DuckDBPyConnection,
    config: LinkageConfig,
    records: Path,
    timed: Callable[[str], Any],
    fields: Sequence[str] | None,
) -> tuple[Prepared, int]:
    """Makes `r`, `pairs` and `codes` of the records; returns what was prepared and how many pairs there are."""
    with timed("prepare"):
        prepared = prepare(db, config, records, fields)
    several = prepared.records > 1
    if not prepared.fields and several:
        raise CdapError(
            f"Resolving {records}",
            "no column that is named tells records apart: they are empty or constant",
            "Name other columns in the configuration",
        )
    with timed("candidate pairs"):
        pairs = candidate_pairs(db, prepared.fields, prepared.records) if several else 0
    with timed("compare"):
        compare(db, prepared.fields, "pairs" if several else "(select 0 as a, 0 as b where false)", "codes")
    return prepared, pairs


def _with_copies(uids: list[str], clusters: Clusters, copies: Sequence[tuple[str, int]]) -> tuple[list[str], Clusters]:
    """With the records that were set aside: each with the record it is the same as if that is joined to any of the
    others that are the same, which says that such records are of one person; else alone.
    """
    if not copies:
        return uids, clusters
    sizes = np.bincount(clusters.cluster, minlength=len(uids))
    added = [
        int(clusters.cluster[first]) if sizes[clusters.cluster[first]] > 1 else len(uids) + number
        for number, (_, first) in enumerate(copies)
    ]
    cluster = np.concatenate([clusters.cluster, np.array(added, np.int64)])
    return [*uids, *(uid for uid, _ in copies)], replace(clusters, cluster=cluster)


def _timed(seconds: dict[str, float], progress: Callable[[str], None]) -> Callable[[str], Any]:
    @contextmanager
    def timed(name: str) -> Any:
        progress(name)
        began = perf_counter()
        yield
        seconds[name] = perf_counter() - began

    return timed


def _train(db: duckdb.DuckDBPyConnection, prepared: Prepared) -> Model:
    fields, records = prepared.fields, prepared.records
    before = strangers(db, fields, records)
    names = "".join(f'"{name}", ' for name in fields)
    found = db.execute(f"select {names}count(*)::double as n from codes group by all order by all").fetchnumpy()  # noqa: S608
    patterns = codes_of({name: found[name] for name in fields}, fields)
    return Model.fit(before, patterns, np.asarray(found["n"], float), max(all_pairs(records), 1.0), records)


def _scored(db: duckdb.DuckDBPyConnection, model: Model, table: str) -> tuple[Scored, tuple[Indices, Indices], Near]:
    """Of a table of codes the pairs that may decide something, those from NEAR on; those of two members of a household;
    and the first again with their codes.

    There are thousands of patterns for millions of pairs, so patterns are scored and the pairs found by theirs.
    """
    if not model.fields:
        return NO_PAIRS, (NO_PAIRS.a, NO_PAIRS.b), Near(NO_PAIRS.a, NO_PAIRS.b, codes_of({}, ()), NO_PAIRS.score)
    names = ", ".join(f'"{name}"' for name in model.fields)
    found = db.execute(f"select distinct {names} from {table} order by all").fetchnumpy()  # noqa: S608
    patterns = codes_of(found, model.fields)
    bits = model.bits(patterns)
    home = model.household(patterns) > 0.5
    shared = [place for place, name in enumerate(model.fields) if kind_of(name) in OF_A_HOUSEHOLD]
    home &= (patterns[:, shared] >= EQUAL).any(axis=1)
    chosen = np.flatnonzero(home | (bits >= NEAR))
    columns = {name: patterns[chosen, place].astype(np.int8) for place, name in enumerate(model.fields)}
    db.register("patterns", pa.table({**columns, "pattern": chosen}))
    pairs = db.execute(
        f"select a, b, pattern from {table} join patterns using ({names}) order by a, b"  # noqa: S608
    ).fetchnumpy()
    db.unregister("patterns")
    a, b, pattern = (np.asarray(pairs[name]).astype(np.int64) for name in ("a", "b", "pattern"))
    together, near = home[pattern], (bits >= NEAR)[pattern]
    of = pattern[near]
    scored = Scored(a[near], b[near], np.clip(bits, LOWEST, HIGHEST)[of], model.weight(patterns)[of])
    return scored, (a[together], b[together]), Near(scored.a, scored.b, patterns[of], bits[of])


def _scorer(
    db: duckdb.DuckDBPyConnection, model: Model, scored: Scored, found_near: list[Near]
) -> Callable[[Indices, Indices], Scored]:
    """Scores what no key proposed and what is far from one person; adds the near of it to `found_near`."""

    def more(records: Indices, component: Indices) -> Scored:
        if not len(records):
            return NO_PAIRS
        db.register("in_components", pa.table({"i": records.astype(np.int32), "c": component.astype(np.int32)}))
        db.register("known", pa.table({"a": scored.a.astype(np.int32), "b": scored.b.astype(np.int32)}))
        db.execute(
            "create or replace table missing as select x.i as a, y.i as b from in_components as x "
            "join in_components as y on x.c = y.c and x.i < y.i anti join known on known.a = x.i and known.b = y.i "
            "order by 1, 2"
        )
        db.unregister("in_components")
        db.unregister("known")
        compare(db, model.fields, "missing", "missing_codes")
        found = db.execute("select * from missing_codes order by a, b").fetchnumpy()
        a, b = found["a"].astype(np.int64), found["b"].astype(np.int64)
        codes = codes_of(found, model.fields)
        bits = model.bits(codes)
        near = bits >= NEAR
        found_near.append(Near(a[near], b[near], codes[near], bits[near]))
        return Scored(a, b, np.clip(bits, LOWEST, HIGHEST), model.weight(codes))

    return more


def _chance(score: float) -> float:
    return round(float(1 / (1 + 2 ** -min(max(score, LOWEST), HIGHEST))), 6)


def _customers(uids: list[str], clusters: Clusters, previous: Mapping[str, str]) -> list[str]:
    """The customer id of each record: an earlier one that most of the records had, else one of the smallest id.

    An earlier id stays with the part that holds the most of its records, of equal parts the one with the smallest.
    """
    members: defaultdict[int, list[str]] = defaultdict(list)
    for place, uid in enumerate(uids):
        members[int(clusters.cluster[place])].append(uid)
    claims = sorted(
        (-count, min(of), cluster, old)
        for cluster, of in members.items()
        for old, count in Counter(previous[uid] for uid in of if uid in previous).items()
    )
    ids: dict[int, str] = {}
    taken: set[str] = set()
    for _, _, cluster, old in claims:
        if cluster not in ids and old not in taken:
            ids[cluster] = old
            taken.add(old)
    used = taken | set(previous.values())
    for cluster, of in members.items():
        if cluster not in ids:
            number = 0
            while (made := _id("cus", min(of), number)) in used:
                number += 1
            ids[cluster] = made
            used.add(made)
    return [ids[int(cluster)] for cluster in clusters.cluster]


def _households(uids: list[str], cluster: Indices, pairs: tuple[Indices, Indices]) -> list[str]:
    """The household id of each record: customers that pairs of household members join."""
    itself = np.arange(len(uids))
    joined = components(
        len(uids),
        np.concatenate([itself, cluster[pairs[0]]]),
        np.concatenate([cluster, cluster[pairs[1]]]),
    )
    smallest: dict[int, str] = {}
    for place, uid in enumerate(uids):
        home = int(joined[place])
        smallest[home] = min(uid, smallest.get(home, uid))
    return [_id("hou", smallest[int(home)], 0) for home in joined]


def _id(kind: str, of: str, number: int) -> str:
    return f"{kind}_{hashlib.sha256(f'{of}|{number}'.encode()).hexdigest()[:24]}"


def _shown(junk: Junk) -> dict[str, Any]:
    return {"field": junk.field, "value": junk.value, "records": junk.records}
