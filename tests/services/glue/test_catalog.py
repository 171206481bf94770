"""The Data Catalog on a running local cloud."""

from __future__ import annotations

import json
import signal
from typing import Any

import pytest
from botocore.exceptions import ClientError

from .conftest import Lake


def code(error: pytest.ExceptionInfo[ClientError]) -> str:
    return str(error.value.response["Error"]["Code"])


def table_input(name: str, keys: dict[str, str], columns: int = 3) -> dict[str, Any]:
    return {
        "Name": name,
        "StorageDescriptor": {
            "Columns": [{"Name": f"c{i}", "Type": "string"} for i in range(columns)],
            "Location": f"s3://b/{name}/",
        },
        "PartitionKeys": [{"Name": k, "Type": t} for k, t in keys.items()],
        "TableType": "EXTERNAL_TABLE",
    }


def create_partitions(lake: Lake, table: str, values: list[list[str]], columns: int = 3) -> None:
    inputs = [
        {
            "Values": v,
            "StorageDescriptor": {
                "Columns": [{"Name": f"c{i}", "Type": "string"} for i in range(columns)],
                "Location": f"s3://b/{table}/{'/'.join(v)}/",
            },
        }
        for v in values
    ]
    for start in range(0, len(inputs), 100):
        answer = lake.glue.batch_create_partition(
            DatabaseName=lake.database, TableName=table, PartitionInputList=inputs[start : start + 100]
        )
        assert answer["Errors"] == []


def test_databases_and_tables_are_created_read_changed_and_deleted(lake: Lake) -> None:
    glue, db = lake.glue, lake.database
    with pytest.raises(ClientError) as error:
        glue.create_database(DatabaseInput={"Name": db.upper()})
    assert code(error) == "AlreadyExistsException"
    glue.update_database(Name=db, DatabaseInput={"Name": db, "Description": "new"})
    assert glue.get_database(Name=db)["Database"]["Description"] == "new"
    glue.create_table(DatabaseName=db, TableInput=table_input("Orders", {"dt": "string"}))
    found = glue.get_table(DatabaseName=db, Name="ORDERS")["Table"]
    assert (found["Name"], found["VersionId"], found["DatabaseName"]) == ("orders", "0", db)
    assert found["CreateTime"].year >= 2024
    with pytest.raises(ClientError) as error:
        glue.create_table(DatabaseName=db, TableInput=table_input("orders", {}))
    assert code(error) == "AlreadyExistsException"
    glue.delete_database(Name=db)
    for call in (
        lambda: glue.get_database(Name=db),
        lambda: glue.get_table(DatabaseName=db, Name="orders"),
        lambda: glue.get_tables(DatabaseName=db),
        lambda: glue.delete_table(DatabaseName=db, Name="orders"),
    ):
        with pytest.raises(ClientError) as error:
            call()
        assert code(error) == "EntityNotFoundException"


def test_a_table_keeps_its_versions_and_refuses_a_stale_one(lake: Lake) -> None:
    glue, db = lake.glue, lake.database
    glue.create_table(DatabaseName=db, TableInput=table_input("t", {}))
    glue.update_table(DatabaseName=db, TableInput=table_input("t", {}, columns=4))
    glue.update_table(DatabaseName=db, TableInput=table_input("t", {}, columns=5), SkipArchive=True)
    versions = glue.get_table_versions(DatabaseName=db, TableName="t")["TableVersions"]
    assert [(v["VersionId"], len(v["Table"]["StorageDescriptor"]["Columns"])) for v in versions] == [("2", 5), ("0", 3)]
    with pytest.raises(ClientError) as error:
        glue.update_table(DatabaseName=db, TableInput=table_input("t", {}), VersionId="1")
    assert code(error) == "VersionMismatchException"


def test_get_tables_filters_by_expression_and_pages(lake: Lake) -> None:
    for i in range(7):
        lake.glue.create_table(DatabaseName=lake.database, TableInput=table_input(f"shop_{i}", {}))
    lake.glue.create_table(DatabaseName=lake.database, TableInput=table_input("crm_1", {}))
    pages = list(
        lake.glue.get_paginator("get_tables").paginate(
            DatabaseName=lake.database, Expression="shop_.*", PaginationConfig={"PageSize": 3}
        )
    )
    assert [len(p["TableList"]) for p in pages] == [3, 3, 1]


def test_partition_batches_report_each_failure_and_keep_the_rest(lake: Lake) -> None:
    glue, db = lake.glue, lake.database
    glue.create_table(DatabaseName=db, TableInput=table_input("t", {"dt": "string", "load": "string"}))
    create_partitions(lake, "t", [["2024-01-01", "a"]])
    answer = glue.batch_create_partition(
        DatabaseName=db,
        TableName="t",
        PartitionInputList=[
            {"Values": ["2024-01-01", "a"]},
            {"Values": ["2024-01-01"]},
            {"Values": ["2024-01-02", "b"]},
        ],
    )
    assert [(e["PartitionValues"], e["ErrorDetail"]["ErrorCode"]) for e in answer["Errors"]] == [
        (["2024-01-01", "a"], "AlreadyExistsException"),
        (["2024-01-01"], "InvalidInputException"),
    ]
    moved = {"Values": ["2024-01-02", "b"], "StorageDescriptor": {"Location": "s3://elsewhere/"}}
    errors = glue.batch_update_partition(
        DatabaseName=db,
        TableName="t",
        Entries=[
            {"PartitionValueList": ["2024-01-02", "b"], "PartitionInput": moved},
            {"PartitionValueList": ["none", "b"], "PartitionInput": moved},
        ],
    )["Errors"]
    assert [e["PartitionValueList"] for e in errors] == [["none", "b"]]
    found = glue.get_partition(DatabaseName=db, TableName="t", PartitionValues=["2024-01-02", "b"])["Partition"]
    assert found["StorageDescriptor"]["Location"] == "s3://elsewhere/"
    got = glue.batch_get_partition(
        DatabaseName=db, TableName="t", PartitionsToGet=[{"Values": ["2024-01-01", "a"]}, {"Values": ["x", "y"]}]
    )["Partitions"]
    assert [p["Values"] for p in got] == [["2024-01-01", "a"]]
    errors = glue.batch_delete_partition(
        DatabaseName=db, TableName="t", PartitionsToDelete=[{"Values": ["2024-01-01", "a"]}, {"Values": ["x", "y"]}]
    )["Errors"]
    assert [e["PartitionValues"] for e in errors] == [["x", "y"]]
    assert [p["Values"] for p in lake.partitions("t")] == [["2024-01-02", "b"]]
    with pytest.raises(ClientError) as error:
        glue.create_partition(DatabaseName=db, TableName="t", PartitionInput=moved)
    assert code(error) == "AlreadyExistsException"


