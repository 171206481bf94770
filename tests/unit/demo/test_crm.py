"""The CRM: its contacts day by day, its query language, its REST interface."""

from __future__ import annotations

import time
from collections import Counter
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer

from demo.accounts import accounts
from demo.crm import filling
from demo.crm.contacts import record_id
from demo.crm.service import Salesforce, Settings
from demo.crm.soql import SoqlError, parse
from demo.crm.store import Store
from demo.population import Span
from demo.shop import Contents

LAST = date(2026, 3, 10)


def contents(through: date = LAST, customers: int = 800) -> Contents:
    return Contents("generated", customers, 4, LAST, 3, through)


def rows(store: Store, name: str) -> list[tuple[Any, ...]]:
    with store.transaction() as connection:
        return connection.execute(f'select * from "{name}" order by "Id"').fetchall()  # noqa: S608


def test_moving_on_day_by_day_gives_what_filling_at_once_gives(tmp_path: Path) -> None:
    at_once, by_days = Store(tmp_path / "a"), Store(tmp_path / "b")
    filling.generate(at_once, contents())
    before = contents(LAST - timedelta(days=3))
    filling.generate(by_days, before)
    for back in (2, 1, 0):
        now = contents(LAST - timedelta(days=back))
        filling.advance(by_days, before, now)
        before = now
    for name in ("Contact", "Account"):
        assert rows(by_days, name) == rows(at_once, name) != []


def test_contacts_are_of_the_shops_persons_and_of_others_and_unlike_their_accounts(tmp_path: Path) -> None:
    shop = {account.person.person_id for opened in accounts(3, Span(LAST, 4), 800) for account in opened}
    crm = [row[3] for row in filling.truth(contents())]
    assert set(crm) & shop and set(crm) - shop and shop - set(crm)
    assert max(Counter(crm).values()) == 2  # entered twice
    store = Store(tmp_path)
    filling.generate(store, contents())
    with store.transaction() as connection:
        gaps = connection.execute(
            "select avg(Birthdate is null), avg(Email is null), sum(IsDeleted), "
            "sum(Shop_Customer_Number__c is not null) from Contact"
        ).fetchone()
    assert 0.4 < gaps[0] < 0.7 and 0.1 < gaps[1] < 0.35 and gaps[2] > 0 and gaps[3] > 0


def test_an_id_of_18_letters_tells_the_case_of_the_first_15() -> None:
    # Salesforce's own example of the suffix: three groups of five letters, a bit for each capital.
    assert record_id("003", 0) == "0035e0000000000AAA"
    made = {record_id("003", number) for number in range(5000)}
    assert len({name.upper() for name in made}) == 5000
    assert {len(name) for name in made} == {18}


@pytest.mark.parametrize(
    ("soql", "code"),
    [
        ("select Id", "MALFORMED_QUERY"),
        ("select Id from Lead", "INVALID_TYPE"),
        ("select Shoe from Contact", "INVALID_FIELD"),
        ("select Id from Contact where Name.First = 'a'", "MALFORMED_QUERY"),
        ("select Id from Contact where CreatedDate > '2026'", "INVALID_FIELD"),
        ("select Id from Contact; delete from Contact", "MALFORMED_QUERY"),
        ("select Id from Contact union select Id from Account", "MALFORMED_QUERY"),
        ("delete from Contact", "MALFORMED_QUERY"),
    ],
)
def test_what_salesforce_would_refuse_is_refused_with_its_code(soql: str, code: str) -> None:
    with pytest.raises(SoqlError) as refused:
        parse(soql)
    assert refused.value.code == code


def test_values_are_bound_and_instants_are_in_utc() -> None:
    query = parse(
        "SELECT id, LastName FROM contact WHERE SystemModstamp >= 2026-03-02T01:00:00+01:00 AND "
        "(LastName IN ('O\\'Brien', 'x') OR Email = null) ORDER BY SystemModstamp DESC LIMIT 7 OFFSET 2"
    )
    assert query.fields == ("Id", "LastName")
    assert query.values == ("2026-03-02T00:00:00.000+0000", "O'Brien", "x", None)
    assert "O'Brien" not in query.where
    assert (query.order, query.limit, query.offset) == ("SystemModstamp desc nulls first, Id", 7, 2)


@pytest.fixture
async def crm(tmp_path: Path) -> Any:
    store = Store(tmp_path)
    filling.generate(store, contents(customers=300))
    service = Salesforce(store, Settings(token_seconds=60, daily_requests=8, batch_size=200))
    async with TestClient(TestServer(service.application())) as client:
        client.service, client.login = service, store.login()  # type: ignore[attr-defined]
        yield client


async def token(crm: Any, **changes: str) -> dict[str, Any]:
    form = {**crm.login, "grant_type": "refresh_token", **changes}
    answer: dict[str, Any] = await (await crm.post("/services/oauth2/token", data=form)).json()
    return answer


async def test_tokens_are_given_run_out_and_are_refused(crm: Any) -> None:
    assert (await token(crm, refresh_token="no"))["error"] == "invalid_grant"
    assert (await token(crm, client_secret="no"))["error"] == "invalid_client"
    assert (await token(crm, grant_type="password"))["error"] == "unsupported_grant_type"
    good = (await token(crm))["access_token"]
    path, headers = "/services/data/v58.0/query?q=select+count()+from+Contact", {"Authorization": f"Bearer {good}"}
    assert (await crm.get(path, headers=headers)).status == 200
    crm.service._tokens[good] = time.monotonic() - 1
    expired = await crm.get(path, headers=headers)
    assert (expired.status, (await expired.json())[0]["errorCode"]) == (401, "INVALID_SESSION_ID")


async def test_pages_are_of_one_instant_and_the_deleted_are_seen_by_queryall_only(crm: Any) -> None:
    headers = {"Authorization": f"Bearer {(await token(crm))['access_token']}"}
    page = await (await crm.get("/services/data/v58.0/query?q=select+Id+from+Contact", headers=headers)).json()
    total = page["totalSize"]
    # A contact that comes between two pages is of the next query.
    store: Store = crm.service.store
    with store.transaction() as connection:
        connection.execute('insert into "Contact" ("Id", "IsDeleted") values (?, 0)', ("000",))
    found = [record["Id"] for record in page["records"]]
    while not page["done"]:
        page = await (await crm.get(page["nextRecordsUrl"], headers=headers)).json()
        found += [record["Id"] for record in page["records"]]
    assert len(found) == len(set(found)) == total and "000" not in found
    everything = await crm.get("/services/data/v58.0/queryAll?q=select+count()+from+Contact", headers=headers)
    assert (await everything.json())["totalSize"] > total + 1


async def test_more_calls_than_the_day_has_are_refused(crm: Any) -> None:
    headers = {"Authorization": f"Bearer {(await token(crm))['access_token']}"}
    limits = [await crm.get("/services/data/v58.0/limits", headers=headers) for _ in range(9)]
    assert [answer.status for answer in limits] == [200] * 8 + [403]
    assert (await limits[-1].json())[0]["errorCode"] == "REQUEST_LIMIT_EXCEEDED"
    assert limits[7].headers["Sforce-Limit-Info"] == "api-usage=8/8"


def test_instants_are_whole_seconds(tmp_path: Path) -> None:
    store = Store(tmp_path)
    filling.generate(store, contents(customers=100))
    with store.transaction() as connection:
        stamps = [row[0] for row in connection.execute('select "SystemModstamp" from "Contact"')]
    assert all(datetime.strptime(stamp, "%Y-%m-%dT%H:%M:%S.%f%z").microsecond == 0 for stamp in stamps)
