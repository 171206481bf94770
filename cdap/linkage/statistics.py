"""What is counted over all records, and kept with the model that was trained on them.

Frequencies, junk and the largest blocks of the keys do not follow the records of a day, so that two records score the
same for as long as neither changes, and a day's changes can be resolved by themselves.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import duckdb
import pyarrow as pa

from cdap.linkage.database import one
from cdap.linkage.fields import TRAITS, kind_of

# An identifier that goes with more surnames than this says nothing about a person.
SURNAMES_OF_JUNK = 8
# So does a birth date with this many records that is ten times as frequent as the mean one.
RECORDS_OF_JUNK_DATE, TIMES_OF_JUNK_DATE = 30, 10
# Half-decades of frequency: that two records agree on a rare value says more than that they agree on a common one.
BUCKET = "least(floor(-2 * log10({c} / {t})), 11)::tinyint"
# Values are kept as digests: a model names nobody.
DIGEST = "md5_number_lower({v})"
# They serve for records that are not more than so many times as many, or as few, as they were counted on.
SERVES_TIMES = 2.0
# ... and not when so much less of a field's values is among those that were frequent: as a share of that, and of all.
DRIFT, LEAST_DRIFT = 0.8, 0.05


@dataclass(frozen=True)
class Junk:
    """A value that was taken out, in how many records it stood."""

    field: str
    value: str
    records: int


@dataclass(frozen=True)
class Statistics:
    """Counted over `records`: the `junk`; first names that are short for one name, as the records say; by field the
    bucket of each value, by digest, but for those in the `rarest` bucket, where a value that was not there is, too;
    `shares` of the values, by field, that are not in it; by key the records of its largest block
    (cdap.linkage.keys)."""

    records: int
    junk: tuple[Junk, ...]
    nicknames: tuple[tuple[str, str], ...]
    buckets: Mapping[str, Mapping[int, Sequence[int]]]
    rarest: Mapping[str, int]
    shares: Mapping[str, float]
    largest_blocks: tuple[int, ...]

    @classmethod
    def of(
        cls,
        db: duckdb.DuckDBPyConnection,
        records: int,
        fields: Sequence[str],
        junk: Sequence[Junk],
        nicknames: Sequence[tuple[str, str]],
        largest_blocks: Sequence[int],
    ) -> Self:
        """From the tables `tf_<field>` and `r`."""
        buckets: dict[str, dict[int, list[int]]] = {}
        rarest: dict[str, int] = {}
        for field in fields:
            of_one = BUCKET.format(c=1, t="any_value(t)")
            (rarest[field],) = one(db, f'select coalesce({of_one}, 0) from "tf_{field}"')  # noqa: S608
            found: defaultdict[int, list[int]] = defaultdict(list)
            query = f'select b, {DIGEST.format(v="v")} from "tf_{field}" where b < ? order by 1, 2'  # noqa: S608
            for bucket, digest in db.execute(query, [rarest[field]]).fetchall():
                found[int(bucket)].append(int(digest))
            buckets[field] = dict(found)
        shares = shares_of(db, "r", rarest)
        return cls(records, tuple(junk), tuple(nicknames), buckets, rarest, shares, tuple(largest_blocks))

    @property
    def keys(self) -> int:
        """How many keys may propose a pair."""
        return sum(most > 1 for most in self.largest_blocks)

    def of_keys(self, needed: Collection[int]) -> Self:
        """The same, of other keys no block being so small that its pairs may be spent."""
        most = (most if key in needed else 0 for key, most in enumerate(self.largest_blocks))
        return replace(self, largest_blocks=tuple(most))

    def serve(self, records: int) -> bool:
        """Whether they say something of so many records."""
        return self.records / SERVES_TIMES <= records <= self.records * SERVES_TIMES

    def serve_values(self, db: duckdb.DuckDBPyConnection, table: str) -> bool:
        """Whether they say something of the values of the records in a table like `r`: of other people, or of a year
        later, what was rare is frequent."""
        now = shares_of(db, table, self.rarest)
        return all(now[field] >= min(DRIFT * share, share - LEAST_DRIFT) for field, share in self.shares.items())

    def to_json(self) -> dict[str, Any]:
        return {
            "records": self.records,
            "junk": [[junk.field, junk.value, junk.records] for junk in self.junk],
            "nicknames": [list(pair) for pair in self.nicknames],
            # Beyond 2^53 numbers are not safe in JSON.
            "buckets": {
                field: {str(bucket): [f"{digest:016x}" for digest in digests] for bucket, digests in of_field.items()}
                for field, of_field in self.buckets.items()
            },
            "rarest": dict(self.rarest),
            "shares": dict(self.shares),
            "largest_blocks": list(self.largest_blocks),
        }

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> Self:
        return cls(
            records=found["records"],
            junk=tuple(Junk(*junk) for junk in found["junk"]),
            nicknames=tuple((a, b) for a, b in found["nicknames"]),
            buckets={
                field: {int(bucket): [int(digest, 16) for digest in digests] for bucket, digests in of_field.items()}
                for field, of_field in found["buckets"].items()
            },
            rarest=found["rarest"],
            shares=found["shares"],
            largest_blocks=tuple(found["largest_blocks"]),
        )


def shares_of(db: duckdb.DuckDBPyConnection, table: str, rarest: Mapping[str, int]) -> dict[str, float]:
    """By field the share of the values in a table like `r` that are not in the rarest bucket."""
    if not rarest:
        return {}
    counts = ", ".join(
        f'coalesce(count(*) filter ("b_{field}" < {int(bucket)}) / nullif(count("b_{field}"), 0), 0)'
        for field, bucket in rarest.items()
    )
    return dict(zip(rarest, map(float, one(db, f"select {counts} from {table}")), strict=True))  # noqa: S608


def find_junk(
    db: duckdb.DuckDBPyConnection, fields: Sequence[str], table: str = "r0", changed: str | None = None
) -> list[Junk]:
    """Values of a table that say nothing about a person. `changed` names a table of the records whose values alone can
    have become so."""
    found = []
    for field in fields:
        if kind_of(field) in ("email", "phone", "id", "account") and "last" in fields:
            among = "" if changed is None else f'and "{field}" in (select "{field}" from {changed}) '  # noqa: S608
            values = db.execute(
                f'select "{field}", count(*) from {table} where "{field}" is not null {among}group by 1 '  # noqa: S608
                f"having count(distinct last[1:4]) > {SURNAMES_OF_JUNK} order by 1"
            ).fetchall()
        elif field == "dob":
            values = db.execute(
                f"select dob, c from (select dob, count(*) as c, avg(count(*)) over () as m from {table} "  # noqa: S608
                f"where dob is not null group by 1) where c > {RECORDS_OF_JUNK_DATE} and c > {TIMES_OF_JUNK_DATE} * m "
                "order by 1"
            ).fetchall()
        else:
            continue
        found += [Junk(field, str(value), int(count)) for value, count in values]
    return found


def take_out(db: duckdb.DuckDBPyConnection, junk: Sequence[Junk]) -> None:
    """Makes null what is junk in the table `r0`."""
    for field in dict.fromkeys(of.field for of in junk):
        values = [of.value for of in junk if of.field == field]
        db.execute(f'update r0 set "{field}" = null where "{field}" in (select unnest(?))', [values])  # noqa: S608


def count_values(db: duckdb.DuckDBPyConnection, field: str, traits: Sequence[str], known: Statistics | None) -> None:
    """Makes `tf_<field>` of the table `r0`: `v`, how many records have it (`c`) of those with any (`t`), its bucket
    `b`, by what is known where that serves; and a column each of the `traits`.
    """
    values = (
        f'(select "{field}" as v, count(*)::double as c, sum(count(*)) over () as t from r0 '  # noqa: S608
        f'where "{field}" is not null group by 1)'
    )
    if known is None:
        bucket, rarest, joined = BUCKET.format(c="c", t="t"), BUCKET.format(c=1, t="t"), ""
    else:
        rarest = str(int(known.rarest[field]))
        bucket = f"coalesce(known.b, {rarest})::tinyint"
        joined = f"left join known on known.digest = {DIGEST.format(v='v')}"
        _register(db, known.buckets[field])
    told = "".join(f', {TRAITS[trait].format(v="v", bucket=bucket, rarest=rarest)} as "{trait}"' for trait in traits)
    db.execute(f'create or replace table "tf_{field}" as select v, c, t, {bucket} as b{told} from {values} {joined}')  # noqa: S608
    if known is not None:
        db.unregister("known")


def _register(db: duckdb.DuckDBPyConnection, buckets: Mapping[int, Sequence[int]]) -> None:
    digests = pa.chunked_array([pa.array(of, pa.uint64()) for of in buckets.values()], pa.uint64())
    of = pa.chunked_array([pa.array([bucket] * len(at), pa.int8()) for bucket, at in buckets.items()], pa.int8())
    db.register("known", pa.table({"digest": digests, "b": of}))
