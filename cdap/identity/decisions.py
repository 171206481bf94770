"""What people decide of two records: kept with who and when, and above whatever a model says."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from cdap.errors import CdapError
from cdap.identity.protocol import SqlSession

Verdict = Literal["link", "unlink"]


@dataclass(frozen=True)
class DoubtfulPair:
    """Two records whose evidence is close to even; `bits` is log2 of the odds that they are one person, `evidence` what
    each field says (JSON); `one_customer` is what became of them."""

    record_a: str
    record_b: str
    agreement: str
    bits: float
    evidence: str
    one_customer: bool


def decide(
    warehouse: SqlSession,
    a: str,
    b: str,
    verdict: Verdict,
    *,
    by: str,
    reason: str | None = None,
    now: datetime | None = None,
) -> None:
    """Keeps that two records are one person (`link`) or two (`unlink`); an earlier decision on the two ends.

    Raises CdapError for records that are not there, and for a decision that others contradict.
    """
    a, b = sorted((a, b))
    doing = f"Keeping the decision to {verdict} {a} and {b}"
    if a == b:
        raise CdapError(doing, "they are one record", "Name two records")
    with warehouse.transaction():
        there = warehouse.fetch_all(
            'select record_key from "identity".current_members where record_key in (%s, %s)',
            [a, b],
            purpose="Looking for the two records",
        )
        if missing := sorted({a, b} - {str(key) for (key,) in there}):
            raise CdapError(
                doing, f"no customer has the record {', '.join(missing)}", "Name records as source.table:id"
            )
        _end(warehouse, a, b, now)
        _refuse_contradiction(doing, current_decisions(warehouse), (a, b, verdict))
        warehouse.execute(
            'insert into "identity".decisions '
            "(record_key_a, record_key_b, decision, decided_by, reason, known_from, known_to) "
            "values (%s, %s, %s, %s, %s, cast(%s as timestamp), null)",
            [a, b, verdict, by, reason, _text(now)],
            purpose="Keeping a decision",
        )


def undecide(warehouse: SqlSession, a: str, b: str, *, now: datetime | None = None) -> None:
    """Ends the decision on two records. Raises CdapError when there is none."""
    a, b = sorted((a, b))
    with warehouse.transaction():
        if not any((a, b) == (x, y) for x, y, _ in current_decisions(warehouse)):
            raise CdapError(
                f"Taking back the decision on {a} and {b}",
                "there is none",
                "Name the two records as they were decided on",
            )
        _end(warehouse, a, b, now)


def doubtful_pairs(warehouse: SqlSession, limit: int) -> list[DoubtfulPair]:
    """The pairs that are least sure, those that nobody has decided on; the most even first."""
    rows = warehouse.fetch_all(
        """
        select edges.record_key_a, edges.record_key_b, edges.rule, edges.bits, edges.evidence, edges.used
        from "identity".edges as edges
        left join "identity".decisions as decided
            on
                edges.record_key_a = decided.record_key_a
                and edges.record_key_b = decided.record_key_b
                and decided.known_to is null
        where edges.known_to is null and edges.bits is not null and decided.record_key_a is null
        order by abs(edges.bits), edges.record_key_a, edges.record_key_b
        limit %s
        """,
        [limit],
        purpose="Reading the pairs that are least sure",
    )
    return [
        DoubtfulPair(str(a), str(b), str(rule), float(bits), str(evidence), bool(used))
        for a, b, rule, bits, evidence, used in rows
    ]


def current_decisions(warehouse: SqlSession) -> list[tuple[str, str, str]]:
    """The two records of each decision that holds, and what it is."""
    rows = warehouse.fetch_all(
        'select record_key_a, record_key_b, decision from "identity".decisions where known_to is null',
        purpose="Reading what people decided",
    )
    return [(str(a), str(b), str(decision)) for a, b, decision in rows]


def _end(warehouse: SqlSession, a: str, b: str, now: datetime | None) -> None:
    warehouse.execute(
        'update "identity".decisions set known_to = cast(%s as timestamp) '
        "where known_to is null and record_key_a = %s and record_key_b = %s",
        [_text(now), a, b],
        purpose="Ending the decision of before",
    )


def _refuse_contradiction(doing: str, decided: Sequence[tuple[str, str, str]], new: tuple[str, str, str]) -> None:
    """Links join whole chains of records; no two of a chain may have been told apart."""
    joined: defaultdict[str, set[str]] = defaultdict(set)
    for a, b, verdict in (*decided, new):
        if verdict == "link":
            joined[a].add(b)
            joined[b].add(a)
    for a, b, verdict in (*decided, new):
        if verdict == "unlink" and (path := _path(joined, a, b)):
            raise CdapError(
                doing,
                f"{a} and {b} are told apart, and links join them: {' - '.join(path)}",
                "Take one of these decisions back with `cdap identity undecide`",
            )


def _path(joined: dict[str, set[str]], start: str, end: str) -> list[str]:
    came_from: dict[str, str | None] = {start: None}
    waiting = deque([start])
    while waiting and end not in came_from:
        record = waiting.popleft()
        for other in sorted(joined.get(record, ())):
            if other not in came_from:
                came_from[other] = record
                waiting.append(other)
    path: list[str] = []
    at = end if end in came_from else None
    while at is not None:
        path.append(at)
        at = came_from[at]
    return path[::-1]


def _text(now: datetime | None) -> str:
    at = (now if now is not None else datetime.now(UTC)).astimezone(UTC).replace(tzinfo=None)
    return at.isoformat(sep=" ", timespec="microseconds")
