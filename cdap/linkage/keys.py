"""Candidate pairs: records that agree on a key. Each key may spend so many pairs; the smallest blocks go first.

A key that is frequent, junk that nobody found included, thus costs its budget and no more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from string import Formatter

import duckdb

from cdap.linkage.fields import KINDS, kind_of

# Pairs that a key may spend, in pairs a record: the plain keys, and those of every two parts of two fields. Up to so
# many records the first, of ever more records the second: what a few thousand records agree on by chance costs nothing,
# and of 200,000 F1 was the same by a third of the pairs.
FEW_RECORDS = 20_000
PLAIN_BUDGET, PART_BUDGET = (6.0, 2.0), (1.0, 0.05)

PLAIN = ("email", "phone", "id", "account", "street", "dob")
# `{kind}` stands for the field of that kind, of several for the first.
TOGETHER = (
    ("{first}", "{last}"), ("{last}", "{dob}"), ("{first}", "{dob}"), ("{last}", "{postcode}"),
    ("{first}", "{postcode}"), ("{dob}", "{postcode}"), ("{last}", "{city}"), ("{first}", "{city}"),
    ("{dob}", "{city}"), ("{last}", "{year}"), ("{first}", "{year}"), ("{last}", "{cat}"), ("{first}", "{cat}"),
    ("{last}", "{dob}[1:4]"), ("{last}[1:4]", "{first}[1:1]", "{dob}[5:8]"), ("{first}[1:3]", "{dob}[1:6]"),
    ("{last}[1:3]", "{dob}[1:4]", "{first}[1:2]"), ("{first}", "{dob}[1:4]"), ("{first}[1:3]", "{postcode}"),
    ("{last}[1:3]", "{postcode}"), ("least({first}, {last})", "greatest({first}, {last})"),
    ("{first}[1:3]", "{last}[1:4]"), ("{last}", "{first}[1:1]"), ("split_part({email}, '@', 1)",),
    ("regexp_extract({street}, '[0-9]+')", "{last}[1:3]"), ("regexp_extract({street}, '[0-9]+')", "{first}[1:3]"),
    ("least({first}[1:3], {last}[1:3])", "greatest({first}[1:3], {last}[1:3])"),
)  # fmt: skip


@dataclass(frozen=True)
class Key:
    """Expressions over a record that two records have to agree on, and the pairs a record that it may spend of few
    records and of many."""

    parts: tuple[str, ...]
    budget: tuple[float, float]

    def pairs(self, records: int) -> float:
        """How many pairs it may spend of so many records."""
        of_few, of_many = self.budget
        return min(of_few * records, of_many * records + (of_few - of_many) * FEW_RECORDS)


def keys(fields: Sequence[str]) -> list[Key]:
    """The keys that follow from the fields that there are."""
    first_of = {kind_of(field): f'"{field}"' for field in reversed(fields)}
    found = [Key((f'"{field}"',), PLAIN_BUDGET) for field in fields if kind_of(field) in PLAIN]
    for parts in TOGETHER:
        needed = {kind for part in parts for _, kind, _, _ in Formatter().parse(part) if kind}
        if needed <= first_of.keys():
            found.append(Key(tuple(part.format_map(first_of) for part in parts), PLAIN_BUDGET))
    pieces = [(field, part.format(f=f'"{field}"')) for field in fields for part in KINDS[kind_of(field)].parts]
    for place, (field, part) in enumerate(pieces):
        found += [Key((part, other), PART_BUDGET) for of, other in pieces[place + 1 :] if of != field]
    return found


def candidate_pairs(db: duckdb.DuckDBPyConnection, fields: Sequence[str], records: int) -> int:
    """Fills the table `pairs` (a < b, each once); returns how many there are."""
    db.execute("create or replace table candidates (p ubigint)")
    for key in keys(fields):
        _block(db, key, records)
    db.execute(
        "create or replace table pairs as select (p >> 32)::int as a, (p & 4294967295)::int as b "
        "from (select distinct p from candidates) order by 1, 2"
    )
    db.execute("drop table candidates")
    row = db.execute("select count(*) from pairs").fetchone()
    assert row is not None
    return int(row[0])


def _block(db: duckdb.DuckDBPyConnection, key: Key, records: int) -> None:
    names = [f"k{place}" for place in range(len(key.parts))]
    parts = ", ".join(f"{part} as {name}" for part, name in zip(key.parts, names, strict=True))
    there = " and ".join(f"{name} is not null and {name} <> ''" for name in names)
    # All blocks of one size or none: which pairs are compared does not depend on the records' order.
    db.execute(
        f"create or replace temp table blocks as with keyed as (select i, {parts} from r), "  # noqa: S608
        f"hashed as (select i, hash({', '.join(names)}) as h from keyed where {there}), "
        "sizes as (select h, count(*) as c from hashed group by h having count(*) > 1), "
        "spent as (select c, sum(c * (c - 1) / 2 * n) over (order by c) as s "
        "from (select c, count(*) as n from sizes group by c)) "
        "select hashed.i, hashed.h from hashed join sizes using (h) "
        f"where sizes.c <= (select coalesce(max(c), 0) from spent where s <= {key.pairs(records)})"
    )
    db.execute(
        "insert into candidates select (a.i::ubigint << 32) | b.i::ubigint "
        "from blocks as a join blocks as b on a.h = b.h and a.i < b.i"
    )
