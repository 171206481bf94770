"""A contract's statements, run: every row comes out once, with the right reason."""

# ruff: noqa: DTZ001 - values of a timestamp without time zone have none.
from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cdap.config import Source
from cdap.contracts import TableCheck, check_statements, check_table, reconcile
from cdap.errors import ReconciliationError
from cdap.loads import Load
from tests.unit.cdap.duckdb_session import DuckDbSession

LOAD = Load(
    "till", "20261103T020000000000-0a1b2c", date(2026, 11, 1), date(2026, 11, 2), datetime(2026, 11, 3, 2, tzinfo=UTC)
)
Rows = list[tuple[Any, ...]]
Columns = list[tuple[str, str]]
RECEIPTS = [
    ("receipt_id", "bigint"),
    ("issued_at", "timestamp"),
    ("amount", "decimal(10,4)"),
    ("method", "string"),
    ("code", "string"),
    ("extra", "int"),
]
CLERKS = [("clerk_id", "string"), ("name", "string"), ("born", "timestamp"), ("updated_at", "timestamp")]
DUCK = {"string": "varchar"}


def plant(session: DuckDbSession, table: str, columns: list[tuple[str, str]], rows: list[tuple[Any, ...]]) -> None:
    session.connection.execute("create schema if not exists raw")
    spec = ", ".join(f'"{name}" {DUCK.get(kind, kind)}' for name, kind in columns)
    session.connection.execute(
        f'create or replace table raw."{table}" ({spec}, "$path" varchar, dt varchar, load varchar)'
    )
    marks = ", ".join(["?"] * len(columns))
    # A row of another load's partition must never be read.
    for row in rows:
        for file, load_id in (("s3://lake/file", LOAD.load_id), ("s3://lake/other", "20260101T000000000000-000000")):
            session.connection.execute(
                f'insert into raw."{table}" values ({marks}, ?, ?, ?)',  # noqa: S608 - the test's own names
                [*row, file, "2026-11-02", load_id],
            )


def run(session: DuckDbSession, source: Source, table: str, columns: Columns, rows: Rows) -> TableCheck:
    plant(session, source.lake_table(table), columns, rows)
    return check_table(session, source, table, columns, LOAD, len(rows), bucket="lake", role_arn="arn:role")


def good_of(session: DuckDbSession, table: str) -> list[dict[str, Any]]:
    return session.unloaded[f"s3://lake/clean/till/{table}/load={LOAD.load_id}/"]


def bad_of(session: DuckDbSession, table: str) -> list[dict[str, Any]]:
    return session.unloaded[f"s3://lake/quarantine/till/{table}/dt=2026-11-02/load={LOAD.load_id}/"]


NOON = datetime(2026, 11, 1, 12)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ((None, NOON, Decimal("1.00"), "cash", "A.1", 7), "missing:receipt_id"),
        ((0, NOON, Decimal("1.00"), "cash", "A.1", 7), "range:receipt_id"),
        ((1, NOON, Decimal("5000.01"), "cash", "A.1", 7), "range:amount"),
        ((1, NOON, Decimal("-0.01"), "cash", "A.1", 7), "range:amount"),
        ((1, NOON, Decimal("1.005"), "cash", "A.1", 7), "type:amount"),
        ((1, NOON, Decimal("1.00"), "cheque", "A.1", 7), "enum:method"),
        ((1, NOON, Decimal("1.00"), "cash", "A.12345", 7), "length:code"),
        ((1, NOON, Decimal("1.00"), "cash", "Ax1", 7), "pattern:code"),
        ((1, datetime(2026, 10, 31, 23, 59, 59, 999999), None, None, None, None), "window:issued_at"),
        ((1, datetime(2026, 11, 3), None, None, None, None), "window:issued_at"),
        ((1, None, None, None, None, None), "missing:issued_at"),
        ((-4, NOON, Decimal("1.00"), "cheque", "ax", 7), "range:receipt_id;enum:method;pattern:code"),
    ],
)
def test_a_broken_rule_is_the_reason(session: DuckDbSession, till: Source, row: tuple[Any, ...], reason: str) -> None:
    check = run(session, till, "receipts", RECEIPTS, [row])
    assert (check.rows_in, check.good, check.bad, check.reasons) == (1, 0, 1, {reason: 1})
    (bad,) = bad_of(session, "receipts")
    came = dict(zip((name for name, _ in RECEIPTS), row, strict=True))
    assert {name: bad[name] for name in came} == came
    assert (bad["_reason"], bad["_source"], bad["_table"], bad["_load"]) == (reason, "till", "receipts", LOAD.load_id)
    assert bad["_file"] == "s3://lake/file"


