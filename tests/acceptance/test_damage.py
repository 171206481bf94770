"""Damage of every kind in every source: set aside with its reason, none lost, nothing stopped; mended, all is whole."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance import damage, surveys
from tests.acceptance.damage import CRM, SHOP, Kind, Planted, Row
from tests.end_to_end.content import difference
from tests.end_to_end.rest import wait_for
from tests.end_to_end.world import DAYS, World, client, warehouse_of

# The load that each source's damage is planted in, by the last of its days: the CRM's first, with the history.
DAY_OF = {"shop": DAYS[-1], "crm": "2026-03-01"}
KINDS = {"shop": SHOP, "crm": CRM}
# At the source itself: there the columns hold any text.
SURVEY_DAMAGE = {
    "missing:answer_id": "answer_id = null",
    "type:answer_id": "answer_id = 'A-' || answer_id",
    "range:answer_id": "answer_id = '-' || answer_id",
    "type:score": "score = '7.5'",
    "range:score": "score = '11'",
    "enum:channel": "channel = 'pigeon'",
    "json:answers": "answers = left(answers, 20)",
    "encoding:first_name": "first_name = 'J\ufffdrg'",
    "pattern:country": "country = 'Germany'",
    "length:customer": "customer = repeat('1', 21)",
    "unexpected:mood": "mood = 'good'",
    "missing:answer_id;range:score;json:answers": "answer_id = null, score = '-1', answers = 'none'",
}


@dataclass
class Damaged:
    """The world with its damage: what was planted by source and table, and what was exported from quarantine."""

    world: World
    planted: dict[tuple[str, str], Planted] = field(default_factory=dict)
    exported: dict[str, list[Row]] = field(default_factory=dict)


@pytest.fixture(scope="module")
def damaged(surveyed: World, tmp_path_factory: pytest.TempPathFactory) -> Damaged:
    found = Damaged(surveyed)
    ask_for_extra_columns(surveyed)
    before = len(surveyed.effective_state_runs())
    for source, tables in KINDS.items():
        plant_in_landed(found, source, tables)
    plant_at_the_source(found)
    wait_for("a state run that applies the damage", lambda: len(surveyed.effective_state_runs()) > before)
    surveyed.settle()
    for source in [*KINDS, surveys.NAME]:
        file = tmp_path_factory.mktemp("exported") / f"{source}.jsonl"
        surveyed.machine.cdap("quarantine", "export", "--source", source, "--out", str(file))
        found.exported[source] = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    return found


def ask_for_extra_columns(world: World) -> None:
    """Let the contracts set aside what holds a value in a column that they do not have."""
    for source in KINDS:
        file = world.machine.project / "config" / "sources" / f"{source}.yaml"
        text = file.read_text(encoding="utf-8")
        file.write_text(text.replace("\n    columns:\n", "\n    extra_columns: quarantine\n    columns:\n"))


def plant_in_landed(found: Damaged, source: str, tables: dict[str, dict[str, Kind]]) -> None:
    """Damage the source's landed load of the day and let its run go on from there again."""
    world, dag = found.world, f"ingest_{source}"
    run = next(run["dag_run_id"] for run in world.airflow.runs(dag) if run["partition_key"] == DAY_OF[source])
    connection = warehouse_of(world.machine)
    with connection.cursor() as cursor:
        cursor.execute("select load_id from ops.partition_loads where source = %s and day = %s order by extracted_at",
                       (source, DAY_OF[source]))  # fmt: skip
        load = cursor.fetchall()[-1][0]
    connection.close()
    s3 = client(world.machine, "s3")
    (bucket,) = (item["Name"] for item in s3.list_buckets()["Buckets"] if item["Name"].startswith("cdap-lake-"))
    for table, kinds in tables.items():
        inner = f"public/{table}" if source == "shop" else f"cdap-crm-{table}"
        found.planted[source, table] = damage.plant(s3, bucket, f"raw/{source}/{load}/{inner}/", kinds)
    world.airflow.clear(dag, run, ["catalog"])


