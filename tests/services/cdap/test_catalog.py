"""The catalog functions on real Glue tables and real objects."""

from __future__ import annotations

import io
import uuid
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cdap.catalog import (
    Partition,
    clean_columns,
    discovered_columns,
    ensure_clean_table,
    ensure_table,
    raw_columns,
    register_partitions,
    retract_partitions,
    schema_change,
    table_columns,
)
from cdap.config import Source, load_source
from cdap.errors import CdapError, SchemaChangeError
from cdap.loads import Load
from cdap.settings import PROJECT_DIR

LOAD = Load(
    "shop", "20261103T020000000000-0a1b2c", date(2026, 11, 2), date(2026, 11, 2), datetime(2026, 11, 3, tzinfo=UTC)
)
PRODUCTS = [
    ("product_id", "bigint"),
    ("name", "string"),
    ("category", "string"),
    ("list_price", "decimal(12,2)"),
    ("updated_at", "timestamp"),
]


@pytest.fixture(scope="module")
def shop() -> Source:
    return load_source(PROJECT_DIR / "config" / "sources" / "shop.yaml")


@pytest.fixture(scope="module")
def s3(gateway: Any) -> Any:
    return gateway.client("s3")


@pytest.fixture(scope="module")
def glue(gateway: Any) -> Any:
    return gateway.client("glue")


@pytest.fixture(scope="module")
def bucket(s3: Any) -> str:
    name = f"lake-{uuid.uuid4().hex[:8]}"
    s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    return name


@pytest.fixture
def database(glue: Any) -> Iterator[str]:
    name = f"lake_{uuid.uuid4().hex[:8]}"
    glue.create_database(DatabaseInput={"Name": name})
    yield name
    for table in glue.get_tables(DatabaseName=name)["TableList"]:
        glue.delete_table(DatabaseName=name, Name=table["Name"])
    glue.delete_database(Name=name)


def put(s3: Any, bucket: str, key: str, table: pa.Table, **options: Any) -> int:
    buffer = io.BytesIO()
    pq.write_table(table, buffer, **options)
    s3.put_object(Bucket=bucket, Key=key, Body=buffer.getvalue())
    return len(buffer.getvalue())


def partitions_of(glue: Any, database: str, table: str) -> dict[tuple[str, ...], str]:
    pages = glue.get_paginator("get_partitions").paginate(DatabaseName=database, TableName=table)
    return {
        tuple(item["Values"]): item["StorageDescriptor"]["Location"] for page in pages for item in page["Partitions"]
    }


def test_the_columns_of_a_file_are_named_and_typed_as_glue_does(s3: Any, bucket: str) -> None:
    types = {
        "A_Big": (pa.int64(), "bigint"),
        "small": (pa.int16(), "smallint"),
        "whole": (pa.int32(), "int"),
        "money": (pa.decimal128(12, 2), "decimal(12,2)"),
        "ratio": (pa.float64(), "double"),
        "flag": (pa.bool_(), "boolean"),
        "day": (pa.date32(), "date"),
        "moment": (pa.timestamp("us"), "timestamp"),
        "text": (pa.string(), "string"),
        "bytes": (pa.binary(), "binary"),
    }
    schema = pa.schema([(name, kind) for name, (kind, _) in types.items()])
    put(s3, bucket, "types/LOAD00000001.parquet", schema.empty_table())
    assert raw_columns(s3, bucket, "types/") == [(name.lower(), glue_name) for name, (_, glue_name) in types.items()]


def test_only_the_footer_of_a_large_file_is_read(s3: Any, bucket: str) -> None:
    rows = pa.table({"n": pa.array(range(2_000_000), pa.int64())})
    size = put(s3, bucket, "large/LOAD00000001.parquet", rows, compression="none", use_dictionary=False)
    read: list[int] = []
    s3.meta.events.register(
        "after-call.s3.GetObject", lambda parsed, **_: read.append(int(parsed.get("ContentLength", 0)))
    )
    assert raw_columns(s3, bucket, "large/") == [("n", "bigint")]
    assert size > 15_000_000
    assert 0 < sum(read) < 1_000_000


def test_a_footer_that_is_larger_than_most_is_read_whole(s3: Any, bucket: str) -> None:
    names = [f"a_rather_long_name_of_a_column_{number:04}" for number in range(1500)]
    put(s3, bucket, "wide/LOAD00000001.parquet", pa.table({name: [1] for name in names}))
    assert raw_columns(s3, bucket, "wide/") == [(name, "bigint") for name in names]


def test_an_empty_folder_has_no_columns(s3: Any, bucket: str) -> None:
    assert raw_columns(s3, bucket, "nothing/") == []


def test_a_file_that_is_not_parquet_is_named(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="broken/LOAD00000001.parquet", Body=b"not parquet at all")
    with pytest.raises(CdapError, match=r"broken/LOAD00000001\.parquet: it is not a Parquet file"):
        raw_columns(s3, bucket, "broken/")


def test_files_of_one_load_that_differ_are_refused(s3: Any, bucket: str) -> None:
    put(s3, bucket, "mixed/LOAD00000001.parquet", pa.table({"a": [1]}))
    put(s3, bucket, "mixed/LOAD00000002.parquet", pa.table({"a": ["x"]}))
    with pytest.raises(SchemaChangeError, match=r"LOAD00000002"):
        raw_columns(s3, bucket, "mixed/")


def test_a_column_with_a_name_of_the_platforms_is_refused(s3: Any, bucket: str) -> None:
    put(s3, bucket, "reserved/LOAD00000001.parquet", pa.table({"dt": ["x"]}))
    with pytest.raises(SchemaChangeError, match="column dt"):
        raw_columns(s3, bucket, "reserved/")


