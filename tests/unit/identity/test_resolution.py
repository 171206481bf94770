"""What becomes of ids, events and the log, case by case."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from cdap.errors import ReconciliationError
from cdap.identity import DuplicateRecordError, ResolutionSummary
from cdap.identity.matching import Matched
from tests.unit.identity.conftest import DuckDbSession, SharedValues, resolved

START = datetime(2026, 1, 1)  # noqa: DTZ001 - the log's times are UTC without zone

Records = dict[str, dict[str, Any]]


def day(session: DuckDbSession, number: int, records: Records) -> ResolutionSummary:
    session.replace_records(records)
    return resolved(session, f"day {number}", START + timedelta(days=number))


def events(session: DuckDbSession, number: int) -> list[tuple[Any, ...]]:
    return session.connection.execute(
        "select kind, customer_id, other_customer_id, record_key, cause, rule from identity.events "
        "where run_id = ? order by kind, record_key",
        [f"day {number}"],
    ).fetchall()


def test_a_merge_keeps_the_older_id_and_undoing_it_brings_the_younger_back(session: DuckDbSession) -> None:
    ann: Records = {"s.c:2": {"email": "ann@x.org", "first_name": "Ann"}}
    also: Records = {"s.c:1": {"phone": "+442079460123", "first_name": "Ann", "last_name": "Lee"}}
    link: Records = {"s.c:3": {"email": "ann@x.org", "phone": "+442079460123", "first_name": "Ann", "last_name": "Lee"}}
    day(session, 1, ann)
    day(session, 2, ann | also)
    older, younger = session.members()["s.c:2"], session.members()["s.c:1"]
    assert older != younger
    day(session, 3, ann | also | link)
    assert set(session.members().values()) == {older}
    assert session.aliases() == {younger: older}
    assert events(session, 3) == [("merge", older, younger, None, "link_added", "phone")]
    day(session, 4, ann | also)
    assert session.members() == {"s.c:2": older, "s.c:1": younger}
    assert session.aliases() == {}
    assert [(kind, customer, other, cause) for kind, customer, other, _, cause, _ in events(session, 4)] == [
        ("delete", older, None, "record_deleted"),
        ("split", older, younger, "record_deleted"),
    ]


def test_an_id_passes_on_when_its_founding_record_disappears(session: DuckDbSession) -> None:
    records: Records = {f"s.c:{number}": {"email": "ann@x.org", "first_name": "Ann"} for number in (1, 2, 3)}
    day(session, 1, records)
    customer = session.members()["s.c:1"]
    del records["s.c:1"]
    day(session, 2, records)
    assert session.members() == {"s.c:2": customer, "s.c:3": customer}
    founders = session.connection.execute(
        "select record_key, cause from identity.foundings where known_to is null"
    ).fetchall()
    assert founders == [("s.c:2", "succession")]


def test_a_customer_that_was_gone_comes_back_under_its_id(session: DuckDbSession) -> None:
    records: Records = {"s.c:1": {"email": "ann@x.org", "first_name": "Ann"}}
    day(session, 1, records)
    customer = session.members()["s.c:1"]
    day(session, 2, {})
    assert session.members() == {}
    assert [(kind, key) for kind, _, _, key, _, _ in events(session, 2)] == [("delete", "s.c:1"), ("delete", None)]
    day(session, 3, records)
    assert session.members() == {"s.c:1": customer}
    assert [kind for kind, *_ in events(session, 3)] == ["restore"]


def test_a_merged_id_resolves_after_its_last_record_is_gone(session: DuckDbSession) -> None:
    ann: Records = {"s.c:1": {"email": "ann@x.org", "first_name": "Ann"}}
    also: Records = {"s.c:2": {"phone": "+442079460123", "first_name": "Ann", "last_name": "Lee"}}
    link: Records = {"s.c:3": {"email": "ann@x.org", "phone": "+442079460123", "first_name": "Ann", "last_name": "Lee"}}
    day(session, 1, ann)
    day(session, 2, ann | also)
    older, younger = session.members()["s.c:1"], session.members()["s.c:2"]
    day(session, 3, ann | also | link)
    day(session, 4, ann | link)
    day(session, 5, ann)
    assert session.members() == {"s.c:1": older}
    assert session.aliases() == {younger: older}


def test_records_left_out_by_the_matcher_are_found_out_and_nothing_is_written(session: DuckDbSession) -> None:
    class Forgetful(SharedValues):
        def match(self, warehouse: DuckDbSession, run_id: str, as_of: str) -> Matched:
            matched = super().match(warehouse, run_id, as_of)
            warehouse.execute("delete from resolve_assigned where record_key = 's.c:2'")
            return matched

    session.replace_records({f"s.c:{number}": {"email": f"{number}@x.org"} for number in (1, 2, 3)})
    with pytest.raises(ReconciliationError, match="there are 3, 2 were given a cluster, and 2 are in both"):
        resolved(session, "run", START, Forgetful())
    assert not any(session.log().values())


def test_the_log_is_bitemporal(session: DuckDbSession) -> None:
    record = {"email": "ann@x.org", "first_name": "Ann", "first_seen_at": datetime(2025, 6, 1)}  # noqa: DTZ001
    day(session, 1, {"s.c:1": record})
    day(session, 2, {})
    rows = session.connection.execute(
        "select valid_from, valid_to, known_from, known_to from identity.memberships order by known_from"
    ).fetchall()
    first_seen, learned, gone = record["first_seen_at"], START + timedelta(days=1), START + timedelta(days=2)
    assert rows == [(first_seen, None, learned, gone), (first_seen, gone, gone, None)]


def test_the_log_never_goes_back_in_time(session: DuckDbSession) -> None:
    day(session, 5, {"s.c:1": {"email": "ann@x.org"}})
    day(session, 1, {"s.c:1": {"email": "ann@x.org"}, "s.c:2": {"email": "ben@x.org"}})
    times = session.connection.execute("select minted_at from identity.foundings order by record_key").fetchall()
    assert times[0] < times[1]


def test_a_record_key_that_appears_twice_is_refused_by_name(session: DuckDbSession) -> None:
    session.replace_records({"s.c:1": {"email": "ann@x.org"}})
    session.connection.execute(
        "insert into intermediate.int_identity_records select * from intermediate.int_identity_records"
    )
    with pytest.raises(DuplicateRecordError, match=r"s\.c:1"):
        resolved(session, "run", START)
    assert not any(session.log().values())


def test_a_household_keeps_the_older_id_when_two_become_one_and_gives_the_younger_back(session: DuckDbSession) -> None:
    ann: Records = {"s.c:1": {"email": "ann@x.org", "street": "1 Elm"}}
    ben: Records = {"s.c:2": {"email": "ben@x.org", "street": "2 Oak"}}
    day(session, 1, ann)
    (older,) = session.households().values()
    day(session, 2, ann | ben)
    younger = session.households()[session.members()["s.c:2"]]
    assert older != younger
    day(session, 3, ann | {"s.c:2": {"email": "ben@x.org", "street": "1 Elm"}})
    assert set(session.households().values()) == {older}
    day(session, 4, ann | ben)
    assert session.households()[session.members()["s.c:2"]] == younger
    day(session, 5, ben | {"s.c:3": {"email": "eve@x.org", "street": "1 Elm"}})
    assert session.households()[session.members()["s.c:3"]] != older, "nobody of that household is left"
    history = session.fetch_all("select household_id, known_to is null from identity.households order by known_from")
    assert [home for home, now in history if now] == [younger, session.households()[session.members()["s.c:3"]]]


def test_undoing_a_merge_gives_both_their_households_back(session: DuckDbSession) -> None:
    ann: Records = {"s.c:1": {"email": "ann@x.org", "street": "1 Elm"}}
    ben: Records = {"s.c:2": {"email": "ben@x.org", "street": "2 Oak"}, "s.c:3": {"phone": "+1", "street": "2 Oak"}}
    day(session, 1, ann)
    day(session, 2, ann | ben)
    homes = session.households()
    assert len(set(homes.values())) == 2
    day(session, 3, ann | {"s.c:2": {"email": "ann@x.org", "street": "2 Oak"}, "s.c:3": ben["s.c:3"]})
    assert len(session.households()) == 2, "ann and ben are one customer"
    day(session, 4, ann | ben)
    assert session.households() == homes
