"""A load's way from raw files to clean partitions, quarantine and ledger, on the real catalog and warehouse."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from cdap import ledger
from cdap.cli.quarantine import QUERY
from cdap.config import Source, load_source
from cdap.contracts import TableCheck
from cdap.errors import ReconciliationError, SchemaChangeError, WarehouseError
from cdap.loads import Load, Window, begin_load, clean_folder, quarantine_folder
from cdap.migrations import apply
from cdap.parameters import Parameters
from cdap.settings import PROJECT_DIR
from cdap.stage_report import read_stages
from cdap.warehouse import Warehouse
from tests.services.cdap.lake import Lake

ORDERS = pa.schema(
    [
        ("order_id", pa.int64()),
        ("customer_id", pa.int64()),
        ("ordered_at", pa.timestamp("us")),
        ("status", pa.string()),
        ("currency", pa.string()),
        ("total_amount", pa.decimal128(12, 2)),
        ("channel", pa.string()),
    ]
)
PRODUCTS = pa.schema(
    [
        ("product_id", pa.int64()),
        ("name", pa.string()),
        ("category", pa.string()),
        ("list_price", pa.decimal128(12, 2)),
        ("updated_at", pa.timestamp("us")),
    ]
)
DAY = date(2026, 11, 1)
NOW = datetime(2026, 11, 4, 2, tzinfo=UTC)


@pytest.fixture(scope="module")
def shop() -> Source:
    return load_source(PROJECT_DIR / "config" / "sources" / "shop.yaml")


def order(number: int | None, day: int, amount: str = "9.90", status: str = "completed") -> dict[str, Any]:
    moment = datetime(2026, 11, day, 12, 30, 15, 123456)  # noqa: DTZ001 - the column has no zone
    return {
        "order_id": number,
        "customer_id": 7,
        "ordered_at": moment,
        "status": status,
        "currency": "EUR",
        "total_amount": Decimal(amount),
        "channel": "web",
    }


def product(number: int, name: str | None) -> dict[str, Any]:
    moment = datetime(2026, 11, 1)  # noqa: DTZ001 - the column has no zone
    return {"product_id": number, "name": name, "category": None, "list_price": None, "updated_at": moment}


@pytest.fixture
def lake(s3: Any, glue: Any, warehouse: Warehouse, names: Parameters, shop: Source) -> Lake:
    return Lake(s3, glue, warehouse, names, shop)


def a_load(shop: Source, first: int = 1, last: int = 2) -> Load:
    return begin_load(shop, Window(date(2026, 11, first), date(2026, 11, last)), datetime.now(UTC))


def test_a_load_becomes_clean_partitions_quarantine_and_a_row_in_the_ledger(lake: Lake, shop: Source) -> None:
    load = a_load(shop)
    orders = [order(1, 1), order(2, 2, "0.10"), order(3, 2, status="lost"), order(1, 1), order(5, 3), order(None, 1)]
    extracted = {
        "orders": lake.land(load, "orders", orders, ORDERS),
        "products": lake.land(load, "products", [product(1, "CD"), product(2, None)], PRODUCTS),
    }
    checks = lake.check(load, extracted)
    by_table = {check.table: check for check in checks}
    assert by_table["orders"].reasons == {
        "duplicate:order_id": 1,
        "enum:status": 1,
        "missing:order_id": 1,
        "window:ordered_at": 1,
    }
    assert (by_table["orders"].good, by_table["orders"].days) == (2, ["2026-11-01", "2026-11-02"])
    assert (by_table["products"].good, by_table["products"].bad) == (1, 1)
    assert by_table["customers"].rows_in == 0
    assert lake.publish(load, checks) == 2

    rows = lake.warehouse.fetch_all(
        "select order_id, ordered_at, total_amount, dt, _extracted_at from lake.shop_orders where load = %s "
        "order by order_id",
        (load.load_id,),
    )
    extracted_at = load.extracted_at.replace(tzinfo=None)
    assert rows == [
        (1, order(1, 1)["ordered_at"], Decimal("9.90"), "2026-11-01", extracted_at),
        (2, order(2, 2)["ordered_at"], Decimal("0.10"), "2026-11-02", extracted_at),
    ]
    assert lake.warehouse.fetch_all(
        "select product_id, name, dt from lake.shop_products where load = %s", (load.load_id,)
    ) == [(1, "CD", "2026-11-02")]

    bad = lake.quarantined("orders", load)
    assert sorted(row["_reason"] for row in bad) == sorted(by_table["orders"].reasons)
    (lost,) = [row for row in bad if row["_reason"] == "enum:status"]
    assert (lost["order_id"], lost["status"], lost["_source"], lost["_table"]) == (3, "lost", "shop", "orders")
    assert lost["_load"] == load.load_id
    assert lost["_file"].endswith("orders/LOAD00000001.parquet")
    assert {row.day.day for row in ledger.pending(lake.warehouse) if row.load_id == load.load_id} == {1, 2}


def test_every_stage_that_runs_again_ends_in_the_same(lake: Lake, shop: Source) -> None:
    load = a_load(shop)
    extracted = {"orders": lake.land(load, "orders", [order(1, 1), order(2, 2), order(3, 9)], ORDERS)}
    first = lake.check(load, extracted)
    lake.publish(load, first)
    folders = [
        clean_folder("shop", "orders", load.load_id),
        quarantine_folder("shop", "orders", load.last_day, load.load_id),
    ]
    keys = [lake.keys(folder) for folder in folders]
    assert lake.check(load, extracted) == first
    lake.publish(load, first)
    assert [lake.keys(folder) for folder in folders] == keys
    count = "select count(*) from lake.shop_orders where load = %s"
    assert lake.warehouse.fetch_all(count, (load.load_id,)) == [(2,)]
    in_ledger = "select count(*) from ops.partition_loads where load_id = %s"
    assert lake.warehouse.fetch_all(in_ledger, (load.load_id,)) == [(2,)]


def test_a_later_load_of_a_day_does_not_touch_an_earlier_ones_files(lake: Lake, shop: Source) -> None:
    loads = [a_load(shop), a_load(shop)]
    for amount, load in zip(("1.00", "2.00"), loads, strict=True):
        checks = lake.check(load, {"orders": lake.land(load, "orders", [order(1, 1, amount)], ORDERS)})
        lake.publish(load, checks)
    for amount, load in zip(("1.00", "2.00"), loads, strict=True):
        query = "select total_amount from lake.shop_orders where load = %s"
        assert lake.warehouse.fetch_all(query, (load.load_id,)) == [(Decimal(amount),)]


def test_a_column_that_the_source_adds_is_seen_and_kept_out_of_the_clean_table(lake: Lake, shop: Source) -> None:
    load = a_load(shop)
    rows = [{**product(1, "CD"), "colour": "red"}]
    extracted = {"products": lake.land(load, "products", rows, PRODUCTS.append(pa.field("colour", pa.string())))}
    (check,) = [item for item in lake.check(load, extracted) if item.table == "products"]
    assert check.good == 1
    assert lake.warehouse.fetch_all("select colour from raw.shop_products where load = %s", (load.load_id,)) == [
        ("red",)
    ]
    before = a_load(shop)
    lake.check(before, {"products": lake.land(before, "products", [product(2, "LP")], PRODUCTS)})
    assert lake.warehouse.fetch_all("select colour from raw.shop_products where load = %s", (before.load_id,)) == [
        (None,)
    ]


def test_a_column_whose_type_changed_stops_the_load_before_anything_reads_it(lake: Lake, shop: Source) -> None:
    load = a_load(shop)
    lake.land(load, "products", [product(1, "CD")], PRODUCTS)
    lake.catalog(load)
    changed = a_load(shop)
    schema = PRODUCTS.set(0, pa.field("product_id", pa.string()))
    lake.land(changed, "products", [{**product(1, "CD"), "product_id": "1"}], schema)
    with pytest.raises(SchemaChangeError, match=r"shop\.products.*product_id came as string"):
        lake.catalog(changed)


def test_rows_that_the_extraction_counted_but_did_not_write_fail_the_load(lake: Lake, shop: Source) -> None:
    load = a_load(shop)
    lake.land(load, "products", [product(1, "CD")], PRODUCTS)
    with pytest.raises(ReconciliationError, match="2 rows extracted, 1 read"):
        lake.check(load, {"products": 2})


def test_a_transaction_holds_all_or_nothing(warehouse: Warehouse) -> None:
    warehouse.execute("create table ops.tried (n integer)")

    def write_both() -> None:
        with warehouse.transaction():
            warehouse.execute("insert into ops.tried values (%s)", (1,))
            warehouse.execute("insert into ops.nowhere values (1)")

    with pytest.raises(WarehouseError, match="nowhere"):
        write_both()
    assert warehouse.fetch_all("select count(*) from ops.tried") == [(0,)]
    with warehouse.transaction():
        assert warehouse.execute("insert into ops.tried values (%s), (%s)", (1, 2)) == 2
    assert warehouse.fetch_all("select n from ops.tried where 'x' like '%' order by n limit %s", (5,)) == [(1,), (2,)]
    assert warehouse.fetch_all("select '100%' as share") == [("100%",)]


def test_migrations_are_applied_once(warehouse: Warehouse, names: Parameters) -> None:
    assert apply(warehouse, names) == []
    assert warehouse.fetch_all("select count(*) from ops.migrations where number = 1") == [(1,)]


def test_what_the_stages_did_and_what_is_in_quarantine_can_be_read_back(warehouse: Warehouse, shop: Source) -> None:
    load = a_load(shop)
    checks = [TableCheck("orders", 3, 1, 2, {"enum:status": 2}, ["2026-11-01"])]
    ledger.record_load(warehouse, shop, load, "run", checks, NOW)
    ledger.record_stage(warehouse, ledger.StageRun("ingest", load.load_id, "check", "shop", DAY, 3, 1, 2, 0.25), NOW)
    (line,) = read_stages(warehouse, dag_id="ingest", limit=5)
    assert (line.day, line.rows_in, line.rows_out, line.rows_quarantined, line.engine_seconds) == (DAY, 3, 1, 2, 0.25)
    found = warehouse.fetch_all(QUERY, ("shop", "shop", "orders", "orders", "2026-11-01", 200))
    assert ("shop", "orders", load.last_day, load.load_id, "enum:status", 2) in found
    assert warehouse.fetch_all(QUERY, ("", "", "", "", "2099-01-01", 200)) == []


def test_a_state_run_claims_applies_and_gets_its_rows_again(warehouse: Warehouse, shop: Source) -> None:
    load = a_load(shop)
    ledger.record_load(warehouse, shop, load, "run", [], NOW)
    claimed = [row for row in ledger.claim(warehouse, "state-1") if row.load_id == load.load_id]
    assert [(row.day.day, row.applied_at) for row in claimed] == [(1, None), (2, None)]
    assert claimed[0].extracted_at == load.extracted_at
    assert ledger.mark_applied(warehouse, "state-1", NOW) >= 2
    assert ledger.mark_applied(warehouse, "state-1", NOW) == 0
    assert ledger.pending(warehouse) == []
    again = [row for row in ledger.claim(warehouse, "state-1") if row.load_id == load.load_id]
    assert [row.applied_at for row in again] == [NOW, NOW]
