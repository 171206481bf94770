"""What two random records have in common: counted over the values, over a sample of pairs for what is only alike."""

from __future__ import annotations

from collections.abc import Sequence

import duckdb
import numpy as np
import pyarrow as pa

from cdap.linkage.compare import compare
from cdap.linkage.database import one
from cdap.linkage.fields import EQUAL, KINDS, SWAPPED, kind_of
from cdap.linkage.model import Strangers

SAMPLE = 200_000
SEED = 1


def all_pairs(records: int) -> float:
    """How many pairs there are."""
    return records * (records - 1) / 2


def strangers(db: duckdb.DuckDBPyConnection, fields: Sequence[str], records: int) -> dict[str, Strangers]:
    """By field, from the tables `r` and `tf_<field>`; the sample of pairs is the same for the same records."""
    _sample_pairs(db, records)
    compare(db, fields, "sampled", "sampled_codes")
    found = {name: _of_field(db, name, "first" in fields and "last" in fields) for name in fields}
    db.execute("drop table sampled; drop table sampled_codes")
    return found


def _sample_pairs(db: duckdb.DuckDBPyConnection, records: int) -> None:
    if all_pairs(records) <= SAMPLE:
        a, b = np.triu_indices(records, 1)
    else:
        a, b = np.random.default_rng(SEED).integers(0, records, (2, SAMPLE))
    apart = a != b
    drawn = pa.table({"a": a[apart].astype(np.int32), "b": b[apart].astype(np.int32)})
    db.register("drawn", drawn)
    db.execute("create or replace table sampled as select * from drawn")
    db.unregister("drawn")


def _of_field(db: duckdb.DuckDBPyConnection, name: str, named: bool) -> Strangers:
    buckets = db.execute(
        f'select b, sum(c * c - c), sum(c), any_value(t)::double from "tf_{name}" group by 1 order by 1'  # noqa: S608
    ).fetchall()
    filled = float(buckets[0][3])
    chance = np.array([float(same) / (filled * (filled - 1)) if filled > 1 else 0.0 for _, same, _, _ in buckets])
    swapped = [SWAPPED] if named and name == "first" else []
    differing = [*range(len(KINDS[kind_of(name)].levels) + 1), *swapped]
    counted = dict(
        db.execute(
            f'select "{name}", count(*) from sampled_codes where "{name}" between 0 and {EQUAL - 1} group by 1'  # noqa: S608
        ).fetchall()
    )
    seen = np.array([float(counted.get(code, 0)) + 0.5 for code in differing])
    if swapped:
        # Too rare among strangers to be counted in a sample.
        seen[-1] = 0.25
    (covered,) = one(db, f'select (count("{name}")::double / count(*)) ^ 2 from r')  # noqa: S608
    return Strangers(
        codes=[*differing, *(EQUAL + int(bucket) for bucket, _, _, _ in buckets)],
        chance=chance,
        floor=np.maximum(chance * 0.02, 1 / filled**2),
        share=np.array([float(count) / filled for _, _, count, _ in buckets]),
        differing=seen / seen.sum(),
        covered=max(float(covered), 1e-9),
    )
