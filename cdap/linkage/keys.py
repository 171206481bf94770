"""Candidate pairs: records that agree on a key. Each key may spend so many pairs; the smallest blocks go first.

A key that is frequent, junk that nobody found included, thus costs its budget and no more.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from string import Formatter

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from cdap.linkage.database import one
from cdap.linkage.fields import KINDS, kind_of

# Pairs that a key may spend, in pairs a record: the plain keys, and those of every two parts of two fields. Up to so
# many records the first, of ever more records the second: what a few thousand records agree on by chance costs nothing,
# and of 200,000 F1 was the same by a third of the pairs.
FEW_RECORDS = 20_000
PLAIN_BUDGET, PART_BUDGET = (6.0, 2.0), (1.0, 0.05)

# Kinds of fields by which keys find the same pairs without one another: who somebody is, and where one is reached.
WHO = {"first", "last", "middle", "generation", "gender", "dob", "year"}
WHERE = {"email", "phone", "street", "city", "postcode", "id", "account"}
FEWEST_PAIRS = 50

PLAIN = ("email", "phone", "id", "account", "street", "dob")
# Of these only the rarest values are worth the pairs.
RARE = ("first", "last", "postcode", "cat")
# Where records say so little, finer pieces find what a slip hides, and cost few keys.
FEW_PIECES = 12
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


# Digests that are looked at in one statement.
ROWS_AT_ONCE = 1_000_000

# A pair of `blocks` as one number, and back.
PACKED = "(a.i::ubigint << 32) | b.i::ubigint"
UNPACKED = "(p >> 32)::int as a, (p & 4294967295)::int as b"


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
    found += [Key((f'"{field}"',), PART_BUDGET) for field in fields if kind_of(field) in RARE]
    kinds = {field: KINDS[kind_of(field)] for field in fields}
    pieces = [(field, part.format(f=f'"{field}"')) for field, kind in kinds.items() for part in kind.parts]
    if len(pieces) <= FEW_PIECES:
        pieces += [(field, part.format(f=f'"{field}"')) for field, kind in kinds.items() for part in kind.more_parts]
    for place, (field, part) in enumerate(pieces):
        found += [Key((part, other), PART_BUDGET) for of, other in pieces[place + 1 :] if of != field]
    return found


def pieces(fields: Sequence[str]) -> list[str]:
    """What the keys are made of: each expression over a record once."""
    return list(dict.fromkeys(part for key in keys(fields) for part in key.parts))


def find_pieces(db: duckdb.DuckDBPyConnection, fields: Sequence[str], of: str = "r", into: str = "pieces") -> None:
    """Makes a table of records: `i` and a digest of each piece, null where there is nothing."""
    selected = "".join(
        f", case when {piece} <> '' then (hash({piece}) >> 32)::uinteger end as p{number}"
        for number, piece in enumerate(pieces(fields))
    )
    db.execute(f"create or replace table {into} as select i{selected} from {of} order by i")  # noqa: S608


def keyed(fields: Sequence[str], numbers: Sequence[int], of: str) -> str:
    """A query over a table of pieces: `key`, its digest `h` and the record `i`, wherever all parts of a key are there,
    for the keys with these numbers."""
    places = {piece: f"p{number}" for number, piece in enumerate(pieces(fields))}
    every = keys(fields)
    parts = [[places[part] for part in every[number].parts] for number in numbers]
    there = [" and ".join(f"{part} is not null" for part in of_key) for of_key in parts]
    digests = [f"hash({', '.join(of_key)})" for of_key in parts]
    if len(numbers) == 1:
        return f"select {numbers[0]}::usmallint as key, {digests[0]} as h, i from {of} where {there[0]}"  # noqa: S608
    # One scan for all of them.
    listed = ", ".join(f"case when {one} then {digest} end" for one, digest in zip(there, digests, strict=True))
    return (
        f"select key, h, i from (select unnest({list(numbers)}::usmallint[]) as key, unnest([{listed}]) as h, i "  # noqa: S608
        f"from {of}) where h is not null"
    )


def at_once(numbers: Sequence[int], records: int) -> Iterator[Sequence[int]]:
    """The keys in groups that are looked up together: of few records many, for which a statement costs more than what
    it does; of many records one, which bounds the memory."""
    size = max(1, ROWS_AT_ONCE // max(records, 1))
    for first in range(0, len(numbers), size):
        yield numbers[first : first + size]


def candidate_pairs(
    db: duckdb.DuckDBPyConnection, fields: Sequence[str], records: int, largest: Sequence[int] | None = None
) -> tuple[int, list[int]]:
    """Fills the table `pairs` (a < b, each once); returns how many there are, and of each key the records of the
    largest block whose pairs it may spend: `largest` where that is given.

    Leaves the tables `pieces`, `candidates`: a pair as one number, with a key that proposes it, those of the smallest
    block first (`proposed`); and `large`: `key`, digest and records of each block that is too large, of keys that
    propose anything.
    """
    find_pieces(db, fields)
    db.execute("create or replace table candidates (p ubigint, proposed uinteger)")
    db.execute("create or replace table large (key usmallint, h ubigint, c uinteger)")
    every = keys(fields)
    found = [0] * len(every)
    used = [number for number in range(len(every)) if largest is None or largest[number] > 1]
    for numbers in at_once(used, records):
        # Of one key the digest alone says what block it is, and is looked up faster.
        block = "key, h" if len(numbers) > 1 else "h"
        db.execute(f"create or replace temp table hashed as {keyed(fields, numbers, 'pieces')}")
        db.execute(
            "create or replace temp table sizes as "  # noqa: S608
            f"select any_value(key) as key, h, count(*) as c from hashed group by {block} having count(*) > 1"
        )
        if largest is None:
            most = _largest_blocks(db, {number: every[number].pairs(records) for number in numbers})
        else:
            most = [largest[number] for number in numbers]
        for number, records_of_largest in zip(numbers, most, strict=True):
            found[number] = records_of_largest
        # All blocks of one size or none: which pairs are compared does not depend on the records' order.
        db.execute(
            "create or replace temp table blocks as select hashed.key, h, i, c from hashed "  # noqa: S608
            f"join (select key, h, c from sizes {limited(numbers, most)} where c <= most) as small using ({block})"
        )
        db.execute(
            f"insert into candidates select {PACKED}, {proposed_by('a.c', 'a.key')} "  # noqa: S608
            f"from blocks as a join blocks as b using ({block}) where a.i < b.i"
        )
        db.execute(
            f"insert into large select key, h, c from sizes {limited(numbers, most)} where c > most and most > 1"  # noqa: S608
        )
    db.execute("drop table if exists hashed; drop table if exists sizes; drop table if exists blocks")
    db.execute(
        f"create or replace table pairs as select {UNPACKED} from (select distinct p from candidates) order by 1, 2"  # noqa: S608
    )
    return int(one(db, "select count(*) from pairs")[0]), found


def recall_of_keys(
    db: duckdb.DuckDBPyConnection, fields: Sequence[str], a: npt.NDArray[np.int64], b: npt.NDArray[np.int64]
) -> float | None:
    """Which share of the pairs like these, which are of one person, the keys propose at all, estimated; None where they
    are too few, or no two kinds of keys.

    Capture and recapture (Lincoln and Petersen's estimate, in Chapman's form of 1951, which has less bias): those that
    keys of WHO propose, those that keys of WHERE do, and the pairs that both do. What makes a pair easy for both, or
    hard, is not seen, so that it is an estimate from above.
    """
    kinds = [{kind_of(name) for name in re.findall(r'"([^"]+)"', "".join(key.parts))} for key in keys(fields)]
    who, where = ([n for n, of in enumerate(kinds) if of <= family] for family in (WHO, WHERE))
    if len(a) < FEWEST_PAIRS or not who or not where:
        return None
    db.register("found", pa.table({"a": a, "b": b}))
    by_who, by_where, by_both = one(
        db,
        "select count(*) filter (by_who), count(*) filter (by_where), count(*) filter (by_who and by_where) from ("  # noqa: S608
        f"select bool_or(key in ({listed(who)})) as by_who, bool_or(key in ({listed(where)})) as by_where from "
        "(select p, proposed & 65535 as key from candidates semi join "
        "(select (a::ubigint << 32) | b::ubigint as p from found) using (p)) group by p)",
    )
    db.unregister("found")
    pairs = (by_who + 1) * (by_where + 1) / (by_both + 1) - 1
    return round(min(len(a) / pairs, 1.0), 4) if pairs else None


def listed(numbers: Sequence[int]) -> str:
    """Numbers of keys as SQL lists them."""
    return ", ".join(map(str, numbers))


def proposed_by(size: str, key: int | str) -> str:
    """A key and the size of its block as one number, the smallest block first."""
    return f"(least({size}, 65535)::uinteger << 16) | {key}::uinteger"


def limited(numbers: Sequence[int], most: Sequence[int]) -> str:
    """Joins to rows with a `key` the records of the largest block that it may have, `most`."""
    rows = ", ".join(f"({number}, {limit})" for number, limit in zip(numbers, most, strict=True))
    return f"join (values {rows}) as limits (key, most) using (key)"


def _largest_blocks(db: duckdb.DuckDBPyConnection, budgets: Mapping[int, float]) -> list[int]:
    """Of the blocks by `sizes` the records of the largest that each key's budget, in pairs, is enough for; what is left
    of it is for a block that may come.
    """
    sizes: dict[int, list[tuple[int, int]]] = {key: [] for key in budgets}
    for key, size, blocks in db.execute(
        "select key, c, count(*) from sizes group by key, c order by key, c"
    ).fetchall():
        sizes[key].append((size, blocks))
    return [_largest_block(sizes[key], budget) for key, budget in budgets.items()]


def _largest_block(sizes: Sequence[tuple[int, int]], budget: float) -> int:
    largest, spent = 1, 0.0
    for size, blocks in sizes:
        if spent + size * (size - 1) / 2 * blocks > budget:
            return largest
        largest, spent = size, spent + size * (size - 1) / 2 * blocks
    return max(largest, int((1 + math.sqrt(1 + 8 * (budget - spent))) / 2))
