from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cdap.config import load_sources
from cdap.errors import ConfigurationError
from cdap.quality import load_suites
from cdap.quality.landed import landed_query
from cdap.settings import settings

SOURCES = load_sources(settings().config_dir)
SUITE: dict[str, Any] = {
    "name": "lake.shop_orders",
    "meta": {"table": "lake.shop_orders", "key": ["order_id"]},
    "expectations": [{"type": "expect_column_values_to_not_be_null", "kwargs": {"column": "order_id"}}],
}


def written(folder: Path, content: Any, name: str = "lake.shop_orders.json") -> Path:
    (folder / name).write_text(content if isinstance(content, str) else json.dumps(content))
    return folder


def test_the_projects_own_suites_load_and_cover_what_is_published() -> None:
    suites = {suite.name: suite for suite in load_suites(settings().expectations_dir, SOURCES)}
    assert suites["marts.customer_profile"].key == ("customer_id",)
    assert any(suite.of_landed_data for suite in suites.values())


def test_a_severity_that_is_not_given_is_critical(tmp_path: Path) -> None:
    (suite,) = load_suites(written(tmp_path, SUITE), SOURCES)
    assert suite.expectations[0].severity == "critical"
    assert (suite.schema, suite.table) == ("lake", "shop_orders")


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ("{", "lake.shop_orders.json"),
        ({**SUITE, "name": "orders"}, "name: 'orders' is not the file's name"),
        ({**SUITE, "meta": {"table": "lake.shop_orders"}}, "meta.key"),
        ({**SUITE, "meta": {"table": "orders", "key": ["order_id"]}}, "meta.table"),
        ({**SUITE, "meta": {"table": "lake.shop_gifts", "key": ["id"]}}, "no source has the table shop_gifts"),
        ({**SUITE, "expectations": []}, "expectations"),
        ({**SUITE, "expectations": [{"kwargs": {}}]}, "expectations.0.type"),
        ({**SUITE, "expectations": [{"type": "t", "kwargs": {}, "severity": "high"}]}, "expectations.0.severity"),
    ],
)
def test_what_is_wrong_is_told_with_file_and_field(tmp_path: Path, content: Any, found: str) -> None:
    with pytest.raises(ConfigurationError, match=found) as error:
        load_suites(written(tmp_path, content), SOURCES)
    assert "lake.shop_orders.json" in str(error.value)


def test_landed_rows_are_those_of_the_runs_loads_of_the_suites_source(tmp_path: Path) -> None:
    (suite,) = load_suites(written(tmp_path, SUITE), SOURCES)
    loads = [("shop", "20260101T000000000000-aaaaaa"), ("crm", "20260101T000000000000-bbbbbb")]
    assert landed_query(suite, SOURCES, loads) == (
        'SELECT * FROM "lake"."shop_orders" WHERE "load" IN (\'20260101T000000000000-aaaaaa\')'
    )
    assert landed_query(suite, SOURCES, loads[1:]) is None
