"""How right the customers are, against a truth that says whose every record is.

Pairs are counted from the sizes of the overlaps of customers and persons, so nothing is quadratic: with n the records
that a customer and a person share, the true pairs are the sum of n(n-1)/2. B-cubed after Bagga and Baldwin,
"Algorithms for Scoring Coreference Chains" (1998), each record weighing the same.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cdap.errors import CdapError

TRUTH_COLUMNS = ("source", "table", "id", "person_id", "household_id")


@dataclass(frozen=True)
class Evaluation:
    """Shares are from 0 to 1. A pair is two records of one customer (found) or of one person (true).

    `over_merged_customers` is the share of the customers that hold records of more than one person,
    `over_merged_records` the share of the records in such customers, `over_merged_family_records` the same among the
    records of persons who share a household with another person (None when no household has two).
    `unresolved` are records of the truth that have no customer; each counts as a customer of its own.
    `unlabelled` are records that have a customer and no truth; they count for nothing.
    """

    records: int
    persons: int
    customers: int
    unresolved: int
    unlabelled: int
    true_pairs: int
    found_pairs: int
    right_pairs: int
    precision: float
    recall: float
    f1: float
    b_cubed_precision: float
    b_cubed_recall: float
    b_cubed_f1: float
    over_merged_customers: float
    over_merged_records: float
    over_merged_family_records: float | None
    largest_customer: int
    largest_person: int


@dataclass(frozen=True)
class Truth:
    """By record key, whose record it is and of which household (absent where the truth names none)."""

    persons: Mapping[str, str]
    households: Mapping[str, str]


class TruthError(CdapError):
    """A truth file that does not say what it has to say."""


def read_truth(path: Path) -> Truth:
    """Reads a CSV `source,table,id,person_id,household_id`, one line a record; its key is `<source>.<table>:<id>`.

    Raises TruthError naming file and line.
    """
    doing = f"Reading the truth {path}"
    persons: dict[str, str] = {}
    households: dict[str, str] = {}
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file)
            missing = set(TRUTH_COLUMNS) - {"household_id"} - set(reader.fieldnames or ())
            if missing:
                raise TruthError(
                    doing, f"line 1 lacks {', '.join(sorted(missing))}", f"Columns are {', '.join(TRUTH_COLUMNS)}"
                )
            for row in reader:
                values = [row["source"], row["table"], row["id"], row["person_id"]]
                if not all(values):
                    raise TruthError(
                        doing, f"line {reader.line_num} has an empty field", "Fill source, table, id and person_id"
                    )
                key = f"{row['source']}.{row['table']}:{row['id']}"
                if key in persons:
                    raise TruthError(doing, f"line {reader.line_num} names {key} again", "Keep one line a record")
                persons[key] = row["person_id"]
                if row.get("household_id"):
                    households[key] = row["household_id"]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise TruthError(doing, str(error), "Give a readable CSV file in UTF-8") from error
    if not persons:
        raise TruthError(doing, "it holds no record", "Give a truth with at least one record")
    return Truth(persons, households)


def evaluate(members: Mapping[str, str], truth: Truth) -> Evaluation:
    """Compares customers (customer id by record key) with persons."""
    overlaps: Counter[tuple[str, str]] = Counter()
    customers: Counter[str] = Counter()
    persons: Counter[str] = Counter(truth.persons.values())
    unresolved = 0
    assigned: dict[str, str] = {}
    for key, person in truth.persons.items():
        customer = members.get(key)
        if customer is None:
            unresolved += 1
            customer = f"unresolved {key}"
        assigned[key] = customer
        overlaps[customer, person] += 1
        customers[customer] += 1
    records = len(truth.persons)
    right = sum(_pairs(shared) for shared in overlaps.values())
    found = sum(_pairs(size) for size in customers.values())
    true = sum(_pairs(size) for size in persons.values())
    precision, recall = _share(right, found), _share(right, true)
    b_precision = sum(shared * shared / customers[customer] for (customer, _), shared in overlaps.items()) / records
    b_recall = sum(shared * shared / persons[person] for (_, person), shared in overlaps.items()) / records
    persons_in: Counter[str] = Counter(customer for customer, _ in overlaps)
    over_merged = {customer for customer, number in persons_in.items() if number > 1}
    family = _family_records(truth)
    return Evaluation(
        records=records,
        persons=len(persons),
        customers=len(customers),
        unresolved=unresolved,
        unlabelled=sum(key not in truth.persons for key in members),
        true_pairs=true,
        found_pairs=found,
        right_pairs=right,
        precision=precision,
        recall=recall,
        f1=_f1(precision, recall),
        b_cubed_precision=b_precision,
        b_cubed_recall=b_recall,
        b_cubed_f1=_f1(b_precision, b_recall),
        over_merged_customers=len(over_merged) / len(customers),
        over_merged_records=sum(customers[customer] for customer in over_merged) / records,
        over_merged_family_records=(
            sum(assigned[key] in over_merged for key in family) / len(family) if family else None
        ),
        largest_customer=max(customers.values()),
        largest_person=max(persons.values()),
    )


def _family_records(truth: Truth) -> list[str]:
    people: dict[str, set[str]] = {}
    for key, household in truth.households.items():
        people.setdefault(household, set()).add(truth.persons[key])
    return [key for key, household in truth.households.items() if len(people[household]) > 1]


def _pairs(size: int) -> int:
    return size * (size - 1) // 2


def _share(part: int, whole: int) -> float:
    """1 where there is nothing to be wrong about."""
    return part / whole if whole else 1.0


def _f1(precision: float, recall: float) -> float:
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0
