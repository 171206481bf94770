"""`python -m benchmarks.identity_changes --records 100000`: all records resolved again, or what changed with a state.

One record in a hundred came, went or changed. Both ways are `cdap identity resolve` as a command of its own, by the
same model, and have to write the same.
"""

from __future__ import annotations

import argparse
import csv
import json
import random
import shutil
import subprocess
import tempfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from rich.console import Console

from benchmarks import persons
from benchmarks.measure import Way, compare
from benchmarks.peers.environment import PROJECT

CHANGED = 0.01
COLUMNS = ("email", "phone", "street", "last_name", "city")


def main() -> None:
    """Make the records of two days and compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="benchmark-") as name:
        folder = Path(name)
        before, after = two_days(folder, asked.records)
        config = folder / "config.yaml"
        config.write_text(json.dumps(persons.CONFIG.model_dump(mode="json", exclude_none=True)), encoding="utf-8")
        kept, state, model, first = (folder / name for name in ("kept", "state", "model.json", "first.csv"))
        resolve(before, config, first, "--state", kept, "--save-model", model)
        whole, changes = folder / "whole.csv", folder / "changes.csv"
        ways = [
            Way("all records", lambda: resolve(after, config, whole, "--model", model, "--previous", first)),
            Way(
                "with a state",
                lambda: resolve(after, config, changes, "--state", state),
                before=lambda: shutil.copy(kept, state),
            ),
        ]
        compare(f"one record in {1 / CHANGED:.0f} of {asked.records:,} changed", "records", ways, rounds=asked.rounds)
        assert rows(whole) == rows(changes), "the two ways wrote different customers"
        Console().print(f"Both wrote the same; the state takes {kept.stat().st_size / 2**20:,.0f} MiB on disk.")


def two_days(folder: Path, records: int) -> tuple[Path, Path]:
    """The records of a day and of the next; a third each of those that differ came, went and changed."""
    every = folder / "every.parquet"
    persons.write(every, records)
    table = pq.read_table(every)
    chance = random.Random(4)  # noqa: S311 no secret
    third = max(int(records * CHANGED / 3), 1)
    places = chance.sample(range(table.num_rows), 3 * third)
    came, went, changed = set(places[:third]), set(places[third : 2 * third]), places[2 * third :]
    columns = {name: table[name].to_pylist() for name in table.column_names}
    for place in changed:
        column = columns[chance.choice(COLUMNS)]
        column[place] = column[chance.randrange(table.num_rows)]
    now = pa.table({name: pa.array(values, pa.string()) for name, values in columns.items()})
    files = folder / "before.parquet", folder / "after.parquet"
    pq.write_table(table.take([n for n in range(table.num_rows) if n not in came]), files[0])
    pq.write_table(now.take([n for n in range(table.num_rows) if n not in went]), files[1])
    return files


def resolve(records: Path, config: Path, out: Path, *options: str | Path) -> int:
    """Runs the command; returns how many records there are."""
    command = [PROJECT / ".venv" / "bin" / "cdap", "identity", "resolve", "--json"]
    command += ["--records", records, "--config", config, "--out", out, *options]
    done = subprocess.run(list(map(str, command)), check=True, capture_output=True, text=True)
    return int(json.loads(done.stdout.splitlines()[-1])["records"])


def rows(file: Path) -> list[dict[str, str]]:
    with file.open(encoding="utf-8", newline="") as lines:
        return sorted(csv.DictReader(lines), key=lambda row: row["unique_id"])


if __name__ == "__main__":
    main()
