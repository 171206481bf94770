"""Table mappings: what is selected, renamed, filtered, and refused by rule."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localcloud.engines.replication.mappings import MappingError, like, parse_table_mappings

TABLES = [("public", "customers"), ("public", "orders"), ("public", "order_items"), ("audit", "orders")]


def selection(number: int, schema: str, table: str, action: str = "include", **more: Any) -> dict[str, Any]:
    return {
        "rule-type": "selection", "rule-id": str(number), "rule-name": str(number), "rule-action": action,
        "object-locator": {"schema-name": schema, "table-name": table}, **more,
    }  # fmt: skip


def transformation(number: int, target: str, action: str, locator: dict[str, str], **more: Any) -> dict[str, Any]:
    return {
        "rule-type": "transformation", "rule-id": str(number), "rule-name": str(number), "rule-target": target,
        "rule-action": action, "object-locator": locator, **more,
    }  # fmt: skip


def parse(*rules: dict[str, Any]) -> Any:
    return parse_table_mappings(json.dumps({"rules": list(rules)}))


def selected(*rules: dict[str, Any]) -> list[str]:
    return [f"{t.schema}.{t.table}" for t in parse(*rules).select(TABLES)]


def test_wildcards_include_and_exclude() -> None:
    assert selected(selection(1, "public", "order%")) == ["public.order_items", "public.orders"]
    assert selected(selection(1, "%", "%"), selection(2, "audit", "%", "exclude")) == [
        "public.customers", "public.order_items", "public.orders"]  # fmt: skip
    assert selected(selection(1, "public", "orders", "explicit")) == ["public.orders"]


def test_a_higher_load_order_is_loaded_first() -> None:
    rules = selection(1, "public", "customers"), selection(2, "public", "orders", **{"load-order": 5})
    assert selected(*rules) == ["public.orders", "public.customers"]


def test_names_are_transformed_for_schema_table_and_column() -> None:
    mappings = parse(
        selection(1, "%", "%"),
        transformation(2, "schema", "rename", {"schema-name": "public"}, value="l1/public"),
        transformation(3, "table", "add-prefix", {"schema-name": "public", "table-name": "order%"}, value="x_"),
        transformation(
            4, "column", "convert-uppercase", {"schema-name": "%", "table-name": "orders", "column-name": "i%"}
        ),
        transformation(5, "column", "remove-column", {"schema-name": "%", "table-name": "%", "column-name": "secret"}),
    )
    assert mappings.target_schema("public") == "l1/public" and mappings.target_schema("audit") == "audit"
    assert mappings.target_table("public", "orders") == "x_orders"
    assert mappings.target_table("audit", "orders") == "orders"
    assert mappings.target_columns("public", "orders", ["id", "secret", "at"]) == [("id", "ID"), ("at", "at")]
    assert mappings.target_columns("public", "customers", ["id"]) == [("id", "id")]


def test_include_column_keeps_only_what_is_named() -> None:
    locator = {"schema-name": "%", "table-name": "orders", "column-name": "id%"}
    mappings = parse(selection(1, "%", "%"), transformation(2, "column", "include-column", locator))
    assert mappings.target_columns("public", "orders", ["id", "id_2", "at"]) == [("id", "id"), ("id_2", "id_2")]


def test_two_columns_may_not_end_in_one_name() -> None:
    locator = {"schema-name": "%", "table-name": "%", "column-name": "b"}
    mappings = parse(selection(1, "%", "%"), transformation(2, "column", "rename", locator, value="a"))
    with pytest.raises(MappingError, match="two columns the name a"):
        mappings.target_columns("public", "orders", ["a", "b"])


def conditions(*given: dict[str, str]) -> list[dict[str, Any]]:
    return [{"filter-type": "source", "column-name": "at", "filter-conditions": list(given)}]


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ([selection(1, "public", "orders", filters=conditions({"filter-operator": "lte", "value": "1"}))], "ste"),
        ([selection(1, "public", "orders", filters=conditions({"filter-operator": "between", "value": "1"}))],
         "start-value is missing"),
        ([selection(1, "public", "%", filters=conditions({"filter-operator": "null"}))], "exact"),
        ([selection(1, "public", "t", "exclude", filters=conditions({"filter-operator": "null"}))], "include only"),
        ([selection(1, "public", "t", filters=conditions({"filter-operator": "notnull"}, {"filter-operator": "null"}))],
         "negative operator"),
        ([selection(1, "public", "%", "explicit")], "wildcard"),
        ([selection(1, "public", "t", "exclude")], "at least one selection"),
        ([selection(1, "public", "t"), selection(1, "public", "u")], "rule-id 1"),
        ([selection(1, "public", "t", **{"parallel-load": {}})], "parallel-load"),
        ([selection(1, "%", "%"), transformation(7, "column", "add-column", {"schema-name": "%"})],
         "rule 7: rule-action 'add-column'"),
        ([selection(1, "%", "%"), transformation(8, "table", "remove-column", {"schema-name": "%"})], "rule 8"),
    ],
)  # fmt: skip
def test_what_is_wrong_or_not_done_is_refused_by_rule(rules: list[dict[str, Any]], message: str) -> None:
    with pytest.raises(MappingError, match=message):
        parse(*rules)


@given(st.text(alphabet="ab.%_(", max_size=8), st.text(alphabet="ab._(", max_size=8))
def test_a_pattern_without_wildcard_matches_itself_alone(pattern: str, name: str) -> None:
    assert like(pattern.replace("%", ""), name) == (pattern.replace("%", "") == name)
    assert like("%", name) and like(name + "%", name + "x") and like("%" + name, "x" + name)
