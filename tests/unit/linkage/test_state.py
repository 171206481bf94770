"""A state that is brought to the records of each day holds what a resolution of all of them would find."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from benchmarks.persons import CONFIG, write
from cdap.cli.identity import app
from cdap.linkage import keys, needed_keys, strangers, update
from cdap.linkage.constraints import Decision
from cdap.linkage.files import read_clusters
from cdap.linkage.model import Model
from cdap.linkage.normalise import fields_of
from cdap.linkage.resolve import Resolution, resolve
from cdap.linkage.state import State, StateError

RECORDS = 300
COLUMNS = ("first_name", "last_name", "birth_date", "email", "phone", "street", "city", "postcode")
Rows = dict[str, dict[str, Any]]


@pytest.fixture(scope="module", autouse=True)
def _few_pairs_a_key() -> Iterator[None]:
    """Small budgets, so that blocks grow too large and shrink again among a few hundred records; and the keys that are
    needed alone, as of many records."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(strangers, "SAMPLE", 20_000)
        patch.setattr(keys, "PLAIN_BUDGET", (0.4, 0.4))
        patch.setattr(keys, "PART_BUDGET", (0.1, 0.1))
        patch.setattr(needed_keys, "FEW_RECORDS", 0)
        yield


@cache
def population() -> list[dict[str, Any]]:
    """Not a fixture, since Hypothesis would print all of it."""
    with TemporaryDirectory() as folder:
        file = Path(folder) / "persons.parquet"
        write(file, RECORDS, seed=5)
        rows: list[dict[str, Any]] = pq.read_table(file).to_pylist()
        return rows


def written(rows: Rows, folder: Path) -> Path:
    file = folder / "records.parquet"
    names = ("unique_id", "source", *COLUMNS)
    chosen = [{name: row[name] for name in names} for row in rows.values()]
    pq.write_table(pa.Table.from_pylist(chosen, schema=pa.schema([(name, pa.string()) for name in names])), file)
    return file


