"""What a resolution is written to and read from: CSV or Parquet, by the file's name."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from dataclasses import astuple, fields
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from cdap.errors import CdapError
from cdap.linkage.constraints import Decision
from cdap.linkage.customers import Assignment
from cdap.linkage.evaluation import Truth

COLUMNS = tuple(field.name for field in fields(Assignment))


def write_assignments(file: Path, assignments: Iterable[Assignment]) -> None:
    """Writes unique_id, customer_id, cluster_probability, household_id; beside the file first, then in its place."""
    beside = file.with_name(f".{file.name}.part")
    rows = [astuple(assignment) for assignment in assignments]
    if is_parquet(file):
        columns = list(zip(*rows, strict=True)) if rows else [()] * len(COLUMNS)
        kinds = [pa.float64() if name == "cluster_probability" else pa.string() for name in COLUMNS]
        arrays = [pa.array(column, kind) for column, kind in zip(columns, kinds, strict=True)]
        pq.write_table(pa.table(arrays, names=list(COLUMNS)), beside)
    else:
        with beside.open("w", encoding="utf-8", newline="") as out:
            writer = csv.writer(out)
            writer.writerow(COLUMNS)
            writer.writerows(rows)
    beside.replace(file)


def read_clusters(file: Path) -> dict[str, str]:
    """Customer id by unique id. Raises CdapError for a file without the two columns."""
    return {row["unique_id"]: row["customer_id"] for row in _rows(file, ("unique_id", "customer_id"))}


def read_decisions(file: Path) -> list[Decision]:
    """Decisions, one a line: the columns `a` and `b` hold ids of records, `decision` is link or unlink.

    Raises CdapError for a file without these columns, or with another decision.
    """
    found = []
    for number, row in enumerate(_rows(file, ("a", "b", "decision")), start=1):
        if row["decision"] not in ("link", "unlink"):
            raise CdapError(
                f"Reading {file}", f"decision {number} is {row['decision']!r}", "A decision is `link` or `unlink`"
            )
        found.append(Decision(row["a"], row["b"], row["decision"]))
    return found


def read_truth(file: Path) -> Truth:
    """Persons by unique id, of the columns unique_id, person_id and, where it is there, household_id."""
    persons: dict[str, str] = {}
    households: dict[str, str] = {}
    for row in _rows(file, ("unique_id", "person_id")):
        persons[row["unique_id"]] = row["person_id"]
        if row.get("household_id"):
            households[row["unique_id"]] = row["household_id"]
    if not persons:
        raise CdapError(f"Reading {file}", "it holds no record", "Give a truth with at least one record")
    return Truth(persons, households)


def _rows(file: Path, needed: tuple[str, ...]) -> Iterator[dict[str, str]]:
    doing = f"Reading {file}"
    try:
        if is_parquet(file):
            there = pq.read_schema(file).names
            wanted = [name for name in (*needed, "household_id") if name in there]
            rows = pq.read_table(file, columns=wanted).to_pylist()
        else:
            with file.open(encoding="utf-8", newline="") as lines:
                rows = list(csv.DictReader(lines))
            there = list(rows[0]) if rows else list(needed)
    except (OSError, UnicodeDecodeError, csv.Error, pa.ArrowException) as error:
        raise CdapError(doing, str(error), "Give a readable CSV or Parquet file") from error
    if missing := [name for name in needed if name not in there]:
        raise CdapError(doing, f"it has no column {', '.join(missing)}", f"It needs {', '.join(needed)}")
    yield from ({name: "" if value is None else str(value) for name, value in row.items()} for row in rows)


def is_parquet(file: Path) -> bool:
    """Whether a file is Parquet, by its name; else it is CSV."""
    return file.suffix.lower() == ".parquet"
