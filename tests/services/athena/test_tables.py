"""Statements that change the catalog and write objects."""

from __future__ import annotations

import pytest

from tests.services.athena.conftest import Athena

SELECTED = "SELECT a, b, dt FROM (VALUES (1, 'x', 'p 1'), (2, null, 'q/2'), (3, 'z', null)) AS t(a, b, dt)"


@pytest.mark.parametrize("form", ["PARQUET", "JSON", "TEXTFILE"])
def test_what_is_created_and_inserted_is_read_back(athena: Athena, form: str) -> None:
    location = athena.url(f"tables/{form}/")
    found = athena.run(
        f"CREATE TABLE copied WITH (format = '{form}', external_location = '{location}', "
        f"partitioned_by = ARRAY['dt']) AS {SELECTED}"
    )
    assert found["SubstatementType"] == "CREATE_TABLE_AS_SELECT"
    assert found["Statistics"]["DataManifestLocation"].endswith("-manifest.csv")
    whole = [["1", "x", "p 1"], ["2", None, "q/2"], ["3", "z", None]]
    assert athena.rows("SELECT * FROM copied ORDER BY a")[1:] == whole
    inserted = athena.run("INSERT INTO copied SELECT 4, 'w', 'p 1'")
    count = athena.client.get_query_results(QueryExecutionId=inserted["QueryExecutionId"])["UpdateCount"]
    assert count == 1
    athena.run("INSERT INTO copied (a, dt) VALUES (5, 'new')")
    rows = athena.rows("SELECT * FROM copied ORDER BY a")[1:]
    assert rows == [*whole, ["4", "w", "p 1"], ["5", None, "new"]]
    assert len(athena.rows("SHOW PARTITIONS copied")) == 4


def test_a_table_is_not_written_over(athena: Athena) -> None:
    athena.run(f"CREATE TABLE once WITH (external_location = '{athena.url('once/')}') AS SELECT 1 AS a")
    assert athena.fail("CREATE TABLE once AS SELECT 1 AS a").startswith("TABLE_ALREADY_EXISTS")
    athena.run("DROP TABLE once")
    again = f"CREATE TABLE once WITH (external_location = '{athena.url('once/')}') AS SELECT 1 AS a"
    assert athena.fail(again).startswith("HIVE_PATH_ALREADY_EXISTS")
    assert len(athena.keys("once/")) == 1
    athena.run("CREATE TABLE IF NOT EXISTS twice AS SELECT 1 AS a")
    athena.run("CREATE TABLE IF NOT EXISTS twice AS SELECT 2 AS a")
    assert athena.rows("SELECT a FROM twice")[1:] == [["1"]]


def test_partitions_are_added_and_dropped(athena: Athena) -> None:
    athena.run(
        "CREATE EXTERNAL TABLE logs (line string) PARTITIONED BY (year int, month string) "
        f"ROW FORMAT DELIMITED FIELDS TERMINATED BY ',' LOCATION '{athena.url('logs/')}'"
    )
    athena.put("elsewhere/a.csv", "one\ntwo\n")
    athena.run(
        f"ALTER TABLE logs ADD PARTITION (year = 2026, month = '01') LOCATION '{athena.url('elsewhere/')}' "
        "PARTITION (year = 2026, month = '02')"
    )
    assert athena.rows("SHOW PARTITIONS logs") == [["year=2026/month=01"], ["year=2026/month=02"]]
    assert athena.rows("SELECT line, year, month FROM logs ORDER BY line")[1:] == [
        ["one", "2026", "01"], ["two", "2026", "01"],
    ]  # fmt: skip
    assert "already exists" in athena.fail("ALTER TABLE logs ADD PARTITION (year = 2026, month = '02')")
    athena.run("ALTER TABLE logs ADD IF NOT EXISTS PARTITION (year = 2026, month = '02')")
    athena.run("ALTER TABLE logs DROP PARTITION (year = 2026, month = '01')")
    assert athena.rows("SHOW PARTITIONS logs") == [["year=2026/month=02"]]


