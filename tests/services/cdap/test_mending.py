"""Damage of every kind ends in quarantine; mended and put back, the tables are those of a world without it."""

# ruff: noqa: DTZ001 - values of a timestamp without time zone have none.
from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from cdap import ledger
from cdap.config import load_source
from cdap.errors import CdapError
from cdap.loads import Load, Window, begin_load
from cdap.mending import mended_tables, put_back, quarantined, read_mended
from cdap.parameters import Parameters
from cdap.warehouse import Warehouse
from tests.services.cdap.lake import NOW, Lake

HEADS = {
    "dms": "kind: dms\ndatabase: shop\nschema: public\n",
    "appflow": "kind: appflow\nconnector: salesforce\nhistory_from: 2020-01-01\n",
}
# How a table comes from each kind of source.
LOADS = {"dms": "load: append", "appflow": "object: Gift, load: modified_window, window_field: GivenAt"}
TABLE = """
tables:
  gifts:
    description: One row a gift.
    LOAD
    window_column: given_at
    key: [gift_id]
    extra_columns: quarantine
    columns:
      gift_id: {type: bigint, required: true, min: 1, description: Its number.}
      given_at: {type: timestamp, required: true, description: When it was given.}
      amount: {type: "decimal(12,2)", min: 0, max: 1000, description: What it cost.}
      kind: {type: string, enum: [card, coin], description: Of what kind it is.}
      note: {type: string, format: json, description: What the shop noted.}
      code: {type: string, max_length: 5, pattern: "^[A-Z]+$", description: Its code.}
      is_sent: {type: boolean, description: Whether it was sent.}
"""
SCHEMA = pa.schema(
    [
        ("gift_id", pa.int64()),
        ("given_at", pa.timestamp("us")),
        # As text, as a source without types gives it.
        ("amount", pa.string()),
        ("kind", pa.string()),
        ("note", pa.string()),
        ("code", pa.string()),
        ("is_sent", pa.bool_()),
        ("colour", pa.string()),
    ]
)
Row = dict[str, Any]
Damage = Callable[[Row], Row]
DAMAGE: dict[str, Damage] = {
    "missing:gift_id": lambda row: {**row, "gift_id": None},
    "range:gift_id": lambda row: {**row, "gift_id": -row["gift_id"]},
    "type:amount": lambda row: {**row, "amount": f"about {row['amount']}"},
    "range:amount": lambda row: {**row, "amount": "1000.01"},
    "enum:kind": lambda row: {**row, "kind": "shell"},
    "json:note": lambda row: {**row, "note": (row["note"] or "{}")[:-1]},
    "encoding:note": lambda row: {**row, "note": '{"to": "M\ufffdller"}'},
    "encoding:code": lambda row: {**row, "code": "K\ufffd"},
    "pattern:code": lambda row: {**row, "code": "a b"},
    "length:code": lambda row: {**row, "code": "ABCDEF"},
    "window:given_at": lambda row: {**row, "given_at": datetime(1970, 1, 1)},
    "unexpected:colour": lambda row: {**row, "colour": "red"},
    "type:amount;enum:kind;json:note": lambda row: {**row, "amount": "x", "kind": "", "note": "["},
}
rows = st.lists(
    st.fixed_dictionaries(
        {
            "given_at": st.datetimes(datetime(2026, 11, 1), datetime(2026, 11, 2, 23, 59, 59, 999999)),
            "amount": st.none() | st.decimals(0, 1000, places=2).map(str),
            "kind": st.sampled_from([None, "card", "coin"]),
            "note": st.sampled_from([None, "{}", '{"to": "Müller", "n": [1, 2.50]}', "[1]"]),
            "code": st.sampled_from([None, "A", "QRSTU"]),
            "is_sent": st.sampled_from([None, True, False]),
            "damage": st.sampled_from([None, *DAMAGE]),
        }
    ),
    min_size=1,
    max_size=15,
)
numbers = itertools.count(1)


@pytest.fixture(scope="module", params=["dms", "appflow"])
def lake(
    request: pytest.FixtureRequest,
    s3: Any,
    glue: Any,
    warehouse: Warehouse,
    names: Parameters,
    tmp_path_factory: pytest.TempPathFactory,
) -> Lake:
    kind = request.param
    file = tmp_path_factory.mktemp("sources") / f"gifts_by_{kind}.yaml"
    table = TABLE.replace("LOAD", "\n    ".join(LOADS[kind].split(", ")))
    file.write_text(f"name: gifts_by_{kind}\ndescription: Gifts.\ntimezone: UTC\n{HEADS[kind]}{table}")
    return Lake(s3, glue, warehouse, names, load_source(file))


