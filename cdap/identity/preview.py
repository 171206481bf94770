"""What a new model would change: customers that merge and split, before anything is released."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Change:
    """A customer that would be made of parts of several (`merge`), or whose records would go to several (`split`).

    `parts` are the records by customer that is (`merge`) or would be (`split`).
    """

    kind: str
    parts: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Preview:
    """`unchanged` customers keep their records; `changes` are the largest first."""

    records: int
    customers_before: int
    customers_after: int
    unchanged: int
    changes: tuple[Change, ...]


def compare(before: Mapping[str, str], after: Mapping[str, str]) -> Preview:
    """Compares customers by record as they are and as they would be, of the records that both have."""
    both = before.keys() & after.keys()
    is_now, would_be = _parts({key: before[key] for key in both}), _parts({key: after[key] for key in both})
    merges = [_change("merge", records, before) for records in would_be.values()]
    splits = [_change("split", records, after) for records in is_now.values()]
    changes = [change for change in (*merges, *splits) if len(change.parts) > 1]
    return Preview(
        records=len(both),
        customers_before=len(is_now),
        customers_after=len(would_be),
        unchanged=len(set(is_now.values()) & set(would_be.values())),
        changes=tuple(sorted(changes, key=lambda change: (-sum(map(len, change.parts)), change.kind, change.parts))),
    )


def _parts(members: Mapping[str, str]) -> dict[str, frozenset[str]]:
    found: defaultdict[str, set[str]] = defaultdict(set)
    for record, customer in members.items():
        found[customer].add(record)
    return {customer: frozenset(records) for customer, records in found.items()}


def _change(kind: str, records: frozenset[str], by: Mapping[str, str]) -> Change:
    parts = _parts({record: by[record] for record in records})
    return Change(kind, tuple(sorted(tuple(sorted(part)) for part in parts.values())))
