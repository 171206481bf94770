"""Crawlers on a running local cloud: real objects, the crawler's own role."""

from __future__ import annotations

import gzip
import io
import json
import time
from datetime import datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from botocore.exceptions import ClientError

from .conftest import Lake, columns


def parquet(**arrays: Any) -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.table(arrays), sink)
    return sink.getvalue()


ORDERS = parquet(
    order_id=pa.array([1, 2], pa.int64()),
    amount=pa.array([Decimal("1.50"), None], pa.decimal128(12, 2)),
    ordered_at=pa.array([datetime.fromisoformat("2024-01-01")] * 2, pa.timestamp("us")),
    status=["completed", None],
)
PRODUCTS = parquet(product_id=[1, 2, 3], name=["a", "b", "c"], category=["x", "y", "z"], weight=[1.0, 2.0, 3.0])


def test_each_folder_of_a_load_becomes_a_table_with_the_types_of_its_footers(lake: Lake) -> None:
    lake.put("raw/l1/public/orders/LOAD00000001.parquet", ORDERS)
    lake.put("raw/l1/public/orders/LOAD00000002.parquet", ORDERS)
    lake.put("raw/l1/public/products/LOAD00000001.parquet", PRODUCTS)
    lake.put("raw/l1/public/orders/_SUCCESS", "")
    tables = lake.crawl("raw/l1/public/")
    assert set(tables) == {"orders", "products"}
    orders = tables["orders"]
    assert columns(orders) == {
        "order_id": "bigint",
        "amount": "decimal(12,2)",
        "ordered_at": "timestamp",
        "status": "string",
    }
    assert orders["StorageDescriptor"]["Location"] == f"s3://{lake.bucket}/raw/l1/public/orders/"
    assert orders["StorageDescriptor"]["SerdeInfo"]["SerializationLibrary"].endswith("ParquetHiveSerDe")
    assert orders["Parameters"]["classification"] == "parquet"
    assert (orders["Parameters"]["recordCount"], orders["Parameters"]["objectCount"]) == ("4", "2")
    assert orders["PartitionKeys"] == [] and orders["TableType"] == "EXTERNAL_TABLE"


def test_hive_folders_are_partitions_and_schemas_of_files_are_merged(lake: Lake) -> None:
    lake.put("events/dt=2024-01-01/load=a/1.parquet", parquet(id=pa.array([1], pa.int32()), name=["x"]))
    lake.put("events/dt=2024-01-02/load=b/1.parquet", parquet(id=pa.array([1], pa.int64()), name=["x"], extra=[True]))
    table = lake.crawl("events/", TablePrefix="pre_")["pre_events"]
    assert columns(table) == {"id": "bigint", "name": "string", "extra": "boolean"}
    assert [(k["Name"], k["Type"]) for k in table["PartitionKeys"]] == [("dt", "string"), ("load", "string")]
    partitions = lake.partitions("pre_events")
    assert [p["Values"] for p in partitions] == [["2024-01-01", "a"], ["2024-01-02", "b"]]
    assert partitions[0]["StorageDescriptor"]["Location"] == f"s3://{lake.bucket}/events/dt=2024-01-01/load=a/"
    assert columns(partitions[0]) == {"id": "int", "name": "string"}


def test_plain_folders_of_one_schema_are_numbered_partitions(lake: Lake) -> None:
    for day in ("01", "02"):
        lake.put(
            f"logs/2024/{day}/a.json",
            '{"id": 1, "tags": ["a"], "who": {"name": "x"}}\n{"id": 2.5, "big": 5000000000}\n',
        )
    table = lake.crawl("logs/")["logs"]
    assert [k["Name"] for k in table["PartitionKeys"]] == ["partition_0", "partition_1"]
    assert columns(table) == {"id": "double", "tags": "array<string>", "who": "struct<name:string>", "big": "bigint"}
    assert table["StorageDescriptor"]["SerdeInfo"]["Parameters"] == {"paths": "id,tags,who,big"}
    assert [p["Values"] for p in lake.partitions("logs")] == [["2024", "01"], ["2024", "02"]]


def test_csv_is_recognised_with_delimiter_header_types_and_compression(lake: Lake) -> None:
    lake.put("stores/a.csv.gz", gzip.compress(b"id|name|open|rate\n1|one|true|1.5\n2|two|false|2\n"))
    lake.put("plain/a.csv", "x,y\nz,w\n")
    tables = {**lake.crawl("stores/"), **lake.crawl("plain/")}
    stores = tables["stores"]
    assert columns(stores) == {"id": "bigint", "name": "string", "open": "boolean", "rate": "double"}
    parameters = stores["Parameters"]
    assert (parameters["delimiter"], parameters["skip.header.line.count"], parameters["compressionType"]) == (
        "|",
        "1",
        "gzip",
    )
    assert parameters["recordCount"] == "2" and stores["StorageDescriptor"]["Compressed"] is True
    # All text: the first row cannot be told from the others, so it is data, as Glue's classifier documents.
    assert columns(tables["plain"]) == {"col0": "string", "col1": "string"}
    assert "skip.header.line.count" not in tables["plain"]["Parameters"]


