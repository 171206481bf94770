"""Which keys are worth their pairs: most of what one key proposes others propose too.

A model remembers those keys that together propose nearly all pairs that count, so that later runs neither look the
others up nor compare what only they propose.
"""

from __future__ import annotations

import duckdb
import numpy as np
import pyarrow as pa
from scipy.sparse import csr_matrix

from cdap.linkage.constraints import Indices
from cdap.linkage.keys import FEW_RECORDS, UNPACKED, listed
from cdap.linkage.model import Model
from cdap.linkage.scores import scored_pairs
from cdap.linkage.statistics import Statistics

# Of the pairs that count so many may be missed, to be looked at in a sample.
MISSED, SAMPLE = 3e-4, 200_000
# What looking a record up by a key costs, in comparisons of a pair.
LOOK_UP = 0.3


def keep_needed(db: duckdb.DuckDBPyConnection, model: Model, statistics: Statistics, records: int) -> Statistics:
    """The statistics with the keys that are needed by this model of the tables `candidates` and `codes`, from which
    goes what only others propose; of few records, for which all keys cost little, they stay as they are."""
    if records <= FEW_RECORDS:
        return statistics
    scored, home, _ = scored_pairs(db, model, "codes")
    counting = np.concatenate([scored.a, home[0]]), np.concatenate([scored.b, home[1]])
    needed = _needed(db, len(statistics.largest_blocks), records, counting)
    _leave_out(db, needed)
    return statistics.of_keys(needed)


def _needed(db: duckdb.DuckDBPyConnection, keys: int, records: int, pairs: tuple[Indices, Indices]) -> list[int]:
    """Of so many keys the numbers of those that propose pairs like these, which count.

    By the greedy algorithm for set cover (Chvatal 1979): always the key that proposes the most pairs for its cost.
    """
    every = max(len(pairs[0]) // SAMPLE, 1)
    a, b = (side[::every].astype(np.uint64) for side in pairs)
    db.register("counting", pa.table({"p": (a << np.uint64(32)) | b, "n": np.arange(len(a), dtype=np.int32)}))
    found = db.execute(
        "select n, (proposed & 65535)::int as key from candidates join counting using (p) group by all order by all"
    ).fetchnumpy()
    db.unregister("counting")
    proposes = csr_matrix((np.ones(len(found["n"])), (found["n"], found["key"])), shape=(len(a), keys))
    cost = np.full(keys, LOOK_UP * records)
    for key, proposed in db.execute("select proposed & 65535, count(*) from candidates group by 1").fetchall():
        cost[key] += proposed
    missed = np.ones(len(a))
    missed[np.diff(proposes.indptr) == 0] = 0
    needed: list[int] = []
    while missed.sum() > MISSED * len(a):
        key = int(np.argmax(missed @ proposes / cost))
        needed.append(key)
        missed[proposes[:, key].nonzero()[0]] = 0
    return sorted(needed)


def _leave_out(db: duckdb.DuckDBPyConnection, needed: list[int]) -> None:
    """Takes from `candidates`, `pairs`, `codes` and `large` what only other keys than these propose."""
    db.execute(
        f"create or replace table candidates as from candidates where proposed & 65535 in ({listed(needed)}); "  # noqa: S608
        f"create or replace table large as from large where key in ({listed(needed)}); "
        f"create or replace table pairs as select {UNPACKED} from (select distinct p from candidates) order by 1, 2; "
        "create or replace table codes as select codes.* from codes semi join pairs using (a, b)"
    )
