"""Scores of pairs of records, from their codes and the model."""

from __future__ import annotations

from collections.abc import Callable

import duckdb
import numpy as np
import pyarrow as pa

from cdap.linkage.clusters import Scored
from cdap.linkage.compare import codes_of, compare
from cdap.linkage.constraints import Indices
from cdap.linkage.fields import EQUAL, kind_of
from cdap.linkage.links import NEAR, Near
from cdap.linkage.model import HIGHEST, LOWEST, Model

# Two customers live together when it is likelier than not and they share one of these.
OF_A_HOUSEHOLD = ("street", "phone")
NO_PAIRS = Scored(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0), np.zeros(0))


def scored_pairs(
    db: duckdb.DuckDBPyConnection, model: Model, table: str, keep: str | None = None
) -> tuple[Scored, tuple[Indices, Indices], Near]:
    """Of a table of codes the pairs that may decide something, those from NEAR on; those of two members of a household;
    and the first again with their codes.

    There are thousands of patterns for millions of pairs, so patterns are scored and the pairs found by theirs. `keep`
    names a table to make of all these pairs and their codes.
    """
    if not model.fields:
        if keep is not None:
            db.execute(f"create or replace table {keep} as select a, b from {table} where false")  # noqa: S608
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
    if keep is not None:
        db.execute(
            f"create or replace table {keep} as select {table}.* from {table} semi join patterns using ({names})"  # noqa: S608
        )
    db.unregister("patterns")
    a, b, pattern = (np.asarray(pairs[name]).astype(np.int64) for name in ("a", "b", "pattern"))
    together, near = home[pattern], (bits >= NEAR)[pattern]
    of = pattern[near]
    scored = Scored(a[near], b[near], np.clip(bits, LOWEST, HIGHEST)[of], model.weight(patterns)[of])
    return scored, (a[together], b[together]), Near(scored.a, scored.b, patterns[of], bits[of])


def scorer(
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
