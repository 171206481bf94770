"""What the records say about names: words that stand where a name should, and first names that are short for one.

Two records that agree on everything else, on the surname and the birth date for instance, are mostly of one person; so
what their first names do tells of the names. `Gentleman` or `Baby` meets ever other names, `Paco` always `Francisco`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import duckdb

from cdap.linkage.database import one
from cdap.linkage.fields import kind_of
from cdap.linkage.statistics import Junk

# In place of a name forms hold kin, titles, and what is written for those who did not answer.
NO_NAMES = (
    "mother", "father", "mom", "mum", "dad", "parent", "son", "daughter", "brother", "sister", "wife", "husband",
    "spouse", "nephew", "niece", "aunt", "uncle", "cousin", "grandson", "granddaughter", "grandchild", "grandmother",
    "grandfather", "baby", "infant", "newborn", "boy", "girl", "child", "kid", "minor", "adult", "man", "woman", "male",
    "female", "lady", "gentleman", "gentlemen", "gent", "oldest", "youngest", "elder", "younger", "friend", "lodger",
    "inmate", "patient", "person", "resident", "occupant", "occupier", "tenant", "respondent", "householder",
    "household", "house", "home", "owner", "customer", "guest", "mr", "mrs", "ms", "miss", "mister", "sir", "madam",
    "senor", "senora", "herr", "frau", "unknown", "unk", "anonymous", "anon", "none", "null", "nil", "na", "declined",
    "refused", "refuse", "test", "name", "surname",
)  # fmt: skip
# ... and between such words.
BETWEEN = ("of", "in", "the", "a", "no", "not", "de", "la", "le", "first", "last", "given", "family", "one", "two")
# Before anything is known of it the odds that such a word is no name, and that any other is none.
LISTED, OTHERS = 1.0, 1e-4
# How often what is no name agrees nevertheless; a name differs at least so often in records of one person.
AGREES, DIFFERS = 0.02, 0.05
# Records that agree on the rest are looked at in twos to fives: of more there are too many pairs for what they tell.
# What they agree on has to make one person likely, and of one who is surely the same for nicknames.
MOST_ALIKE, FEWEST_PAIRS, ONE_PERSON, SURELY_ONE = 5, 50, 0.5, 0.85
# Of more records a part is looked at, by what they agree on.
ENOUGH_RECORDS = 200_000
# A nickname meets its name in so many persons, and so many times as often as chance has it.
PERSONS, TIMES_CHANCE, OF_THEIR_OWN = 3, 10, 0.3
OTHER = {"first": "last", "last": "first"}


def learn_names(db: duckdb.DuckDBPyConnection, fields: Sequence[str]) -> tuple[list[Junk], list[tuple[str, str]]]:
    """Of first and last names in the table `r0` those that are none, and pairs of first names that are one.

    Asks for the table `same_names`, whose pairs are not found again.
    """
    placeholders: list[Junk] = []
    nicknames: list[tuple[str, str]] = []
    for field in ("first", "last"):
        if field in fields:
            _meet(db, field, fields)
            found = _placeholders(db, field, fields)
            placeholders += found
            if field == "first":
                none = {of.value for of in found}
                nicknames = [pair for pair in _nicknames(db) if none.isdisjoint(pair)]
            db.execute("drop table met")
    return placeholders, nicknames


def _placeholders(db: duckdb.DuckDBPyConnection, field: str, fields: Sequence[str]) -> list[Junk]:
    """Listed words unless they agree as names do, and others that differ from three names and more where everything
    else says one person. What is rather the other name is in its place.

    By Bayes' rule over the records with the word that have such another record, each agreeing with one of them or not.
    """
    other = OTHER[field] if OTHER[field] in fields else "null::varchar"
    rows = db.execute(
        f"with judged as (select v, i, bool_or(same) as same, max(p) as p from met group by v, i), "  # noqa: S608
        f"odds as (select v, sum(case when same then ln({AGREES} / p) "
        f"else ln({1 - AGREES} / greatest(1 - p, {DIFFERS})) end) as odds from judged group by v), "
        "others as (select v, count(*) as names, max(n) / sum(n) as most from "
        "(select v, w, count(*) as n from met where not same group by v, w) group by v), "
        f'given as (select "{field}" as v, count(*) as records, {_listed("v")} as listed from r0 '
        f'where "{field}" is not null group by "{field}"), '
        f"elsewhere as (select {other} as v, count(*) as n from r0 group by {other}) "
        "select v, records from given left join odds using (v) left join others using (v) "
        "left join elsewhere using (v) "
        f"where case when listed then coalesce(odds, 0) + {math.log(LISTED)} >= 0 else odds + {math.log(OTHERS)} >= 0 "
        "and names >= 3 and most <= 0.5 and coalesce(elsewhere.n, 0) <= records end order by v"
    ).fetchall()
    return [Junk(field, str(value), int(records)) for value, records in rows]


def _nicknames(db: duckdb.DuckDBPyConnection) -> list[tuple[str, str]]:
    """First names that are not alike and stand for one another in records of one person: in a good part of the persons
    in which one of them meets another name, and more than it would meet any name by chance.
    """
    rows = db.execute(
        "with together as (select v, w, max(n) as n from (select v, w, c, count(distinct h) as n from met "  # noqa: S608
        f"where not same and p >= {SURELY_ONE} and length(v) > 1 and length(w) > 1 group by v, w, c) group by v, w), "
        "shares as (select first as v, count(*) / sum(count(*)) over () as share from r0 where first is not null "
        "group by first), "
        "of_one as (select v, sum(n) as n, any_value(share) as share from together join shares using (v) group by v) "
        "select v, w from together join of_one as a using (v) join of_one as b on b.v = w "
        f"where v < w and together.n >= {PERSONS} and together.n > {OF_THEIR_OWN} * least(a.n, b.n) "
        f"and together.n > {TIMES_CHANCE} * greatest(a.n * b.share, b.n * a.share) order by v, w"
    ).fetchall()
    return [(str(a), str(b)) for a, b in rows]


def _meet(db: duckdb.DuckDBPyConnection, field: str, fields: Sequence[str]) -> None:
    """Makes the table `met`: two records' names `v` of the record `i` and `w`, whether they are the `same`, where the
    records agree on the context `c`, by its digest `h`; and which share `p` of the names that meet there are.
    """
    other = OTHER[field] if OTHER[field] in fields else "null::varchar"
    (records,) = one(db, "select count(*) from r0")
    each = [
        f'select {number}::utinyint as c, hash({", ".join(context)}) as h, i, "{field}" as v, {other} as o from r0 '  # noqa: S608
        f'where "{field}" is not null and {" and ".join(f"{part} is not null" for part in context)} '
        f"and hash({', '.join(context)}) % {max(records // ENOUGH_RECORDS, 1)} = 0"
        for number, context in enumerate(_contexts(field, fields))
    ]
    nowhere = f'select 0::utinyint as c, 0::ubigint as h, i, "{field}" as v, {other} as o from r0 limit 0'  # noqa: S608
    db.execute(
        f"create or replace temp table met as with named as ({' union all '.join(each or [nowhere])}), "  # noqa: S608
        "few as (select * from named semi join (select c, h from named group by c, h "
        f"having count(*) between 2 and {MOST_ALIKE}) using (c, h)), "
        "pairs as (select c, h, a.i, a.v, b.v as w from few as a join few as b using (c, h) where a.i <> b.i "
        # Names in each other's place say nothing of either.
        "and coalesce(jaro_winkler_similarity(a.v, b.o), 0) < 0.9 "
        "and coalesce(jaro_winkler_similarity(a.o, b.v), 0) < 0.9), "
        "judged as (select *, v = w or jaro_winkler_similarity(v, w) >= 0.8 or starts_with(v, w) or starts_with(w, v) "
        "or exists (select 1 from same_names as n where n.a = v and n.b = w) as same from pairs), "
        "contexts as (select c, avg(same::int) as p from judged group by c "
        f"having count(*) >= {FEWEST_PAIRS} and avg(same::int) >= {ONE_PERSON}) "
        "select judged.*, p from judged join contexts using (c)"
    )


def _contexts(field: str, fields: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """Fields besides a name that together make one person likely."""
    yield from ((f'"{name}"',) for name in fields if kind_of(name) == "id")
    if "email" in fields and "dob" in fields:
        yield "email", "dob"
    other = OTHER[field]
    if other in fields:
        yield from ((other, f'"{name}"') for name in fields if kind_of(name) in ("dob", "street", "email", "phone"))


def _listed(value: str) -> str:
    """Whether all words of a name are such as stand for none, and not only between them."""
    words = f"string_split({value}, ' ')"
    names, every = ([*NO_NAMES], [*NO_NAMES, *BETWEEN])
    return f"(list_has_all({every}, {words}) and list_has_any({names}, {words}))"
