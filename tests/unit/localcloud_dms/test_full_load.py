"""The full load from a real PostgreSQL: what lies in the bucket afterwards."""

from __future__ import annotations

import gzip
import io
import json
import threading
from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from localcloud.engines.replication.full_load import FullLoad, FullLoadFailed, FullLoadOptions, TableProgress
from localcloud.engines.replication.mappings import parse_table_mappings
from localcloud.engines.replication.s3_target import S3Target
from localcloud.engines.replication.source import SourceSettings
from localcloud.engines.replication.types import TypeSettings
from localcloud.engines.replication.writers import Stopped

from .conftest import BUCKET

EVERYTHING: dict[str, Any] = {
    "rule-type": "selection",
    "rule-id": "1",
    "rule-name": "all",
    "object-locator": {"schema-name": "public", "table-name": "%"},
    "rule-action": "include",
}
PARQUET = S3Target(BUCKET, "raw", data_format="parquet")


def load(
    source: SourceSettings,
    s3: Any,
    target: S3Target = PARQUET,
    rules: list[dict[str, Any]] | None = None,
    options: FullLoadOptions | None = None,
    stop: threading.Event | None = None,
) -> dict[str, TableProgress]:
    mappings = parse_table_mappings(json.dumps({"rules": rules or [EVERYTHING]}))
    job = FullLoad(
        source, target, mappings, options or FullLoadOptions(), lambda: s3, lambda p: None, stop or threading.Event()
    )
    return {p.table: p for p in job.run()}


def moment(*parts: int) -> datetime:
    return datetime(*parts)  # type: ignore[arg-type,misc]  # noqa: DTZ001 PostgreSQL's timestamp has no zone


def keys(s3: Any) -> list[str]:
    return [e["Key"] for e in s3.list_objects_v2(Bucket=BUCKET).get("Contents", [])]


def body(s3: Any, key: str) -> bytes:
    data: bytes = s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()
    return data


def table(s3: Any, key: str) -> pa.Table:
    return pq.read_table(io.BytesIO(body(s3, key)))


TYPED = """
    create type colour as enum ('red', 'blue');
    create domain short as varchar(4);
    create table typed (
        id bigint primary key, small smallint, whole integer, price numeric(12,2), free numeric, zero numeric(38,10),
        r real, d double precision, flag boolean, day date, at timestamp, at_zone timestamptz, clock time,
        name varchar(20), code char(3), note text, doc jsonb, bytes bytea, uid uuid, hue colour, tags text[], s short);
    insert into typed values
        (1, -3, 7, 1234567890.10, 0.1234567, 1.0000000001, 1.5, 2.25, true, '2024-02-29', '2024-02-29 23:59:59.123456',
         '2024-03-01 01:00:00+02', '12:34:56.789', E'a,"b"\\nc', 'x', '', '{"k": 1}', '\\xdead',
         '00000000-0000-0000-0000-000000000001', 'blue', '{a,b}', 'wxyz'),
        (2, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null,
         null, null, null),
        (3, 0, 0, -0.01, 0, 0, 'NaN', 'infinity', false, '0001-01-01', '1969-12-31 23:59:59.999999',
         '1970-01-01 00:00:00+00', '00:00', 'NULL', 'abc', 'é', '[]', '', '00000000-0000-0000-0000-000000000002',
         'red', '{}', '');
"""


