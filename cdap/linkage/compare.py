"""How alike two records are: a code for each field, as one SQL expression."""

from __future__ import annotations

from collections.abc import Sequence

import duckdb
import numpy as np
import numpy.typing as npt

from cdap.linkage.fields import EQUAL, KINDS, LIKENESS, ONLY_EQUAL, SWAPPED, kind_of, traits_of

Codes = npt.NDArray[np.int16]

MISSING, DIFFERENT = -1, 0
SIDES = {"a": "x", "b": "y"}


def level_codes(fields: Sequence[str]) -> str:
    """To go on a select list over the records `x` and `y`.

    Codes are MISSING, DIFFERENT, the levels from weak to strong, SWAPPED, EQUAL + the value's bucket.
    """
    named = "first" in fields and "last" in fields
    swapped = f"{_alike('first', 'last')} and {_alike('last', 'first')} and not {_alike('first', 'first')}"
    namesakes = f"{_alike('first', 'first')} and {_alike('last', 'last')}"
    found = []
    for field in fields:
        a, b = f'x."{field}"', f'y."{field}"'
        cases = [f"when {a} is null or {b} is null then {MISSING}", f'when {a} = {b} then {EQUAL} + x."b_{field}"']
        if kind_of(field) in ONLY_EQUAL:
            cases.append(f"when true then {MISSING}")
        if named and field == "email":
            # Addresses are made of names: that two namesakes' addresses are alike is no further evidence.
            cases.append(f"when {namesakes} then {MISSING}")
        if named and field == "first":
            cases.append(f"when {swapped} then {SWAPPED}")
        if named and field == "last":
            cases.append(f"when {swapped} then {MISSING}")
        levels = KINDS[kind_of(field)].levels
        traits = {f"{name}_{side}": f'{of}."{name}_{field}"' for name in traits_of(field) for side, of in SIDES.items()}
        for place, level in enumerate(levels):
            cases.append(f"when {level.format(a=a, b=b, **traits)} then {len(levels) - place}")
        found.append(f'(case {" ".join(cases)} else {DIFFERENT} end)::tinyint as "{field}"')
    return "".join(f", {code}" for code in found)


def _alike(of_x: str, of_y: str) -> str:
    sides = {"a": f"x.{of_x}", "b": f"y.{of_y}"}
    traits = {"characters_a": f"x.characters_{of_x}", "characters_b": f"y.characters_{of_y}"}
    return f"{LIKENESS.format(**sides, **traits)} >= 0.92"


def compare(db: duckdb.DuckDBPyConnection, fields: Sequence[str], pairs: str, into: str, of: str = "r") -> None:
    """Makes the table `into` (a, b, a code each field) of the pairs of records, which are those of a table like `r`."""
    db.execute(
        f"create or replace table {into} as select p.a, p.b{level_codes(fields)} "  # noqa: S608
        f"from {pairs} as p join {of} as x on x.i = p.a join {of} as y on y.i = p.b"
    )


def codes_of(columns: dict[str, npt.NDArray[np.generic]], fields: Sequence[str]) -> Codes:
    """The codes of fetched rows, a row a pair and a column a field."""
    if not fields:
        return np.zeros((len(columns.get("a", ())), 0), np.int16)
    return np.stack([np.asarray(columns[field]).astype(np.int16) for field in fields], 1)