def land(lake: Lake, came: list[Row]) -> Load:
    load = begin_load(lake.source, Window(date(2026, 11, 1), date(2026, 11, 2)), datetime.now(UTC))
    extracted = {"gifts": lake.land(load, "gifts", came, SCHEMA)}
    lake.publish(load, lake.check(load, extracted))
    return load


def clean(lake: Lake, load: Load) -> list[tuple[Any, ...]]:
    table = lake.source.lake_table("gifts")
    columns = "gift_id, given_at, amount, kind, note, code, is_sent, dt"
    found = lake.warehouse.fetch_all(f"select {columns} from lake.{table} where load = %s", (load.load_id,))  # noqa: S608
    return sorted(found, key=repr)


def exported(lake: Lake, load: Load) -> list[Row]:
    return list(quarantined(lake.s3, lake.names, lake.source, [load]))


def replay(lake: Lake, records: list[Row], folder: Path) -> Any:
    file = folder / f"{next(numbers)}.jsonl"
    file.write_text("".join(json.dumps(record, default=str) + "\n" for record in records))
    return put_back(
        lake.s3, lake.glue, lake.warehouse, lake.names, lake.source, read_mended(file), "replay", datetime.now(UTC)
    )


def mend(record: Row, whole: Row) -> Row:
    """The record with the columns it should have come with."""
    return {**{name: value for name, value in record.items() if name.startswith("_")}, **whole}


def gift(**values: Any) -> Row:
    number = next(numbers)
    whole = {"gift_id": number, "given_at": datetime(2026, 11, 1, 9), "amount": "2.50", "kind": "card",
             "note": "{}", "code": "A", "is_sent": True}  # fmt: skip
    return {**whole, **values}


# A load a try: too slow to be made smaller.
@settings(
    max_examples=6,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.generate],
)
@given(drawn=rows)
def test_damage_that_is_mended_leaves_no_trace(
    lake: Lake, tmp_path_factory: pytest.TempPathFactory, drawn: list[Row]
) -> None:
    whole, came, reasons = [], [], []
    for row in drawn:
        sound = {name: value for name, value in row.items() if name != "damage"} | {"gift_id": next(numbers)}
        whole.append(sound)
        came.append(DAMAGE[row["damage"]](sound) if row["damage"] else sound)
        reasons += [row["damage"]] if row["damage"] else []
    world, damaged = land(lake, whole), land(lake, came)

    bad = exported(lake, damaged)
    assert sorted(record["_reason"] for record in bad) == sorted(reasons), "each with its reason, none lost"
    assert len({record["_record"] for record in bad}) == len(bad)
    assert clean(lake, damaged) == [row for row in clean(lake, world) if row[0] in {r["gift_id"] for r in came}
                                    and row[0] not in {record["gift_id"] for record in bad}]  # fmt: skip

    sound_of = {sound["gift_id"]: sound for sound in whole}
    lost_ids = [sound for row, sound in zip(came, whole, strict=True) if row["gift_id"] is None]
    mended = []
    for record in bad:
        number = record["gift_id"]
        mended.append(mend(record, lost_ids.pop() if number is None else sound_of[abs(number)]))
    if mended:
        (result,) = replay(lake, mended, tmp_path_factory.mktemp("mended"))
        assert (result.mended, result.quarantined_before, result.quarantined) == (len(bad), len(bad), 0)
    assert clean(lake, damaged) == clean(lake, world)
    assert ledger.counts(lake.warehouse, lake.source.name, damaged.load_id)["gifts"] == (len(came), len(came), 0)
    assert exported(lake, damaged) == []


def test_a_duplicate_that_gets_its_own_key_is_put_beside_the_one_that_stayed(lake: Lake, tmp_path: Path) -> None:
    row = gift()
    load = land(lake, [row, row, row])
    bad = exported(lake, load)
    assert [record["_reason"] for record in bad] == ["duplicate:gift_id"] * 2
    others = [next(numbers), next(numbers)]
    replay(lake, [mend(r, {**row, "gift_id": number}) for r, number in zip(bad, others, strict=True)], tmp_path)
    assert [found[0] for found in clean(lake, load)] == sorted([row["gift_id"], *others])


