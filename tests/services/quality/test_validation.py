"""Suites run by Great Expectations on the local warehouse; Data Docs in the local cloud's S3."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from pydantic import SecretStr
from sqlalchemy.engine import URL

from cdap.errors import CdapError, ConfigurationError
from cdap.parameters import WarehouseParameters
from cdap.quality.docs import RUNS_SHOWN, DocsStore
from cdap.quality.suites import Expectation, Suite
from cdap.quality.validation import ROWS_NAMED, Failure, Validation, validate, warehouse_url
from cdap.warehouse import Login
from localcloud.engines.sql.warehouse import Warehouse
from localcloud.engines.sql.wire.server import Server
from tests.services.conftest import RunningGateway

USER, PASSWORD, DATABASE = "checker", "Checker1pass", "cdap"
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
PRIVATE = "ann@example.org"

TABLES = f"""
create schema marts;
create table marts.people (id varchar(10), region integer, email varchar(50), orders bigint, score bigint);
insert into marts.people values
    ('a', 1, '{PRIVATE}', 3, 5), ('b', 1, 'not an address', 1, 2), ('b', 2, null, -4, 9), ('c', 2, 'c@x.org', 0, null);
create schema lake;
create table lake.orders (id bigint, load varchar(40));
insert into lake.orders select 1, 'old' union all select 2, 'new' union all select 2, 'new';
"""  # noqa: S608 - the test's own values


@dataclass
class Checked:
    url: URL
    folder: Path

    def run(self, *suites: tuple[Suite, str | None], folder: Path | None = None, name: str = "r1") -> Validation:
        return validate(suites, self.url, folder or self.folder, name, NOW)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[URL]:
    warehouse = Warehouse(tmp_path_factory.mktemp("warehouse"))
    warehouse.set_password(USER, PASSWORD, superuser=True, create_database=True)
    warehouse.create_database(DATABASE)
    server = Server(warehouse, "127.0.0.1", 0)
    server.start()
    target = WarehouseParameters("127.0.0.1", server.port, DATABASE, "w", "arn", "disable", "arn")
    connection = psycopg2.connect(
        host="127.0.0.1", port=server.port, user=USER, password=PASSWORD, dbname=DATABASE, sslmode="disable"
    )
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute(TABLES)
    connection.close()
    yield warehouse_url(target, Login(username=USER, password=SecretStr(PASSWORD)))
    server.stop()
    warehouse.close()


@pytest.fixture
def checked(served: URL, tmp_path: Path) -> Checked:
    return Checked(served, tmp_path)


def suite(*expectations: dict[str, Any], table: str = "marts.people", key: tuple[str, ...] = ("id", "region")) -> Suite:
    schema, name = table.split(".")
    file = Path(f"expectations/{table}.json")
    return Suite(file, table, schema, name, key, tuple(Expectation(**expectation) for expectation in expectations))


def expect(kind: str, severity: str = "critical", **arguments: Any) -> dict[str, Any]:
    return {"type": f"expect_{kind}", "kwargs": arguments, "severity": severity}


def text_of(folder: Path) -> str:
    return "\n".join(
        file.read_text(encoding="utf-8", errors="replace")
        for file in folder.rglob("*")
        if file.suffix in (".json", ".html")
    )


def test_failing_rows_are_told_by_their_keys_and_never_by_their_values(checked: Checked) -> None:
    result = checked.run(
        (
            suite(
                expect("column_values_to_not_be_null", column="email"),
                expect("column_values_to_match_regex", "warning", column="email", regex="^[^@]+@x[.]org$"),
                expect("column_values_to_be_between", column="orders", min_value=0),
                expect("column_values_to_be_in_set", column="score", value_set=[1, 2, 3, 4, 5]),
                expect("column_values_to_be_unique", column="id"),
                expect("compound_columns_to_be_unique", column_list=["id", "region"]),
                expect("table_row_count_to_be_between", min_value=1, max_value=4),
            ),
            None,
        )
    )
    assert result.expectations == 7
    found = {(failure.expectation, failure.column): failure for failure in result.failures}
    b2 = {"id": "b", "region": 2}
    assert found["expect_column_values_to_not_be_null", "email"].rows == (b2,)
    assert found["expect_column_values_to_be_between", "orders"].rows == (b2,)
    assert found["expect_column_values_to_be_between", "orders"].found == "1 of 4 rows"
    assert found["expect_column_values_to_be_in_set", "score"].rows == (b2,)
    assert sorted(row["region"] for row in found["expect_column_values_to_be_unique", "id"].rows) == [1, 2]
    pattern = found["expect_column_values_to_match_regex", "email"]
    assert sorted(row["id"] for row in pattern.rows) == ["a", "b"]
    assert len(found) == 5
    assert pattern not in result.critical and len(result.critical) == 4
    pages = text_of(checked.folder)
    assert "expect_column_values_to_match_regex" in pages
    assert PRIVATE not in pages and "not an address" not in pages
    assert PASSWORD not in pages
    assert all(PRIVATE not in str(failure) for failure in result.failures)


def test_a_query_of_the_users_own_names_the_rows_that_it_finds(checked: Checked) -> None:
    own = {
        "type": "unexpected_rows_expectation",
        "kwargs": {"unexpected_rows_query": "SELECT * FROM {batch} WHERE orders < 0"},
    }
    (failure,) = checked.run((suite(own), None)).failures
    assert failure.rows == ({"id": "b", "region": 2},)
    assert failure.severity == "critical"


def test_more_failing_rows_than_can_be_named_are_counted(checked: Checked, served: URL) -> None:
    query = "select generate_series as id, 1 as region, -1 as orders from generate_series(1, 50)"
    (failure,) = checked.run(
        (suite(expect("column_values_to_be_between", column="orders", min_value=0)), query)
    ).failures
    assert failure.found == "50 of 50 rows"
    assert len(failure.rows) == ROWS_NAMED


def test_an_expectation_that_cannot_be_evaluated_is_a_failure_that_says_why(checked: Checked) -> None:
    (failure,) = checked.run((suite(expect("column_values_to_not_be_null", column="gone")), None)).failures
    assert "could not be evaluated" in failure.found and "gone" in failure.found


def test_landed_rows_are_looked_at_by_a_query(checked: Checked) -> None:
    landed = suite(expect("column_values_to_be_unique", column="id"), table="lake.orders", key=("id",))
    old, new = (f"select * from lake.orders where load = '{load}'" for load in ("old", "new"))  # noqa: S608
    assert checked.run((landed, old)).failures == ()
    (failure,) = checked.run((landed, new), folder=checked.folder / "other").failures
    assert failure == Failure(
        "lake.orders", "expect_column_values_to_be_unique", "id", "critical", "2 of 2 rows", ({"id": 2}, {"id": 2})
    )


def test_what_gx_does_not_know_is_an_error_of_the_file(checked: Checked) -> None:
    with pytest.raises(ConfigurationError, match=r"expectations\.0 \(expect_magic\)"):
        checked.run((suite(expect("magic")), None))
    with pytest.raises(CdapError, match=r"marts\.nobody"):
        checked.run((suite(expect("table_row_count_to_equal", value=1), table="marts.nobody"), None))


def test_data_docs_go_to_s3_and_keep_the_last_runs(checked: Checked, gateway: RunningGateway, tmp_path: Path) -> None:
    s3 = gateway.client("s3")
    s3.create_bucket(Bucket="quality-docs", CreateBucketConfiguration={"LocationConstraint": gateway.region})
    store = DocsStore(s3, "quality-docs", "quality")
    with pytest.raises(CdapError, match="there are no Data Docs yet"):
        store.download(tmp_path / "none")
    for number in range(RUNS_SHOWN + 2):
        folder = tmp_path / f"run{number}"
        store.restore(folder)
        moment = NOW.replace(day=number + 1)
        validate(
            [(suite(expect("column_values_to_be_unique", column="id")), None)],
            checked.url, folder, f"manual__{number}", moment,
        )  # fmt: skip
        store.publish(folder)
    first = store.download(tmp_path / "site")
    index = first.read_text(encoding="utf-8")
    assert not any("web-assets" in page.read_text(encoding="utf-8") for page in first.parent.rglob("*.html"))
    # The newest runs are on the first page; what an earlier run wrote stays until the bucket's lifecycle takes it.
    shown = {number for number in range(RUNS_SHOWN + 2) if f"manual__{number}/" in index}
    assert shown == set(range(2, RUNS_SHOWN + 2))
    page = s3.head_object(Bucket="quality-docs", Key="quality/docs/index.html")
    assert page["ContentType"] == "text/html"
    kept = [
        item["Key"] for item in s3.list_objects_v2(Bucket="quality-docs", Prefix="quality/validations/")["Contents"]
    ]
    assert len(kept) == RUNS_SHOWN + 2
    assert json.loads(s3.get_object(Bucket="quality-docs", Key=kept[0])["Body"].read())["success"] is False
