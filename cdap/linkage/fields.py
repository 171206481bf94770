"""Kinds of fields: how two values are compared, and what one expects of two records of one person or household.

The numbers are the same for every set of records; EM moves them from there (cdap.linkage.model).
"""

from __future__ import annotations

from dataclasses import dataclass

# How many characters only one of two values has, and how many they may have in common: each takes one away of both.
APART = "bit_count(xor({characters_a}, {characters_b}))"
IN_COMMON = f"(strlen({{a}}) + strlen({{b}}) - {APART})"


def alike(least: float) -> str:
    """Whether two values are so much alike by Jaro and Winkler, 0.8 or more, which is dear to count: first what costs
    little and rules most out.

    With m characters in common Jaro's similarity is at most (m/|a| + m/|b| + 1) / 3, and Winkler adds at most four
    tenths of what that lacks of one.
    """
    jaro = (least - 0.4) / 0.6
    percent = round(200 * (3 * jaro - 1))
    return (
        f"(case when 100 * {IN_COMMON} * (strlen({{a}}) + strlen({{b}})) < {percent} * strlen({{a}}) * strlen({{b}}) "
        f"then false else jaro_winkler_similarity({{a}}, {{b}}) >= {least} end)"
    )


def _edits(most: int) -> str:
    """At most so many edits (Damerau and Levenshtein's), dear to count: first what costs little and rules most out.

    An edit takes one character away and adds another at most; but one that changes no place for another, of two values
    of one length, takes two edits or leaves the characters as they are. A transposition is one edit, or two of
    Levenshtein's, and leaves them too.
    """
    few = "levenshtein({a}, {b})"
    counted = (
        f"(case when {few} <= {most} then true when {few} > {2 * most} - {APART} // 2 then false "
        f"else damerau_levenshtein({{a}}, {{b}}) <= {most} end)"
    )
    return (
        f"(case when abs(strlen({{a}}) - strlen({{b}})) > {most} or {APART} > {2 * most} then false "
        f"when strlen({{a}}) <> strlen({{b}}) then {counted} when hamming({{a}}, {{b}}) <= {most} then true "
        f"when {APART} > {2 * most - 2} then false else {counted} end)"
    )


ONE_EDIT, TWO_EDITS = _edits(1), _edits(2)
ALIKE = f"({alike(0.92)} or (strlen({{a}}) > 3 and strlen({{b}}) > 3 and {ONE_EDIT}))"
# A slip makes a rare value; two that are alike and both frequent are rather two names, Marie and Mario.
TWO_NAMES = "({frequent_a} and {frequent_b})"
SHORTER = "(least(length({a}), length({b})) >= 3 and (starts_with({a}, {b}) or starts_with({b}, {a})))"
NICKNAMES = "exists (select 1 from same_names as n where n.a = {a} and n.b = {b})"


@dataclass(frozen=True)
class Kind:
    """`levels` are SQL conditions on two unequal values, strongest first; a pair that meets none differs.

    `person`: of two records of one person that both have the field, the share that meets each level, then that
    differs; the rest is equal. `shared`: the share of two members of a household that have the value from each other;
    `learned` says whether that is learned. `parts` are pieces of a value from which keys of candidate pairs are made,
    `more_parts` those that are added where there are few.
    """

    levels: tuple[str, ...]
    person: tuple[float, ...]
    shared: float
    learned: bool = False
    parts: tuple[str, ...] = ()
    more_parts: tuple[str, ...] = ()


