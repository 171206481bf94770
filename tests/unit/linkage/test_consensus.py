"""Customers are joined by what their records say together, as far as rules allow."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.forms import FORMS, Form, config, write
from cdap.linkage import stages
from cdap.linkage.constraints import Decision
from cdap.linkage.evaluation import Evaluation, evaluate
from cdap.linkage.files import read_truth
from cdap.linkage.resolve import Resolution, resolve

FORM: Form = replace(FORMS["historical"], columns=("full_name", "birth_date", "birth_place", "postcode", "gender"))


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("persons") / "persons.parquet"
    write(file, FORM, 2500, seed=5)
    return file


def _found(result: Resolution, records: Path) -> Evaluation:
    return evaluate({of.unique_id: of.customer_id for of in result.assignments}, read_truth(records))


def test_many_records_with_slips_and_gaps_are_of_fewer_customers(
    records: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    joined = _found(resolve(records, config(FORM)), records)
    monkeypatch.setattr(stages, "join_agreeing", lambda db, model, clusters, near, constraints: clusters)
    alone = _found(resolve(records, config(FORM)), records)
    assert joined.recall > alone.recall + 0.01
    assert joined.precision > alone.precision - 0.005


def test_what_was_told_apart_stays_apart_and_every_customer_is_held_together_by_links(
    records: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two customers that were joined by their consensus alone are told apart by a decision on two of their records."""
    found = resolve(records, config(FORM), tell_links=True)
    with monkeypatch.context() as patch:
        patch.setattr(stages, "join_agreeing", lambda db, model, clusters, near, constraints: clusters)
        before = {of.unique_id: of.customer_id for of in resolve(records, config(FORM)).assignments}
    after = {of.unique_id: of.customer_id for of in found.assignments}
    members: dict[str, set[str]] = {}
    for uid, customer in after.items():
        members.setdefault(customer, set()).add(uid)
    joined = next(of for of in members.values() if len({before[uid] for uid in of}) == 2)
    a = min(joined)
    b = min(uid for uid in joined if before[uid] != before[a])
    apart = resolve(records, config(FORM), decisions=[Decision(a, b, "unlink")])
    customer = {of.unique_id: of.customer_id for of in apart.assignments}
    assert customer[a] != customer[b]

    reached = {uid: uid for uid in after}

    def root(uid: str) -> str:
        while reached[uid] != uid:
            uid = reached[uid]
        return uid

    for link in found.links:
        if link.holds:
            reached[root(link.record_a)] = root(link.record_b)
    assert all(len({root(uid) for uid in of}) == 1 for of in members.values())
