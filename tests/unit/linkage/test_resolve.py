"""Records of persons who are known: found again, in any order, under ids that stay."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from benchmarks.persons import CONFIG, write
from cdap.cli.identity import app
from cdap.errors import CdapError, ConfigurationError
from cdap.linkage import strangers
from cdap.linkage.config import LinkageConfig, load_linkage_config
from cdap.linkage.evaluation import evaluate
from cdap.linkage.evidence import LEVELS
from cdap.linkage.fields import KINDS, kind_of
from cdap.linkage.files import read_clusters, read_truth
from cdap.linkage.model import CLASSES, MOST_DRIFT, MOST_JUNIORS, Model, ModelError
from cdap.linkage.prepare import RecordsError
from cdap.linkage.resolve import resolve

RECORDS = 1200


@pytest.fixture(scope="module", autouse=True)
def _fewer_random_pairs() -> Iterator[None]:
    """What strangers have in common needs no such sample of so few records."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(strangers, "SAMPLE", 20_000)
        yield


@pytest.fixture(scope="module")
def persons(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("persons") / "persons.parquet"
    assert write(file, RECORDS, seed=11) == RECORDS
    return file


@pytest.fixture(scope="module")
def members(persons: Path) -> dict[str, str]:
    return {a.unique_id: a.customer_id for a in resolve(persons, CONFIG).assignments}


def parts(members: dict[str, str]) -> set[frozenset[str]]:
    found: dict[str, set[str]] = {}
    for record, customer in members.items():
        found.setdefault(customer, set()).add(record)
    return {frozenset(records) for records in found.values()}


def test_persons_with_typos_moves_and_families_are_told_apart(persons: Path, members: dict[str, str]) -> None:
    result = evaluate(members, read_truth(persons))
    assert result.records == RECORDS and result.unresolved == 0
    assert result.f1 > 0.92, result
    assert result.over_merged_customers < 0.05, result


def test_neither_the_order_of_the_records_nor_of_their_columns_matters(
    persons: Path, members: dict[str, str], tmp_path: Path
) -> None:
    table = pq.read_table(persons)
    order = list(range(table.num_rows))
    random.Random(3).shuffle(order)
    other = tmp_path / "shuffled.parquet"
    pq.write_table(table.take(order).select(list(reversed(table.column_names))), other)
    assert {a.unique_id: a.customer_id for a in resolve(other, CONFIG).assignments} == members


def test_a_saved_model_finds_what_it_found_when_it_was_trained(
    persons: Path, members: dict[str, str], tmp_path: Path
) -> None:
    file = tmp_path / "model.json"
    resolve(persons, CONFIG).model.save(file)
    again = resolve(persons, CONFIG, model=file)
    assert {a.unique_id: a.customer_id for a in again.assignments} == members


def test_customers_keep_the_ids_of_an_earlier_run_when_records_come_and_go(
    persons: Path, members: dict[str, str], tmp_path: Path
) -> None:
    table = pq.read_table(persons)
    fewer = tmp_path / "fewer.parquet"
    pq.write_table(table.slice(0, RECORDS - 100), fewer)
    earlier = {record: f"old_{customer}" for record, customer in members.items()}
    now = {a.unique_id: a.customer_id for a in resolve(fewer, CONFIG, previous=earlier).assignments}
    before = parts({record: customer for record, customer in members.items() if record in now})
    stayed = before & parts(now)
    assert len(stayed) > 0.95 * len(before)
    for part in stayed:
        record = next(iter(part))
        assert now[record] == earlier[record]


def test_a_probability_is_one_and_a_household_holds_whole_customers(persons: Path) -> None:
    result = resolve(persons, CONFIG)
    home: dict[str, str] = {}
    for assignment in result.assignments:
        assert 0 < assignment.cluster_probability <= 1
        assert home.setdefault(assignment.customer_id, assignment.household_id) == assignment.household_id
    assert len(set(home.values())) < len(home)


def test_records_that_nobody_else_is_like_and_a_single_one_are_customers(tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text("unique_id: id\nfields: {full_name: name, email: mail}\n")
    one = tmp_path / "one.csv"
    one.write_text("id,name,mail\n1,Ann Lee,a@x.org\n")
    (only,) = resolve(one, load_linkage_config(config)).assignments
    assert (only.unique_id, only.cluster_probability) == ("1", 1.0)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("id,name\n1,Ann\n1,Bo\n", "there 1 times again"),
        ("id,name\n,Ann\n2,Bo\n", "is missing 1 times"),
        ("number,name\n1,Ann\n", "it has no column id"),
    ],
)
def test_a_file_that_is_not_as_its_configuration_says_is_told(tmp_path: Path, text: str, found: str) -> None:
    config, records = tmp_path / "config.yaml", tmp_path / "records.csv"
    config.write_text("unique_id: id\nfields: {first_name: name}\n")
    records.write_text(text)
    with pytest.raises(RecordsError, match=found):
        resolve(records, load_linkage_config(config))


