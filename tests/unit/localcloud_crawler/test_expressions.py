"""GetPartitions' expressions against DuckDB's answer on the same rows."""

from __future__ import annotations

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from localcloud.services.glue.expressions import ExpressionError, PartitionKey, parse_expression, typed_values

KEYS = [PartitionKey("dt", "date"), PartitionKey("n", "int"), PartitionKey("s", "string")]
ROWS = [
    [f"2024-01-0{d}", n, s] for d in (1, 2, 3) for n in ("2", "10", "__HIVE_DEFAULT_PARTITION__") for s in ("a", "b'%")
]

comparisons = st.sampled_from(["=", "<>", "<", "<=", ">", ">="])
leaves = st.one_of(
    st.builds("dt {} '2024-01-0{}'".format, comparisons, st.integers(1, 3)),
    st.builds("n {} {}".format, comparisons, st.integers(-1, 11)),
    st.builds("{1} {0} n".format, comparisons, st.integers(-1, 11)),
    st.builds("s {} '{}'".format, comparisons, st.sampled_from(["a", "b''%"])),
    st.builds("n {}between {} and {}".format, st.sampled_from(["", "not "]), st.integers(0, 5), st.integers(5, 11)),
    st.builds("n {}in ({}, {})".format, st.sampled_from(["", "NOT "]), st.integers(0, 5), st.integers(5, 11)),
    st.builds("s like '{}'".format, st.sampled_from(["a", "%", "b%", "_", "b''_"])),
    st.builds("n is {}null".format, st.sampled_from(["", "not "])),
)
expressions = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.builds("({}) and ({})".format, inner, inner),
        st.builds("{} OR {}".format, inner, inner),
        st.builds("not ({})".format, inner),
    ),
    max_leaves=6,
)


@settings(max_examples=300, deadline=None)
@given(expressions)
def test_the_rows_are_those_of_sql(text: str) -> None:
    connection = duckdb.connect()
    connection.execute("create table t (i int, dt date, n int, s varchar)")
    typed = [typed_values(KEYS, row) for row in ROWS]
    connection.executemany("insert into t values (?, ?, ?, ?)", [[i, *row] for i, row in enumerate(typed)])
    expected = {i for (i,) in connection.execute(f"select i from t where {text}").fetchall()}  # noqa: S608
    predicate = parse_expression(text, KEYS)
    assert {i for i, row in enumerate(typed) if predicate(row) is True} == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = 1", "not a partition key"), ("dt = ", "its end"), ("n = 'many'", "type int"), ("n == 1", "at '='"),
        ("dt = '2024-13-01'", "type date"), ("(n = 1", r"\) was expected"), ("n = 1 n = 2", "at 'n'"),
    ],
)  # fmt: skip
def test_a_wrong_expression_says_where(text: str, message: str) -> None:
    with pytest.raises(ExpressionError, match=message):
        parse_expression(text, KEYS)


def test_a_key_of_another_type_cannot_be_filtered_on() -> None:
    with pytest.raises(ExpressionError, match="array<int>"):
        parse_expression("k = 1", [PartitionKey("k", "array<int>")])