def test_every_type_arrives_in_parquet_as_the_dms_guide_maps_it(
    source: SourceSettings, execute: Callable[[str], None], s3: Any
) -> None:
    execute(TYPED)
    progress = load(source, s3)
    assert (progress["typed"].state, progress["typed"].rows) == ("Table completed", 3)
    found = table(s3, "raw/public/typed/LOAD00000001.parquet")
    assert {f.name: str(f.type) for f in found.schema} == {
        "id": "int64",
        "small": "int16",
        "whole": "int32",
        "price": "decimal128(12, 2)",
        "free": "decimal128(28, 6)",
        "zero": "decimal128(38, 10)",
        "r": "float",
        "d": "double",
        "flag": "string",
        "day": "date32[day]",
        "at": "timestamp[us]",
        "at_zone": "timestamp[us]",
        "clock": "time32[ms]",
        "name": "string",
        "code": "string",
        "note": "string",
        "doc": "string",
        "bytes": "binary",
        "uid": "string",
        "hue": "string",
        "tags": "string",
        "s": "string",
    }
    rows = {r["id"]: r for r in found.to_pylist()}
    first = rows[1]
    assert first["price"] == Decimal("1234567890.10") and first["free"] == Decimal("0.123457")
    assert first["flag"] == "true" and first["day"] == date(2024, 2, 29)
    assert first["at"] == moment(2024, 2, 29, 23, 59, 59, 123456)
    assert first["at_zone"] == moment(2024, 2, 29, 23, 0)
    assert first["name"] == 'a,"b"\nc' and first["note"] == "" and first["bytes"] == b"\xde\xad"
    assert first["tags"] == "{a,b}" and first["code"].strip() == "x"
    assert all(v is None for k, v in rows[2].items() if k != "id")
    assert rows[3]["price"] == Decimal("-0.01") and rows[3]["name"] == "NULL" and rows[3]["s"] == ""
    assert rows[3]["r"] != rows[3]["r"] and rows[3]["d"] == float("inf")
    assert rows[3]["at"] == moment(1969, 12, 31, 23, 59, 59, 999999) and rows[3]["bytes"] == b""


def test_booleans_and_milliseconds_follow_the_settings(
    source: SourceSettings, execute: Callable[[str], None], s3: Any
) -> None:
    execute("create table f (flag boolean, at timestamp); insert into f values (true, '2024-01-01 00:00:00.123456')")
    types = TypeSettings(boolean_as_boolean=True, timestamp_unit="ms")
    load(source, s3, options=FullLoadOptions(types=types))
    found = table(s3, "raw/public/f/LOAD00000001.parquet")
    assert found.to_pylist() == [{"flag": True, "at": moment(2024, 1, 1, 0, 0, 0, 123000)}]


def test_csv_has_the_default_form_of_dms(source: SourceSettings, execute: Callable[[str], None], s3: Any) -> None:
    execute("""
        create table c (id int, name varchar(20), at timestamp, flag boolean, note text);
        insert into c values (1, 'a,"b"', '2024-01-01', true, ''), (2, null, null, null, 'NULL')
    """)
    load(source, s3, S3Target(BUCKET, "raw"))
    assert body(s3, "raw/public/c/LOAD00000001.csv").decode() == (
        '1,"a,""b""",2024-01-01 00:00:00.000000,true,\n2,NULL,NULL,NULL,"NULL"\n'
    )


def test_csv_settings_are_honoured(source: SourceSettings, execute: Callable[[str], None], s3: Any) -> None:
    execute("create table c (id int, name text); insert into c values (1, 'x|y'), (2, null)")
    target = S3Target(
        BUCKET,
        "",
        gzip=True,
        csv_delimiter="|",
        csv_row_delimiter="\r\n",
        csv_null_value="",
        add_column_name=True,
        include_op=True,
        timestamp_column="moved_at",
    )
    load(source, s3, target)
    lines = gzip.decompress(body(s3, "public/c/LOAD00000001.csv.gz")).decode().split("\r\n")
    assert lines[0] == "Op|moved_at|id|name" and lines[3] == ""
    op, moved, rest = lines[1].split("|", 2)
    assert op == "I" and datetime.fromisoformat(moved) and rest == '1|"x|y"'
    assert lines[2].endswith("|2|")


def test_files_are_split_at_the_size_limit_and_numbered_in_hexadecimal(
    source: SourceSettings, execute: Callable[[str], None], s3: Any
) -> None:
    execute("create table c as select i, repeat('x', 100) as t from generate_series(1, 2000) i")
    load(source, s3, S3Target(BUCKET, "raw", max_file_size=10_000))
    names = [k.rsplit("/", 1)[1] for k in keys(s3)]
    assert names[:16][-7:] == [f"LOAD{n:08X}.csv" for n in range(10, 17)] and names[9] == "LOAD0000000A.csv"
    rows = b"".join(body(s3, k) for k in keys(s3)).decode().splitlines()
    assert len(rows) == 2000 and len(set(rows)) == 2000