def test_a_new_column_widens_and_a_known_schema_is_the_same(shop: Source) -> None:
    assert schema_change(shop, "products", None, PRODUCTS, LOAD).kind == "new"
    assert schema_change(shop, "products", PRODUCTS, PRODUCTS, LOAD).kind == "same"
    wider = schema_change(shop, "products", PRODUCTS, [*PRODUCTS, ("colour", "string")], LOAD)
    assert (wider.kind, wider.columns) == ("widened", [*PRODUCTS, ("colour", "string")])
    without_optional = [item for item in PRODUCTS if item[0] != "category"]
    assert schema_change(shop, "products", PRODUCTS, without_optional, LOAD).columns == PRODUCTS


@pytest.mark.parametrize(
    ("found", "says"),
    [
        ([item for item in PRODUCTS if item[0] != "name"], "required column name"),
        ([("product_id", "date"), *PRODUCTS[1:]], "product_id came as date, which cannot become"),
        ([("product_id", "int"), *PRODUCTS[1:]], "product_id came as int, the catalog has bigint"),
    ],
)
def test_an_incompatible_change_names_source_table_partition_and_column(
    shop: Source, found: list[tuple[str, str]], says: str
) -> None:
    with pytest.raises(SchemaChangeError) as raised:
        schema_change(shop, "products", PRODUCTS, found, LOAD)
    for part in ("shop.products", "dt=2026-11-02", LOAD.load_id, says):
        assert part in str(raised.value)


def test_a_table_is_made_once_and_widened(glue: Any, database: str) -> None:
    assert table_columns(glue, database, "t") is None
    assert ensure_table(glue, database, "t", PRODUCTS, "s3://lake/raw/", "Products")
    assert not ensure_table(glue, database, "t", PRODUCTS, "s3://lake/raw/", "Products")
    assert ensure_table(glue, database, "t", [*PRODUCTS, ("colour", "string")], "s3://lake/raw/", "Products")
    assert table_columns(glue, database, "t") == [*PRODUCTS, ("colour", "string")]
    keys = glue.get_table(DatabaseName=database, Name="t")["Table"]["PartitionKeys"]
    assert [(key["Name"], key["Type"]) for key in keys] == [("dt", "string"), ("load", "string")]


def test_partitions_are_registered_in_batches_and_again_without_harm(glue: Any, database: str) -> None:
    ensure_table(glue, database, "t", PRODUCTS, "s3://lake/raw/")
    wanted = [Partition(f"d{number:03}", "l1", f"raw/{number}/") for number in range(230)]
    assert register_partitions(glue, database, "t", "lake", wanted) == 230
    moved = [Partition("d000", "l1", "raw/moved/"), *wanted[1:]]
    assert register_partitions(glue, database, "t", "lake", moved) == 230
    found = partitions_of(glue, database, "t")
    assert len(found) == 230
    assert found["d000", "l1"] == "s3://lake/raw/moved/"
    assert found["d229", "l1"] == "s3://lake/raw/229/"


def test_partitions_of_a_table_that_is_not_there_are_refused(glue: Any, database: str) -> None:
    with pytest.raises(CdapError, match="no such table"):
        register_partitions(glue, database, "nowhere", "lake", [Partition("d", "l", "raw/")])


def test_days_that_an_attempt_no_longer_has_are_retracted(glue: Any, database: str) -> None:
    ensure_table(glue, database, "t", PRODUCTS, "s3://lake/raw/")
    wanted = [Partition(f"d{number:02}", load, "raw/") for number in range(30) for load in ("l1", "l2")]
    register_partitions(glue, database, "t", "lake", wanted)
    assert retract_partitions(glue, database, "t", "l1", ["d00"]) == 29
    assert retract_partitions(glue, database, "t", "l1", ["d00"]) == 0
    assert sorted(partitions_of(glue, database, "t")) == sorted(
        [("d00", "l1"), *((f"d{n:02}", "l2") for n in range(30))]
    )


def test_what_a_crawler_found_is_told_by_its_folder(glue: Any, database: str) -> None:
    ensure_table(glue, database, "products", PRODUCTS[:1], "s3://lake/raw/shop/l1/public/products/")
    ensure_table(glue, database, "products_0f3a", PRODUCTS[:2], "s3://lake/raw/shop/l2/public/products")
    assert discovered_columns(glue, database, "lake", "raw/shop/l1/public/products/") == PRODUCTS[:1]
    assert discovered_columns(glue, database, "lake", "raw/shop/l2/public/products/") == PRODUCTS[:2]
    assert discovered_columns(glue, database, "lake", "raw/shop/l3/public/products/") is None


def test_the_clean_table_is_the_contract_and_grows_with_it(
    glue: Any, database: str, shop: Source, tmp_path: Path
) -> None:
    assert ensure_clean_table(glue, database, "lake", shop, "products")
    assert not ensure_clean_table(glue, database, "lake", shop, "products")
    first = table_columns(glue, database, "shop_products")
    assert first == clean_columns(shop.tables["products"]) == [*PRODUCTS, ("_extracted_at", "timestamp")]
    text = (PROJECT_DIR / "config" / "sources" / "shop.yaml").read_text()
    path = tmp_path / "shop.yaml"
    path.write_text(
        text.replace("      list_price:", "      colour: {type: string, description: Its colour.}\n      list_price:")
    )
    assert ensure_clean_table(glue, database, "lake", load_source(path), "products")
    assert table_columns(glue, database, "shop_products") == [*first, ("colour", "string")]
    path.write_text(text.replace('list_price: {type: "decimal(12,2)"', 'list_price: {type: "decimal(18,4)"'))
    with pytest.raises(SchemaChangeError, match="list_price"):
        ensure_clean_table(glue, database, "lake", load_source(path), "products")
