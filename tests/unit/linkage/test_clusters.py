"""Average linkage joins what the plain definition joins; components are never too large; copies go where one goes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cdap.linkage import clusters
from cdap.linkage.average_linkage import average_linkage, average_linkages
from cdap.linkage.clusters import Scored, link
from cdap.linkage.config import LinkageConfig
from cdap.linkage.model import Floats
from cdap.linkage.prepare import MOST_ALIKE
from cdap.linkage.resolve import resolve


def by_definition(sums: Floats, weights: Floats) -> list[int]:
    """Always the two clusters with the highest mean are joined, as long as it is positive."""
    parts = [[record] for record in range(len(sums))]

    def mean(x: list[int], y: list[int]) -> float:
        return float(sums[np.ix_(x, y)].sum() / weights[np.ix_(x, y)].sum())

    while len(parts) > 1:
        best, x, y = max((mean(x, y), x, y) for place, x in enumerate(parts) for y in parts[place + 1 :])
        if best <= 0:
            break
        parts.remove(y)
        x += y
    owner = [0] * len(sums)
    for part in parts:
        for record in part:
            owner[record] = min(part)
    return owner


@settings(max_examples=60, deadline=None)
@given(size=st.integers(1, 14), groups=st.integers(1, 4), seed=st.integers(0, 10**6))
def test_chains_and_steps_give_the_clusters_of_the_definition(size: int, groups: int, seed: int) -> None:
    chance = np.random.default_rng(seed)
    group = chance.integers(0, groups, size)
    # No two scores are equal, so there is one answer.
    score = np.triu(np.where(group[:, None] == group, 5.0, -4.0) + chance.normal(0, 5, (size, size)), 1)
    weight = np.triu(chance.uniform(0.02, 1, (size, size)), 1)
    score, weight = score + score.T, weight + weight.T + np.eye(size)
    expected = by_definition(score * weight, weight)
    assert average_linkage(score * weight, weight).tolist() == expected
    many = np.stack([score * weight] * 2), np.stack([weight] * 2)
    owners, means = average_linkages(*many, None, {1: []})
    assert owners.tolist() == [expected] * 2
    assert np.allclose(means[0], means[1])
    for owner in set(expected):
        of = np.flatnonzero(np.array(expected) == owner)
        inside = np.ix_(of, of)
        mean = np.triu(score * weight, 1)[inside].sum() / np.triu(weight, 1)[inside].sum() if len(of) > 1 else 0.0
        assert np.isclose(means[0][owner], mean)


def test_a_component_that_no_cut_makes_smaller_is_split(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clusters, "LARGEST_COMPONENT", 10)
    records = 95
    a = np.arange(records - 1)
    asked: list[int] = []

    def more(several: clusters.Indices, component: clusters.Indices) -> Scored:
        asked.extend(np.bincount(component).tolist())
        x, y = np.triu_indices(len(several), 1)
        inside = (component[x] == component[y]) & (several[y] - several[x] > 1)
        x, y = x[inside], y[inside]
        return Scored(several[x], several[y], np.full(len(x), 12.0), np.ones(len(x)))

    found = link(records, Scored(a, a + 1, np.full(len(a), 12.0), np.ones(len(a))), more)
    sizes = np.bincount(found.cluster)
    assert max(asked) <= 10
    assert sizes.sum() == records and sizes.max() <= 10
    assert found.largest_component == records
    again = link(records, Scored(a, a + 1, np.full(len(a), 12.0), np.ones(len(a))), more)
    assert (again.cluster == found.cluster).all()


def test_a_thousand_records_that_are_the_same_are_one_customer_unless_they_say_nothing(tmp_path: Path) -> None:
    lines = ["id,first_name,last_name,birth_date,email"]
    lines += [
        f"p{n},{_name(n)},{_name(n // 3 + 500)},19{n % 90 + 10}-0{n % 9 + 1}-1{n % 7},u{n}@x.org" for n in range(400)
    ]
    lines += [f"t{n},Testa,Accountina,1999-09-19,testing@shop.org" for n in range(1000)]
    lines += [f"n{n},,,," for n in range(3 * MOST_ALIKE)]
    file = tmp_path / "records.csv"
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    fields = {name: name for name in ("first_name", "last_name", "birth_date", "email")}
    found = resolve(file, LinkageConfig(unique_id="id", fields=fields)).assignments
    assert [a.unique_id for a in found] == sorted(a.unique_id for a in found) and len(found) == len(lines) - 1
    customers = {a.unique_id: a.customer_id for a in found}
    of_test = {customers[f"t{n}"] for n in range(1000)}
    assert len(of_test) == 1
    assert of_test.isdisjoint(customer for record, customer in customers.items() if record[0] != "t")
    assert len({customers[f"n{n}"] for n in range(3 * MOST_ALIKE)}) == 3 * MOST_ALIKE


def _name(number: int) -> str:
    syllables = ("bdfgklmnprstvz"[digit] + "aeiou"[digit % 5] for digit in divmod(number * 7 % 196, 14))
    return "".join(syllables).title() + "no"
