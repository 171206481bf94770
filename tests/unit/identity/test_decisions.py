"""Decisions of people are kept, survive, may be taken back, and never contradict one another."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cdap.errors import CdapError
from cdap.identity.decisions import decide, doubtful_pairs, undecide
from cdap.identity.preview import Change, compare
from tests.unit.identity.conftest import DuckDbSession, resolved

NOW = datetime(2026, 3, 1, tzinfo=UTC)
KEYS = [f"s.c:{number}" for number in range(5)]


@pytest.fixture
def people(session: DuckDbSession) -> DuckDbSession:
    session.replace_records({key: {"email": f"{key}@x.org"} for key in KEYS})
    resolved(session, "day 1")
    return session


def current(session: DuckDbSession) -> list[tuple[str, str, str, str]]:
    return session.fetch_all(
        "select record_key_a, record_key_b, decision, decided_by from identity.decisions "
        "where known_to is null order by 1, 2"
    )


def test_a_later_decision_takes_the_place_of_an_earlier_and_nothing_is_forgotten(people: DuckDbSession) -> None:
    decide(people, KEYS[1], KEYS[0], "link", by="ann", reason="one card", now=NOW)
    decide(people, KEYS[0], KEYS[1], "unlink", by="ben", now=NOW)
    assert current(people) == [(KEYS[0], KEYS[1], "unlink", "ben")]
    undecide(people, KEYS[1], KEYS[0], now=NOW)
    assert current(people) == []
    assert people.fetch_all("select decision, reason from identity.decisions order by decided_by") == [
        ("link", "one card"),
        ("unlink", None),
    ]
    with pytest.raises(CdapError, match="there is none"):
        undecide(people, KEYS[0], KEYS[1])


def test_what_cannot_be_decided_is_said_and_leaves_what_was(people: DuckDbSession) -> None:
    decide(people, KEYS[0], KEYS[1], "link", by="ann", now=NOW)
    decide(people, KEYS[1], KEYS[2], "link", by="ann", now=NOW)
    before = current(people)
    with pytest.raises(CdapError, match=r"s\.c:0 - s\.c:1 - s\.c:2"):
        decide(people, KEYS[2], KEYS[0], "unlink", by="ben")
    with pytest.raises(CdapError, match=r"no customer has the record s\.c:9"):
        decide(people, "s.c:9", KEYS[0], "link", by="ben")
    with pytest.raises(CdapError, match="one record"):
        decide(people, KEYS[0], KEYS[0], "link", by="ben")
    assert current(people) == before


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.sampled_from(KEYS), st.sampled_from(KEYS), st.sampled_from(["link", "unlink"]))))
def test_decisions_in_any_order_never_contradict_one_another(
    people: DuckDbSession, made: list[tuple[str, str, str]]
) -> None:
    people.execute("delete from identity.decisions")
    for a, b, verdict in made:
        try:
            decide(people, a, b, verdict, by="ann")  # type: ignore[arg-type]
        except CdapError:
            continue
    group = {key: key for key in KEYS}
    for a, b, verdict, _ in current(people):
        if verdict == "link":
            old, new = group[a], group[b]
            group = {key: new if of == old else of for key, of in group.items()}
    for a, b, verdict, _ in current(people):
        assert (group[a] == group[b]) == (verdict == "link")


def test_pairs_are_reviewed_from_the_least_sure_on_until_they_are_decided(session: DuckDbSession) -> None:
    shared = {"email": "a@x.org"}
    session.replace_records({"s.c:1": {**shared, "phone": "+1"}, "s.c:2": {**shared, "phone": "+1"}, "s.c:3": shared})
    resolved(session, "day 1")
    first, *_ = found = doubtful_pairs(session, 10)
    assert [(of.record_a, of.record_b, of.bits) for of in found] == [
        ("s.c:1", "s.c:3", 1.0),
        ("s.c:2", "s.c:3", 1.0),
        ("s.c:1", "s.c:2", 2.0),
    ]
    assert (first.agreement, first.one_customer) == ("email", True)
    decide(session, "s.c:1", "s.c:3", "unlink", by="ann")
    assert [(of.record_a, of.record_b) for of in doubtful_pairs(session, 1)] == [("s.c:2", "s.c:3")]


def test_a_preview_names_merges_and_splits_by_their_records() -> None:
    before = {"a": "1", "b": "1", "c": "2", "d": "3", "e": "4", "gone": "5"}
    after = {"a": "x", "b": "y", "c": "z", "d": "z", "e": "w", "new": "v"}
    found = compare(before, after)
    assert (found.records, found.customers_before, found.customers_after, found.unchanged) == (5, 4, 4, 1)
    assert found.changes == (Change("merge", (("c",), ("d",))), Change("split", (("a",), ("b",))))
