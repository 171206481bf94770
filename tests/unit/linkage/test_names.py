"""Names are compared in one script, without titles, with nicknames known and generations apart."""

from __future__ import annotations

import csv
from pathlib import Path

import duckdb
import pytest

from cdap.linkage.config import LinkageConfig
from cdap.linkage.names import register
from cdap.linkage.prepare import prepare

FIELDS = {"first_name": "first", "last_name": "last", "email": "email"}


def _prepared(folder: Path, rows: list[dict[str, str]], fields: dict[str, str]) -> duckdb.DuckDBPyConnection:
    file = folder / "records.csv"
    with file.open("w", encoding="utf-8", newline="") as out:
        writer = csv.DictWriter(out, fieldnames=["id", *rows[0]])
        writer.writeheader()
        writer.writerows({"id": str(number), **row} for number, row in enumerate(rows))
    db = duckdb.connect()
    register(db)
    prepare(db, LinkageConfig.model_validate({"unique_id": "id", "fields": fields}), file)
    return db


@pytest.mark.parametrize(
    ("first", "last", "expected"),
    [
        ("Dr. José", "Müller", ("jose", "muller", None)),
        ("Łukasz", "Strauß", ("lukasz", "strauss", None)),
        ("Иван", "Петров", ("ivan", "petrov", None)),
        ("Sir Arthur", "Doyle, Jr.", ("arthur", "doyle", "2")),
        ("Martin", "King III", ("martin", "king", "3")),
        ("Martin", "King SR", ("martin", "king", "1")),
        ("Martin Junior", "King", ("martin", "king", "2")),
        ("Senior", "Iv", ("senior", "iv", None)),
        ("Ms", "Lord", (None, "lord", None)),
    ],
)
def test_a_name_is_written_in_one_way(
    tmp_path: Path, first: str, last: str, expected: tuple[str, str, str | None]
) -> None:
    endings = zip("abcd", ("Jr", "Sr", "II", "III"), strict=True)
    others = [{"first": f"Anna{c}", "last": f"Other{c} {g}", "email": ""} for c, g in endings]
    db = _prepared(tmp_path, [{"first": first, "last": last, "email": ""}, *others], FIELDS)
    assert db.execute("select first, last, generation from r where uid = '0'").fetchone() == expected


def test_a_full_name_gives_its_generation_too(tmp_path: Path) -> None:
    rows = [{"name": "Prof. Ada King"}, {"name": "Ada King, Jr"}, {"name": "Bo Li Sr."}]
    db = _prepared(tmp_path, rows, {"full_name": "name"})
    assert db.execute("select first, last, generation from r order by uid").fetchall() == [
        ("ada", "king", None), ("ada", "king", "2"), ("bo", "li", "1"),
    ]  # fmt: skip


def test_nicknames_are_those_of_one_name(tmp_path: Path) -> None:
    names = ["Robert", "Bob", "William", "Bill", "Elizabeth", "Zdenka"]
    db = _prepared(tmp_path, [{"first": name, "last": "x", "email": name} for name in names], FIELDS)
    pairs = set(db.execute("select a, b from same_names").fetchall())
    assert {("robert", "bob"), ("bob", "robert"), ("bill", "william")} <= pairs
    assert not {pair for pair in pairs if "zdenka" in pair or pair in {("bob", "william"), ("bob", "elizabeth")}}


@pytest.mark.parametrize(
    ("written", "same"),
    [
        ("Ann.Lee+shop@gmail.com", "annlee@gmail.com"),
        ("a.n.n.lee@GoogleMail.com", "annlee@gmail.com"),
        ("Ann.Lee+news@web.de", "ann.lee@web.de"),
        ("not an address", "not an address"),
    ],
)
def test_an_address_is_the_mailbox_that_it_reaches(tmp_path: Path, written: str, same: str) -> None:
    db = _prepared(
        tmp_path,
        [{"first": "Ann", "last": "Lee", "email": written}, {"first": "Bo", "last": "Li", "email": "b@c.de"}],
        FIELDS,
    )
    assert db.execute("select email from r where uid = '0'").fetchone() == (same,)