@pytest.mark.parametrize(
    "row",
    [
        (1, datetime(2026, 11, 1), Decimal("0.0000"), "cash", "AB.12", None),
        (1, datetime(2026, 11, 2, 23, 59, 59, 999999), Decimal("5000.0000"), "gift 'n go", None, 3),
        (2**62, NOON, None, None, None, None),
    ],
)
def test_a_row_at_the_bounds_is_good(session: DuckDbSession, till: Source, row: tuple[Any, ...]) -> None:
    check = run(session, till, "receipts", RECEIPTS, [row])
    assert (check.good, check.bad, check.reasons) == (1, 0, {})


def test_good_rows_are_typed_and_in_utc_on_the_sources_own_day(session: DuckDbSession, till: Source) -> None:
    check = run(
        session, till, "receipts", RECEIPTS, [(9, datetime(2026, 11, 2, 0, 30), Decimal("2.5"), "card", "B.2", 1)]
    )
    assert check.days == ["2026-11-02"]
    assert good_of(session, "receipts") == [
        {
            "receipt_id": 9,
            "issued_at": datetime(2026, 11, 1, 23, 30),
            "amount": Decimal("2.50"),
            "method": "card",
            "code": "B.2",
            "_extracted_at": datetime(2026, 11, 3, 2),
            "dt": "2026-11-02",
        }
    ]


def test_values_that_came_as_other_types_are_cast_or_quarantined(session: DuckDbSession, till: Source) -> None:
    rows = [
        ("17", "Ada", datetime(1990, 5, 1), NOON),
        ("17.5", "Bo", datetime(1990, 5, 1), NOON),
        ("x", "Cy", datetime(1990, 5, 1), NOON),
        ("18", "Di", datetime(1990, 5, 1, 8), NOON),
        ("19", "Ed", datetime(1899, 12, 31), None),
    ]
    check = run(session, till, "clerks", CLERKS, rows)
    assert check.reasons == {"type:clerk_id": 2, "type:born": 1, "range:born": 1}
    (good,) = good_of(session, "clerks")
    assert (good["clerk_id"], good["born"], good["dt"]) == (17, date(1990, 5, 1), "2026-11-02")


def test_of_rows_with_one_key_the_newest_good_one_stays(session: DuckDbSession, till: Source) -> None:
    rows = [
        ("1", "old", None, datetime(2026, 1, 1)),
        ("1", "new", None, datetime(2026, 2, 1)),
        ("1", None, None, datetime(2026, 3, 1)),
        ("2", "same", None, None),
        ("2", "same", None, None),
    ]
    check = run(session, till, "clerks", CLERKS, rows)
    assert check.reasons == {"duplicate:clerk_id": 2, "missing:name": 1}
    assert sorted(row["name"] for row in good_of(session, "clerks")) == ["new", "same"]


def test_a_column_that_did_not_come_is_null(session: DuckDbSession, till: Source) -> None:
    check = run(session, till, "clerks", CLERKS[:2], [("1", "Ada")])
    assert check.good == 1
    assert good_of(session, "clerks")[0]["born"] is None


def test_a_check_that_runs_again_comes_to_the_same(session: DuckDbSession, till: Source) -> None:
    rows = [(1, NOON, None, None, None, None), (1, NOON, None, None, None, None)]
    first = run(session, till, "receipts", RECEIPTS, rows)
    written = dict(session.unloaded)
    again = check_table(session, till, "receipts", RECEIPTS, LOAD, 2, bucket="lake", role_arn="arn:role")
    assert (again, session.unloaded) == (first, written)