def test_parquet_is_split_at_row_groups_and_loses_no_row(
    source: SourceSettings, execute: Callable[[str], None], s3: Any
) -> None:
    execute("create table p as select i, md5(i::text) as t from generate_series(1, 5000) i")
    load(
        source,
        s3,
        S3Target(BUCKET, "raw", data_format="parquet", max_file_size=20_000, row_group_length=500, include_op=True),
    )
    parts = [table(s3, k) for k in keys(s3)]
    assert len(parts) > 3
    values = [v for part in parts for v in part["i"].to_pylist()]
    assert sorted(values) == list(range(1, 5001))
    assert set(parts[0]["Op"].to_pylist()) == {"I"}


def test_an_empty_table_writes_no_file_and_counts_no_row(
    source: SourceSettings, execute: Callable[[str], None], s3: Any
) -> None:
    execute("create table empty (id int); create table one (id int); insert into one values (1)")
    progress = load(source, s3)
    assert keys(s3) == ["raw/public/one/LOAD00000001.parquet"]
    assert (progress["empty"].state, progress["empty"].rows) == ("Table completed", 0)


def test_a_column_of_nothing_but_nulls_keeps_its_rows(
    source: SourceSettings, execute: Callable[[str], None], s3: Any
) -> None:
    execute("create table n (t text); insert into n values (null), (''), (null)")
    load(source, s3)
    assert table(s3, "raw/public/n/LOAD00000001.parquet")["t"].to_pylist() == [None, "", None]


def test_filters_include_both_ends_and_are_joined_by_and(
    source: SourceSettings, execute: Callable[[str], None], s3: Any
) -> None:
    execute("""
        create table e (id int, at timestamp);
        insert into e values (1, '2024-01-01'), (2, '2024-01-01 23:59:59.999999'), (3, '2024-01-02'), (4, null);
    """)
    selection = {
        **EVERYTHING,
        "object-locator": {"schema-name": "public", "table-name": "e"},
        "filters": [
            {
                "filter-type": "source",
                "column-name": "at",
                "filter-conditions": [
                    {
                        "filter-operator": "between",
                        "start-value": "2024-01-01 00:00:00.000000",
                        "end-value": "2024-01-01 23:59:59.999999",
                    }
                ],
            },
            {
                "filter-type": "source",
                "column-name": "id",
                "filter-conditions": [
                    {"filter-operator": "eq", "value": "2"},
                    {"filter-operator": "gte", "value": "3"},
                ],
            },
        ],
    }
    progress = load(source, s3, rules=[selection])
    assert progress["e"].rows == 1
    assert table(s3, "raw/public/e/LOAD00000001.parquet")["id"].to_pylist() == [2]


def test_renamed_schema_and_removed_column_shape_folder_and_file(
    source: SourceSettings, execute: Callable[[str], None], s3: Any
) -> None:
    execute("""
        create table "Mixed Case" (id int, secret text, "Odd ""name" int);
        insert into "Mixed Case" values (1, 's', 2)
    """)
    rules = [
        EVERYTHING,
        {
            "rule-type": "transformation",
            "rule-id": "2",
            "rule-name": "a",
            "rule-target": "schema",
            "object-locator": {"schema-name": "public"},
            "rule-action": "rename",
            "value": "load-7/public",
        },
        {
            "rule-type": "transformation",
            "rule-id": "3",
            "rule-name": "b",
            "rule-target": "column",
            "object-locator": {"schema-name": "%", "table-name": "%", "column-name": "secret"},
            "rule-action": "remove-column",
        },
    ]
    load(source, s3, rules=rules)
    assert keys(s3) == ["raw/load-7/public/Mixed Case/LOAD00000001.parquet"]
    assert table(s3, keys(s3)[0]).column_names == ["id", 'Odd "name']