def test_exclusions_and_sample_size_limit_what_is_read(lake: Lake) -> None:
    lake.put("t/a.json", '{"a": 1}\n')
    lake.put("t/b.json", '{"a": 1, "b": 2}\n')
    lake.put("t/skip.csv", "not,json\n1,2\n")
    tables = lake.crawl("t/", target={"Exclusions": ["*.csv"], "SampleSize": 1})
    assert {n: columns(t) for n, t in tables.items()} == {"t": {"a": "int"}}
    assert tables["t"]["Parameters"]["objectCount"] == "2"


def test_a_second_crawl_updates_the_table_at_its_place_and_counts_it(lake: Lake) -> None:
    lake.put("t/k=1/a.json", '{"a": 1}\n')
    name = lake.crawler("t/")
    lake.run(name)
    lake.put("t/k=2/a.json", '{"b": 1}\n')
    assert lake.run(name)["Status"] == "SUCCEEDED"
    table = lake.tables()["t"]
    assert columns(table) == {"a": "int", "b": "int"} and table["VersionId"] == "1"
    assert [p["Values"] for p in lake.partitions("t")] == [["1"], ["2"]]
    metrics = lake.glue.get_crawler_metrics(CrawlerNameList=[name])["CrawlerMetricsList"][0]
    assert (metrics["TablesCreated"], metrics["TablesUpdated"]) == (0, 1)


def test_the_second_folder_of_a_name_gets_a_table_of_its_own(lake: Lake) -> None:
    lake.put("one/orders/a.parquet", ORDERS)
    lake.put("two/orders/a.parquet", ORDERS)
    lake.crawl("one/orders/")
    tables = lake.crawl("two/orders/")
    assert len(tables) == 2
    locations = {n: t["StorageDescriptor"]["Location"] for n, t in tables.items()}
    assert locations.pop("orders") == f"s3://{lake.bucket}/one/orders/"
    ((other, location),) = locations.items()
    assert other.startswith("orders_") and len(other) == len("orders_") + 32 and location.endswith("two/orders/")


def test_what_is_gone_is_handled_by_the_delete_behavior(lake: Lake) -> None:
    lake.put("a/x/1.parquet", ORDERS)
    lake.put("a/y/1.parquet", PRODUCTS)
    keep = lake.crawler("a/", TablePrefix="k_")
    drop = lake.crawler("a/", TablePrefix="d_", SchemaChangePolicy={"DeleteBehavior": "DELETE_FROM_DATABASE"})
    lake.run(keep)
    tables = lake.tables()
    assert set(tables) == {"k_x", "k_y"}
    lake.s3.delete_object(Bucket=lake.bucket, Key="a/y/1.parquet")
    lake.put("a/z/1.parquet", PRODUCTS)
    lake.run(keep)
    assert lake.tables()["k_y"]["Parameters"]["DEPRECATED_BY_CRAWLER"] == keep
    for name in list(lake.tables()):
        lake.glue.delete_table(DatabaseName=lake.database, Name=name)
    lake.run(drop)
    assert set(lake.tables()) == {"d_x", "d_z"}
    lake.s3.delete_object(Bucket=lake.bucket, Key="a/z/1.parquet")
    lake.put("a/v/1.parquet", PRODUCTS)
    lake.run(drop)
    assert set(lake.tables()) == {"d_x", "d_v"}


def test_configuration_merges_columns_inherits_and_sets_the_level_of_tables(lake: Lake) -> None:
    lake.put("src/public/customers/a.parquet", ORDERS)
    # One folder alone would be a partition of the table `public`; its level says that it is a table.
    tables = lake.crawl("src/public/", Configuration={"Grouping": {"TableLevelConfiguration": 4}})
    assert set(tables) == {"customers"}
    lake.put("m/k=1/a.json", '{"a": 1}\n')
    name = lake.crawler(
        "m/",
        Configuration={
            "CrawlerOutput": {
                "Tables": {"AddOrUpdateBehavior": "MergeNewColumns"},
                "Partitions": {"AddOrUpdateBehavior": "InheritFromTable"},
            }
        },
    )
    lake.run(name)
    lake.s3.delete_object(Bucket=lake.bucket, Key="m/k=1/a.json")
    lake.put("m/k=1/b.json", '{"b": 1}\n')
    lake.put("m/k=2/b.json", '{"c": 1}\n')
    lake.run(name)
    assert columns(lake.tables()["m"]) == {"a": "int", "b": "int", "c": "int"}
    assert columns(lake.partitions("m")[0]) == {"b": "int", "c": "int"}


