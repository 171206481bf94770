"""The crawler's engine: classification, schemas, and which folders are tables."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localcloud.engines.crawler.classify import Classified, _csv, _json_lines
from localcloud.engines.crawler.crawl import _glob, parse_path
from localcloud.engines.crawler.grouping import CrawledObject, FoundTable, group_tables
from localcloud.engines.crawler.schema import Column, merge_columns, merge_types

TYPES = ["tinyint", "int", "bigint", "double", "string", "boolean", "date", "timestamp", "decimal(12,2)",
         "array<int>", "struct<a:int,b:string>"]  # fmt: skip


def crawled(key: str, classification: str = "parquet", **columns: str) -> CrawledObject:
    found = Classified(classification, tuple(Column(n, t) for n, t in columns.items()), 1)
    return CrawledObject(key, 10, found)


def roots(tables: list[FoundTable]) -> dict[str, list[str]]:
    return {t.root: t.partition_keys for t in tables}


A = {"a": "int", "b": "string", "c": "date"}
B = {"x": "int", "y": "string", "z": "date"}


def test_like_folders_are_partitions_of_the_folder_above_and_unlike_ones_are_tables() -> None:
    like = [crawled("r/one/f", **A), crawled("r/two/f", **A)]
    unlike = [crawled("r/one/f", **A), crawled("r/two/f", **B)]
    assert roots(group_tables(like, "r/")) == {"r/": ["partition_0"]}
    assert roots(group_tables(unlike, "r/")) == {"r/one/": [], "r/two/": []}


def test_formats_do_not_share_a_table() -> None:
    found = [crawled("r/one/f", **A), crawled("r/two/f", "csv", **A)]
    assert roots(group_tables(found, "r/")) == {"r/one/": [], "r/two/": []}
    beside = [crawled("r/f.parquet", **A), crawled("r/g.csv", "csv", **A)]
    assert set(roots(group_tables(beside, "r/"))) == {"r/f.parquet", "r/g.csv"}


def test_key_value_folders_are_partitions_however_their_columns_grew() -> None:
    found = [crawled("r/dt=1/f", a="int"), crawled("r/dt=2/f", a="bigint", b="string", c="date", d="int")]
    (table,) = group_tables(found, "r/")
    assert table.partition_keys == ["dt"] and [p.values for p in table.partitions] == [("1",), ("2",)]
    assert table.columns == [Column("a", "bigint"), Column("b", "string"), Column("c", "date"), Column("d", "int")]


def test_a_column_that_is_also_a_partition_key_is_the_key_only() -> None:
    (table,) = group_tables([crawled("r/dt=1/f", a="int", dt="string")], "r/")
    assert table.columns == [Column("a", "int")] and table.partition_keys == ["dt"]


def test_tables_under_tables_keep_their_own_partitions() -> None:
    found = [crawled(f"r/{t}/dt={d}/f", **c) for t, c in (("one", A), ("two", B)) for d in (1, 2)]
    assert roots(group_tables(found, "r/")) == {"r/one/": ["dt"], "r/two/": ["dt"]}


def test_the_level_and_the_policy_of_the_configuration_decide() -> None:
    like = [crawled("r/one/f", **A), crawled("r/two/f", **A)]
    assert roots(group_tables(like, "r/", table_level=3)) == {"r/one/": [], "r/two/": []}
    unlike = [crawled("r/one/f", **A), crawled("r/two/f", **B)]
    assert roots(group_tables(unlike, "r/", combine_compatible=True)) == {"r/": ["partition_0"]}


@given(st.permutations([f"r/dt={d}/h={h}/f{n}" for d in "12" for h in "34" for n in "56"]))
def test_the_order_of_the_objects_changes_nothing(keys: list[str]) -> None:
    (table,) = group_tables([crawled(k, **A) for k in keys], "r/")
    assert table.partition_keys == ["dt", "h"]
    assert [p.values for p in table.partitions] == [("1", "3"), ("1", "4"), ("2", "3"), ("2", "4")]
    assert all(len(p.objects) == 2 for p in table.partitions)


@given(st.sampled_from(TYPES), st.sampled_from(TYPES))
def test_merging_types_is_symmetric_and_keeps_what_is_equal(first: str, second: str) -> None:
    assert merge_types(first, second) == merge_types(second, first)
    assert merge_types(first, first) == first
    assert merge_types(merge_types(first, second), first) == merge_types(first, second)


def test_types_widen_without_losing_values() -> None:
    assert merge_types("decimal(12,2)", "decimal(10,4)") == "decimal(14,4)"
    assert merge_types("struct<a:int,b:array<int>>", "struct<a:bigint,c:date>") == (
        "struct<a:bigint,b:array<int>,c:date>")  # fmt: skip
    assert merge_columns([Column("a", "int")], [Column("b", "date"), Column("a", "double")]) == [
        Column("a", "double"), Column("b", "date")]  # fmt: skip


def test_csv_needs_two_columns_and_two_rows_and_one_width() -> None:
    assert _csv(b"only\nones\n", True) is None
    assert _csv(b"a,b\n", True) is None
    assert _csv(b"a,b\n1,2,3\n", True) is None
    found = _csv(b'id,note\n1,"x, ""y"""\n2,\n', True)
    assert found is not None and found.header and found.quoted and found.records == 2
    assert found.columns == (Column("id", "bigint"), Column("note", "string"))


def test_a_cut_sample_ignores_the_broken_last_line() -> None:
    found = _json_lines(b'{"a": 1}\n{"a": 2}\n{"a": ', False)
    assert found is not None and found.records == 2
    assert _json_lines(b'{"a": 1}\n{"a": ', True) is None


@pytest.mark.parametrize(
    ("pattern", "key", "fits"),
    [
        ("*.csv", "a.csv", True), ("*.csv", "x/a.csv", False), ("**.csv", "x/a.csv", True),
        ("tmp/**", "tmp/x/y", True), ("a?.{csv,json}", "a1.json", True), ("[!ab].csv", "a.csv", False),
    ],
)  # fmt: skip
def test_exclude_patterns_are_those_of_glue(pattern: str, key: str, fits: bool) -> None:
    assert (_glob(pattern).fullmatch(key) is not None) is fits


def test_paths_that_are_not_s3_are_refused() -> None:
    assert parse_path("s3://b/x/y/") == ("b", "x/y/") and parse_path("s3://b") == ("b", "")
    with pytest.raises(ValueError, match="s3://bucket/folder"):
        parse_path("b/x")
