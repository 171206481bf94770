"""Names as they are compared: in one script, without titles, with the generation apart, and which ones are nicknames.

Writing systems by anyascii's tables, nicknames by the list of the package `nicknames` (English ones, mostly).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from itertools import permutations

import anyascii
import duckdb
import nicknames
import pyarrow as pa

_TITLES = "mr|mrs|ms|miss|dr|prof|sir|dame|lord|lady|rev|herr|frau|mme|mlle"
# Of one person's two spellings: `Jr` and `II` are the second of the name.
_GENERATIONS = {"sr": "1", "senior": "1", "jr": "2", "junior": "2", "ii": "2", "2nd": "2", "iii": "3", "3rd": "3",
                "iv": "4", "4th": "4"}  # fmt: skip
_GENERATION = "[ ,]+(" + "|".join(_GENERATIONS) + r")\.?\s*$"


def register(db: duckdb.DuckDBPyConnection) -> None:
    """Give a connection the function that :func:`latin` calls."""
    db.create_function("to_ascii", anyascii.anyascii, ["VARCHAR"], "VARCHAR")


def latin(expression: str) -> str:
    """Lower case Latin letters: accents taken off, other letters and scripts written as they sound."""
    plain = f"lower(strip_accents({expression}))"
    return f"(case when regexp_matches({plain}, '[^\\x00-\\x7F]') then lower(to_ascii({plain})) else {plain} end)"


def without_titles(expression: str) -> str:
    """A name of lower case letters without the titles before it."""
    return f"regexp_replace({expression}, '^((?:{_TITLES}) )+', '')"


def without_generation(expression: str) -> str:
    """The text of a name, of any case, without `Jr`, `Sr`, `II` after it."""
    return f"regexp_replace({expression}, '{_GENERATION}', '', 'i')"


def generation(expression: str) -> str:
    """Which of its name a text says that it is, `1` for `Sr`, `2` for `Jr` and `II`; null when it says nothing."""
    word = f"regexp_extract(lower({expression}), '{_GENERATION}', 1)"
    cases = " ".join(f"when '{text}' then '{number}'" for text, number in _GENERATIONS.items())
    return f"case {word} {cases} end"


def register_nicknames(db: duckdb.DuckDBPyConnection, learned: Iterable[tuple[str, str]] = ()) -> None:
    """Makes the table `same_names` (a, b, both ways): first names that are short for one name, by the list and by what
    was learned of the records."""
    namer = nicknames.NickNamer()
    groups: dict[str, list[str]] = defaultdict(list)
    for name in sorted(namer.nickname_lookup.keys() | namer.canonical_lookup.keys()):
        for group in namer.canonicals_of(name) | ({name} if namer.nicknames_of(name) else set()):
            groups[group].append(name)
    listed = {pair for members in groups.values() for pair in permutations(members, 2)}
    pairs = sorted(listed | {pair for a, b in learned for pair in ((a, b), (b, a))})
    a, b = (pa.array([pair[side] for pair in pairs], pa.string()) for side in (0, 1))
    db.register("found_names", pa.table({"a": a, "b": b}))
    db.execute("create or replace table same_names as select a, b from found_names")
    db.unregister("found_names")
