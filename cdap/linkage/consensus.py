"""Customers that are one by what their records say together.

A mean of scores takes every slip and every gap of a record for evidence against it. What most records of a customer say
has neither, so two customers of one component are compared by that: merging tells of records what pairs of them do not
(Benjelloun et al. 2009, "Swoosh: a generic approach to entity resolution").
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import duckdb
import numpy as np
import pyarrow as pa

from cdap.linkage.clusters import LARGEST_COMPONENT, Clusters
from cdap.linkage.compare import codes_of, compare
from cdap.linkage.constraints import Constraints, Flags, Indices
from cdap.linkage.fields import traits_of
from cdap.linkage.links import Near
from cdap.linkage.model import HIGHEST, Floats, Model

# In bits: the consensus of a few records is hardly surer than each of them, so it has to say more than they.
LEAST = 1.0


def join_agreeing(
    db: duckdb.DuckDBPyConnection, model: Model, clusters: Clusters, near: Sequence[Near], constraints: Constraints
) -> Clusters:
    """The clusters of the records in the table `r`, those joined whose consensus speaks for one person: the surest
    first, until there are none.

    Only clusters with a pair of records that speaks for one person are, so that nothing outside of a component has a
    say, and none that constraints keep apart or that would be too large.
    """
    a, b = (np.concatenate([getattr(of, side)[of.bits > 0] for of in near]) for side in ("a", "b"))
    cluster, scores = clusters.cluster.copy(), dict(clusters.score)
    changed = np.ones(len(cluster), bool)
    while len(pairs := _neighbours(cluster, a, b, changed)):
        by_cluster = np.argsort(cluster, kind="stable")
        starts = np.searchsorted(cluster[by_cluster], np.arange(len(cluster) + 1))
        members = {of: by_cluster[starts[of] : starts[of + 1]] for of in np.unique(pairs).tolist()}
        bits = _bits(db, model, members, pairs)
        changed = np.zeros(len(cluster), bool)
        for at in np.lexsort((pairs[:, 1], pairs[:, 0], -bits)):
            x, y = pairs[at].tolist()
            if not bits[at] > LEAST:
                break
            if changed[x] or changed[y] or not _may_be_one(members[x], members[y], constraints):
                continue
            cluster[members[y]] = x
            changed[[x, y]] = True
            scores[x] = min(float(bits[at]), HIGHEST, scores.get(x, HIGHEST), scores.pop(y, HIGHEST))
    return replace(clusters, cluster=cluster, score=scores)


def _neighbours(cluster: Indices, a: Indices, b: Indices, changed: Flags) -> Indices:
    """Pairs of clusters, a row each, that these pairs of records are across; one has changed, and one has several
    records: of two single ones no more is known than their pair says."""
    x, y = np.minimum(cluster[a], cluster[b]), np.maximum(cluster[a], cluster[b])
    several = np.bincount(cluster, minlength=len(cluster)) > 1
    asked = (x != y) & (changed[x] | changed[y]) & (several[x] | several[y])
    return np.asarray(np.unique(np.stack([x[asked], y[asked]], 1), axis=0), np.int64)


def _may_be_one(x: Indices, y: Indices, constraints: Constraints) -> bool:
    if len(x) + len(y) > LARGEST_COMPONENT:
        return False
    forbidden = constraints.forbidden(np.concatenate([x, y]))
    return forbidden is None or not forbidden[: len(x), len(x) :].any()


def _bits(db: duckdb.DuckDBPyConnection, model: Model, members: Mapping[int, Indices], pairs: Indices) -> Floats:
    """Of each pair of clusters log2 of the odds that they are one person, by what most records of each say."""
    of = np.repeat(list(members), [len(records) for records in members.values()])
    records = np.concatenate(list(members.values()))
    db.register("found", pa.table({"c": of.astype(np.int32), "i": records.astype(np.int32)}))
    db.execute("create or replace temp table members as select found.c, r.* from found join r using (i)")
    db.unregister("found")
    _find_consensus(db, model.fields)
    db.register("found", pa.table({side: pairs[:, at].astype(np.int32) for at, side in enumerate("ab")}))
    db.execute("create or replace temp table neighbours as select a, b from found")
    db.unregister("found")
    compare(db, model.fields, "neighbours", "consensus_codes", of="consensus")
    found = db.execute("select * from consensus_codes order by a, b").fetchnumpy()
    db.execute("drop table members; drop table consensus; drop table neighbours; drop table consensus_codes")
    return model.bits(codes_of(found, model.fields))


def _find_consensus(db: duckdb.DuckDBPyConnection, fields: Sequence[str]) -> None:
    """Makes `consensus` of `members`: as the table `r`, a row each cluster `c` under its number `i`, of each field the
    value that most of its records have, of equally many that of the first record."""
    columns, joins = "", ""
    for field in fields:
        named = [field, f"b_{field}", *(f"{trait}_{field}" for trait in traits_of(field))]
        columns += "".join(f', "of_{field}"."{name}"' for name in named)
        value = ", ".join(f"'{name}': \"{name}\"" for name in named)
        joins += (
            f" left join (select c, unnest(first(value order by n desc, i)) from ("  # noqa: S608
            f"select c, count(*) as n, min(i) as i, arg_min({{{value}}}, i) as value "
            f'from members where "{field}" is not null group by c, "{field}") group by c) as "of_{field}" using (c)'
        )
    db.execute(
        f"create or replace temp table consensus as select c as i{columns} "  # noqa: S608
        f"from (select distinct c from members){joins}"
    )
