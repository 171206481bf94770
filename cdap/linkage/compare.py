"""How alike two records are: a code for each field, in one SQL query."""

from __future__ import annotations

from collections.abc import Sequence

import duckdb
import numpy as np
import numpy.typing as npt

from cdap.linkage.fields import EQUAL, KINDS, ONLY_EQUAL, SWAPPED, alike, kind_of, traits_of

Codes = npt.NDArray[np.int16]

MISSING, DIFFERENT = -1, 0
SIDES = {"a": "x", "b": "y"}


def compare(db: duckdb.DuckDBPyConnection, fields: Sequence[str], pairs: str, into: str, of: str = "r") -> None:
    """Makes the table `into` (a, b, a code each field) of the pairs of records, which are those of a table like `r`.

    Codes are MISSING, DIFFERENT, the levels from weak to strong, SWAPPED, EQUAL + the value's bucket.
    """
    named = "first" in fields and "last" in fields
    codes = "".join(f', {_code(field, named)} as "{field}"' for field in fields)
    found = f"select p.a, p.b{codes} from {pairs} as p join {of} as x on x.i = p.a join {of} as y on y.i = p.b"  # noqa: S608
    if named:
        found = f"select * replace ({_by_names(fields)}) from ({found})"  # noqa: S608
    db.execute(f"create or replace table {into} as {found}")


def _code(field: str, named: bool) -> str:
    """The code of a field of the records `x` and `y`."""
    kind = kind_of(field)
    sides = {"a": f'x."{field}"', "b": f'y."{field}"'}
    traits = {f"{name}_{side}": f'{of}."{name}_{field}"' for name in traits_of(field) for side, of in SIDES.items()}
    cases = [
        f"when {sides['a']} is null or {sides['b']} is null then {MISSING}",
        f'when {sides["a"]} = {sides["b"]} then {EQUAL} + x."b_{field}"',
    ]
    levels = KINDS[kind].levels
    told = [f"when {level.format(**sides, **traits)} then {len(levels) - place}" for place, level in enumerate(levels)]
    if named and field == "first":
        told.insert(1, f"when {_alike('first', 'last')} and {_alike('last', 'first')} then {SWAPPED}")
    otherwise = MISSING if kind in ONLY_EQUAL else DIFFERENT
    return f"(case {' '.join([*cases, *told])} else {otherwise} end)::tinyint"


def _alike(of_x: str, of_y: str) -> str:
    sides = {"a": f"x.{of_x}", "b": f"y.{of_y}"}
    traits = {"characters_a": f"x.characters_{of_x}", "characters_b": f"y.characters_{of_y}"}
    return alike(0.92).format(**sides, **traits)


def _by_names(fields: Sequence[str]) -> str:
    """What codes are when the names' codes are known."""
    first, last = (len(KINDS[name].levels) for name in ("first", "last"))
    replaced = [f"case when first = {SWAPPED} and last < {EQUAL} then {MISSING} else last end::tinyint as last"]
    if "email" in fields:
        # Addresses are made of names: that two namesakes' addresses are alike is no further evidence.
        namesakes = f"first >= {first} and first <> {SWAPPED} and last >= {last}"
        replaced.append(
            f"case when email between {DIFFERENT} and {EQUAL - 1} and {namesakes} then {MISSING} else email "
            "end::tinyint as email"
        )
    return ", ".join(replaced)


def codes_of(columns: dict[str, npt.NDArray[np.generic]], fields: Sequence[str]) -> Codes:
    """The codes of fetched rows, a row a pair and a column a field."""
    if not fields:
        return np.zeros((len(columns.get("a", ())), 0), np.int16)
    return np.stack([np.asarray(columns[field]).astype(np.int16) for field in fields], 1)
