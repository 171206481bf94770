"""What people and identifiers say holds, whatever the scores are."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from benchmarks.persons import CONFIG, write
from cdap.cli.identity import app
from cdap.errors import CdapError, ConfigurationError
from cdap.linkage.clusters import Scored, link
from cdap.linkage.config import load_linkage_config
from cdap.linkage.constraints import Constraints, Decision, Indices, components
from cdap.linkage.resolve import resolve

RECORDS = 900


@settings(max_examples=80, deadline=None)
@given(st.data())
def test_clusters_keep_constraints_and_only_differ_where_those_hold_something(data: st.DataObject) -> None:
    size = data.draw(st.integers(2, 12))
    seed = data.draw(st.integers(0, 10**6))
    chance = np.random.default_rng(seed)
    a, b = np.triu_indices(size, 1)
    scores = np.clip(chance.normal(1, 5, len(a)), -4, 12)
    pairs = Scored(a.astype(np.int64), b.astype(np.int64), scores, chance.uniform(0.1, 1, len(a)))
    codes = st.lists(st.integers(-1, 2), min_size=size, max_size=size).map(lambda v: np.array(v, np.int64))
    of_pairs = st.lists(st.sampled_from(list(zip(a.tolist(), b.tolist(), strict=True))), max_size=3)
    together = data.draw(of_pairs)
    joined = components(size, *sides(together))
    apart = [(x, y) for x, y in data.draw(of_pairs) if joined[x] != joined[y]]
    constraints = Constraints((data.draw(codes),), (data.draw(codes),), sides(together), sides(apart))

    def none_left(_records: Indices, _component: Indices) -> Scored:
        return Scored(*(np.zeros(0, np.int64),) * 2, *(np.zeros(0),) * 2)

    cluster = link(size, pairs, none_left, constraints).cluster
    forbidden = constraints.forbidden(np.arange(size))
    for x, y in together:
        assert cluster[x] == cluster[y]
    for x, y in apart:
        assert cluster[x] != cluster[y]
    for x, y in zip(*np.nonzero(forbidden if forbidden is not None else np.zeros((0, 0))), strict=True):
        # Only what somebody linked, maybe by way of others, is over an identifier.
        assert cluster[x] != cluster[y] or joined[x] == joined[y]
    if forbidden is None or not (together or forbidden.any()):
        assert (cluster == link(size, pairs, none_left).cluster).all()


def sides(pairs: list[tuple[int, int]]) -> tuple[Indices, Indices]:
    return np.array([x for x, _ in pairs], np.int64), np.array([y for _, y in pairs], np.int64)


@pytest.fixture(scope="module")
def persons(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("persons") / "persons.parquet"
    write(file, RECORDS, seed=5)
    return file


def test_decisions_hold_in_every_run_and_change_nothing_else(persons: Path) -> None:
    before = {a.unique_id: a.customer_id for a in resolve(persons, CONFIG).assignments}
    of: dict[str, list[str]] = {}
    for record, customer in before.items():
        of.setdefault(customer, []).append(record)
    pair = next(records for records in of.values() if len(records) == 2)
    alone = [records[0] for records in of.values() if len(records) == 1][:2]
    decisions = [Decision(*pair, "unlink"), Decision(*alone, "link"), Decision("gone", alone[0], "link")]
    after = {a.unique_id: a.customer_id for a in resolve(persons, CONFIG, decisions=decisions).assignments}
    assert after[pair[0]] != after[pair[1]] and after[alone[0]] == after[alone[1]]
    others = set(before) - {*pair, *alone}
    assert all((before[x] == before[y]) == (after[x] == after[y]) for x in list(others)[:60] for y in others)

    contradicting = [*decisions, Decision(pair[0], alone[0], "link"), Decision(alone[1], pair[1], "link")]
    with pytest.raises(CdapError, match="told apart, and yet links join them"):
        resolve(persons, CONFIG, decisions=contradicting)


def test_the_command_keeps_exclusive_ids_unique_sources_and_decisions(tmp_path: Path) -> None:
    records, config, decisions, out = (tmp_path / name for name in ("r.csv", "c.yaml", "d.csv", "o.csv"))
    lines = ["id,system,first,last,born,mail,card"]
    for n in range(300):
        name = f"{'aeiou'[n % 5]}{chr(98 + n % 20)}{chr(98 + n // 20 % 20)}o"
        person = f"{name},{name[::-1]}er,19{10 + n % 89}-0{1 + n % 9}-1{n % 9},{name}{n}@x.org"
        lines += [f"s{n},shop,{person},{n}", f"c{n},crm,{person},{n if n % 3 else ''}"]
    # The same person by everything but the card; twice in the shop, which holds each person once.
    lines += ["x0,crm,abbo,obbaer,1910-01-10,abbo0@x.org,999", "x1,shop,ebdo,odbeer,1911-02-11,ebdo1@x.org,"]
    records.write_text("\n".join(lines) + "\n", encoding="utf-8")
    config.write_text(
        "unique_id: id\nsource: system\nexclusive: [card]\nunique_sources: [shop]\n"
        "fields: {first_name: first, last_name: last, birth_date: born, email: mail, ids: [card]}\n",
        encoding="utf-8",
    )
    decisions.write_text("a,b,decision\ns7,s8,link\ns9,c9,unlink\n", encoding="utf-8")
    arguments = ["resolve", "--records", records, "--config", config, "--out", out, "--decisions", decisions, "--json"]
    ran = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert ran.exit_code == 0, ran.output
    assert json.loads(ran.output)["records"] == len(lines) - 1
    with out.open(encoding="utf-8") as file:
        customer = {row["unique_id"]: row["customer_id"] for row in csv.DictReader(file)}
    assert customer["s20"] == customer["c20"], "what nothing forbids is joined"
    assert customer["x0"] != customer["s0"], "two cards are two persons"
    assert len({customer[f"s{n}"] for n in range(300)} | {customer["x1"]}) == 300, "all but s7 and s8 are apart"
    assert customer["s7"] == customer["s8"]
    assert customer["s9"] != customer["c9"]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("exclusive: [card]\nfields: {last_name: l}", "card"),
        ("unique_sources: [crm]\nfields: {last_name: l}", "source"),
    ],
)
def test_a_constraint_on_what_is_not_there_is_refused(tmp_path: Path, text: str, found: str) -> None:
    file = tmp_path / "c.yaml"
    file.write_text(f"unique_id: id\n{text}\n", encoding="utf-8")
    with pytest.raises(ConfigurationError, match=found):
        load_linkage_config(file)
