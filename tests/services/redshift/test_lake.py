"""External schemas, COPY and UNLOAD on a real catalog, real objects and real roles."""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Callable, Iterator
from typing import Any

import psycopg2
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.services.redshift.conftest import RunningWarehouse, policy

PARQUET = {
    "InputFormat": "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat",
    "OutputFormat": "org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat",
    "SerdeInfo": {"SerializationLibrary": "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe"},
}


def put_parquet(warehouse: RunningWarehouse, key: str, columns: dict[str, Any]) -> None:
    buffer = io.BytesIO()
    pq.write_table(pa.table(columns), buffer)
    warehouse.gateway.client("s3").put_object(Bucket=warehouse.bucket, Key=key, Body=buffer.getvalue())


def make_table(
    warehouse: RunningWarehouse, name: str, columns: list[tuple[str, str]], storage: dict[str, Any], *, keys: int = 1
) -> None:
    warehouse.gateway.client("glue").create_table(
        DatabaseName="lake",
        TableInput={
            "Name": name,
            "PartitionKeys": [{"Name": n, "Type": "string"} for n in ("dt", "load")[:keys]],
            "StorageDescriptor": {
                "Columns": [{"Name": n, "Type": t} for n, t in columns],
                "Location": f"s3://{warehouse.bucket}/{name}/",
                **storage,
            },
        },
    )


def add_partition(warehouse: RunningWarehouse, table: str, values: list[str], location: str, storage: Any) -> None:
    warehouse.gateway.client("glue").batch_create_partition(
        DatabaseName="lake",
        TableName=table,
        PartitionInputList=[
            {"Values": values, "StorageDescriptor": {"Location": f"s3://{warehouse.bucket}/{location}", **storage}}
        ],
    )


@pytest.fixture(scope="module", autouse=True)
def external_schema(warehouse: RunningWarehouse) -> Iterator[None]:
    warehouse.gateway.client("glue").create_database(DatabaseInput={"Name": "lake"})
    warehouse.rows(
        f"create external schema if not exists raw from data catalog database 'lake' iam_role '{warehouse.role_arn}'"
    )
    yield
    warehouse.rows("drop schema raw")


def test_reads_partitions_wherever_they_are_and_opens_only_those_that_match(warehouse: RunningWarehouse) -> None:
    make_table(
        warehouse, "orders", [("id", "bigint"), ("amount", "decimal(12,2)"), ("added", "string")], PARQUET, keys=2
    )
    put_parquet(warehouse, "raw/l1/orders/LOAD1.parquet", {"id": [1, 2], "amount": [1, 2]})
    put_parquet(warehouse, "raw/l2/orders/LOAD1.parquet", {"id": [3], "amount": [3], "added": ["x"]})
    s3 = warehouse.gateway.client("s3")
    s3.put_object(Bucket=warehouse.bucket, Key="raw/l3/orders/LOAD1.parquet", Body=b"not a Parquet file at all")
    for day, load in (("2026-01-01", "l1"), ("2026-01-02", "l2"), ("2026-01-03", "l3")):
        add_partition(warehouse, "orders", [day, load], f"raw/{load}/orders/", PARQUET)
    assert warehouse.rows("select id, amount, added, dt, load from raw.orders where dt < '2026-01-03' order by id") == [
        (1, 1, None, "2026-01-01", "l1"),
        (2, 2, None, "2026-01-01", "l1"),
        (3, 3, "x", "2026-01-02", "l2"),
    ]
    # The third partition's file cannot be read: that these queries succeed shows that it was not opened.
    warehouse.rows("create or replace view public.v as select * from raw.orders with no schema binding")
    assert warehouse.rows("with d as (select * from public.v) select count(*) from d where dt = '2026-01-02'") == [(1,)]
    plan = "\n".join(row[0] for row in warehouse.rows("explain select id from raw.orders where dt = '2026-01-01'"))
    assert "1/3" in plan
    with pytest.raises(psycopg2.Error, match=r"LOAD1\.parquet"):
        warehouse.rows("select sum(id) from raw.orders")


def test_path_and_size_are_columns_only_when_asked_for(warehouse: RunningWarehouse) -> None:
    assert warehouse.rows("""select "$path", "$size" > 0 from raw.orders where load = 'l2'""") == [
        (f"s3://{warehouse.bucket}/raw/l2/orders/LOAD1.parquet", True)
    ]
    assert len(warehouse.rows("select * from raw.orders where load = 'l2'")[0]) == 5