def test_views_are_kept_as_athena_keeps_them(athena: Athena) -> None:
    athena.run("CREATE TABLE base AS SELECT 1 AS a, array[1, 2] AS items")
    athena.run("CREATE VIEW wide AS SELECT a, items FROM base")
    athena.run("CREATE VIEW longer AS SELECT cardinality(items) AS n FROM wide")
    assert athena.rows("SELECT n FROM longer") == [["n"], ["2"]]
    table = athena.glue.get_table(DatabaseName=athena.database, Name="wide")["Table"]
    assert table["TableType"] == "VIRTUAL_VIEW" and table["ViewOriginalText"].startswith("/* Presto View: ")
    types = [column["Type"] for column in table["StorageDescriptor"]["Columns"]]
    assert types == ["int", "array<int>"]
    assert athena.fail("CREATE VIEW wide AS SELECT 1 AS b").startswith("TABLE_ALREADY_EXISTS")
    athena.run("CREATE OR REPLACE VIEW wide AS SELECT 7 AS a, array[7] AS items")
    assert athena.rows("SELECT a FROM wide")[1:] == [["7"]]
    assert athena.rows("SHOW VIEWS") == [["longer"], ["wide"]]
    assert athena.fail("DROP TABLE wide").startswith("TABLE_NOT_FOUND")
    athena.run("DROP VIEW wide")
    assert athena.fail("SELECT * FROM longer").startswith("TABLE_NOT_FOUND")


def test_databases_come_and_go(athena: Athena) -> None:
    name = f"{athena.database}_more"
    athena.run(f"CREATE DATABASE {name} COMMENT 'for a test' LOCATION '{athena.url('more/')}'")
    assert athena.glue.get_database(Name=name)["Database"]["Description"] == "for a test"
    athena.run(f"CREATE SCHEMA IF NOT EXISTS {name}")
    assert athena.rows(f"SHOW DATABASES LIKE '{athena.database}*'") == [[athena.database], [name]]
    athena.run(f"CREATE TABLE {name}.t AS SELECT 1 AS a")
    assert athena.fail(f"DROP DATABASE {name}").startswith("SCHEMA_NOT_EMPTY")
    athena.run(f"DROP DATABASE {name} CASCADE")
    assert athena.fail(f"SHOW TABLES IN {name}").startswith("SCHEMA_NOT_FOUND")


def test_a_table_describes_itself(athena: Athena) -> None:
    statement = (
        "CREATE EXTERNAL TABLE IF NOT EXISTS people (id bigint COMMENT 'the key', address struct<city:string,zip:int>) "
        "PARTITIONED BY (dt date) ROW FORMAT SERDE 'org.openx.data.jsonserde.JsonSerDe' "
        f"WITH SERDEPROPERTIES ('ignore.malformed.json' = 'true') LOCATION '{athena.url('people/')}' "
        "TBLPROPERTIES ('has_encrypted_data' = 'false')"
    )
    athena.run(statement)
    athena.run(statement)
    described = athena.rows("DESCRIBE people")
    assert [cell.strip() for cell in described[1] if cell and cell.strip()] == [
        "address",
        "struct<city:string,zip:int>",
    ]
    text = "\n".join(line for (line,) in athena.rows("SHOW CREATE TABLE people") if line)
    for part in ("`id` bigint COMMENT 'the key'", "PARTITIONED BY", "`dt` date", "'ignore.malformed.json'='true'"):
        assert part in text
    shown = athena.client.get_table_metadata(
        CatalogName="AwsDataCatalog", DatabaseName=athena.database, TableName="people"
    )["TableMetadata"]
    assert [key["Name"] for key in shown["PartitionKeys"]] == ["dt"]
    listed = athena.rows(
        "SELECT column_name, data_type, extra_info FROM information_schema.columns "
        "WHERE table_schema = ? AND table_name = 'people' ORDER BY ordinal_position",
        ExecutionParameters=[f"'{athena.database}'"],
    )
    assert [listed[1], listed[3]] == [["id", "bigint", None], ["dt", "date", "partition key"]]


def test_unload_writes_objects_and_their_list(athena: Athena) -> None:
    location = athena.url("unloaded/")
    found = athena.run(f"UNLOAD (SELECT 1 AS a, 'x' AS b) TO '{location}' WITH (format = 'JSON', compression = 'NONE')")
    [key] = athena.keys("unloaded/")
    assert athena.s3.get_object(Bucket=athena.bucket, Key=key)["Body"].read() == b'{"a":1,"b":"x"}\n'
    manifest = found["Statistics"]["DataManifestLocation"].removeprefix(f"s3://{athena.bucket}/")
    assert athena.s3.get_object(Bucket=athena.bucket, Key=manifest)["Body"].read().decode() == athena.url(key) + "\n"
    again = f"UNLOAD (SELECT 1 AS a) TO '{location}' WITH (format = 'JSON')"
    assert athena.fail(again).startswith("HIVE_PATH_ALREADY_EXISTS")
