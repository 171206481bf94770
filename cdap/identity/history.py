"""What became of a customer id, from the identity log: its records and when, what happened to it, and why."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from cdap.errors import CdapError
from cdap.identity.protocol import SqlSession


@dataclass(frozen=True)
class Stay:
    """A record was of a customer; `until` is None while it is. Times are UTC, when the platform learned it."""

    record_key: str
    customer_id: str
    since: datetime
    until: datetime | None


@dataclass(frozen=True)
class Happening:
    """An event of the log. `because` are the two records whose link came or went, `agreement` in what they agree."""

    at: datetime
    kind: str
    customer_id: str
    other_customer_id: str | None
    record_key: str | None
    cause: str
    agreement: str | None
    because: tuple[str, str] | None
    model: str | None


@dataclass(frozen=True)
class History:
    """Of a customer id or a record. `now` is the customer that has the id or the record today, also in the place of an
    id that was merged away; None when there is none, or it has no record left."""

    asked: str
    now: str | None
    stays: tuple[Stay, ...]
    happenings: tuple[Happening, ...]


def history(warehouse: SqlSession, asked: str) -> History:
    """Of a customer id, living or not, or of a record key. Raises CdapError for one that never was."""
    of = "customer_id" if _stays(warehouse, "customer_id", asked) else "record_key"
    stays = _stays(warehouse, of, asked)
    if not stays:
        raise CdapError(
            f"Looking for the history of {asked}",
            "no customer ever had this id, nor is there such a record",
            "Name a customer id, also one of before, or a record as source.table:id",
        )
    present = sorted(stay.customer_id for stay in stays if stay.until is None)
    return History(asked, present[0] if present else _stands_for(warehouse, asked), stays, _happened(warehouse, asked))


def _stays(warehouse: SqlSession, of: str, asked: str) -> tuple[Stay, ...]:
    # A row with a `valid_to` tells of an end; when it was learned is `known_to` of the row before.
    query = {
        "customer_id": 'select record_key, customer_id, known_from, known_to from "identity".memberships '
        "where customer_id = %s and valid_to is null order by known_from, record_key",
        "record_key": 'select record_key, customer_id, known_from, known_to from "identity".memberships '
        "where record_key = %s and valid_to is null order by known_from",
    }[of]
    rows = warehouse.fetch_all(query, [asked], purpose="Reading who was whose record")
    return tuple(Stay(str(key), str(customer), since, until) for key, customer, since, until in rows)


def _stands_for(warehouse: SqlSession, asked: str) -> str | None:
    rows = warehouse.fetch_all(
        'select customer_id from "identity".current_aliases where alias_id = %s',
        [asked],
        purpose="Reading whom an id stands for",
    )
    if not rows:
        return None
    heir = str(rows[0][0])
    # An alias outlives the customer that it stands for.
    return heir if any(stay.until is None for stay in _stays(warehouse, "customer_id", heir)) else None


def _happened(warehouse: SqlSession, asked: str) -> tuple[Happening, ...]:
    rows = warehouse.fetch_all(
        "select known_at, kind, customer_id, other_customer_id, record_key, cause, rule, edge_record_key_a, "
        'edge_record_key_b, model from "identity".events '
        "where customer_id = %s or other_customer_id = %s or record_key = %s "
        "order by known_at, kind, customer_id, other_customer_id, record_key",
        [asked, asked, asked],
        purpose="Reading what happened to a customer",
    )
    return tuple(
        Happening(at, kind, customer, other, record, cause, rule, (a, b) if a and b else None, model)
        for at, kind, customer, other, record, cause, rule, a, b, model in rows
    )