def test_columns_that_tell_nothing_are_an_error(tmp_path: Path) -> None:
    config, records = tmp_path / "config.yaml", tmp_path / "records.csv"
    config.write_text("unique_id: id\nfields: {first_name: name}\n")
    records.write_text("id,name\n1,Ann\n2,Ann\n3,\n")
    with pytest.raises(CdapError, match="no column that is named tells records apart"):
        resolve(records, load_linkage_config(config))


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("unique_id: id\nfields: {}\n", "fields"),
        ("unique_id: id\nfields: {birth_date: {day: d}}\n", "fields.birth_date"),
        ("unique_id: id\nfields: {nick: n}\n", "fields.nick"),
    ],
)
def test_a_wrong_configuration_names_the_field(tmp_path: Path, text: str, field: str) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(text)
    with pytest.raises(ConfigurationError, match=f"field {field}"):
        load_linkage_config(config)


def test_a_file_that_is_no_model_or_of_other_fields_is_refused(persons: Path, tmp_path: Path) -> None:
    file = tmp_path / "model.json"
    file.write_text("{}")
    with pytest.raises(ModelError, match="it is not a model"):
        Model.load(file, ["first"])
    resolve(persons, CONFIG).model.save(file)
    with pytest.raises(ModelError, match="last"):
        Model.load(file, ["first"])


def test_the_command_resolves_a_file_and_evaluates_what_it_wrote(persons: Path, tmp_path: Path) -> None:
    config, out = tmp_path / "config.yaml", tmp_path / "out.csv"
    config.write_text(json.dumps(CONFIG.model_dump(mode="json", exclude_none=True)))
    run = CliRunner().invoke(
        app, ["resolve", "--records", str(persons), "--config", str(config), "--out", str(out), "--json"]
    )
    assert run.exit_code == 0, run.output
    assert json.loads(run.stdout.splitlines()[-1])["records"] == RECORDS
    assert len(read_clusters(out)) == RECORDS
    run = CliRunner().invoke(app, ["evaluate", "--clusters", str(out), "--truth", str(persons), "--json"])
    assert json.loads(run.stdout)["f1"] > 0.92


def test_two_accounts_of_a_person_say_nothing_and_one_of_two_records_much(persons: Path, tmp_path: Path) -> None:
    table = pq.read_table(persons)
    own, of_person = table["unique_id"].to_pylist(), table["person_id"].to_pylist()
    # A shop's records have an account each; every other record of the CRM names one of the person's in the shop.
    shop = {person: key for key, person in zip(own, of_person, strict=True) if key.startswith("shop:")}
    accounts = [
        key if key.startswith("shop:") else shop.get(person) if number % 2 else None
        for number, (key, person) in enumerate(zip(own, of_person, strict=True))
    ]
    file = tmp_path / "accounts.parquet"
    pq.write_table(table.append_column("account", [accounts]), file)

    def f1(**more: list[str]) -> float:
        fields = {**CONFIG.fields.model_dump(exclude_none=True), **more}
        config = LinkageConfig.model_validate({"unique_id": "unique_id", "fields": fields})
        members = {a.unique_id: a.customer_id for a in resolve(file, config).assignments}
        return evaluate(members, read_truth(file)).f1

    assert f1(accounts=["account"]) >= f1()
    assert f1(accounts=["account"]) > f1(ids=["account"]) + 0.03


