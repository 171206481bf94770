"""What the graph consists of. An element's id says all that it is: two graphs are equal when their ids are.

    Record     `record:<record key>`                 -belongs_to-> Customer
    Identifier `identifier:<name>:<SHA-256, half>`   Record -has-> Identifier
    Customer   `customer:<customer id>`              Record -linked {rule, used, bits, evidence}-> Record

An identifier's value is in the graph by its digest alone: it can be compared, not read. (Whoever can guess a value can
still look for its digest, so the graph is guarded as the other tables of persons are.)
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

RECORD, IDENTIFIER, CUSTOMER = "Record", "Identifier", "Customer"
BELONGS_TO, HAS, LINKED = "belongs_to", "has", "linked"
VERTEX_LABELS, EDGE_LABELS = (RECORD, IDENTIFIER, CUSTOMER), (BELONGS_TO, HAS, LINKED)


@dataclass(frozen=True)
class Vertex:
    """`properties` are single strings."""

    id: str
    label: str
    properties: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Edge:
    """From `tail` to `head`, both ids of vertices."""

    id: str
    label: str
    tail: str
    head: str
    properties: tuple[tuple[str, str | bool | float], ...] = ()


def record(key: str) -> Vertex:
    """The vertex of a record; its key is `<source>.<table>:<id>`."""
    return Vertex(f"record:{key}", RECORD, (("source", key.partition(".")[0]),))


def customer(customer_id: str) -> Vertex:
    """The vertex of a customer."""
    return Vertex(f"customer:{customer_id}", CUSTOMER)


def identifier(name: str, value: str) -> Vertex:
    """The vertex of a normalised value of an identifier."""
    return Vertex(f"identifier:{name}:{_digest(name, value)}", IDENTIFIER, (("name", name),))


def belongs_to(record_key: str, customer_id: str) -> Edge:
    """The record is one of the customer's."""
    return _edge(BELONGS_TO, record(record_key), customer(customer_id))


def has(record_key: str, name: str, value: str) -> Edge:
    """The record has the value of the identifier."""
    return _edge(HAS, record(record_key), identifier(name, value))


def linked(key_a: str, key_b: str, rule: str, used: bool, bits: float | None, evidence: str | None) -> Edge:
    """Two records that agree in the fields of `rule`: by so many `bits` one person, of which each field's are in
    `evidence` (JSON). Not `used` where they are of two customers all the same."""
    said = () if bits is None else (("bits", float(bits)),)
    return _edge(
        LINKED,
        record(key_a),
        record(key_b),
        ("rule", rule),
        ("used", bool(used)),
        *said,
        ("evidence", evidence or "{}"),
    )


def _edge(label: str, tail: Vertex, head: Vertex, *properties: tuple[str, str | bool | float]) -> Edge:
    content = _digest(label, tail.id, head.id, *(f"{name}={value}" for name, value in properties))
    return Edge(f"{label}:{content}", label, tail.id, head.id, properties)


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]
