"""What the records say about names: words that are none, and two that are one."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cdap.linkage.config import LinkageConfig
from cdap.linkage.model import Model
from cdap.linkage.resolve import Resolution, resolve

CONFIG = LinkageConfig.model_validate(
    {"unique_id": "id", "fields": {"first_name": "first", "last_name": "last", "birth_date": "born", "city": "city"}}
)
FIRST = ["Anna", "Bjorn", "Carla", "Dmitri", "Esther", "Farid", "Greta", "Hugo", "Ingrid", "Julio", "Katrin", "Ludwig"]
Pair = tuple[str, str]


def _records(folder: Path, instead: dict[str, list[Pair]], persons: int = 240) -> Path:
    """Two records each of persons with names of their own, and of further ones who are called otherwise in their second
    record: by role, the two values. `last` of the same word in both."""
    chosen = random.Random(5)
    rows: list[dict[str, str]] = []

    def add(first: Pair, last: Pair) -> None:
        born = f"19{chosen.randrange(30, 99)}-{chosen.randrange(1, 13):02}-{chosen.randrange(1, 29):02}"
        city = chosen.choice(["Leeds", "York", "Hull", "Bath"])
        for at in (0, 1):
            rows.append({"id": f"r{len(rows)}", "first": first[at], "last": last[at], "born": born, "city": city})

    def surname() -> str:
        return "".join(chosen.choices("abdegiklmnoprstuvz", k=7)).title()

    for number in range(persons):
        name = surname()
        add((FIRST[number % len(FIRST)],) * 2, (name, name))
    for first in instead.get("first", []):
        name = surname()
        add(first, (name, name))
    for last in instead.get("last", []):
        add((chosen.choice(FIRST),) * 2, last)
    file = folder / "records.parquet"
    pq.write_table(pa.Table.from_pylist(rows), file)
    return file


def _junk(found: Resolution) -> set[tuple[str, str]]:
    return {(junk["field"], junk["value"]) for junk in found.report["junk"]}


def test_words_that_meet_ever_other_names_are_none(tmp_path: Path) -> None:
    """`Kunde` is on no list; `Beatrix` differs once, as a slip of whoever wrote it may."""
    instead = [("Kunde", name) for name in FIRST[:5]] + [("Beatrix", "Greta"), ("Beatrix", "Beatrix")]
    found = resolve(_records(tmp_path, {"first": instead}), CONFIG)
    assert _junk(found) == {("first", "kunde")}


def test_listed_words_are_none_unless_they_agree_as_names_do(tmp_path: Path) -> None:
    """Nobody is called Householder; House is a surname of people who are called so each time."""
    instead = {
        "first": [("Man of the house", "Hugo"), ("Mrs", "Anna"), ("Son", "Son")],
        "last": [("Householder", "Pritchard"), ("House", "House"), ("House", "House")],
    }
    found = resolve(_records(tmp_path, instead), CONFIG)
    assert _junk(found) == {("first", "man of the house"), ("first", "mrs"), ("last", "householder")}


def test_names_that_stand_for_one_another_are_one(tmp_path: Path) -> None:
    """`Paco` is on no list of English nicknames; Carla and Hugo met once are two names."""
    instead = [("Paco", "Francisco")] * 4 + [("Carla", "Hugo")]
    found = resolve(_records(tmp_path, {"first": instead}), CONFIG)
    assert list(found.report["nicknames"]) == [("francisco", "paco")]
    assert not _junk(found)
    customer = {of.unique_id: of.customer_id for of in found.assignments}
    last = len(customer) - 2
    assert all(customer[f"r{at}"] == customer[f"r{at + 1}"] for at in range(last - 8, last, 2))


@pytest.mark.parametrize("as_new", [False, True], ids=["with the model", "of other people"])
def test_what_was_learned_is_kept_with_the_model(tmp_path: Path, as_new: bool) -> None:
    """With the model the same is known of names; for other people's records it is learned anew."""
    instead = {"first": [("Paco", "Francisco")] * 4 + [("Kunde", name) for name in FIRST[:5]]}
    records = _records(tmp_path, instead)
    first = resolve(records, CONFIG)
    first.model.save(tmp_path / "model.json")
    again = Model.from_json(json.loads((tmp_path / "model.json").read_text()), first.model.fields, "Reading")
    assert again.statistics is not None
    assert again.statistics.nicknames == (("francisco", "paco"),)
    records = _records(tmp_path, instead, persons=800) if as_new else records
    found = resolve(records, CONFIG, model=tmp_path / "model.json")
    assert _junk(found) == {("first", "kunde")}
    assert [tuple(pair) for pair in found.report["nicknames"]] == [("francisco", "paco")]
    if not as_new:
        assert found.assignments == first.assignments
