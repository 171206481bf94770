"""Thirty days of records that come, change and go: ids stay, what changes has its event, and the log alone restores."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterator

import pyarrow.parquet as pq
import pytest

from benchmarks import persons
from cdap.linkage import strangers
from tests.unit.identity.conftest import LOG, DuckDbSession
from tests.unit.identity.test_matching import Platform, Records

DAYS, RECORDS, AT_FIRST = 30, 420, 260
TABLES = (*LOG, "models", "decisions")


@pytest.fixture(scope="module", autouse=True)
def _fewer_random_pairs() -> Iterator[None]:
    """What strangers have in common needs no such sample of so few records."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(strangers, "SAMPLE", 5_000)
        yield


@pytest.fixture(scope="module")
def everybody(tmp_path_factory: pytest.TempPathFactory) -> Records:
    file = tmp_path_factory.mktemp("persons") / "persons.parquet"
    persons.write(file, RECORDS, seed=5)
    columns = ("source", "first_name", "last_name", "birth_date", "email", "phone", "street", "city", "postcode")
    return {row["unique_id"]: {name: row[name] for name in columns} for row in pq.read_table(file).to_pylist()}


def next_day(today: Records, everybody: Records, chance: random.Random) -> Records:
    """Some records are new, some are gone, some have moved, some lost a value or found another's."""
    tomorrow = {key: dict(record) for key, record in today.items()}
    waiting = sorted(everybody.keys() - today.keys())
    for key in chance.sample(waiting, min(len(waiting), 6)):
        tomorrow[key] = dict(everybody[key])
    for key in chance.sample(sorted(today), 3):
        del tomorrow[key]
    for key in chance.sample(sorted(tomorrow), 4):
        other = tomorrow[chance.choice(sorted(tomorrow))]
        kind = chance.choice(["moves", "forgets", "takes"])
        if kind == "moves":
            tomorrow[key] |= {name: other[name] for name in ("street", "city", "postcode")}
        elif kind == "forgets":
            tomorrow[key][chance.choice(["email", "phone", "birth_date"])] = None
        else:
            tomorrow[key][chance.choice(["email", "phone"])] = other["email"]
    return tomorrow


def parts(members: dict[str, str]) -> dict[frozenset[str], str]:
    found: defaultdict[str, set[str]] = defaultdict(set)
    for record, customer in members.items():
        found[customer].add(record)
    return {frozenset(records): customer for customer, records in found.items()}


def homes_of(members: dict[str, str], households: dict[str, str]) -> dict[str, str]:
    """The household of each record; a record counts as another when it is of another customer."""
    return {f"{record} of {customer}": households[customer] for record, customer in members.items()}


def test_thirty_days_of_changes(everybody: Records) -> None:
    platform, chance = Platform(), random.Random(7)
    records = {key: everybody[key] for key in sorted(everybody)[:AT_FIRST]}
    platform.day(records)
    members, households = platform.session.members(), platform.session.households()
    changed = 0
    for _ in range(DAYS - 1):
        records = next_day(records, everybody, chance)
        summary = platform.day(records)
        before, members = members, platform.session.members()
        assert members.keys() == records.keys()
        lived, households = households, platform.session.households()
        assert households.keys() == set(members.values())
        was, is_now = parts(before), parts(members)
        for together in was.keys() & is_now.keys():
            assert was[together] == is_now[together], "an id changed though nothing happened to the customer"
        homes, homes_now = (parts(homes_of(*day)) for day in ((before, lived), (members, households)))
        for together in homes.keys() & homes_now.keys():
            assert homes[together] == homes_now[together], "a household's id changed though nobody moved"
        told = {
            frozenset((customer, other))
            for customer, other in platform.session.fetch_all(
                'select customer_id, other_customer_id from "identity".events where run_id = %s', [summary.run_id]
            )
        }
        for record in before.keys() & members.keys():
            if before[record] != members[record]:
                changed += 1
                assert frozenset((before[record], members[record])) in told, "a record changed hands without an event"
    assert changed > 0, "nothing that ids could have suffered from has happened"

    # From nothing but the records and the log, and the model that the log names.
    restored = Platform()
    restored.objects = platform.objects
    restored.days = platform.days
    copy(platform.session, restored.session)
    summary = restored.day(records)
    assert (summary.events, summary.trained) == ({}, False)
    assert restored.session.members() == members
    assert restored.session.households() == households


def copy(of: DuckDbSession, to: DuckDbSession) -> None:
    for table in TABLES:
        rows = of.connection.execute(f"select * from identity.{table}").fetchall()  # noqa: S608
        if rows:
            marks = ", ".join("?" * len(rows[0]))
            to.connection.executemany(f"insert into identity.{table} values ({marks})", rows)  # noqa: S608
