"""Queries over tables of the catalog: answers, figures, errors, rights."""

from __future__ import annotations

import json
import secrets
import time
from typing import Any

import pytest
from botocore.exceptions import ClientError

from localcloud.base.cloud import Credentials
from tests.services.athena.conftest import Athena

ORDERS = """CREATE EXTERNAL TABLE orders (id int, amount double, tags array<string>)
PARTITIONED BY (dt string) ROW FORMAT SERDE 'org.openx.data.jsonserde.JsonSerDe' LOCATION '{location}'"""


def _orders(athena: Athena) -> None:
    athena.run(ORDERS.format(location=athena.url("orders/")))
    for day in ("2026-01-01", "2026-01-02"):
        lines = [{"id": number, "amount": number * 1.5, "tags": ["a", None]} for number in range(3)]
        athena.put(f"orders/dt={day}/part.json", "\n".join(map(json.dumps, lines)))
    athena.run("MSCK REPAIR TABLE orders")


def test_a_query_answers_with_a_header_and_athenas_texts(athena: Athena) -> None:
    _orders(athena)
    found = athena.run("SELECT id, amount AS Total, tags, dt, amount * 1e7 FROM orders WHERE id = 1 ORDER BY dt")
    assert found["StatementType"] == "DML" and found["SubstatementType"] == "SELECT"
    assert athena.results(found["QueryExecutionId"]) == [
        ["id", "total", "tags", "dt", "_col4"],
        ["1", "1.5", "[a, null]", "2026-01-01", "1.5E7"],
        ["1", "1.5", "[a, null]", "2026-01-02", "1.5E7"],
    ]
    columns = athena.client.get_query_results(QueryExecutionId=found["QueryExecutionId"])["ResultSet"]
    kinds = [column["Type"] for column in columns["ResultSetMetadata"]["ColumnInfo"]]
    assert kinds == ["integer", "double", "array", "varchar", "double"]
    key = found["ResultConfiguration"]["OutputLocation"].removeprefix(f"s3://{athena.bucket}/")
    assert key == f"results/{found['QueryExecutionId']}.csv"
    body = athena.s3.get_object(Bucket=athena.bucket, Key=key)["Body"].read().decode()
    assert body.splitlines()[:2] == ['"id","total","tags","dt","_col4"', '"1","1.5","[a, null]","2026-01-01","1.5E7"']


def test_only_the_partitions_that_are_asked_for_are_read(athena: Athena) -> None:
    _orders(athena)
    whole = athena.run("SELECT count(*) FROM orders")["Statistics"]["DataScannedInBytes"]
    one = athena.run("SELECT count(*) FROM orders WHERE dt = '2026-01-02'")["Statistics"]["DataScannedInBytes"]
    assert 0 < one < whole


def test_pages_give_every_row_once(athena: Athena) -> None:
    identifier = athena.run("SELECT n FROM UNNEST(sequence(1, 2500)) AS t(n) ORDER BY n")["QueryExecutionId"]
    rows = athena.results(identifier, 700)
    assert rows == [["n"], *[[str(number)] for number in range(1, 2501)]]


def test_null_empty_quotes_and_line_breaks_are_told_apart(athena: Athena) -> None:
    assert athena.rows("SELECT null, '', 'say \"hi\", then' || chr(10) || 'go', '\\N'") == [
        ["_col0", "_col1", "_col2", "_col3"],
        [None, "", 'say "hi", then\ngo', "\\N"],
    ]


@pytest.mark.parametrize(
    ("expression", "text"),
    [
        ("date_diff('day', timestamp '2020-01-01 23:00:00', timestamp '2020-01-02 01:00:00')", "0"),
        ("date_add('month', 1, date '2020-01-31')", "2020-02-29"),
        ("date_trunc('week', date '2020-01-05')", "2019-12-30"),
        ("day_of_week(date '2020-01-05')", "7"),
        ("extract(dow from date '2020-01-05')", "7"),
        ("split_part('a,b', ',', 3)", None),
        ("regexp_extract('abc', 'z')", None),
        ("regexp_extract('x12', '([a-z])([0-9]+)', 2)", "12"),
        ("concat('a', null)", None),
        ("greatest(1, null)", None),
        ("5 / 2", "2"),
        ("-5 / 2", "-2"),
        ("5 / 2.0E0", "2.5"),
        ("5.0E0 / 0", "Infinity"),
        ("json_extract_scalar('{\"a\": {\"b\": 1}}', '$.a.b')", "1"),
        ("json_extract_scalar('{\"a\": {\"b\": 1}}', '$.a')", None),
        ("try_cast('x' AS integer)", None),
        ("map_agg(1, 'a')", "{1=a}"),
        ("cast(row(1, 'x') AS row(a integer, b varchar))", "{a=1, b=x}"),
        ("transform(array[1, 2], x -> x * 2)", "[2, 4]"),
        ("array_join(array['a', null, 'b'], '-')", "a-b"),
        ("to_hex(md5(to_utf8('abc')))", "900150983CD24FB0D6963F7D28E17F72"),
        ("approx_distinct(1)", "1"),
        ("sum(1)", "1"),
        ("from_iso8601_timestamp('2020-01-01T00:00:00Z')", "2020-01-01 00:00:00.000 UTC"),
        ("cast(1.50 AS decimal(10, 2))", "1.50"),
        ("x'61'", "61"),
    ],
)
def test_functions_answer_as_trino_documents(athena: Athena, expression: str, text: str | None) -> None:
    assert athena.rows(f"SELECT {expression}")[1] == [text]