def test_text_formats(warehouse: RunningWarehouse) -> None:
    s3 = warehouse.gateway.client("s3")
    s3.put_object(Bucket=warehouse.bucket, Key="events/dt=1/a.json", Body=b'{"id":1,"name":"a"}\n{"id":2}\n')
    s3.put_object(Bucket=warehouse.bucket, Key="files/dt=1/a.csv", Body=b'id,name\n1,"a, b"\n2,\n')
    s3.put_object(Bucket=warehouse.bucket, Key="lazy/dt=1/a.txt", Body=b"1|a\nx|\\N\n")
    for name, serde, parameters in (
        ("events", "org.openx.data.jsonserde.JsonSerDe", {}),
        ("files", "org.apache.hadoop.hive.serde2.OpenCSVSerde", {"skip.header.line.count": "1"}),
        ("lazy", "org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe", {"field.delim": "|"}),
    ):
        storage = {"SerdeInfo": {"SerializationLibrary": serde, "Parameters": parameters}}
        make_table(warehouse, name, [("id", "int"), ("name", "string")], storage)
        add_partition(warehouse, name, ["1"], f"{name}/dt=1/", storage)
    assert warehouse.rows("select id, name, dt from raw.events order by id") == [(1, "a", "1"), (2, None, "1")]
    assert warehouse.rows("select id, name from raw.files order by id") == [(1, "a, b"), (2, "")]
    assert warehouse.rows("select id, name from raw.lazy order by name") == [(1, "a"), (None, None)]


def test_a_table_of_5000_partitions_answers_for_one_and_for_all(warehouse: RunningWarehouse) -> None:
    make_table(warehouse, "many", [("id", "bigint")], PARQUET)
    put_parquet(warehouse, "many/dt=0042/a.parquet", {"id": [42]})
    glue = warehouse.gateway.client("glue")
    for start in range(0, 5000, 100):
        glue.batch_create_partition(
            DatabaseName="lake", TableName="many",
            PartitionInputList=[
                {"Values": [f"{n:04d}"], "StorageDescriptor": {
                    "Location": f"s3://{warehouse.bucket}/many/dt={n:04d}/", **PARQUET}}
                for n in range(start, start + 100)
            ],
        )  # fmt: skip
    assert warehouse.rows("select id from raw.many where dt = '0042'") == [(42,)]
    assert warehouse.rows("select count(*) from raw.many") == [(1,)]


def test_a_missing_permission_names_action_resource_and_role(
    warehouse: RunningWarehouse, make_role: Callable[[str, str], str]
) -> None:
    arn = make_role("warehouse-blind", policy(warehouse.bucket, without="s3:GetObject"))
    warehouse.rows(f"create external schema blind from data catalog database 'lake' iam_role '{arn}'")
    with pytest.raises(psycopg2.Error) as failure:
        warehouse.rows("select * from blind.orders where dt = '2026-01-01'")
    text = str(failure.value)
    assert "s3:GetObject" in text and warehouse.bucket in text and "warehouse-blind" in text
    with pytest.raises(psycopg2.Error, match="s3:GetObject"):
        warehouse.rows(f"copy public.loaded from 's3://{warehouse.bucket}/raw/l1/' iam_role '{arn}' format parquet")


@pytest.fixture(scope="module")
def loaded(warehouse: RunningWarehouse) -> None:
    warehouse.rows("create table public.loaded (id bigint, name varchar(5), at timestamp)")
    warehouse.rows("insert into public.loaded values (1, 'a', '2026-01-01 10:00:00'), (2, null, null)")


def unload(warehouse: RunningWarehouse, target: str, options: str, query: str = "select * from public.loaded") -> None:
    warehouse.rows(
        f"unload ($${query}$$) to 's3://{warehouse.bucket}/{target}' iam_role '{warehouse.role_arn}' {options}"
    )