KINDS: dict[str, Kind] = {
    "first": Kind(
        (
            f"not {TWO_NAMES} and {ALIKE}",
            f"{SHORTER} or {NICKNAMES}",
            f"{alike(0.80)} or ({TWO_NAMES} and {ALIKE})",
            "least(length({a}), length({b})) = 1 and {a}[1] = {b}[1]",
        ),
        (0.075, 0.03, 0.025, 0.02, 0.03),
        0.02,
        parts=("{f}", "{f}[1:3]"),
        more_parts=("right({f}, 3)",),
    ),
    "last": Kind(
        (
            f"not {TWO_NAMES} and {ALIKE}",
            f"{alike(0.80)} or ({TWO_NAMES} and {ALIKE}) or contains(' ' || {{a}} || ' ', ' ' || {{b}} || ' ') "
            "or contains(' ' || {b} || ' ', ' ' || {a} || ' ')",
        ),
        (0.07, 0.03, 0.05),
        0.88,
        learned=True,
        parts=("{f}", "{f}[1:3]"),
        more_parts=("right({f}, 3)",),
    ),
    "middle": Kind(("least(length({a}), length({b})) = 1 and {a}[1] = {b}[1]", alike(0.88)), (0.25, 0.02, 0.10), 0.05),
    # Eight digits, year first. One edit, or day and month changed round; then two of the three parts, or the year where
    # no more is known of one of them; then two edits.
    "dob": Kind(
        (
            f"{ONE_EDIT} or ({{date_a}} // 10000 = {{date_b}} // 10000 "
            "and {date_a} % 100 = {date_b} // 100 % 100 and {date_b} % 100 = {date_a} // 100 % 100)",
            "({date_a} // 10000 = {date_b} // 10000)::int + ({date_a} // 100 % 100 = {date_b} // 100 % 100)::int "
            "+ ({date_a} % 100 = {date_b} % 100)::int = 2 "
            "or (least(strlen({a}), strlen({b})) < 8 and {a}[1:4] = {b}[1:4])",
            TWO_EDITS,
        ),
        (0.05, 0.015, 0.01, 0.01),
        0.03,
        parts=("{f}", "{f}[1:4]", "{f}[5:8]", "{f}[1:6]"),
    ),
    # Of four digits. A year more or less, as an age says it; then two, or another digit.
    "year": Kind(
        (
            "abs(try_cast({a} as int) - try_cast({b} as int)) <= 1",
            "abs(try_cast({a} as int) - try_cast({b} as int)) = 2 or hamming({a}, {b}) = 1",
        ),
        (0.08, 0.03, 0.03),
        0.05,
        parts=("{f}",),
    ),
    "email": Kind(
        (TWO_EDITS, "{mailbox_a} = {mailbox_b}"),
        (0.05, 0.05, 0.20),
        0.3,
        learned=True,
        parts=("{f}[1:5]",),
    ),
    "phone": Kind((ONE_EDIT, TWO_EDITS), (0.04, 0.01, 0.25), 0.4, learned=True, parts=("{f}[1:5]", "right({f}, 4)")),
    "street": Kind(
        (
            f"({{number_a}} = {{number_b}} and {alike(0.85)}) or {TWO_EDITS}",
            f"{alike(0.88)} or 2 * least(bit_count({{words_a}} & {{words_b}}), bit_count({{again_a}} & {{again_b}})) "
            ">= greatest(bit_count({words_a}), bit_count({words_b}))",
        ),
        (0.10, 0.05, 0.20),
        0.90,
        learned=True,
        parts=("{f}", "regexp_extract({f}, '[0-9]+')", "{f}[1:6]"),
    ),
    "city": Kind((alike(0.88),), (0.05, 0.15), 0.95, learned=True, parts=("{f}",)),
    "postcode": Kind(
        (ONE_EDIT, "{area_a} = {area_b}"), (0.04, 0.04, 0.15), 0.95, learned=True, parts=("{f}", "{f}[1:3]")
    ),
    # Father and son of one name, where the name says which of them.
    "generation": Kind((), (0.01,), 0.0),
    "gender": Kind((), (0.03,), 0.0),
    # A household may have copied an id of one of its members.
    "id": Kind((ONE_EDIT, TWO_EDITS), (0.03, 0.01, 0.01), 0.01, learned=True, parts=("{f}[1:4]", "right({f}, 4)")),
    # Of the accounts that a person has two may differ, which says nothing: such a pair counts as one without them.
    "account": Kind((), (0.01,), 0.01, learned=True),
    "cat": Kind((alike(0.88),), (0.05, 0.25), 0.2, learned=True, parts=("{f}",)),
}

# Kinds of which only equal values say something.
ONLY_EQUAL = ("account",)

# What levels may ask of a value besides itself, made once a value: which characters it has and which words, a bit each
# of 64 (two may share one); parts of it; and whether some ten records have it, by its bucket and the rarest.
TRAITS = {
    # With how often: its second `a` is another than the first.
    "characters": (
        "list_bit_or(list_transform(string_split({v}, ''), lambda c, place: 1::ubigint << "
        "((ascii(c) * 7 + 26 * (place - length(replace({v}[1:place], c, '')))) & 63)))"
    ),
    "words": "list_bit_or(list_transform(string_split({v}, ' '), lambda w: 1::ubigint << (hash(w) & 63)::int))",
    # Other bits: two words that share the one hardly share these too.
    "again": "list_bit_or(list_transform(string_split({v}, ' '), lambda w: 1::ubigint << (hash(w) >> 6 & 63)::int))",
    "number": "regexp_extract({v}, '[0-9]+')",
    "date": "try_cast({v} as int)",
    "mailbox": "split_part({v}, '@', 1)",
    "area": "{v}[1:3]",
    "frequent": "{bucket} <= {rarest} - 2",
}

# Names of two persons written in each other's place: a level of the first name.
SWAPPED = 10
SWAPPED_SHARE = 0.02
# Codes of equal values begin here; the number above it is the bucket of how frequent the value is.
EQUAL = 20


def traits_of(field: str) -> list[str]:
    """The TRAITS that the levels of a field ask for."""
    levels = " ".join(KINDS[kind_of(field)].levels)
    return [trait for trait in TRAITS if f"{{{trait}_a}}" in levels]


def kind_of(field: str) -> str:
    """`id_0` is an `id`."""
    return field.split("_")[0]
