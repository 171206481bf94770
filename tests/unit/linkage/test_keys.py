"""What the keys of candidate pairs let through is estimated without knowing who is whom."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from benchmarks.persons import CONFIG, write
from cdap.linkage import keys, needed_keys, resolve
from cdap.linkage.database import database
from cdap.linkage.keys import Key
from cdap.linkage.stages import compare_all, timing

RECORDS = 2000


@pytest.fixture(scope="module")
def persons(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("persons") / "persons.parquet"
    write(file, RECORDS, seed=3)
    return file


@pytest.mark.parametrize(
    ("chosen", "least"),
    [
        (lambda _: True, 0.99),
        (lambda key: key.parts in (('"email"',), ('"phone"',), ('"last"', '"dob"')), 0.8),
    ],
)
def test_the_recall_of_keys_is_estimated_near_what_it_is(
    persons: Path, chosen: Callable[[Key], bool], least: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    every = keys.keys
    monkeypatch.setattr(keys, "keys", lambda fields: [key for key in every(fields) if chosen(key)])
    estimated = resolve.resolve(persons, CONFIG).report["recall_of_keys"]
    with database() as db:
        compare_all(db, CONFIG, persons, None, timing({}))
        uids = [uid for (uid,) in db.execute("select uid from r order by i").fetchall()]
        proposed = {(uids[a], uids[b]) for a, b in db.execute("select a, b from pairs").fetchall()}
    rows = pq.read_table(persons, columns=["unique_id", "person_id"]).to_pylist()
    of = {row["unique_id"]: row["person_id"] for row in rows}
    members: dict[str, list[str]] = {}
    for uid in uids:
        members.setdefault(of[uid], []).append(uid)
    true = {(a, b) for same in members.values() for place, a in enumerate(same) for b in same[place + 1 :]}
    recall = len(true & proposed) / len(true)
    assert recall > least
    assert estimated == pytest.approx(recall, abs=0.05)


def test_nothing_is_estimated_where_one_kind_of_key_is_all(persons: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    every = keys.keys
    monkeypatch.setattr(keys, "keys", lambda fields: [key for key in every(fields) if key.parts == ('"email"',)])
    assert resolve.resolve(persons, CONFIG).report["recall_of_keys"] is None


def test_a_model_looks_up_what_it_needs_and_finds_what_its_training_run_found(
    persons: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of few records all keys are looked up; the same by the keys that are needed is hardly less."""
    every = resolve.resolve(persons, CONFIG)
    assert every.model.statistics is not None
    monkeypatch.setattr(needed_keys, "FEW_RECORDS", 0)
    trained = resolve.resolve(persons, CONFIG)
    trained.model.save(tmp_path / "model.json")
    again = resolve.resolve(persons, CONFIG, model=tmp_path / "model.json")
    assert again.assignments == trained.assignments
    assert again.report["pairs"] < 0.8 * every.report["pairs"]
    assert trained.model.statistics is not None
    assert again.report["keys"] == trained.model.statistics.keys < 0.3 * every.model.statistics.keys
    apart = {of.unique_id: of.customer_id for of in every.assignments}
    differing = [of for of in trained.assignments if of.customer_id != apart[of.unique_id]]
    assert len(differing) <= 0.002 * RECORDS
