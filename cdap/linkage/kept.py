"""Rows of the tables that a state keeps (cdap.linkage.state)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import pyarrow as pa

from cdap.linkage.clusters import Clusters
from cdap.linkage.constraints import Indices
from cdap.linkage.links import Near


def codes_table(near: Iterable[Near], fields: Sequence[str], number_of: Indices) -> pa.Table:
    """Rows of `near` and `extra`: pairs by the numbers of their records, with a code each field."""
    found = list(near)
    empty = np.zeros(0, np.int64)
    a, b = (number_of[np.concatenate([empty, *(getattr(of, side) for of in found)])] for side in ("a", "b"))
    codes = np.concatenate([np.zeros((0, len(fields)), np.int16), *(of.codes for of in found)])
    columns = {field: codes[:, place].astype(np.int8) for place, field in enumerate(fields)}
    return pa.table({"a": a.astype(np.int32), "b": b.astype(np.int32), **columns})


def assigned_table(
    uids: Sequence[str],
    clusters: Clusters,
    number_of: Indices,
    customers: Sequence[str],
    chances: Sequence[float],
    households: Sequence[str],
) -> pa.Table:
    """Rows of `assigned`: records by their numbers, then copies, which have none.

    The number of a component is that of its first record.
    """
    _, first, of = np.unique(clusters.component, return_index=True, return_inverse=True)
    without = [None] * (len(uids) - len(number_of))
    return pa.table(
        {
            "uid": pa.array(uids, pa.string()),
            "i": pa.array([*number_of.tolist(), *without], pa.int32()),
            "component": pa.array([*number_of[first[of.reshape(-1)]].tolist(), *without], pa.int32()),
            "customer_id": pa.array(customers, pa.string()),
            "cluster_probability": pa.array(chances, pa.float64()),
            "household_id": pa.array(households, pa.string()),
        }
    )
