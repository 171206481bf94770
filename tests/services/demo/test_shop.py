"""The shop in a real PostgreSQL: filled, moved on by days, read by the user who replicates."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import boto3
import psycopg2
import pytest
from moto import mock_aws
from typer.testing import CliRunner

from demo import cdnow, shop
from demo.cli import app
from demo.crm import filling
from demo.enterprise import Enterprise

LAST = date(2026, 3, 10)


@pytest.fixture(scope="module")
def enterprise(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Enterprise]:
    enterprise = Enterprise(tmp_path_factory.mktemp("demo"))
    enterprise.start()
    yield enterprise
    enterprise.stop()


@pytest.fixture
def dsn(enterprise: Enterprise) -> str:
    return enterprise.endpoint().url


@pytest.fixture
def command(enterprise: Enterprise, monkeypatch: pytest.MonkeyPatch) -> CliRunner:
    monkeypatch.setenv("DEMO_STATE", str(enterprise.state))
    return CliRunner()


def contents(through: date, seed: int = 5) -> shop.Contents:
    return shop.Contents("generated", 1500, 6, LAST, seed, through)


def rows(dsn: str) -> dict[str, list[tuple[object, ...]]]:
    with shop.transaction(dsn) as connection, connection.cursor() as cursor:
        found = {}
        for table in shop.TABLES:
            cursor.execute(f"select * from public.{table} order by 1")  # noqa: S608 a constant
            found[table] = cursor.fetchall()
        return found


def generate(dsn: str, wanted: shop.Contents) -> dict[str, list[tuple[object, ...]]]:
    with shop.transaction(dsn) as connection:
        shop.generate(connection, wanted)
    return rows(dsn)


def test_day_by_day_ends_in_the_same_rows_as_all_at_once(dsn: str) -> None:
    at_once = generate(dsn, contents(LAST))
    early = generate(dsn, contents(LAST - timedelta(days=5)))
    for days in (4, 3, 1, 0):
        with shop.transaction(dsn) as connection:
            shop.advance(connection, LAST - timedelta(days=days))
    assert rows(dsn) == at_once
    gone = {row[0] for row in early["customers"]} - {row[0] for row in at_once["customers"]}
    changed = set(early["customers"]) - set(at_once["customers"])
    assert gone and len(changed) > len(gone) and len(at_once["orders"]) > len(early["orders"]) > 0


def test_a_day_that_has_happened_is_not_touched_again(dsn: str) -> None:
    before = generate(dsn, contents(LAST))
    with shop.transaction(dsn) as connection:
        assert shop.advance(connection, LAST - timedelta(days=1)).through == LAST
    assert rows(dsn) == before


def test_an_error_half_way_leaves_the_shop_as_it_was(dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    before = generate(dsn, contents(LAST - timedelta(days=3)))
    monkeypatch.setattr(shop, "write_contents", lambda *_: (_ for _ in ()).throw(RuntimeError("killed")))
    with pytest.raises(RuntimeError, match="killed"), shop.transaction(dsn) as connection:
        shop.advance(connection, LAST)
    assert rows(dsn) == before


def test_a_day_outside_of_the_population_is_refused(dsn: str) -> None:
    generate(dsn, contents(LAST))
    refused = pytest.raises(shop.ShopError, match="2026-03-11 is not one of this population's days")
    with refused, shop.transaction(dsn) as connection:
        shop.advance(connection, LAST + timedelta(days=1))


def test_the_truth_names_exactly_the_customers_that_exist(dsn: str, command: CliRunner, tmp_path: Path) -> None:
    found = generate(dsn, contents(LAST - timedelta(days=2)))
    crm = Enterprise().crm.store
    filling.generate(crm, contents(LAST - timedelta(days=2)))
    file = tmp_path / "truth.csv"
    assert command.invoke(app, ["truth", "--out", str(file)]).exit_code == 0
    with file.open(newline="") as stream:
        truth = list(csv.DictReader(stream))
    shop_ids = sorted(int(row["id"]) for row in truth if (row["source"], row["table"]) == ("shop", "customers"))
    assert shop_ids == [row[0] for row in found["customers"]]
    with crm.transaction() as connection:
        contacts = [row[0] for row in connection.execute('select "Id" from "Contact" where not "IsDeleted"')]
    assert sorted(row["id"] for row in truth if (row["source"], row["table"]) == ("crm", "contact")) == sorted(contacts)
    assert len(truth) == len(shop_ids) + len(contacts)
    assert len({row["household_id"] for row in truth}) < len({row["person_id"] for row in truth}) < len(truth)


def test_the_reader_may_select_and_nothing_else(enterprise: Enterprise) -> None:
    connection = psycopg2.connect(enterprise.reader().url)
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute("select count(*) from public.orders")
        for statement in (
            "delete from public.orders",
            "insert into public.products values (0, 'x', 'x', 0, now())",
            "create table public.mine (id int)",
            "select * from demo.contents",
        ):
            with pytest.raises(psycopg2.errors.InsufficientPrivilege):
                cursor.execute(statement)
    connection.close()


def test_cdnow_purchases_replace_what_the_shop_holds(dsn: str, tmp_path: Path) -> None:
    file = tmp_path / "purchases.txt"
    file.write_text("00001 19970105 1 11.77\n00002 19970112 1 12.00\n00002 19970112 5 77.00\n00001 19970101 2 0.00\n")
    with shop.transaction(dsn) as connection:
        cdnow.load(connection, file)
    found = rows(dsn)
    assert [(row[0], row[1], row[11].date()) for row in found["customers"]] == [  # type: ignore[attr-defined]
        (1, None, date(1997, 1, 1)),
        (2, None, date(1997, 1, 12)),
    ]
    assert [(row[1], str(row[5])) for row in found["orders"]] == [(1, "11.77"), (2, "12.00"), (2, "77.00"), (1, "0.00")]
    assert [(row[4], str(row[5])) for row in found["order_items"]] == [
        (1, "11.77"),
        (1, "12.00"),
        (5, "77.00"),
        (2, "0.00"),
    ]
    with pytest.raises(shop.ShopError, match="holds cdnow data"), shop.transaction(dsn) as connection:
        shop.advance(connection, LAST)


def test_a_malformed_file_leaves_the_shop_as_it_was(dsn: str, tmp_path: Path) -> None:
    before = generate(dsn, contents(LAST))
    file = tmp_path / "purchases.txt"
    file.write_text("00001 19970105 1 11.77\nnonsense\n")
    with pytest.raises(shop.ShopError, match="line 2"), shop.transaction(dsn) as connection:
        cdnow.load(connection, file)
    assert rows(dsn) == before


def test_status_says_where_the_shop_is_and_a_second_up_that_it_runs(command: CliRunner, enterprise: Enterprise) -> None:
    status = json.loads(command.invoke(app, ["status", "--json"]).stdout)
    connection = psycopg2.connect(
        **{key: status[key] for key in ("host", "port", "user", "password")}, dbname=status["database"]
    )
    connection.close()
    assert "runs already" in command.invoke(app, ["up"]).output


def test_the_secret_is_the_readers_and_is_renewed(
    command: CliRunner, enterprise: Enterprise, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with mock_aws():
        for done in ("created", "updated"):
            assert done in command.invoke(app, ["register-secret", "sources/shop"]).output
        value = boto3.client("secretsmanager").get_secret_value(SecretId="sources/shop")["SecretString"]
    reader = enterprise.reader()
    assert json.loads(value) == {
        "host": reader.host, "port": reader.port, "username": "dms_reader", "password": reader.password,
    }  # fmt: skip


def test_commands_of_an_enterprise_that_is_down_say_how_to_start_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEMO_STATE", str(tmp_path))
    assert CliRunner().invoke(app, ["status"]).exit_code == 3
    result = CliRunner().invoke(app, ["generate", "--end", "2026-03-10"])
    assert result.exit_code == 1 and "demo up" in result.output