def plant_at_the_source(found: Damaged) -> None:
    """Damage the surveys where they are kept and land their days again."""
    connection = surveys.connect(found.world.machine)
    whole = []
    with connection.cursor() as cursor:
        cursor.execute("alter table surveys.answers add column mood text")
        cursor.execute("select * from surveys.answers order by answered_at, answer_id")
        names = [column.name for column in cursor.description]
        rows = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()][:: surveys.COUNT // len(SURVEY_DAMAGE)]
        for change, row in zip(SURVEY_DAMAGE.values(), rows, strict=False):
            cursor.execute(f"update surveys.answers set {change} where answer_id = %s", (row["answer_id"],))  # noqa: S608
            whole.append(row)
    connection.close()
    found.planted[surveys.NAME, "answers"] = Planted(list(SURVEY_DAMAGE), whole)
    found.world.backfill("--reprocess", "--source", surveys.NAME)


def test_all_of_it_is_in_quarantine_with_its_reason(damaged: Damaged) -> None:
    for (source, table), planted in damaged.planted.items():
        records = [record for record in damaged.exported[source] if record["_table"] == table]
        assert Counter(record["_reason"] for record in records) == Counter(planted.reasons), (source, table)
        assert len({record["_record"] for record in records}) == len(records)
    kinds = {source: {r.split(":")[0] for (of, _), p in damaged.planted.items() if of == source for r in p.reasons}
             for source in damaged.exported}  # fmt: skip
    assert all(len(found) >= 8 for found in kinds.values()), kinds
    listed = damaged.world.machine.cdap("quarantine", "list")
    assert sum(item["rows"] for item in listed) == sum(len(planted.whole) for planted in damaged.planted.values())


def test_the_good_ones_went_on_and_none_was_lost(damaged: Damaged) -> None:
    first, now = damaged.world.first, damaged.world.content()
    for (source, table), planted in damaged.planted.items():
        name = f"staging.stg_{source}__{table}"
        gone = set(first[name]) - set(now[name])
        assert len(gone) <= len(planted.whole), f"{name}: {len(gone)} rows are gone for {len(planted.whole)} bad ones"
        assert not set(now[name]) - set(first[name]), f"{name} has rows that no whole record gives"
    records = sum(len(members) for members in now["members"])
    assert records == len(now["intermediate.int_identity_records"])
    assert len(now["marts.customer_profile"]) == len(now["members"])


def test_mended_and_replayed_the_content_is_that_of_a_world_without_damage(damaged: Damaged, tmp_path: Path) -> None:
    world = damaged.world
    before = len(world.effective_state_runs())
    for source, records in damaged.exported.items():
        whole: defaultdict[str, list[Row]] = defaultdict(list)
        for (of, table), planted in damaged.planted.items():
            if of == source:
                whole[table] += planted.whole
        file = tmp_path / f"{source}.jsonl"
        file.write_text("".join(line_of(mended(record, take(whole[record["_table"]], record))) for record in records))
        answer = world.machine.cdap("quarantine", "replay", "--source", source, str(file))
        assert [item for item in answer["replayed"] if item["quarantined"]] == []
    wait_for("a state run that applies what was mended", lambda: len(world.effective_state_runs()) > before)
    world.settle()
    assert world.machine.cdap("quarantine", "list") == []
    assert difference(world.first, world.content()) == ""


def take(whole: list[Row], record: Row) -> Row:
    """Takes a whole record of the same load: a table's planted ones are of one load, but for the surveys' days."""
    day = record.get("answered_at")
    return whole.pop(0 if day is None else [str(row["answered_at"])[:10] for row in whole].index(str(day)[:10]))


def mended(record: Row, whole: Row) -> Row:
    """The record with all that a whole one holds; which of a load's does not matter when each is used once."""
    emptied = {name: value if name.startswith("_") else None for name, value in record.items()}
    return {**emptied, **{name: value for name, value in whole.items() if name in emptied}}


def line_of(record: dict[str, Any]) -> str:
    return json.dumps(record, default=str) + "\n"