def test_all_tables_are_read_from_one_snapshot(source: SourceSettings, execute: Callable[[str], None], s3: Any) -> None:
    execute("create table a as select i from generate_series(1, 10) i; create table z as table a")
    written = threading.Event()

    class Slow:
        """Adds rows to both tables when the first file is written."""

        def __getattr__(self, name: str) -> Any:
            if name == "put_object" and not written.is_set():
                written.set()
                execute("insert into a select 0; insert into z select 0")
            return getattr(s3, name)

    mappings = parse_table_mappings(json.dumps({"rules": [EVERYTHING]}))
    client = Slow()
    job = FullLoad(
        source, PARQUET, mappings, FullLoadOptions(parallel_tables=1), lambda: client, lambda p: None, threading.Event()
    )
    assert {p.table: p.rows for p in job.run()} == {"a": 10, "z": 10}
    assert written.is_set()


def test_a_reload_that_drops_deletes_what_the_folder_held(
    source: SourceSettings, execute: Callable[[str], None], s3: Any
) -> None:
    execute("create table t (id int); insert into t values (1)")
    s3.put_object(Bucket=BUCKET, Key="raw/public/t/LOAD00000009.parquet", Body=b"old")
    s3.put_object(Bucket=BUCKET, Key="raw/public/t2/LOAD00000009.parquet", Body=b"other")
    load(source, s3)
    assert "raw/public/t/LOAD00000009.parquet" in keys(s3)
    load(source, s3, options=FullLoadOptions(delete_earlier=True))
    assert keys(s3) == ["raw/public/t/LOAD00000001.parquet", "raw/public/t2/LOAD00000009.parquet"]


def test_a_value_without_a_place_is_an_error_of_its_table_that_names_the_column_and_hides_the_value(
    source: SourceSettings, execute: Callable[[str], None], s3: Any
) -> None:
    execute("""
        create table bad (id int, name text, amount numeric(10,2)); insert into bad values (1, 'private', 'NaN');
        create table good (id int); insert into good values (1);
    """)
    progress = load(source, s3)
    assert progress["bad"].state == "Table error" and "column amount" in progress["bad"].error
    assert "private" not in progress["bad"].error and "public.bad" in progress["bad"].error
    assert keys(s3) == ["raw/public/good/LOAD00000001.parquet"]
    with pytest.raises(FullLoadFailed, match="amount"):
        load(source, s3, options=FullLoadOptions(stop_on_table_error=True))


def test_nothing_to_load_and_unknown_filter_columns_say_so(
    source: SourceSettings, execute: Callable[[str], None], s3: Any
) -> None:
    with pytest.raises(FullLoadFailed, match="no table matches"):
        load(source, s3)
    execute("create table t (id int)")
    rule = {
        **EVERYTHING,
        "object-locator": {"schema-name": "public", "table-name": "t"},
        "filters": [
            {"filter-type": "source", "column-name": "nope", "filter-conditions": [{"filter-operator": "null"}]}
        ],
    }
    with pytest.raises(FullLoadFailed, match=r"public\.t.*nope"):
        load(source, s3, rules=[rule])


def test_an_unreachable_source_names_host_and_database(source: SourceSettings, s3: Any) -> None:
    with pytest.raises(FullLoadFailed, match=r"127\.0\.0\.1:1, database gone"):
        load(SourceSettings("127.0.0.1", 1, "gone", "u", "p"), s3)


def test_a_stopped_load_leaves_no_half_file(source: SourceSettings, execute: Callable[[str], None], s3: Any) -> None:
    execute("create table t as select i, repeat('x', 200) as x from generate_series(1, 200000) i")
    stop = threading.Event()
    mappings = parse_table_mappings(json.dumps({"rules": [EVERYTHING]}))

    def report(progress: TableProgress) -> None:
        if progress.rows:
            stop.set()

    job = FullLoad(source, PARQUET, mappings, FullLoadOptions(), lambda: s3, report, stop)
    with pytest.raises(Stopped):
        job.run()
    assert keys(s3) == []
    assert s3.list_multipart_uploads(Bucket=BUCKET).get("Uploads", []) == []