class World:
    """Records that come, go and change by chance, with the decisions on them."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.population = population()
        chosen = self.random.sample(self.population, RECORDS * 2 // 3)
        self.rows: Rows = {row["unique_id"]: dict(row) for row in chosen}
        self.decisions: list[Decision] = []
        self.copied = 0

    def change(self, what: str, times: int) -> None:
        for _ in range(times):
            getattr(self, f"_{what}")()

    def _one(self) -> dict[str, Any]:
        return self.rows[self.random.choice(sorted(self.rows))]

    def _add(self) -> None:
        row = self.random.choice(self.population)
        self.rows[row["unique_id"]] = dict(row)

    def _delete(self) -> None:
        if len(self.rows) > RECORDS // 2:
            del self.rows[self._one()["unique_id"]]

    def _alter(self) -> None:
        row, other, column = self._one(), self._one(), self.random.choice(COLUMNS)
        row[column] = self.random.choice([other[column], other[column], None, "x"])

    def _copy(self) -> None:
        """A group of the same records grows: over the number that is compared."""
        row = self.random.choice(self.population[:2])
        for _ in range(self.random.randint(1, 15)):
            # Before and behind the others in the order of ids.
            uid = f"{self.random.choice('az')}copy{self.copied:04d}"
            self.copied += 1
            self.rows[uid] = {**row, "unique_id": uid}

    def _uncopy(self) -> None:
        copies = sorted(uid for uid in self.rows if "copy" in uid)
        for uid in self.random.sample(copies, min(len(copies), 12)):
            del self.rows[uid]

    def _decide(self) -> None:
        a, b = sorted((self._one()["unique_id"], self._one()["unique_id"]))
        # Links among a few and never of two that are told apart otherwise, as two copies of one record may be.
        if a != b and "copy" not in a + b and not {a, b} & {uid for of in self.decisions for uid in (of.a, of.b)}:
            self.decisions.append(Decision(a, b, self.random.choice(["link", "unlink"])))

    def _undecide(self) -> None:
        if self.decisions:
            self.decisions.remove(self.random.choice(self.decisions))


def told(found: Resolution) -> tuple[set[Any], set[Any]]:
    links = {(of.record_a, of.record_b, of.agreement, of.bits, of.evidence, of.holds) for of in found.links}
    assert len(links) == len(found.links)
    return set(found.assignments), links


CHANGES = st.lists(
    st.tuples(
        st.sampled_from(["add", "delete", "alter", "alter", "copy", "uncopy", "decide", "undecide"]),
        st.integers(1, 25),
    ),
    max_size=4,
)


def brought(state: Path, file: Path, world: World, model: Path | None = None) -> tuple[dict[str, Any], Resolution]:
    with State.open(state, CONFIG, threads=2) as kept:
        report = kept.bring_to(file, decisions=world.decisions)
        if model is not None:
            kept.model.save(model)
        return report, kept.told(report)


# Without the phase that looks for a smaller failure: each example takes seconds.
PHASES = [Phase.explicit, Phase.reuse, Phase.generate]


@settings(max_examples=3, deadline=None, suppress_health_check=list(HealthCheck), phases=PHASES)
@given(seed=st.integers(0, 2**16), days=st.lists(CHANGES, min_size=2, max_size=4))
def test_a_state_holds_what_a_resolution_of_all_records_finds(seed: int, days: list[list[tuple[str, int]]]) -> None:
    world = World(seed)
    with TemporaryDirectory() as name:
        folder = Path(name)
        model = folder / "model.json"
        previous: dict[str, str] = {}
        for number, changes in enumerate([[], *days]):
            for what, times in changes:
                world.change(what, times)
            file = written(world.rows, folder)
            report, found = brought(folder / "state", file, world, model)
            # Begun anew when the records have become twice as many.
            assert number or report["state"] == "begun"
            whole = resolve(
                file, CONFIG, model=model, previous=previous, decisions=world.decisions, tell_links=True, threads=2
            )
            assert told(found) == told(whole)
            assert report["customers"] == whole.report["customers"]
            assert report["households"] == whole.report["households"]
            previous = {of.unique_id: of.customer_id for of in whole.assignments}


def test_a_run_that_fails_while_it_writes_leaves_the_state_of_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(3)
    state = tmp_path / "state"
    _, before = brought(state, written(world.rows, tmp_path), world)
    for what in ("add", "alter", "delete", "copy", "decide"):
        world.change(what, 5)
    file = written(world.rows, tmp_path)
    whole = tmp_path / "whole"
    shutil.copy(state, whole)
    _, after = brought(whole, file, world)
    assert told(after) != told(before)

    class Breaking:
        """A connection that fails at a statement of the last stage."""

        def __init__(self, db: duckdb.DuckDBPyConnection, statements: int) -> None:
            self.db, self.statements = db, statements

        def execute(self, query: str) -> Any:
            self.statements -= query != "rollback"
            if self.statements < 0:
                raise KeyboardInterrupt
            return self.db.execute(query)

    keep = update._keep
    for statements in (1, 3, 8, 15):
        monkeypatch.setattr(update, "_keep", lambda db, fields, of=statements: keep(Breaking(db, of), fields))
        with pytest.raises(KeyboardInterrupt):
            brought(state, file, world)
        with State.open(state, CONFIG) as kept:
            assert told(kept.told({})) == told(before)
    monkeypatch.setattr(update, "_keep", keep)
    _, again = brought(state, file, world)
    assert told(again) == told(after)


def test_a_state_is_begun_anew_when_it_no_longer_serves_and_ids_stay(tmp_path: Path) -> None:
    world = World(4)
    state = tmp_path / "state"
    report, first = brought(state, written(world.rows, tmp_path), world)
    assert report["state"] == "begun"
    few = {uid: world.rows[uid] for uid in sorted(world.rows)[: len(world.rows) // 3]}
    report, second = brought(state, written(few, tmp_path), world)
    assert report["state"] == "begun" and report["records"] == len(few)
    customers = {of.unique_id: of.customer_id for of in first.assignments}
    kept = [of.unique_id for of in second.assignments if of.customer_id == customers[of.unique_id]]
    assert len(kept) > 0.9 * len(few)


def test_junk_that_comes_and_other_people_begin_it_anew_by_the_same_model(tmp_path: Path) -> None:
    world = World(5)
    state, model = tmp_path / "state", tmp_path / "model.json"
    report, first = brought(state, written(world.rows, tmp_path), world, model)
    before = {of.unique_id: of.customer_id for of in first.assignments}
    shares = Model.load(model, fields_of(CONFIG)).person["last"]
    for uid in sorted(world.rows)[:60]:
        world.rows[uid]["email"] = "info@shop.example"
    report, found = brought(state, written(world.rows, tmp_path), world, model)
    assert report["state"] == "begun"
    assert {"field": "email", "value": "info@shop.example", "records": 60} in report["junk"]
    assert (Model.load(model, fields_of(CONFIG)).person["last"] == shares).all()
    file = written(world.rows, tmp_path)
    assert told(found) == told(resolve(file, CONFIG, model=model, previous=before, tell_links=True))
    world.change("alter", 3)
    report, _ = brought(state, written(world.rows, tmp_path), world)
    assert report["state"] == "updated"
    for place, uid in enumerate(sorted(world.rows)):
        world.rows[uid] |= {"first_name": f"Q{'abcdefghij'[place % 10]}rst", "city": f"Z{place % 7}t"}
    report, _ = brought(state, written(world.rows, tmp_path), world)
    assert report["state"] == "begun"


def test_a_file_that_is_no_state_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "state"
    file.write_text("not a state")
    with pytest.raises(StateError, match="Opening the state"), State.open(file, CONFIG):
        pass


def test_the_command_keeps_a_state(tmp_path: Path) -> None:
    world = World(6)
    config, out, again = tmp_path / "config.yaml", tmp_path / "out.csv", tmp_path / "again.csv"
    config.write_text(json.dumps(CONFIG.model_dump(mode="json", exclude_none=True)), encoding="utf-8")
    command = ["resolve", "--config", str(config), "--state", str(tmp_path / "state"), "--json"]
    for number, file in enumerate((out, again)):
        world.change("alter", number)
        records = written(world.rows, tmp_path)
        result = CliRunner().invoke(app, [*command, "--records", str(records), "--out", str(file)])
        assert result.exit_code == 0, result.output
    report = json.loads(result.stdout.splitlines()[-1])
    assert report["state"] == "updated" and report["changed"] == 1
    assert read_clusters(out).keys() == read_clusters(again).keys() == world.rows.keys()
