"""`python -m benchmarks.splink_comparison --records 10000`: `cdap identity resolve` and Splink on the same records.

Both run as commands of their own, one after the other, once a set, on the demo's persons and FEBRL 3 and 4, with
`--sets all` also on the made-up sets of `benchmarks/forms.py` and on the census and tax files of a simulated town
(`benchmarks/peers/census_files.py`). Splink's settings are in
`benchmarks/peers/splink_dedupe.py`; it gets clean columns, as its documentation asks for: lower case, no blanks around,
names in Latin letters, the last eight digits of a phone number.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import re
import subprocess
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import anyascii
import pyarrow as pa
import pyarrow.parquet as pq
from rich.console import Console
from rich.table import Table

from benchmarks import febrl, forms, persons
from benchmarks.peers.environment import PROJECT, census, python
from cdap.linkage.config import LinkageConfig
from cdap.linkage.evaluation import Evaluation, Truth, evaluate
from cdap.linkage.files import read_clusters, read_truth

TIMEOUT = 1800
# What Splink calls the columns of FEBRL.
FEBRL = {"given_name": "first_name", "surname": "last_name", "date_of_birth": "birth_date", "suburb": "city",
         "soc_sec_id": "id", "postcode": "postcode", "state": "state"}  # fmt: skip

CENSUS = ("census and employers", "two censuses", "census without dates", "all forms")


@dataclass(frozen=True)
class Set:
    """A file of records, what its columns say to us and, as clean columns, to Splink, and whose the records are."""

    name: str
    file: Path
    config: LinkageConfig
    clean: pa.Table
    truth: Truth


@dataclass(frozen=True)
class Run:
    """What a command took: wall seconds, the peak of its resident memory in bytes, the pairs that it scored.

    `scoring_seconds` is what it takes with a model: our whole command, preparation included; Splink's predict and one
    clustering.
    """

    seconds: float
    scoring_seconds: float
    peak_bytes: int
    pairs: int
    found: Mapping[str, Evaluation]


def demo_set(folder: Path, records: int, seed: int) -> Set:
    file = folder / "demo.parquet"
    persons.write(file, records, seed)
    columns = ("first_name", "last_name", "birth_date", "email", "phone", "street", "city", "postcode")
    rows = pq.read_table(file).to_pylist()
    return Set(
        "demo", file, persons.CONFIG, clean(rows, "unique_id", {name: name for name in columns}), read_truth(file)
    )


def febrl_set(folder: Path, name: str) -> Set:
    rows = list(febrl.rows(febrl.SETS[name]))
    file = folder / f"{name}.csv"
    with file.open("w", encoding="utf-8", newline="") as out:
        writer = csv.DictWriter(out, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    truth = Truth({row["rec_id"]: febrl.PERSON.findall(row["rec_id"])[0] for row in rows}, {})
    for row in rows:
        row["street"] = " ".join((row["street_number"], row["address_1"]))
    return Set(name, file, febrl.CONFIG, clean(rows, "rec_id", {**FEBRL, "street": "street"}), truth)


def form_set(folder: Path, name: str, records: int, seed: int) -> Set:
    form, file = forms.FORMS[name], folder / f"{name.replace(' ', '_')}.parquet"
    forms.write(file, form, records, seed)
    rows = pq.read_table(file).to_pylist()
    return Set(
        name,
        file,
        forms.config(form),
        clean(rows, "unique_id", {name: name for name in form.columns}),
        read_truth(file),
    )


def census_set(name: str) -> Set:
    file = census() / f"{name.replace(' ', '_')}.parquet"
    rows = pq.read_table(file).to_pylist()
    filled = {column for column in rows[0] if any(row[column] for row in rows)}
    roles = ("first_name", "middle_name", "last_name", "street", "city", "postcode", "gender")
    fields: dict[str, object] = {role: role for role in roles if role in filled}
    if "birth_date" in filled:
        fields["birth_date"] = {"column": "birth_date", "order": "mdy"}
    fields |= {"ids": ["ssn"] if "ssn" in filled else [], "categories": ["race"]}
    config = LinkageConfig.model_validate({"unique_id": "unique_id", "source": "source", "fields": fields})
    columns = {role: role for role in (*roles, "birth_date") if role in filled}
    if "ssn" in filled:
        columns["ssn"] = "id"
    for row in rows:
        month_first = re.sub("[^0-9]", "", row.get("birth_date") or "")
        if len(month_first) == 8:
            row["birth_date"] = month_first[4:] + month_first[:4]
    return Set(name, file, config, clean(rows, "unique_id", columns), read_truth(file))


def clean(rows: list[dict[str, str | None]], unique_id: str, columns: Mapping[str, str]) -> pa.Table:
    """The records as Splink gets them: `unique_id` and its column by ours; an empty value is null."""
    cleaned = [{"unique_id": row[unique_id], **{to: _clean(to, row[of]) for of, to in columns.items()}} for row in rows]
    if "full_name" in columns:
        for row in cleaned:
            first, _, last = (row.pop("full_name") or "").partition(" ")
            row |= {"first_name": first or None, "last_name": last or None}
    return pa.Table.from_pylist(cleaned)


def _clean(column: str, value: str | None) -> str | None:
    if not value:
        return None
    if column == "phone":
        return re.sub("[^0-9]", "", value)[-8:] or None
    if column == "birth_date":
        digits = re.sub("[^0-9]", "", value)
        return f"{digits[:4]}-{digits[4:6]}-{digits[6:8]}" if len(digits) >= 8 else None
    return anyascii.anyascii(value).strip().lower() or None


def run_ours(of: Set, folder: Path) -> Run:
    config, out, report, model = (folder / name for name in ("config.yaml", "ours.csv", "report.json", "model.json"))
    config.write_text(json.dumps(of.config.model_dump(mode="json", exclude_none=True)), encoding="utf-8")
    command = [str(PROJECT / ".venv" / "bin" / "cdap"), "identity", "resolve", "--records", str(of.file)]
    command += ["--config", str(config), "--out", str(out), "--json"]
    seconds, peak = _measured([*command, "--save-model", str(model)], report)
    scoring_seconds, _ = _measured([*command, "--model", str(model)], report)
    pairs = json.loads(report.read_text(encoding="utf-8").splitlines()[-1])["pairs"]
    return Run(seconds, scoring_seconds, peak, pairs, {"ours": evaluate(read_clusters(out), of.truth)})


def run_splink(of: Set, folder: Path) -> Run:
    records = folder / "clean.parquet"
    pq.write_table(of.clean, records)
    script = Path(__file__).parent / "peers" / "splink_dedupe.py"
    columns = [name for name in of.clean.column_names if name != "unique_id"]
    seconds, peak = _measured([str(python()), str(script), str(records), str(folder), *columns], folder / "splink.txt")
    found = {
        f"Splink {file.stem.split('_')[1]}": evaluate(read_clusters(file), of.truth)
        for file in sorted(folder.glob("splink_*.csv"))
    }
    told = json.loads((folder / "splink.json").read_text(encoding="utf-8"))
    return Run(seconds, told["predict_and_cluster_seconds"], peak, told["pairs"], found)


def _measured(command: list[str], output: Path) -> tuple[float, int]:
    """Runs a command; wall seconds and the peak of its resident memory in bytes."""
    began = time.perf_counter()
    with output.open("w", encoding="utf-8") as out:
        process = subprocess.Popen(command, stdout=out, stderr=subprocess.PIPE, cwd=PROJECT, text=True)
        assert process.stderr is not None
        errors = process.stderr.read()
        _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{' '.join(command[:4])} failed:\n{errors[-2000:]}")
    return time.perf_counter() - began, usage.ru_maxrss * 1024


def main() -> None:
    """Prints a table of both on each set, and the ratio of our speed to Splink's."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--sets", default=",".join(("demo", *febrl.SETS)), help="names, with commas, or all")
    chosen = parser.parse_args()
    python()  # made before anything is timed
    table = Table("set", "way", "precision", "recall", "F1", "B-cubed", "over-merged", "seconds", "with a model",
                  "peak MiB", "pairs/s", "ratio", "with a model")  # fmt: skip
    for column in table.columns[2:]:
        column.justify = "right"
    every = ",".join(("demo", *febrl.SETS, *forms.FORMS, *CENSUS))
    for name in (every if chosen.sets == "all" else chosen.sets).split(","):
        with tempfile.TemporaryDirectory() as place:
            folder = Path(place)
            if name == "demo":
                of = demo_set(folder, chosen.records, chosen.seed)
            elif name in febrl.SETS:
                of = febrl_set(folder, name)
            elif name in CENSUS:
                of = census_set(name)
            else:
                of = form_set(folder, name, chosen.records, chosen.seed)
            ours, splink = run_ours(of, folder), run_splink(of, folder)
        for run in (ours, splink):
            for way, found in run.found.items():
                table.add_row(
                    of.name, way, f"{found.precision:.4f}", f"{found.recall:.4f}", f"{found.f1:.4f}",
                    f"{found.b_cubed_f1:.4f}", f"{found.over_merged_customers:.4f}", f"{run.seconds:.1f}",
                    f"{run.scoring_seconds:.1f}", f"{run.peak_bytes / 2**20:,.0f}",
                    f"{run.pairs / run.scoring_seconds:,.0f}", f"{splink.seconds / run.seconds:.2f}",
                    f"{splink.scoring_seconds / run.scoring_seconds:.2f}",
                )  # fmt: skip
        table.add_section()
    Console(width=170).print(table)


if __name__ == "__main__":
    main()
