"""The dbt project built by stock dbt-redshift in the local warehouse, plain tables standing for the external ones."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from localcloud.engines.sql.warehouse import Warehouse
from localcloud.engines.sql.wire.server import Server

ROOT = Path(__file__).parents[3]
USER, PASSWORD, DATABASE = "builder", "Builder1pass", "cdap"

LAKE = """
create schema lake;
create table lake.shop_customers (
    customer_id bigint, email varchar(320), phone varchar(40), first_name varchar(200), last_name varchar(200),
    birth_date date, street varchar(300), city varchar(200), postcode varchar(20), country varchar(2),
    marketing_consent boolean, registered_at timestamp, updated_at timestamp, _extracted_at timestamp,
    dt varchar(10), load varchar(40)
);
create table lake.shop_orders (
    order_id bigint, customer_id bigint, ordered_at timestamp, status varchar(20), currency varchar(3),
    total_amount decimal(12, 2), channel varchar(20), _extracted_at timestamp, dt varchar(10), load varchar(40)
);
create table lake.shop_order_items (
    order_item_id bigint, order_id bigint, product_id bigint, ordered_at timestamp, quantity integer,
    line_amount decimal(12, 2), _extracted_at timestamp, dt varchar(10), load varchar(40)
);
create table lake.shop_products (
    product_id bigint, name varchar(300), category varchar(100), list_price decimal(12, 2), updated_at timestamp,
    _extracted_at timestamp, dt varchar(10), load varchar(40)
);
create table lake.shop_subscriptions (
    subscription_id bigint, customer_id bigint, plan varchar(100), status varchar(20), started_at timestamp,
    ended_at timestamp, updated_at timestamp, _extracted_at timestamp, dt varchar(10), load varchar(40)
);
create table lake.crm_contact (
    id varchar(18), accountid varchar(18), firstname varchar(40), lastname varchar(80), email varchar(80),
    phone varchar(40), mobilephone varchar(40), birthdate date, mailingstreet varchar(255), mailingcity varchar(40),
    mailingpostalcode varchar(20), mailingcountry varchar(2), leadsource varchar(255), hasoptedoutofemail boolean,
    shop_customer_number__c varchar(20), createddate timestamp, lastmodifieddate timestamp, systemmodstamp timestamp,
    isdeleted boolean, _extracted_at timestamp, dt varchar(10), load varchar(40)
);
create table lake.crm_account (
    id varchar(18), name varchar(255), type varchar(255), phone varchar(40), billingstreet varchar(255),
    billingcity varchar(40), billingpostalcode varchar(20), billingcountry varchar(2), createddate timestamp,
    lastmodifieddate timestamp, systemmodstamp timestamp, isdeleted boolean, _extracted_at timestamp,
    dt varchar(10), load varchar(40)
);
"""


@dataclass
class Built:
    """A database and dbt on it."""

    port: int
    folder: Path

    def sql(self, statement: str, values: Any = None) -> list[tuple[Any, ...]]:
        connection = psycopg2.connect(
            host="127.0.0.1", port=self.port, user=USER, password=PASSWORD, dbname=DATABASE, sslmode="disable"
        )
        try:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(statement, values)
                return list(cursor.fetchall()) if cursor.description else []
        finally:
            connection.close()

    def dbt(self, *arguments: str, state_run: str = "") -> None:
        """Runs dbt; its output is the message when it fails."""
        environment = {
            "CDAP_WAREHOUSE_HOST": "127.0.0.1",
            "CDAP_WAREHOUSE_PORT": str(self.port),
            "CDAP_WAREHOUSE_DATABASE": DATABASE,
            "CDAP_WAREHOUSE_USER": USER,
            "CDAP_WAREHOUSE_PASSWORD": PASSWORD,
            "CDAP_WAREHOUSE_SSLMODE": "disable",
        }
        finished = subprocess.run(
            [str(Path(sys.executable).parent / "dbt"), "--no-use-colors", *arguments, "--profiles-dir", ".",
             "--target-path", str(self.folder / "target"), "--log-path", str(self.folder / "logs"),
             "--vars", json.dumps({"state_run": state_run})],
            cwd=ROOT / "dbt_project", env={**os.environ, **environment}, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert finished.returncode == 0, finished.stdout + finished.stderr

    def land(self, load: str, day: str, orders: list[tuple[int, int, str, str]], claimed_by: str | None) -> None:
        """A load of one day: (order, customer, status, amount), each order with one item of product 1."""
        at = f"{day} 12:00:00"
        for order_id, customer_id, status, amount in orders:
            self.sql(
                "insert into lake.shop_orders values (%s, %s, %s, %s, 'EUR', %s, 'web', %s, %s, %s)",
                (order_id, customer_id, at, status, amount, at, day, load),
            )
            self.sql(
                "insert into lake.shop_order_items values (%s, %s, 1, %s, 2, %s, %s, %s, %s)",
                (order_id * 10, order_id, at, amount, at, day, load),
            )
        customers = {customer_id for _, customer_id, _, _ in orders}
        for customer_id in customers:
            self.sql(
                "insert into lake.shop_customers values (%s, %s, '0151 23456789', 'Ann', %s, null, null, null, null, "
                "'DE', true, '2026-01-01', %s, %s, %s, %s)",
                (customer_id, f"{customer_id}@x.org", load, at, at, day, load),
            )
        self.sql("insert into lake.shop_products values (1, 'CD', 'Music', 9.99, %s, %s, %s, %s)", (at, at, day, load))
        self.sql(
            "insert into ops.partition_loads values ('shop', %s, %s, %s, %s, 'ingest', %s, null)",
            (day, load, f"2026-02-01 00:00:0{load[-1]}", at, claimed_by),
        )

    def content(self) -> dict[str, list[tuple[Any, ...]]]:
        tables = ("intermediate.int_shop__orders", "intermediate.int_shop__order_items", "marts.fct_orders",
                  "intermediate.int_identity_records", "marts.dim_customer", "marts.customer_profile")  # fmt: skip
        return {table: sorted(self.sql(f"select * from {table}"), key=repr) for table in tables}  # noqa: S608


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Built]:
    folder = tmp_path_factory.mktemp("warehouse")
    warehouse = Warehouse(folder / "databases")
    warehouse.set_password(USER, PASSWORD, superuser=True, create_database=True)
    warehouse.create_database(DATABASE)
    server = Server(warehouse, "127.0.0.1", 0)
    server.start()
    built = Built(server.port, folder)
    for file in ("0000_migrations.sql", "0001_ops.sql", "0003_identity.sql", "0005_households.sql"):
        built.sql((ROOT / "migrations" / file).read_text(encoding="utf-8"))
    built.sql(LAKE)
    yield built
    server.stop()
    warehouse.close()


def join(built: Built, members: dict[int, str]) -> None:
    """Which registration is which customer, as identity resolution would leave it."""
    built.sql('delete from "identity".memberships')
    for customer_id, customer in members.items():
        built.sql(
            'insert into "identity".memberships values (%s, %s, %s, null, %s, %s, null)',
            (f"shop.customers:{customer_id}", customer, "2026-01-01", "r", "2026-01-01"),
        )


def test_days_build_up_to_what_a_full_refresh_gives(built: Built) -> None:
    built.land("load-1", "2026-01-01", [(1, 1, "completed", "10.10"), (2, 2, "completed", "5.00")], "run-1")
    built.land("load-2", "2026-01-02", [(3, 1, "completed", "0.20"), (4, 2, "cancelled", "7.00")], "run-1")
    join(built, {1: "c1", 2: "c2"})
    built.dbt("build", state_run="run-1")

    profiles = dict(built.sql("select customer_id, total_amount from marts.customer_profile"))
    assert profiles == {"c1": Decimal("10.30"), "c2": Decimal("5.00")}
    names = built.sql("select distinct last_name from marts.dim_customer")
    assert names == [("load-2",)]  # the newest snapshot alone

    # Day 1 comes again and has lost an order and gained one; another load has landed and waits for its run.
    built.land("load-3", "2026-01-01", [(1, 1, "completed", "10.10"), (5, 2, "completed", "6.00")], "run-2")
    built.land("load-4", "2026-01-03", [(6, 1, "completed", "1.00"), (7, 2, "completed", "1.00")], None)
    built.dbt("run", state_run="run-2")
    by_day = built.content()
    orders = built.sql("select order_id, load_id from intermediate.int_shop__orders order by order_id")
    assert orders == [(1, "load-3"), (3, "load-2"), (4, "load-2"), (5, "load-3")]
    profiles = dict(built.sql("select customer_id, total_amount from marts.customer_profile"))
    assert profiles == {"c1": Decimal("10.30"), "c2": Decimal("6.00")}

    built.dbt("run", state_run="run-2")
    assert built.content() == by_day
    built.dbt("run")
    assert built.content() == by_day
    built.dbt("run", "--full-refresh")
    assert built.content() == by_day
    built.dbt("test", "--exclude-resource-type", "unit_test")


def test_the_newest_version_of_a_contact_counts_whichever_load_has_it_and_a_deleted_one_is_gone(built: Built) -> None:
    def contact(
        number: int, name: str, at: str, load: str, *, gone: bool = False, shop_number: str | None = None
    ) -> None:
        built.sql(
            "insert into lake.crm_contact (id, lastname, hasoptedoutofemail, shop_customer_number__c, createddate, "
            "systemmodstamp, isdeleted, dt, load) values (%s, %s, true, %s, '2026-01-01', %s, %s, '2026-01-01', %s)",
            (f"003{number:015d}", name, shop_number, at, gone, load),
        )

    for load, claimed in (("crm-1", "run-3"), ("crm-2", "run-3"), ("crm-3", None)):
        built.sql(
            "insert into ops.partition_loads values ('crm', '2026-01-01', %s, %s, %s, 'ingest', %s, null)",
            (load, "2026-02-02", "2026-02-02", claimed),
        )
    contact(1, "Old", "2026-01-01 10:00", "crm-1", shop_number="7")
    contact(1, "New", "2026-01-02 10:00", "crm-2", shop_number="7")
    contact(2, "Gone", "2026-01-01 10:00", "crm-1")
    contact(2, "Gone", "2026-01-02 11:00", "crm-2", gone=True)
    contact(3, "Kept", "2026-01-01 10:00", "crm-1")
    contact(3, "Waits", "2026-01-05 10:00", "crm-3")
    built.dbt("run", "--select", "+int_identity_records", state_run="run-3")
    found = built.sql(
        "select record_key, last_name, account_id, has_marketing_consent from intermediate.int_identity_records "
        "where source = 'crm' order by record_key"
    )
    assert found == [
        (f"crm.contact:003{1:015d}", "New", "shop:7", False),
        (f"crm.contact:003{3:015d}", "Kept", None, False),
    ]
