"""Persons found by the model from the warehouse's records: trained once, then used; decisions; links that explain."""

from __future__ import annotations

import json
from collections import defaultdict
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from benchmarks import persons
from cdap.identity import IdentityConfig, ResolutionSummary, load_identity_config
from cdap.identity.matching import ModelMatcher
from cdap.identity.models import ModelStore
from cdap.identity.pages import EvidencePages
from cdap.identity.preview import compare
from cdap.linkage import strangers
from cdap.linkage.config import Roles
from cdap.linkage.evaluation import evaluate
from cdap.linkage.files import read_truth
from cdap.linkage.model import ModelError
from tests.unit.identity.conftest import DuckDbSession, LocalExchange, Objects, resolved

CONFIG = load_identity_config(Path(__file__).parents[3] / "config" / "identity.yaml")
RECORDS = 600
START = datetime(2026, 1, 1)  # noqa: DTZ001 - the log's times are UTC without zone
AFTER = str(START + timedelta(days=9))

Records = dict[str, dict[str, Any]]


@pytest.fixture(scope="module", autouse=True)
def _fewer_random_pairs() -> Any:
    """What strangers have in common needs no such sample of so few records."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(strangers, "SAMPLE", 20_000)
        yield


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("persons") / "persons.parquet"
    persons.write(file, RECORDS, seed=11)
    return file


@pytest.fixture(scope="module")
def records(file: Path) -> Records:
    columns = ("source", "first_name", "last_name", "birth_date", "email", "phone", "street", "city", "postcode")
    return {row["unique_id"]: {name: row[name] for name in columns} for row in pq.read_table(file).to_pylist()}


class Platform:
    """A warehouse with the models that were kept for it."""

    def __init__(self) -> None:
        self.session, self.objects, self.days = DuckDbSession(), Objects(), 0

    def matcher(self, config: IdentityConfig = CONFIG) -> ModelMatcher:
        return ModelMatcher(
            config, LocalExchange(), ModelStore(self.objects, "lake"), EvidencePages(self.objects, "lake")
        )

    def day(self, records: Records, config: IdentityConfig = CONFIG) -> ResolutionSummary:
        self.days += 1
        self.session.replace_records(records)
        return resolved(
            self.session, f"day {self.days}", START + timedelta(days=self.days), matcher=self.matcher(config)
        )

    def edges(self) -> list[tuple[Any, ...]]:
        return self.session.fetch_all(
            "select record_key_a, record_key_b, rule, bits, evidence, used from identity.edges where known_to is null"
        )

    def decide(self, a: str, b: str, decision: str) -> None:
        self.session.execute(
            "insert into identity.decisions values (%s, %s, %s, 'ann', null, %s, null)", [a, b, decision, START]
        )


@pytest.fixture
def platform() -> Platform:
    return Platform()


def test_persons_are_found_by_a_model_that_is_trained_once(platform: Platform, records: Records, file: Path) -> None:
    first = platform.day(records)
    assert first.trained and first.records == RECORDS
    members = platform.session.members()
    truth = evaluate(members, read_truth(file))
    assert truth.f1 > 0.9 and truth.unresolved == 0, truth
    page = platform.objects.held["lake/identity/evidence/latest.html"].decode()
    assert f"Who is whom, by model {first.model}" in page and f"{RECORDS:,} records are" in page
    log = platform.session.log()
    again = platform.day(records)
    assert not again.trained and again.model == first.model and again.events == {}
    assert platform.session.log() == log


def test_every_customer_is_held_together_by_links_that_say_why(platform: Platform, records: Records) -> None:
    summary = platform.day(records)
    members, joined = platform.session.members(), defaultdict(set)
    for a, b, rule, bits, evidence, used in platform.edges():
        assert used == (members[a] == members[b])
        assert rule and bits > (0 if used else -3.1)
        assert set(json.loads(evidence)) <= {*Roles.model_fields, "account_id", "country", "base"}
        assert sum(json.loads(evidence).values()) == pytest.approx(bits, abs=0.6)
        assert {name for name in rule.split(",") if name != "alike"} <= set(json.loads(evidence))
        if used:
            joined[a].add(b)
            joined[b].add(a)
    assert summary.links == sum(map(len, joined.values())) / 2 > 0
    for record, customer in members.items():
        reached, frontier = {record}, {record}
        while frontier:
            frontier = set().union(*(joined[of] for of in frontier)) - reached
            reached |= frontier
        assert reached == {other for other, of in members.items() if of == customer}


def test_a_model_is_trained_anew_when_the_records_outgrow_it_or_others_are_compared(
    platform: Platform, records: Records
) -> None:
    half = dict(list(records.items())[: RECORDS // 2 - 10])
    small = platform.day(half)
    more = dict(list(records.items())[: RECORDS - 20])
    assert not platform.day(more).trained
    grown = platform.day(records)
    assert grown.trained and grown.model != small.model
    fewer = CONFIG.model_dump()
    fewer["compare"]["street"] = None
    without_street = IdentityConfig.model_validate(fewer)
    other = platform.day(records, without_street)
    assert other.trained and other.model != grown.model
    known = platform.session.fetch_all("select model, known_to is null from identity.models order by known_from")
    assert [model for model, _ in known] == [small.model, grown.model, other.model]
    assert [current for _, current in known] == [False, False, True]
    assert len([key for key in platform.objects.held if "/models/" in key]) == 3


def test_customers_whose_records_stay_together_keep_their_ids_under_a_new_model(
    platform: Platform, records: Records
) -> None:
    platform.day(records)
    before = platform.session.members()
    with platform.session.transaction():
        release = platform.matcher().train(platform.session, "train", AFTER)
    assert release is not None
    summary = platform.day(records)
    assert summary.model == release.model
    assert platform.session.members() == before


def test_decisions_join_and_part_whatever_the_model_says(platform: Platform, records: Records) -> None:
    platform.day(records)
    members = platform.session.members()
    joined = next((a, b) for a, b, *_, used in sorted(platform.edges()) if used)
    strangers_of = [record for record in sorted(members) if members[record] != members[joined[0]]]
    platform.decide(*joined, "unlink")
    platform.decide(strangers_of[0], strangers_of[-1], "link")
    platform.day(records)
    after = platform.session.members()
    assert after[joined[0]] != after[joined[1]]
    assert after[strangers_of[0]] == after[strangers_of[-1]]
    assert (*sorted((strangers_of[0], strangers_of[-1])), "decision", None, "{}", True) in platform.edges()


def test_a_proposal_changes_nothing_and_is_what_a_run_would_make(platform: Platform, records: Records) -> None:
    half = dict(list(records.items())[: RECORDS // 2])
    platform.day(half)
    log = platform.session.log()
    platform.session.replace_records(records)
    proposed = platform.matcher().propose(platform.session).members
    assert platform.session.log() == log
    fresh = Platform()
    fresh.day(records)
    assert compare(fresh.session.members(), proposed).changes == ()


def test_what_was_previewed_is_released_and_no_model_of_something_else(
    platform: Platform, records: Records, tmp_path: Path
) -> None:
    half = dict(list(records.items())[: RECORDS // 2])
    first = platform.day(half)
    platform.session.replace_records(records)
    proposal = platform.matcher().propose(platform.session)
    assert proposal.model is not None
    proposal.model.save(tmp_path / "model.json")
    with platform.session.transaction():
        release = platform.matcher().release(platform.session, tmp_path / "model.json", "release", AFTER)
    assert release.model != first.model and release.records == RECORDS
    summary = platform.day(records)
    assert (summary.model, summary.trained) == (release.model, False)
    assert compare(platform.session.members(), proposal.members).changes == ()
    # Once more it is the same release, and nothing is written.
    log = platform.session.log()
    with platform.session.transaction():
        assert platform.matcher().release(platform.session, tmp_path / "model.json", "again", AFTER) == release
    assert platform.session.log() == log
    other = json.loads((tmp_path / "model.json").read_text())
    other["fields"].append("id_passport")
    (tmp_path / "other.json").write_text(json.dumps(other))
    with pytest.raises(ModelError, match="id_passport"), platform.session.transaction():
        platform.matcher().release(platform.session, tmp_path / "other.json", "wrong", AFTER)
    assert platform.session.log() == log


def test_no_record_is_no_customer_and_no_model(platform: Platform) -> None:
    summary = platform.day({})
    assert (summary.records, summary.customers, summary.trained) == (0, 0, False)
    assert platform.matcher().train(platform.session, "train", str(START)) is None
    one = platform.day({"s.c:1": {"source": "s", "email": "ann@x.org"}})
    assert (one.records, one.customers) == (1, 1)


def test_a_run_that_is_killed_leaves_nothing_and_can_be_run_again(platform: Platform, records: Records) -> None:
    whole = Platform()
    whole.day(records)
    for share in (0.2, 0.5, 0.9):
        platform.session.fail_after = platform.session.executed + int(share * 40)
        with pytest.raises(KeyboardInterrupt):
            platform.day(records)
        platform.session.fail_after = None
        assert not any(platform.session.log().values())
        assert platform.session.fetch_all("select * from identity.models") == []
    platform.day(records)
    assert platform.session.members() == whole.session.members()