def test_unnest_of_maps_arrays_and_numbers(athena: Athena) -> None:
    assert athena.rows("SELECT k, v FROM (SELECT map(array['a'], array[1]) m) CROSS JOIN UNNEST(m) AS u(k, v)")[1:] == [
        ["a", "1"]
    ]
    rows = athena.rows("SELECT a, b, n FROM UNNEST(array[5, 6], array['x']) WITH ORDINALITY AS u(a, b, n) ORDER BY n")
    assert rows[1:] == [["5", "x", "1"], ["6", None, "2"]]


@pytest.mark.parametrize(
    ("sql", "start"),
    [
        ("SELECT nothing FROM (VALUES 1) AS t(a)", "COLUMN_NOT_FOUND: Column 'nothing' cannot be resolved"),
        ("SELECT * FROM missing", "TABLE_NOT_FOUND: Table 'awsdatacatalog."),
        ("SELECT no_such(1)", "FUNCTION_NOT_FOUND: Function 'no_such' not registered"),
        ("SELECT FROM WHERE", "SYNTAX_ERROR: line 1:"),
        ("SELECT 1 / 0", "DIVISION_BY_ZERO: Division by zero"),
        ("SELECT cast('x' AS integer)", "INVALID_CAST_ARGUMENT"),
        ("SELECT 1; SELECT 2", "SYNTAX_ERROR: Only one sql statement is allowed"),
        ("DELETE FROM t", "NOT_SUPPORTED"),
    ],
)
def test_errors_have_trinos_names(athena: Athena, sql: str, start: str) -> None:
    assert athena.fail(sql).startswith(start)


def test_parameters_fill_the_question_marks(athena: Athena) -> None:
    sql = "SELECT a, b FROM (VALUES (1, 'x'), (2, 'y')) AS t(a, b) WHERE a = ? AND b = ?"
    assert athena.rows(sql, ExecutionParameters=["2", "'y'"])[1:] == [["2", "y"]]
    assert "expected 2 but found 1" in athena.fail(sql, ExecutionParameters=["2"])
    assert "expected 2 but found 0" in athena.fail(sql)
    assert athena.rows("SELECT regexp_like('abc', 'a?bc')")[1:] == [["true"]]
    athena.run(f"PREPARE {athena.database} FROM {sql}")
    assert athena.rows(f"EXECUTE {athena.database} USING 1, 'x'")[1:] == [["1", "x"]]
    kept = athena.client.get_prepared_statement(StatementName=athena.database, WorkGroup="primary")
    assert kept["PreparedStatement"]["QueryStatement"] == sql
    athena.run(f"DEALLOCATE PREPARE {athena.database}")
    with pytest.raises(athena.client.exceptions.ResourceNotFoundException):
        athena.client.get_prepared_statement(StatementName=athena.database, WorkGroup="primary")


def test_a_token_starts_a_query_once(athena: Athena) -> None:
    token = secrets.token_hex(20)
    first = athena.start("SELECT 1", ClientRequestToken=token)
    assert athena.start("SELECT 1", ClientRequestToken=token) == first
    with pytest.raises(ClientError, match="Idempotent"):
        athena.start("SELECT 2", ClientRequestToken=token)


def test_a_query_can_be_stopped(athena: Athena) -> None:
    numbers = "UNNEST(sequence(1, 3000000))"
    identifier = athena.start(f"SELECT count(*) FROM {numbers} a(x), {numbers} b(y) WHERE x * y % 7 = 3")  # noqa: S608
    deadline = time.monotonic() + 30
    while athena.look(identifier)["Status"]["State"] == "QUEUED":
        assert time.monotonic() < deadline
    athena.client.stop_query_execution(QueryExecutionId=identifier)
    assert athena.wait(identifier)["Status"]["State"] == "CANCELLED"
    with pytest.raises(ClientError, match="CANCELLED"):
        athena.client.get_query_results(QueryExecutionId=identifier)


def test_a_query_has_the_rights_of_its_caller(gateway: Any, athena: Athena) -> None:
    _orders(athena)
    iam = gateway.client("iam")
    user = f"analyst-{athena.database}"
    iam.create_user(UserName=user)
    key = iam.create_access_key(UserName=user)["AccessKey"]
    allowed = ["athena:*", "glue:Get*"]
    statement = [
        {"Effect": "Allow", "Action": allowed, "Resource": "*"},
        {"Effect": "Allow", "Action": "s3:PutObject", "Resource": f"arn:aws:s3:::{athena.bucket}/results/*"},
        {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": f"arn:aws:s3:::{athena.bucket}"},
    ]
    document = json.dumps({"Version": "2012-10-17", "Statement": statement})
    iam.put_user_policy(UserName=user, PolicyName="read", PolicyDocument=document)
    client = gateway.client("athena", Credentials(key["AccessKeyId"], key["SecretAccessKey"]))
    analyst = Athena(client, athena.s3, athena.glue, athena.bucket, athena.database)
    reason = analyst.fail("SELECT * FROM orders")
    assert reason.startswith("PERMISSION_DENIED") and "s3:GetObject" in reason and user in reason
    assert "glue:CreateTable" in analyst.fail("CREATE VIEW v AS SELECT 1 AS a")
    statement.append({"Effect": "Allow", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{athena.bucket}/*"})
    document = json.dumps({"Version": "2012-10-17", "Statement": statement})
    iam.put_user_policy(UserName=user, PolicyName="read", PolicyDocument=document)
    assert analyst.rows("SELECT count(*) FROM orders")[1:] == [["6"]]
