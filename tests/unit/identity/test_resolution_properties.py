"""What holds whatever records come, change and go: driven by random histories."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.unit.identity.conftest import DuckDbSession, SharedValues, resolved

# Fixed instants, so that the translated statements are the same in every example.
FIELDS = SharedValues.FIELDS
START = datetime(2026, 1, 1)  # noqa: DTZ001 - the log's times are UTC without zone
END = START + timedelta(days=30)

Record = dict[str, Any]
Day = dict[str, Record]

record = st.fixed_dictionaries(
    {
        "email": st.sampled_from([None, "a@x", "b@x", "c@x", "d@x"]),
        "phone": st.sampled_from([None, None, "+1", "+2", "+3"]),
        "account_id": st.sampled_from([None, None, None, "1", "2"]),
        "street": st.sampled_from([None, "1 Elm", "2 Oak", "3 Ash"]),
    }
)
day = st.dictionaries(st.sampled_from([f"s.t:{number}" for number in range(9)]), record, max_size=9)
history = st.lists(day, min_size=1, max_size=5)

driven = settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


def partition(members: dict[str, str]) -> set[frozenset[str]]:
    clusters: dict[str, set[str]] = defaultdict(set)
    for record_key, customer_id in members.items():
        clusters[customer_id].add(record_key)
    return {frozenset(cluster) for cluster in clusters.values()}


def expected_partition(records: Day) -> set[frozenset[str]]:
    """Records that share a value, breadth first."""

    def alike(a: str, b: str) -> bool:
        return any(records[a][name] is not None and records[a][name] == records[b][name] for name in FIELDS)

    found, left = set(), set(records)
    while left:
        reached, frontier = set(), {min(left)}
        while frontier:
            reached |= frontier
            frontier = {b for b in left - reached if any(alike(a, b) for a in frontier)}
        found.add(frozenset(reached))
        left -= reached
    return found


def run(session: DuckDbSession, days: list[Day]) -> list[dict[str, str]]:
    members = []
    for number, records in enumerate(days):
        session.replace_records(records)
        resolved(session, f"run-{number}", START + timedelta(days=number))
        members.append(session.members())
    return members


@driven
@given(history)
def test_membership_is_a_function_of_the_records_alone(days: list[Day]) -> None:
    for records, members in zip(days, run(DuckDbSession(), days), strict=True):
        assert members.keys() == records.keys()
        assert partition(members) == expected_partition(records)


@driven
@given(history, st.randoms(use_true_random=False))
def test_days_in_any_order_end_in_the_same_partition(days: list[Day], random: Any) -> None:
    shuffled = [*days[:-1]]
    random.shuffle(shuffled)
    forwards = run(DuckDbSession(), days)[-1]
    backwards = run(DuckDbSession(), [*shuffled, days[-1]])[-1]
    assert partition(forwards) == partition(backwards)


@driven
@given(history)
def test_a_cluster_that_neither_merged_nor_split_keeps_its_id(days: list[Day]) -> None:
    session = DuckDbSession()
    snapshots = run(session, days)
    for before, after in pairwise(snapshots):
        unchanged = partition(before) & partition(after)
        for cluster in unchanged:
            anyone = min(cluster)
            assert before[anyone] == after[anyone]


@driven
@given(history)
def test_a_household_that_nobody_joined_or_left_keeps_its_id_and_every_customer_has_one(days: list[Day]) -> None:
    session = DuckDbSession()
    before: dict[frozenset[str], str] = {}
    for number, records in enumerate(days):
        session.replace_records(records)
        resolved(session, f"run-{number}", START + timedelta(days=number))
        members, households = session.members(), session.households()
        assert households.keys() == set(members.values())
        homes: dict[str, str] = {key: households[customer] for key, customer in members.items()}
        of_records = {home: frozenset(key for key in homes if homes[key] == home) for home in homes.values()}
        # The same records in the same customers: nobody joined, left, merged or split.
        now = {frozenset(f"{members[key]} {key}" for key in records): home for home, records in of_records.items()}
        for together in before.keys() & now.keys():
            assert before[together] == now[together]
        assert len(set(now.values())) == len(now)
        before = now


@driven
@given(history)
def test_an_id_never_names_two_customers_and_ended_ids_resolve(days: list[Day]) -> None:
    session = DuckDbSession()
    ever: set[str] = set()
    for number, records in enumerate(days):
        session.replace_records(records)
        resolved(session, f"run-{number}", START + timedelta(days=number))
        members, aliases = session.members(), session.aliases()
        living = set(members.values())
        assert len(living) == len(partition(members))
        assert not living & aliases.keys(), "an id that a customer has is nobody's alias"
        gone = {
            customer_id
            for (customer_id,) in session.fetch_all(
                "select customer_id from \"identity\".events where kind = 'delete' and record_key is null"
            )
        }
        ever |= living
        for customer_id in ever - living - gone:
            assert aliases[customer_id] in living | gone, "an id of before leads to who has its records now"


@driven
@given(history)
def test_every_change_of_a_customer_has_an_event(days: list[Day]) -> None:
    session = DuckDbSession()
    before: dict[str, str] = {}
    for number, records in enumerate(days):
        session.replace_records(records)
        resolved(session, f"run-{number}", START + timedelta(days=number))
        after = session.members()
        events = session.fetch_all(
            'select kind, customer_id, other_customer_id, record_key from "identity".events where run_id = %s',
            [f"run-{number}"],
        )
        told = {(kind, customer_id) for kind, customer_id, _, _ in events}
        transfers = {
            (other, customer) if kind in ("merge", "move") else (customer, other)
            for kind, customer, other, _ in events
            if kind in ("merge", "split", "move")
        }
        deleted = {key for kind, _, _, key in events if kind == "delete" and key is not None}
        assert deleted == before.keys() - after.keys()
        for key in before.keys() & after.keys():
            if before[key] != after[key]:
                assert (before[key], after[key]) in transfers
        for customer_id in set(after.values()) - set(before.values()):
            assert told & {("mint", customer_id), ("restore", customer_id)} or any(
                receiver == customer_id for _, receiver in transfers
            )
        for customer_id in set(before.values()) - set(after.values()):
            assert ("delete", customer_id) in told or any(giver == customer_id for giver, _ in transfers)
        before = after


@driven
@given(history)
def test_running_again_on_the_same_records_changes_nothing(days: list[Day]) -> None:
    session = DuckDbSession()
    run(session, days)
    log = session.log()
    resolved(session, f"run-{len(days) - 1}", START)
    assert session.log() == log
    resolved(session, "another run", START)
    assert session.log() == log


@driven
@given(history, day, st.floats(0, 1))
def test_a_run_killed_between_two_statements_leaves_nothing_and_can_be_run_again(
    days: list[Day], last: Day, moment: float
) -> None:
    session, whole = DuckDbSession(), DuckDbSession()
    run(session, days)
    run(whole, days)
    log = session.log()
    started = whole.executed
    whole.replace_records(last)
    resolved(whole, "last", END)
    session.replace_records(last)
    session.fail_after = session.executed + int(moment * (whole.executed - started - 1))
    with pytest.raises(KeyboardInterrupt):
        resolved(session, "last", END)
    assert session.log() == log
    session.fail_after = None
    resolved(session, "last", END)
    assert session.members() == whole.members()
    assert session.aliases() == whole.aliases()


@driven
@given(day, day)
def test_undoing_a_merge_gives_what_would_have_been(first: Day, link: Day) -> None:
    """The records of the first day, then records that may link them, then these are gone again."""
    keys = set(first)
    linking = {f"z.link:{key}": values for key, values in link.items()}
    assert not keys & linking.keys()
    with_link, without = DuckDbSession(), DuckDbSession()
    merged = run(with_link, [first, {**first, **linking}, first])
    plain = run(without, [first, first, first])
    assert merged[-1] == plain[-1]
    assert {
        alias: customer for alias, customer in with_link.aliases().items() if customer in plain[-1].values()
    }.keys().isdisjoint(plain[-1].values())


def test_the_session_factory_gives_separate_warehouses(new_session: Callable[[], DuckDbSession]) -> None:
    one, other = new_session(), new_session()
    one.replace_records({"s.t:1": {"email": "a@x"}})
    resolved(one, "run")
    assert one.members() and not other.members()