@pytest.mark.parametrize(
    ("take", "named"),
    [("s3:ListBucket", "s3:ListBucket"), ("s3:GetObject", "s3:GetObject"), ("glue:*", "glue:GetDatabase")],
)
def test_a_missing_permission_fails_the_crawl_naming_action_resource_and_role(
    lake: Lake, take: str, named: str
) -> None:
    lake.put("t/a.parquet", ORDERS)
    role = lake.role.rsplit("/", 1)[1]
    policy = lake.iam.get_role_policy(RoleName=role, PolicyName="allow")["PolicyDocument"]
    policy["Statement"] = [s for s in policy["Statement"] if s["Action"] != take]
    lake.iam.put_role_policy(RoleName=role, PolicyName="allow", PolicyDocument=json.dumps(policy))
    last = lake.run(lake.crawler("t/"))
    assert last["Status"] == "FAILED"
    assert named in last["ErrorMessage"] and role in last["ErrorMessage"]
    assert (lake.bucket if take.startswith("s3") else lake.database) in last["ErrorMessage"]
    assert lake.tables() == {}


def test_a_database_that_is_missing_is_made_and_a_path_needs_no_scheme(lake: Lake) -> None:
    lake.put("t/a.parquet", ORDERS)
    lake.glue.delete_database(Name=lake.database)
    name = lake.crawler("", target={"Path": f"{lake.bucket}/t"})
    assert lake.run(name)["Status"] == "SUCCEEDED"
    assert set(lake.tables()) == {"t"}


def test_a_broken_object_fails_the_crawl_and_is_named(lake: Lake) -> None:
    lake.put("t/good.parquet", ORDERS)
    lake.put("t/broken.parquet", b"PAR1" + b"\0" * 100)
    last = lake.run(lake.crawler("t/"))
    assert last["Status"] == "FAILED" and "t/broken.parquet" in last["ErrorMessage"]


def test_states_and_refusals(lake: Lake) -> None:
    glue = lake.glue
    for i in range(300):
        lake.put(f"many/f{i}/a.json", '{"a": 1}\n')
    name = lake.crawler("many/")
    assert glue.get_crawler(Name=name)["Crawler"]["State"] == "READY"
    with pytest.raises(glue.exceptions.CrawlerNotRunningException):
        glue.stop_crawler(Name=name)
    glue.start_crawler(Name=name)
    for call in (
        lambda: glue.start_crawler(Name=name),
        lambda: glue.delete_crawler(Name=name),
        lambda: glue.update_crawler(Name=name, Description="x"),
    ):
        with pytest.raises(glue.exceptions.CrawlerRunningException):
            call()
    glue.stop_crawler(Name=name)
    deadline = time.monotonic() + 30
    while glue.get_crawler(Name=name)["Crawler"]["State"] != "READY":
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert glue.get_crawler(Name=name)["Crawler"]["LastCrawl"]["Status"] == "CANCELLED"
    assert name in glue.list_crawlers()["CrawlerNames"]
    glue.delete_crawler(Name=name)
    with pytest.raises(glue.exceptions.EntityNotFoundException):
        glue.get_crawler(Name=name)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"Schedule": "cron(0 1 * * ? *)"}, "Schedule"),
        ({"Classifiers": ["mine"]}, "Classifiers"),
        ({"RecrawlPolicy": {"RecrawlBehavior": "CRAWL_EVENT_MODE"}}, "CRAWL_EVENT_MODE"),
        ({"Targets": {"JdbcTargets": [{"ConnectionName": "c", "Path": "p"}]}}, "JdbcTargets"),
        ({"Targets": {"S3Targets": [{"Path": "http://x"}]}}, "s3://bucket/folder"),
        ({"Configuration": json.dumps({"Version": 1.0, "Grouping": {"Typo": 1}})}, "Grouping.Typo"),
    ],
)
def test_what_a_crawler_cannot_do_is_refused_by_name(lake: Lake, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ClientError, match=message):
        lake.glue.create_crawler(
            **{
                "Name": "c",
                "Role": lake.role,
                "DatabaseName": lake.database,
                "Targets": {"S3Targets": [{"Path": f"s3://{lake.bucket}/"}]},
                **settings,
            }
        )


def test_a_crawl_tells_what_it_did_in_logs_if_its_role_may(lake: Lake) -> None:
    lake.put("told/orders/1.parquet", ORDERS)
    quiet = lake.crawler("told/")
    lake.run(quiet)
    assert not _log(lake, quiet)
    allowed = {"Effect": "Allow", "Action": ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"],
               "Resource": "arn:aws:logs:*:*:log-group:/aws-glue/crawlers*"}  # fmt: skip
    lake.iam.put_role_policy(
        RoleName=lake.role.rsplit("/", 1)[1],
        PolicyName="logs",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [allowed]}),
    )
    (table,) = lake.tables()
    lake.glue.delete_table(DatabaseName=lake.database, Name=table)
    lake.run(quiet)
    told = _log(lake, quiet)
    assert any(line.endswith(f"INFO : Created table {table} in database {lake.database}") for line in told), told
    assert told[-1].endswith("BENCHMARK : Crawler has finished running and is in state READY")


def _log(lake: Lake, crawler: str) -> list[str]:
    logs = lake.client("logs")
    try:
        events = logs.filter_log_events(logGroupName="/aws-glue/crawlers", logStreamNames=[crawler])["events"]
    except logs.exceptions.ResourceNotFoundException:
        return []
    return [event["message"] for event in events]
