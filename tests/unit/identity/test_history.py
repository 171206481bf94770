"""What is told of an id is what was so, day by day."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given

from cdap.errors import CdapError
from cdap.identity.history import Happening, history
from tests.unit.identity.conftest import DuckDbSession, resolved
from tests.unit.identity.test_resolution_properties import START, Day, driven, run
from tests.unit.identity.test_resolution_properties import history as days_of_records


@driven
@given(days_of_records)
def test_the_records_of_every_id_on_every_day_can_be_told_from_its_history(days: list[Day]) -> None:
    session = DuckDbSession()
    snapshots = run(session, days)
    at = [START + timedelta(days=number) for number in range(len(days))]
    for customer in {customer for members in snapshots for customer in members.values()}:
        told = history(session, customer)
        for moment, members in zip(at, snapshots, strict=True):
            here = {stay.record_key for stay in told.stays if stay.since <= moment and not _over(stay.until, moment)}
            assert here == {record for record, of in members.items() if of == customer}
        assert (told.now == customer) == (customer in snapshots[-1].values())
        assert told.now is None or told.now in snapshots[-1].values()
    for record in {record for members in snapshots for record in members}:
        told = history(session, record)
        assert told.now == snapshots[-1].get(record)
        owners = {moment: members.get(record) for moment, members in zip(at, snapshots, strict=True)}
        for moment, owner in owners.items():
            now = [s.customer_id for s in told.stays if s.since <= moment and not _over(s.until, moment)]
            assert now == ([owner] if owner else [])


def _over(until: object, moment: object) -> bool:
    return until is not None and until <= moment  # type: ignore[operator]


def test_a_merge_is_told_of_both_with_the_link_that_made_it_and_the_split_that_undid_it(session: DuckDbSession) -> None:
    apart: Day = {"s.t:1": {"email": "a@x"}, "s.t:2": {"email": "b@x"}}
    bridge: Day = {**apart, "s.t:3": {"email": "a@x", "phone": "+1"}, "s.t:2": {"email": "b@x", "phone": "+1"}}
    first, both, last = run(session, [apart, bridge, apart])
    survivor = both["s.t:1"]
    (lost,) = {first["s.t:1"], first["s.t:2"]} - {survivor}
    told = history(session, lost)
    kinds = [happening.kind for happening in told.happenings]
    assert kinds[:2] == ["mint", "merge"] and "split" in kinds
    merge: Happening = told.happenings[1]
    assert (merge.customer_id, merge.other_customer_id) == (survivor, lost)
    assert merge.because is not None and "s.t:3" in merge.because and merge.cause == "link_added"
    assert told.now == lost and last["s.t:2"] in (lost, survivor)
    assert [(stay.until is None) for stay in told.stays] == [False, True]
    assert merge in history(session, survivor).happenings


def test_an_id_that_was_merged_away_says_who_has_its_records(session: DuckDbSession) -> None:
    first, both = run(
        session,
        [
            {"s.t:1": {"email": "a@x"}, "s.t:2": {"email": "b@x"}},
            {"s.t:1": {"email": "a@x"}, "s.t:2": {"email": "a@x"}},
        ],
    )
    (lost,) = set(first.values()) - set(both.values())
    assert history(session, lost).now == both["s.t:1"]


def test_what_never_was_is_no_history(session: DuckDbSession) -> None:
    resolved(session, "run", START)
    with pytest.raises(CdapError, match="no customer ever had this id"):
        history(session, "cus_nobody")
