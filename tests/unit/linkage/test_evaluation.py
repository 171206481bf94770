"""Measures of identity against counting by hand and by brute force."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdap.linkage.evaluation import Truth, TruthError, evaluate, read_truth

keys = [f"s.t:{number}" for number in range(12)]
assignment = st.dictionaries(st.sampled_from(keys), st.sampled_from("abcd"), min_size=1)


@given(assignment, assignment)
def test_pairs_and_b_cubed_equal_those_counted_one_by_one(members: dict[str, str], persons: dict[str, str]) -> None:
    result = evaluate(members, Truth(persons, {}))
    found = {
        pair
        for pair in combinations(sorted(persons), 2)
        if members.get(pair[0], pair[0]) == members.get(pair[1], pair[1])
    }
    true = {pair for pair in combinations(sorted(persons), 2) if persons[pair[0]] == persons[pair[1]]}
    assert (result.found_pairs, result.true_pairs, result.right_pairs) == (len(found), len(true), len(found & true))
    customer = {key: members.get(key, key) for key in persons}
    with_customer = {key: {other for other in persons if customer[other] == customer[key]} for key in persons}
    with_person = {key: {other for other in persons if persons[other] == persons[key]} for key in persons}
    precision = sum(len(with_customer[key] & with_person[key]) / len(with_customer[key]) for key in persons) / len(
        persons
    )
    recall = sum(len(with_customer[key] & with_person[key]) / len(with_person[key]) for key in persons) / len(persons)
    assert result.b_cubed_precision == pytest.approx(precision)
    assert result.b_cubed_recall == pytest.approx(recall)
    mixed = [key for key in persons if len({persons[other] for other in with_customer[key]}) > 1]
    assert result.over_merged_records == pytest.approx(len(mixed) / len(persons))


def test_a_family_in_one_customer_is_over_merged() -> None:
    truth = Truth(
        {"s.t:1": "ann", "s.t:2": "ben", "s.t:3": "ann", "s.t:4": "cid"},
        {"s.t:1": "h1", "s.t:2": "h1", "s.t:3": "h1", "s.t:4": "h2"},
    )
    result = evaluate({"s.t:1": "x", "s.t:2": "x", "s.t:3": "y", "s.t:4": "z", "s.t:9": "z"}, truth)
    assert (result.precision, result.recall, result.f1) == (0.0, 0.0, 0.0)
    assert result.over_merged_customers == pytest.approx(1 / 3)
    assert result.over_merged_records == pytest.approx(1 / 2)
    assert result.over_merged_family_records == pytest.approx(2 / 3)
    assert (result.largest_customer, result.largest_person, result.unlabelled, result.unresolved) == (2, 2, 1, 0)


def test_a_million_records_of_one_customer_do_not_take_a_million_squared() -> None:
    persons = {f"s.t:{number}": str(number // 2) for number in range(200_000)}
    result = evaluate(dict.fromkeys(persons, "everybody"), Truth(persons, {}))
    assert result.recall == 1.0
    assert result.found_pairs == 200_000 * 199_999 // 2


def test_a_truth_file_is_read_and_its_faults_are_named_by_line(tmp_path: Path) -> None:
    path = tmp_path / "truth.csv"
    path.write_text("source,table,id,person_id,household_id\nshop,customers,1,p1,h1\nshop,customers,2,p2,\n")
    truth = read_truth(path)
    assert truth.persons == {"shop.customers:1": "p1", "shop.customers:2": "p2"}
    assert truth.households == {"shop.customers:1": "h1"}
    path.write_text("source,table,id,person_id,household_id\nshop,customers,1,p1,h1\nshop,customers,1,p2,h1\n")
    with pytest.raises(TruthError, match=r"line 3 names shop\.customers:1 again"):
        read_truth(path)
    path.write_text("source,table,id\nshop,customers,1\n")
    with pytest.raises(TruthError, match="lacks person_id"):
        read_truth(path)
    with pytest.raises(TruthError, match="No such file"):
        read_truth(tmp_path / "nowhere.csv")