@pytest.mark.usefixtures("loaded")
class TestUnload:
    def test_parquet_by_partition(self, warehouse: RunningWarehouse) -> None:
        query = "select *, case when id = 1 then ''2026-01-01'' else ''2026-01-02'' end as dt from public.loaded"
        warehouse.rows(
            f"unload ('{query}') to 's3://{warehouse.bucket}/out/p' iam_role '{warehouse.role_arn}' "
            "format as parquet partition by (dt)"
        )
        assert warehouse.keys("out/p") == [
            "out/p/dt=2026-01-01/0000_part_00.parquet",
            "out/p/dt=2026-01-02/0000_part_00.parquet",
        ]
        table = pq.read_table(io.BytesIO(warehouse.body("out/p/dt=2026-01-01/0000_part_00.parquet")))
        assert table.to_pylist()[0]["name"] == "a"
        assert "dt" not in table.column_names

    def test_refuses_to_write_over_objects(self, warehouse: RunningWarehouse) -> None:
        unload(warehouse, "out/json_", "json")
        assert [json.loads(line) for line in warehouse.body("out/json_0000_part_00").splitlines()][1]["name"] is None
        with pytest.raises(psycopg2.Error, match="not empty"):
            unload(warehouse, "out/json_", "json")
        unload(warehouse, "out/json_", "json allowoverwrite")
        unload(warehouse, "out/json_", "csv cleanpath gzip header")
        assert warehouse.keys("out/json_") == ["out/json_0000_part_00.gz"]
        assert gzip.decompress(warehouse.body("out/json_0000_part_00.gz")).decode().splitlines()[0] == "id,name,at"

    def test_delimited_with_manifest(self, warehouse: RunningWarehouse) -> None:
        unload(
            warehouse,
            "out/text_",
            "manifest delimiter '|' null as 'NIL'",
            "select id, name from public.loaded order by id",
        )
        assert warehouse.body("out/text_0000_part_00") == b"1|a\n2|NIL\n"
        manifest = json.loads(warehouse.body("out/text_manifest"))
        assert manifest["entries"][0]["url"] == f"s3://{warehouse.bucket}/out/text_0000_part_00"

    def test_what_was_unloaded_can_be_copied(self, warehouse: RunningWarehouse) -> None:
        for options, back in (
            ("parquet", "parquet"),
            ("csv", "csv"),
            ("json", "json 'auto'"),
            ("delimiter '|' gzip", "delimiter '|' gzip emptyasnull"),
        ):
            prefix = f"back/{options.split()[0]}/"
            unload(warehouse, prefix, options)
            warehouse.rows("create table public.back (like public.loaded)")
            warehouse.rows(
                f"copy public.back from 's3://{warehouse.bucket}/{prefix}' iam_role '{warehouse.role_arn}' {back}"
            )
            got = warehouse.rows("select id, nullif(name, ''), at from public.back order by id")
            assert got == warehouse.rows("select * from public.loaded order by id"), options
            warehouse.rows("drop table public.back")

    def test_keys_in_the_statement_do_what_their_owner_may(self, warehouse: RunningWarehouse) -> None:
        iam = warehouse.gateway.client("iam")
        for user, without in (("loader", ""), ("reader", "s3:PutObject"), ("stranger", "s3:GetObject")):
            iam.create_user(UserName=user)
            iam.put_user_policy(
                UserName=user, PolicyName="access", PolicyDocument=policy(warehouse.bucket, without=without)
            )
            key = iam.create_access_key(UserName=user)["AccessKey"]
            pair = (key["AccessKeyId"], key["SecretAccessKey"])
            old = "credentials 'aws_access_key_id={};aws_secret_access_key={}'".format(*pair)
            new = "access_key_id '{}' secret_access_key '{}'".format(*pair)
            target, back = f"s3://{warehouse.bucket}/keys/{user}/", f"s3://{warehouse.bucket}/keys/loader/"
            written = "unload ('select * from public.loaded') " + f"to '{target}' {new} parquet"  # noqa: S608 our own names
            if user == "reader":
                with pytest.raises(psycopg2.Error, match="PutObject"):
                    warehouse.rows(written)
            else:
                warehouse.rows(written)
            warehouse.rows("create table public.by_keys (like public.loaded)")
            if user == "stranger":
                with pytest.raises(psycopg2.Error, match="denied") as refused:
                    warehouse.rows(f"copy public.by_keys from '{back}' {old} parquet")
                assert pair[1] not in str(refused.value)
            else:
                warehouse.rows(f"copy public.by_keys from '{back}' {old} parquet")
                assert len(warehouse.rows("select * from public.by_keys")) == 2
            warehouse.rows("drop table public.by_keys")
        with pytest.raises(psycopg2.Error, match="CREDENTIALS must be") as misread:
            warehouse.rows(f"copy public.loaded from 's3://{warehouse.bucket}/x' credentials 'key=hidden'")
        assert "hidden" not in str(misread.value)

    def test_a_value_that_does_not_fit_names_the_file(self, warehouse: RunningWarehouse) -> None:
        s3 = warehouse.gateway.client("s3")
        s3.put_object(Bucket=warehouse.bucket, Key="bad/a.csv", Body=b"x,y,\n")
        with pytest.raises(psycopg2.Error, match=r"COPY into loaded from s3://"):
            warehouse.rows(
                f"copy public.loaded from 's3://{warehouse.bucket}/bad/' iam_role '{warehouse.role_arn}' csv"
            )
