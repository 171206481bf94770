"""Which pairs of records stand for what was found, with what each field says for and against."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from cdap.linkage.compare import Codes
from cdap.linkage.config import LinkageConfig
from cdap.linkage.constraints import Indices
from cdap.linkage.fields import EQUAL, kind_of
from cdap.linkage.model import Floats, Model

# Pairs of two customers are told of from here on, in bits: a chance of one in nine that they are one person.
NEAR = -3.0
# What joined records without evidence: a person's decision, or that they are the same as many others.
DECISION, COPY = "decision", "copy"
# Of the evidence what no field says: how frequent pairs of one person are beside what else the pair may be.
BASE = "base"
ROLES = {"first": "first_name", "middle": "middle_name", "last": "last_name", "dob": "birth_date", "year": "birth_year"}


@dataclass(frozen=True)
class Link:
    """Two records, by their ids, a < b in the records' order.

    `agreement` names the fields in which they are equal, in the fields' order, joined by a comma (`decision` and `copy`
    stand for themselves); `bits` is log2 of the odds that they are one person, `evidence` (JSON) what each field adds
    to it and what none does (BASE).

    A link holds when both are of one customer; one that does not was outweighed by other records or by a constraint, or
    is itself rather against than for.
    """

    record_a: str
    record_b: str
    agreement: str
    bits: float | None
    evidence: str
    holds: bool


@dataclass(frozen=True)
class Near:
    """Pairs of records, by place, whose score is NEAR at least: codes a row a pair, `bits` without bounds."""

    a: Indices
    b: Indices
    codes: Codes
    bits: Floats


def links_of(
    model: Model, config: LinkageConfig, uids: Sequence[str], cluster: Indices, near: Sequence[Near]
) -> Iterator[Link]:
    """The links of pairs that were compared: all that speak for one person, and those across customers that nearly do.

    Records of a customer are connected by the links that hold, since clusters are only joined where some pair of theirs
    speaks for it.
    """
    names = [role(name, config) for name in model.fields]
    for found in near:
        inside = cluster[found.a] == cluster[found.b]
        told = np.flatnonzero((found.bits > 0) | ~inside)
        if not len(told):
            continue
        patterns, pattern = np.unique(found.codes[told], axis=0, return_inverse=True)
        of_patterns = zip(patterns, model.evidence(patterns), model.bits(patterns), strict=True)
        texts = [_texts(names, codes, evidence, float(bits)) for codes, evidence, bits in of_patterns]
        for place, of_pair in zip(told.tolist(), pattern.reshape(-1).tolist(), strict=True):
            agreement, text = texts[of_pair]
            a, b = uids[int(found.a[place])], uids[int(found.b[place])]
            yield Link(a, b, agreement, round(float(found.bits[place]), 1), text, bool(inside[place]))


def links_without_evidence(
    uids: Sequence[str], cluster: Indices, pairs: tuple[Indices, Indices], why: str
) -> Iterator[Link]:
    """A link for each pair of one customer that something else than their fields says."""
    for a, b in zip(*(side.tolist() for side in pairs), strict=True):
        if cluster[a] == cluster[b]:
            record_a, record_b = sorted((uids[a], uids[b]))
            yield Link(record_a, record_b, why, None, "{}", True)


def _texts(names: Sequence[str], codes: Codes, evidence: Floats, bits: float) -> tuple[str, str]:
    agreed = ",".join(name for name, code in zip(names, codes.tolist(), strict=True) if code >= EQUAL)
    told = {
        name: round(float(of_field), 1)
        for name, code, of_field in zip(names, codes.tolist(), evidence, strict=True)
        if code >= 0
    }
    told[BASE] = round(bits - float(evidence.sum()), 1)
    return agreed or "alike", json.dumps(told, separators=(",", ":"))


def role(field: str, config: LinkageConfig) -> str:
    """The field as the configuration names it: a role, or the column of one of several ids and categories."""
    kind, _, number = field.partition("_")
    if number:
        of_kind = {"id": config.fields.ids, "account": config.fields.accounts, "cat": config.fields.categories}
        return of_kind[kind][int(number)]
    return ROLES.get(kind_of(field), field)