def test_partitions_are_filtered_by_the_type_of_their_keys(lake: Lake) -> None:
    keys = {"dt": "date", "n": "int"}
    lake.glue.create_table(DatabaseName=lake.database, TableInput=table_input("t", keys))
    create_partitions(lake, "t", [[f"2024-01-{d:02}", str(n)] for d in (1, 2, 3) for n in (2, 10)])

    def found(expression: str) -> set[tuple[str, str]]:
        return {(p["Values"][0][-2:], p["Values"][1]) for p in lake.partitions("t", Expression=expression)}

    assert found("n > 9") == {("01", "10"), ("02", "10"), ("03", "10")}
    assert found("dt between '2024-01-02' and '2024-01-03' and n = 2") == {("02", "2"), ("03", "2")}
    assert found("dt in ('2024-01-01') or not (dt <= '2024-01-02' or n <> 10)") == {
        ("01", "2"),
        ("01", "10"),
        ("03", "10"),
    }
    for wrong in ("nope = 1", "dt = ", "n = 'x'", "dt ~ '1'"):
        with pytest.raises(ClientError) as error:
            lake.partitions("t", Expression=wrong)
        assert code(error) == "InvalidInputException"


def test_segments_divide_the_partitions_between_readers(lake: Lake) -> None:
    lake.glue.create_table(DatabaseName=lake.database, TableInput=table_input("t", {"k": "string"}))
    create_partitions(lake, "t", [[str(i)] for i in range(200)])
    parts = [
        [p["Values"][0] for p in lake.partitions("t", Segment={"SegmentNumber": n, "TotalSegments": 4})]
        for n in range(4)
    ]
    assert sorted(int(v) for part in parts for v in part) == list(range(200)) and all(parts)


def test_five_thousand_partitions_are_listed_and_filtered(lake: Lake) -> None:
    lake.glue.create_table(
        DatabaseName=lake.database, TableInput=table_input("big", {"dt": "string", "load": "string"})
    )
    values = [[f"{2010 + i // 366}-{i % 366:03}", "load"] for i in range(5000)]
    create_partitions(lake, "big", values, columns=20)
    assert len(lake.partitions("big", ExcludeColumnSchema=True)) == 5000
    assert len(lake.partitions("big", Expression="dt = '2015-100' and load = 'load'")) == 1


def test_the_catalog_outlives_a_kill(own_gateway: Any) -> None:
    own_gateway.start()
    glue = own_gateway.client("glue")
    glue.create_database(DatabaseInput={"Name": "d"})
    glue.create_table(DatabaseName="d", TableInput=table_input("t", {"k": "string"}))
    glue.create_partition(DatabaseName="d", TableName="t", PartitionInput={"Values": ["1"]})
    own_gateway.stop(signal.SIGKILL)
    own_gateway.start()
    glue = own_gateway.client("glue")
    assert glue.get_partitions(DatabaseName="d", TableName="t")["Partitions"][0]["Values"] == ["1"]


def test_what_has_no_engine_is_refused_by_name(lake: Lake) -> None:
    with pytest.raises(ClientError, match="StartTrigger is not supported"):
        lake.glue.start_trigger(Name="nightly")


def test_iam_is_asked_for_catalog_database_and_table(lake: Lake, gateway: Any) -> None:
    user = lake.database
    lake.iam.create_user(UserName=user)
    key = lake.iam.create_access_key(UserName=user)["AccessKey"]
    arn = f"arn:aws:glue:eu-central-1:{gateway.account_id}"
    lake.iam.put_user_policy(
        UserName=user,
        PolicyName="p",
        PolicyDocument=json.dumps(
            {
                "Version": "2012-10-17",
                "Statement": [
                    {
                        "Effect": "Allow",
                        "Action": "glue:*",
                        "Resource": [
                            f"{arn}:catalog",
                            f"{arn}:database/{lake.database}",
                            f"{arn}:table/{lake.database}/mine",
                        ],
                    }
                ],
            }
        ),
    )
    from localcloud.base.cloud import Credentials

    glue = gateway.client("glue", Credentials(key["AccessKeyId"], key["SecretAccessKey"]))
    glue.create_table(DatabaseName=lake.database, TableInput=table_input("mine", {}))
    with pytest.raises(ClientError, match=f"glue:CreateTable.*table/{lake.database}/other") as error:
        glue.create_table(DatabaseName=lake.database, TableInput=table_input("other", {}))
    assert code(error) == "AccessDeniedException"
