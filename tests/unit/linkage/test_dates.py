"""Birth dates in the ways that files write them."""

from __future__ import annotations

from pathlib import Path

import pytest

from cdap.linkage.config import LinkageConfig
from cdap.linkage.database import database
from cdap.linkage.prepare import prepare

WRITTEN = [
    ("ymd", "1980-05-03", "19800503"),
    ("ymd", "19800503", "19800503"),
    ("ymd", "1980/5/3", "19800503"),
    ("ymd", "1980-05-03 00:00:00", "19800503"),
    ("ymd", "80-05-03", "19800503"),
    ("ymd", "1980", "1980"),
    ("ymd", "1980-05", "198005"),
    ("ymd", "n/a", None),
    ("ymd", "", None),
    ("dmy", "03/05/1980", "19800503"),
    ("dmy", "3.5.80", "19800503"),
    ("dmy", "3.5.15", "20150503"),
    ("dmy", "03051980", "19800503"),
    ("dmy", "1980-05-03", "19800503"),
    ("dmy", "05/1980", "198005"),
    ("mdy", "5/3/1980", "19800503"),
    ("mdy", "05031980", "19800503"),
    ("dmy", "3 May 1980", "19800503"),
    ("ymd", "May 3rd, 1980", "19800503"),
    ("dmy", "December 1980", "198012"),
    ("dmy", "May", None),
]


def dates(folder: Path, header: str, lines: list[str], birth_date: object) -> list[str | None]:
    file = folder / "records.csv"
    file.write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")
    # Another field, since a date that all records have would be left out.
    config = LinkageConfig.model_validate(
        {"unique_id": "id", "fields": {"birth_date": birth_date, "last_name": "name"}}
    )
    with database() as db:
        prepare(db, config, file)
        return [dob for (dob,) in db.execute("select dob from r order by i").fetchall()]


@pytest.mark.parametrize(("order", "written", "read"), WRITTEN)
def test_a_date_is_read(tmp_path: Path, order: str, written: str, read: str | None) -> None:
    others = [f"b{number},19{number + 10}-01-01,n{number}" for number in range(9)]
    found = dates(tmp_path, "id,born,name", [f'a,"{written}",n', *others], {"column": "born", "order": order})
    assert found[0] == read


def test_parts_may_be_missing_from_the_end(tmp_path: Path) -> None:
    lines = ["a,1980,5,3,n", "b,1981,5,,m", "c,1982,,,o", "d,,5,3,p"]
    parts = {"year": "y", "month": "m", "day": "d"}
    assert dates(tmp_path, "id,y,m,d,name", lines, parts) == ["19800503", "198105", "1982", None]