def test_a_table_without_files_asks_nothing_of_the_warehouse(session: DuckDbSession, till: Source) -> None:
    check = check_table(session, till, "receipts", [], LOAD, 0, bucket="lake", role_arn="arn:role")
    assert (check.rows_in, session.statements) == (0, [])


def test_rows_that_were_lost_on_the_way_fail_with_the_numbers(session: DuckDbSession, till: Source) -> None:
    plant(session, "till_receipts", RECEIPTS, [(1, NOON, None, None, None, None)])
    with pytest.raises(ReconciliationError) as raised:
        check_table(session, till, "receipts", RECEIPTS, LOAD, 3, bucket="lake", role_arn="arn:role")
    for part in ("till.receipts", "dt=2026-11-02", LOAD.load_id, "3 rows extracted", "1 read"):
        assert part in str(raised.value)


def test_reconciliation_needs_all_three_counts_to_agree() -> None:
    reconcile("till", "receipts", LOAD, extracted=5, rows_in=5, good=3, bad=2)
    for counts in ((5, 5, 3, 1), (4, 5, 3, 2), (5, 4, 2, 2)):
        with pytest.raises(ReconciliationError):
            reconcile("till", "receipts", LOAD, extracted=counts[0], rows_in=counts[1], good=counts[2], bad=counts[3])


def test_both_unloads_replace_what_an_earlier_attempt_left(till: Source) -> None:
    made = check_statements(till, "receipts", RECEIPTS, LOAD, "lake", "arn:aws:iam::1:role/x")
    assert made.unload_good.endswith('FORMAT AS PARQUET PARTITION BY ("dt") CLEANPATH')
    assert made.unload_bad.endswith("FORMAT AS JSON CLEANPATH")
    assert "IAM_ROLE 'arn:aws:iam::1:role/x'" in made.unload_good


moments = st.datetimes(min_value=datetime(2026, 10, 31, 20), max_value=datetime(2026, 11, 3, 4))
receipts = st.tuples(
    st.one_of(st.none(), st.integers(-1, 4)),
    st.one_of(st.none(), moments),
    st.one_of(st.none(), st.decimals(-1, 6000, places=4)),
    st.sampled_from([None, "cash", "card", "cheque", "", "gift 'n go"]),
    st.sampled_from([None, "A.1", "AAAA.11", "a.1", "A\\.1", ""]),
    st.one_of(st.none(), st.integers(0, 3)),
)


def expected_reason(row: tuple[Any, ...]) -> str:
    """The contract, said again in Python."""
    number, issued_at, amount, method, code, _ = row
    reasons = []
    if number is None:
        reasons.append("missing:receipt_id")
    elif number < 1:
        reasons.append("range:receipt_id")
    if issued_at is None:
        reasons.append("missing:issued_at")
    elif not datetime(2026, 11, 1) <= issued_at < datetime(2026, 11, 3):
        reasons.append("window:issued_at")
    if amount is not None:
        if amount != round(amount, 2):
            reasons.append("type:amount")
        elif not 0 <= amount <= 5000:
            reasons.append("range:amount")
    if method not in (None, "cash", "card", "gift 'n go"):
        reasons.append("enum:method")
    if code is not None:
        if len(code) > 6:
            reasons.append("length:code")
        elif code != "A.1":
            reasons.append("pattern:code")
    return ";".join(reasons)


@settings(max_examples=60, deadline=timedelta(seconds=5))
@given(rows=st.lists(receipts, min_size=1, max_size=12))
def test_every_row_comes_out_once_with_the_reason_the_contract_gives(till: Source, rows: list[tuple[Any, ...]]) -> None:
    session = DuckDbSession()
    check = run(session, till, "receipts", RECEIPTS, rows)
    reasons = [expected_reason(row) for row in rows]
    whole = {row[0] for row, reason in zip(rows, reasons, strict=True) if not reason}
    assert check.rows_in == len(rows) == check.good + check.bad
    assert {row["receipt_id"] for row in good_of(session, "receipts")} == whole
    assert check.good == len(whole)
    found = sorted(row["_reason"] for row in bad_of(session, "receipts"))
    duplicates = reasons.count("") - len(whole)
    assert found == sorted([*(reason for reason in reasons if reason), *["duplicate:receipt_id"] * duplicates])