def test_the_page_of_evidence_tells_weights_scores_and_doubtful_customers(persons: Path, tmp_path: Path) -> None:
    config, out, page = tmp_path / "config.yaml", tmp_path / "out.csv", tmp_path / "evidence.html"
    config.write_text(json.dumps(CONFIG.model_dump(mode="json", exclude_none=True)))
    arguments = ["resolve", "--records", str(persons), "--config", str(config), "--out", str(out)]
    run = CliRunner().invoke(app, [*arguments, "--evidence", str(page)])
    assert run.exit_code == 0, run.output
    text = page.read_text(encoding="utf-8")
    for title in ("What agreement weighs", "How the scores lie", "How large customers are", "Customers to look at"):
        assert f"<h2>{title}</h2>" in text
    assert "birth_date" in text and "one digit off, or day and month changed round" in text
    clusters = read_clusters(out)
    sizes = Counter(Counter(clusters.values()).values())
    for size, count in sizes.items():
        assert f'<td class="n">{size}</td><td class="n">{count:,}</td>' in text
    assert "http" not in text.replace("http://www.w3.org", ""), "the page loads nothing"


def test_every_level_of_every_kind_has_words() -> None:
    for kind, known in KINDS.items():
        assert len(LEVELS.get(kind, ())) == len(known.levels), kind


def _syllables(number: int) -> str:
    parts = ("ba", "ke", "lo", "mi", "nu", "ra", "se", "to", "vi", "zu")
    return "".join(parts[(number // 10**place) % 10] for place in range(3)).title()


def test_namesakes_of_one_town_are_not_one_person_who_moved(tmp_path: Path) -> None:
    """Towns and names go together, as in a set of several countries: agreeing on all three says little."""
    chosen = random.Random(5)
    rows = ["id,first,last,town,street,phone,born"]
    for person in range(1500):
        country = person % 6
        first, last = f"{_syllables(country * 11 + person % 7)}", f"{_syllables(country * 13 + person % 11)}"
        street, phone = f"{chosen.randrange(200)} {_syllables(chosen.randrange(400))}", f"{chosen.randrange(10**8):08}"
        birthday = f"19{chosen.randrange(10, 99)}-0{chosen.randrange(1, 10)}-{chosen.randrange(10, 29)}"
        for copy in range(2):
            born = "" if chosen.random() < 0.4 else birthday
            line = f"{person}-{copy},{first},{last},Town{country}{person % 3},{street},{phone},{born}"
            rows.append(line)
    file, config = tmp_path / "countries.csv", tmp_path / "countries.yaml"
    file.write_text("\n".join(rows) + "\n", encoding="utf-8")
    config.write_text(
        "unique_id: id\nfields: {first_name: first, last_name: last, city: town, street: street, phone: phone, "
        "birth_date: born}\n",
        encoding="utf-8",
    )
    members = {a.unique_id: a.customer_id for a in resolve(file, load_linkage_config(config)).assignments}
    wrong = [part for part in parts(members) if len({record.split("-")[0] for record in part}) > 1]
    assert len(wrong) <= 5, wrong[:5]


def test_persons_stay_persons_and_juniors_few_whatever_is_learned(persons: Path) -> None:
    """Else expectation-maximisation takes a family for one person whose first names differ."""
    model = resolve(persons, CONFIG).model
    share = dict(zip(CLASSES, model.shares, strict=True))
    assert 0 <= share["juniors"] <= MOST_JUNIORS * share["household"] * 1.01
    for name in model.fields:
        assert model.person[name][0] <= MOST_DRIFT * KINDS[kind_of(name)].person[-1] + 1e-9, name