def test_what_is_still_broken_stays_with_its_new_reason_and_can_be_mended_again(lake: Lake, tmp_path: Path) -> None:
    row = gift(amount="x")
    load = land(lake, [row, gift()])
    (record,) = exported(lake, load)
    (result,) = replay(lake, [mend(record, {**row, "amount": "5000"})], tmp_path)
    assert (result.quarantined, result.open) == (1, {"range:amount": 1})
    (again,) = exported(lake, load)
    assert (again["_record"], again["_reason"], again["amount"]) == (record["_record"], "range:amount", "5000")
    replay(lake, [mend(again, {**row, "amount": "50"})], tmp_path)
    assert Decimal("50.00") in {found[2] for found in clean(lake, load)}
    assert exported(lake, load) == []


def test_a_value_that_the_sources_column_cannot_hold_leaves_the_record_as_it_was(lake: Lake, tmp_path: Path) -> None:
    row = gift(kind="shell")
    load = land(lake, [row])
    (record,) = exported(lake, load)
    (result,) = replay(lake, [mend(record, {**row, "gift_id": "first", "kind": "card"})], tmp_path)
    assert result.open == {"enum:kind": 1}
    assert clean(lake, load) == []


def test_replaying_twice_and_checking_the_load_again_end_in_the_same(lake: Lake, tmp_path: Path) -> None:
    row = gift(kind="shell")
    load = land(lake, [row, gift()])
    (record,) = exported(lake, load)
    good = {**row, "kind": "coin"}
    assert replay(lake, [mend(record, good)], tmp_path) != []
    first = clean(lake, load)
    assert len(first) == 2
    files = lake.keys(f"mended/{lake.source.name}/")
    assert replay(lake, [mend(record, good)], tmp_path)[0].quarantined == 0
    assert lake.keys(f"mended/{lake.source.name}/") == files
    # The task that checks the load is cleared in Airflow.
    mended = mended_tables(lake.s3, lake.names.lake_bucket, lake.source, load)
    lake.publish(load, lake.check(load, {"gifts": 2}, mended))
    assert clean(lake, load) == first


def test_a_mended_load_is_applied_again_though_its_counts_stay(lake: Lake, tmp_path: Path) -> None:
    row = gift(kind="shell")
    load = land(lake, [row])
    (record,) = exported(lake, load)
    for amount in ("1.00", "2.00"):
        replay(lake, [mend(record, {**row, "kind": "card", "amount": amount})], tmp_path)
        assert [found[2] for found in clean(lake, load)] == [Decimal(amount)]
        assert load.load_id in {landed.load_id for landed in ledger.claim(lake.warehouse, f"state-{amount}")}
        ledger.mark_applied(lake.warehouse, f"state-{amount}", NOW)


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({"_record": "nobody-1"}, "are not in quarantine: nobody-1"),
        ({"_load": "20200101T000000000000-000000"}, "the ledger has no such load"),
        ({"_table": "presents"}, "no such table"),
        ({"price": 3}, "there is no column price"),
    ],
)
def test_what_cannot_be_put_back_is_refused_before_anything_is_written(
    lake: Lake, tmp_path: Path, change: Row, found: str
) -> None:
    load = land(lake, [gift(kind="shell")])
    (record,) = exported(lake, load)
    before = lake.keys(f"mended/{lake.source.name}/")
    with pytest.raises(CdapError, match=found):
        replay(lake, [{**record, "kind": "card", **change}], tmp_path)
    assert lake.keys(f"mended/{lake.source.name}/") == before


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("{", "line 1 is not JSON"),
        ('{"_record": "a", "_table": "gifts"}', "line 1 has no _load"),
        ('\n{"_record": "a", "_table": "t", "_load": "l"}\n{"_record": "a", "_table": "t", "_load": "l"}', "line 3"),
    ],
)
def test_a_file_that_is_not_mended_records_is_told_by_line(tmp_path: Path, text: str, found: str) -> None:
    file = tmp_path / "mended.jsonl"
    file.write_text(text)
    with pytest.raises(CdapError, match=found):
        read_mended(file)


def test_a_line_separator_inside_of_a_value_does_not_end_the_record(tmp_path: Path) -> None:
    file = tmp_path / "mended.jsonl"
    whole = {"_record": "a", "_table": "t", "_load": "l", "note": "one\u2028two\u0085three"}
    file.write_text(json.dumps(whole, ensure_ascii=False) + "\n", encoding="utf-8")
    (record,) = read_mended(file)
    assert record.values == {"note": whole["note"]}
