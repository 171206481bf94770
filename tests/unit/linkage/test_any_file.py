"""Whatever a file holds, each of its records gets one customer, or the error says what is wrong with the file."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cdap.errors import CdapError
from cdap.linkage.config import LinkageConfig
from cdap.linkage.resolve import resolve

# Each role by one column of the same name, but for those of several columns.
ROLES: dict[str, Any] = {
    "first_name": "first_name", "middle_name": "middle_name", "last_name": "last_name", "full_name": "full_name",
    "birth_date": "birth_date", "birth_year": "birth_year", "email": "email", "phone": "phone",
    "street": ["street", "house"], "city": "city", "postcode": "postcode", "gender": "gender",
    "ids": ["id"], "categories": ["category"],
}  # fmt: skip
COLUMNS = sorted({name for value in ROLES.values() for name in ([value] if isinstance(value, str) else value)})
# What columns hold in files of others: nothing, junk, other scripts, quotes, separators, numbers that are none.
NASTY = [
    "", " ", "-", "NULL", "n/a", "0", "0000000000", "test@test.com", "@", "a@", "@b", "a+b@gmail.com", "'", '"', "%",
    "\\", "Müller-Lüdenscheidt", "李小龍", "محمد", "Ἀριστοτέλης", "👩‍👩‍👧", "Jr", "Dr", "Dr. ", "O'Neill, Jr.", "ß",
    "1980-02-30", "19800230", "1980", "99", "31/12/1999", "12-31-1999", "٠٩", "A" * 300, "a b c d e f", "x\ty",
    "\u200b", "Ann", "Anna", "Smith", "smith ", "12 Main St", "Main St 12", "SW1A 1AA", "+49 151 234567", "m", "F",
]  # fmt: skip
NOTHING_TOLD = "no column that is named tells records apart: they are empty or constant"
VALUES = st.one_of(st.sampled_from(NASTY), st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=12))
TABLES = st.integers(0, 12).flatmap(
    lambda rows: st.dictionaries(
        st.sampled_from(sorted(ROLES)),
        st.lists(VALUES, min_size=2 * rows, max_size=2 * rows),
        min_size=1,
        max_size=6,
    )
)


def written(table: dict[str, list[str]], file: Path) -> int:
    """The table as CSV; a role of two columns takes every second value for each. Returns the number of records."""
    columns: dict[str, list[str]] = {}
    for role, values in table.items():
        names = [ROLES[role]] if isinstance(ROLES[role], str) else ROLES[role]
        for place, name in enumerate(names):
            columns[name] = values[place::2]
    rows = list(zip(*columns.values(), strict=True))
    with file.open("w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out, quoting=csv.QUOTE_ALL)
        writer.writerow(["uid", *columns])
        writer.writerows([f"r{number}", *row] for number, row in enumerate(rows))
    return len(rows)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(table=TABLES)
def test_a_small_file_of_anything_is_resolved_or_told_of(table: dict[str, list[str]], tmp_path: Path) -> None:
    file = tmp_path / "records.csv"
    records = written(table, file)
    config = LinkageConfig(unique_id="uid", fields={role: ROLES[role] for role in table})
    try:
        found = resolve(file, config, threads=1)
    except CdapError as error:
        if error.found != NOTHING_TOLD:
            raise
        return
    assert sorted(a.unique_id for a in found.assignments) == sorted(f"r{number}" for number in range(records))
    assert all(0 <= a.cluster_probability <= 1 for a in found.assignments)
    homes = {a.customer_id: a.household_id for a in found.assignments}
    assert all(homes[a.customer_id] == a.household_id for a in found.assignments)
