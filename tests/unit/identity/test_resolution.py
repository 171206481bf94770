"""What the rules, the guards and the ids do, case by case."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from cdap.identity import DuplicateRecordError, IdentityConfig, ResolutionSummary, load_identity_config, resolve
from tests.unit.identity.conftest import DuckDbSession

PROJECT = Path(__file__).parents[3]
RULES = load_identity_config(PROJECT / "config" / "identity.yaml")
START = datetime(2026, 1, 1)  # noqa: DTZ001 - the log's times are UTC without zone

Records = dict[str, dict[str, Any]]


def day(session: DuckDbSession, number: int, records: Records, config: IdentityConfig = RULES) -> ResolutionSummary:
    session.replace_records(records)
    return resolve(session, config, f"day {number}", START + timedelta(days=number))


def events(session: DuckDbSession, number: int) -> list[tuple[Any, ...]]:
    return session.connection.execute(
        "select kind, customer_id, other_customer_id, record_key, cause, rule from identity.events "
        "where run_id = ? order by kind, record_key",
        [f"day {number}"],
    ).fetchall()


def test_a_family_that_shares_everything_but_first_names_stays_apart(session: DuckDbSession) -> None:
    shared = {
        "email": "lees@home.org",
        "phone": "+442079460123",
        "last_name": "Lee",
        "street": "1 Elm",
        "postcode": "N1",
    }
    day(
        session,
        1,
        {
            "s.c:1": {**shared, "first_name": "Ann", "birth_date": "1980-02-03"},
            "s.c:2": {**shared, "first_name": "Ben", "birth_date": "2010-02-03"},
            "s.c:3": {**shared, "first_name": "Bea", "birth_date": "2010-02-03"},
            "s.c:4": {**shared, "first_name": "ANN "},
        },
    )
    members = session.members()
    assert members["s.c:1"] == members["s.c:4"]
    assert len(set(members.values())) == 3


def test_father_and_son_of_one_name_are_told_apart_by_birth_date(session: DuckDbSession) -> None:
    shared = {"email": "lee@home.org", "first_name": "John", "last_name": "Lee", "street": "1 Elm", "postcode": "N1"}
    day(session, 1, {"s.c:1": {**shared, "birth_date": "1950-02-03"}, "s.c:2": {**shared, "birth_date": "1980-05-06"}})
    assert len(set(session.members().values())) == 2


def test_junk_and_crowded_values_link_nobody(session: DuckDbSession) -> None:
    records: Records = {f"s.c:{number}": {"email": "test@test.com", "first_name": "Ann"} for number in range(3)}
    records |= {f"s.c:{number}": {"email": "desk@firm.org", "first_name": "Ann"} for number in range(10, 30)}
    summary = day(session, 1, records)
    assert (summary.links, summary.customers) == (0, 23)
    assert (summary.identifiers["email"].present, summary.identifiers["email"].used) == (23, 0)


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
    assert events(session, 3) == [("merge", older, younger, None, "link_added", "phone_name")]
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


def test_exclusive_values_never_share_a_customer_and_the_weakest_rule_gives_way(session: DuckDbSession) -> None:
    config = IdentityConfig.model_validate(
        {
            "identifiers": {"email": {}, "phone": {}, "account_id": {"exclusive": True}},
            "rules": [{"name": "email", "match": ["email"]}, {"name": "phone", "match": ["phone"]}],
        }
    )
    summary = day(
        session,
        1,
        {
            "s.c:1": {"email": "a@x", "account_id": "1"},
            "s.c:2": {"email": "a@x", "phone": "+1"},
            "s.c:3": {"phone": "+1", "account_id": "2"},
        },
        config,
    )
    members = session.members()
    assert members["s.c:1"] == members["s.c:2"] != members["s.c:3"]
    assert (summary.conflicts, summary.links, summary.links_set_aside) == (1, 1, 1)


def test_a_chain_of_ten_thousand_records_takes_few_rounds(session: DuckDbSession) -> None:
    session.connection.execute(
        """insert into intermediate.int_identity_records (record_key, email, phone)
        select 's.c:' || (i * 7919 % 10007), 'e' || (i // 2) || '@x.org', '+4420' || (10000000 + (i + 1) // 2)
        from range(10007) as t (i)"""
    )
    config = IdentityConfig.model_validate(
        {
            "identifiers": {"email": {}, "phone": {}},
            "rules": [{"name": "email", "match": ["email"]}, {"name": "phone", "match": ["phone"]}],
        }
    )
    summary = resolve(session, config, "run", START)
    assert (summary.customers, summary.largest) == (1, 10007)
    assert summary.rounds <= 20


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
        resolve(session, RULES, "run", START)
    assert not any(session.log().values())
