"""The model: which share of all pairs is of one person, of one household, of strangers, and what each makes of a field.

Latent classes fitted by expectation and maximisation on the counts of comparison patterns, without labels. A class
says of each field with what chance `s` two values of a pair have one source; then they differ as one person's values
do (`person`), else as strangers' do (`strangers`). Strangers are estimated over the whole space of pairs: what random
pairs do, less what matches explain of the agreements. After Fellegi and Sunter (1969) and Winkler (1988, EM), with the
household as a class of its own (docs/decisions/latent-classes.md).
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_matrix

from cdap.errors import CdapError
from cdap.linkage.compare import Codes
from cdap.linkage.config import MODEL_VERSION
from cdap.linkage.fields import EQUAL, KINDS, SWAPPED, SWAPPED_SHARE, kind_of
from cdap.linkage.statistics import Statistics

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int32]

CLASSES = ("person", "moved", "household", "apart", "juniors", "neighbours", "namesakes", "strangers")
# One person in either of these.
PERSON = ("person", "moved")
IS_PERSON = np.array([of in PERSON for of in CLASSES])
# Of the kinds that differ in a class: the chance that the values have one source, and whether it is learned.
SOURCES: dict[str, dict[str, tuple[float, bool]]] = {
    "moved": {"street": (0.05, False), "city": (0.3, False), "postcode": (0.1, False), "*": (1.0, False)},
    # Of a household, one of them by an address that the other never had or has left.
    "apart": {"street": (0.05, False), "city": (0.3, False), "postcode": (0.1, False)},
    # Father and son of one name in one house.
    "juniors": {"first": (0.98, False), "gender": (0.98, False), "dob": (0.0, False), "year": (0.0, False)},
    "neighbours": {"street": (0.3, True), "city": (0.95, True), "postcode": (0.9, True), "*": (0.0, False)},
    "namesakes": {
        "first": (0.9, True),
        "last": (0.9, True),
        "city": (0.3, True),
        "cat": (0.3, True),
        "gender": (0.9, True),
        "*": (0.0, False),
    },
    "strangers": {"*": (0.0, False)},
    "person": {"*": (1.0, False)},
}
# Pairs of each class a record, at the start.
START = {
    "person": 0.3,
    "moved": 0.05,
    "household": 0.1,
    "apart": 0.02,
    "juniors": 0.01,
    "neighbours": 0.1,
    "namesakes": 0.1,
    "strangers": 0.0,
}
# Of the pairs of a household at most this share is of two of one name; only where a birth date or a generation tells:
# a year by itself is too often a little wrong, so that persons would become father and son.
LEAST_JUNIORS, MOST_JUNIORS, TELLS_JUNIORS = 0.03, 0.1, ("dob", "generation")
# One person's values differ at most so many times as often as they do at the start: else persons become families.
MOST_DRIFT = 3.0
# How many pairs the prior of a field weighs.
STRENGTH = 500.0
ROUNDS, LEAST_ROUNDS, CONVERGED = 150, 10, 1e-3
# Scores are in bits; beyond these a single pair decides nothing more.
HIGHEST, LOWEST = 12.0, -4.0
LEAST_WEIGHT = 0.02


@dataclass
class Strangers:
    """What is known of a field before EM, by code: differing levels first, then the buckets of equal values.

    `chance` is that two records with a value have an equal one of the bucket, `floor` the least of it that is by
    chance, `share` the bucket's share of the records with a value, `differing` the shares of the levels among random
    pairs that are not equal, `covered` the share of all pairs in which both have a value.
    """

    codes: list[int]
    chance: Floats
    floor: Floats
    share: Floats
    differing: Floats
    covered: float


class ModelError(CdapError):
    """A model file that cannot be used for these records."""


@dataclass
class Model:
    """`person` and `strangers`: by field, the chance of each code; `sources`: by class and field, `s`; `shares`.

    `statistics` are those of the records that it was trained on.
    """

    fields: tuple[str, ...]
    codes: dict[str, list[int]]
    person: dict[str, Floats]
    strangers: dict[str, Floats]
    sources: dict[str, dict[str, float]]
    shares: Floats
    rounds: int = 0
    report: dict[str, Any] = field(default_factory=dict)
    statistics: Statistics | None = None

    # Training ---------------------------------------------------------------------------------------------------------

    @classmethod
    def fit(cls, before: Mapping[str, Strangers], patterns: Codes, counts: Floats, pairs: float, records: int) -> Self:
        """Fits the model to patterns (a row a pattern, a column a field) that stand for `counts` pairs of `pairs`."""
        records = max(records, 1)
        fields = tuple(before)
        prior = {name: _prior_of_a_person(name, fields, known) for name, known in before.items()}
        model = cls(
            fields=fields,
            codes={name: known.codes for name, known in before.items()},
            person=dict(prior),
            strangers={name: _at_first(known) for name, known in before.items()},
            sources={of: {name: _source(of, name)[0] for name in fields} for of in CLASSES},
            shares=np.zeros(len(CLASSES)),
        )
        shares = np.array([START[of] * records for of in CLASSES]) / pairs
        has_juniors = any(kind_of(name) in TELLS_JUNIORS for name in fields)
        shares = _within_bounds(shares, has_juniors)
        encoded = model._encode(patterns)
        # Classes of less than a pair in a thousand records may come and go.
        negligible = 1e-3 * records / pairs
        for round_ in range(ROUNDS):
            model.shares = shares
            weights = model._posterior(encoded) * counts[:, None]
            following = (weights.sum(0) + 1e-3) / pairs
            following[0] += 1 / pairs
            following = _within_bounds(following, has_juniors)
            masses = np.asarray(encoded.T @ weights)
            for name, of_field in model._places().items():
                model._learn(name, masses[of_field], before[name], prior[name], pairs)
            model.rounds = round_ + 1
            moved = np.abs(np.log(following[:-1] + negligible) - np.log(shares[:-1] + negligible)).max()
            if round_ > LEAST_ROUNDS and moved < CONVERGED:
                break
            shares = following
        model.shares = shares
        model.report = {
            "records": records,
            "rounds": model.rounds,
            "converged": bool(moved < CONVERGED),
            "pairs of one person a record": float(shares[[CLASSES.index(of) for of in PERSON]].sum() * pairs / records),
        }
        return model

    def _learn(self, name: str, masses: Floats, known: Strangers, prior: Floats, pairs: float) -> None:
        """One step of a field: what its values do in a person, among strangers, and how often they have one source.

        `masses` are the expected pairs, by code and class.
        """
        size = len(self.codes[name])
        person, strangers = self.person[name], self.strangers[name]
        of_persons, explained = np.zeros(size), np.zeros(size)
        for place, of in enumerate(CLASSES[:-1]):
            mass = masses[:, place]
            s = self.sources[of][name]
            one_source = mass * (s * person / (s * person + (1 - s) * strangers + 1e-300))
            explained += one_source
            if of in PERSON:
                of_persons += one_source
            start, learned = _source(of, name)
            if learned:
                self.sources[of][name] = float((one_source.sum() + STRENGTH * start) / (mass.sum() + STRENGTH))
        equal_from = size - len(known.share)
        by_chance = np.maximum(known.chance - explained[equal_from:] / (pairs * known.covered), known.floor)
        by_chance *= min(1.0, 0.95 / by_chance.sum())
        self.strangers[name] = np.concatenate([known.differing * (1 - by_chance.sum()), by_chance])
        learned_person = of_persons + STRENGTH * prior
        learned_person[equal_from:] = learned_person[equal_from:].sum() * known.share
        learned_person /= learned_person.sum()
        most = MOST_DRIFT * prior[0]
        if learned_person[0] > most:
            learned_person[1:] *= (1 - most) / (1 - learned_person[0])
            learned_person[0] = most
        self.person[name] = learned_person

    # Scoring ----------------------------------------------------------------------------------------------------------

    def bits(self, codes: Codes) -> Floats:
        """Of each pair log2 P(person) / P(not a person), in bits and without bounds."""
        logs = self._logs(self._encode(codes))
        return np.asarray((_log_sum(logs[:, IS_PERSON]) - _log_sum(logs[:, ~IS_PERSON])) / math.log(2))

    def evidence(self, codes: Codes) -> Floats:
        """Of each pair what each field says for one person, in bits, a column a field; 0 where one is missing.

        It is log2 of the value's chance in a person by its chance in what else the pair may be, each class weighed by
        how likely the whole pair makes it. What the sum lacks of `bits` is how rare persons' pairs are among all.
        """
        columns = self._columns(codes)
        logs = self._logs(self._encode(codes))
        persons, others = _shares(logs[:, IS_PERSON]), _shares(logs[:, ~IS_PERSON])
        found = np.zeros(columns.shape)
        chances = self._chances()
        for place in range(columns.shape[1]):
            there = columns[:, place] >= 0
            of = chances[columns[there, place]] + 1e-15
            ratio = (of[:, IS_PERSON] * persons[there]).sum(1) / (of[:, ~IS_PERSON] * others[there]).sum(1)
            found[there, place] = np.log2(ratio)
        return found

    def household(self, codes: Codes) -> Floats:
        """Of each pair the probability that it is of two persons of one household."""
        return self._posterior(self._encode(codes))[:, CLASSES.index("household")]

    def weight(self, codes: Codes) -> Floats:
        """Of each pair how much could be compared: the share of the bits that a true pair's fields give, 0.02 to 1."""
        bits = np.array(
            [float((self.person[f] * np.log2(self.person[f] / self.strangers[f])).sum()) for f in self.fields]
        )
        return np.asarray(np.maximum((codes >= 0) @ bits / bits.sum(), LEAST_WEIGHT))

    def _posterior(self, encoded: csr_matrix) -> Floats:
        return _shares(self._logs(encoded))

    def _logs(self, encoded: csr_matrix) -> Floats:
        """Of each pattern the logarithm of its chance together with each class, up to a constant."""
        return np.asarray(encoded @ np.log(self._chances() + 1e-15)) + np.log(self.shares + 1e-300)

    def _chances(self) -> Floats:
        """The chance of each code of each field, a row a code, in each class."""
        chances = np.empty((sum(map(len, self.codes.values())), len(CLASSES)))
        for name, of_field in self._places().items():
            s = np.array([self.sources[of][name] for of in CLASSES])
            chances[of_field] = s * self.person[name][:, None] + (1 - s) * self.strangers[name][:, None]
        return chances

    def _places(self) -> dict[str, slice]:
        """Where each field's codes stand among those of all fields."""
        ends = np.cumsum([0, *(len(self.codes[name]) for name in self.fields)]).tolist()
        return {name: slice(ends[place], ends[place + 1]) for place, name in enumerate(self.fields)}

    def _encode(self, codes: Codes) -> csr_matrix:
        """A row a pattern, a column a code of a field: 1 where the pattern has it, none of a field that is missing."""
        found = self._columns(codes)
        there = found >= 0
        ends = np.concatenate([[0], np.cumsum(there.sum(1))])
        width = sum(len(known) for known in self.codes.values())
        return csr_matrix((np.ones(ends[-1]), found[there], ends), shape=(len(codes), width))

    def _columns(self, codes: Codes) -> Indices:
        """Of each pattern and field the place of its code among those of all fields, -1 where it is missing.

        A bucket that training did not see counts as the rarest it saw.
        """
        columns = []
        for place, (name, of_field) in enumerate(self._places().items()):
            table = np.full(64, -1, np.int32)
            known = self.codes[name]
            for at, code in enumerate(known):
                table[code + 1] = of_field.start + at
            buckets = sorted(code for code in known if code >= EQUAL)
            for code in range(EQUAL, 62):
                if table[code + 1] < 0 and buckets:
                    table[code + 1] = of_field.start + known.index(
                        max([b for b in buckets if b <= code] or buckets[:1])
                    )
            columns.append(table[codes[:, place].astype(np.int64) + 1])
        return np.stack(columns, 1) if columns else np.zeros((len(codes), 0), np.int32)

    # Files ------------------------------------------------------------------------------------------------------------

    def to_json(self) -> dict[str, Any]:
        return {
            "version": MODEL_VERSION,
            "fields": list(self.fields),
            "codes": self.codes,
            "person": {name: values.tolist() for name, values in self.person.items()},
            "strangers": {name: values.tolist() for name, values in self.strangers.items()},
            "sources": self.sources,
            "shares": dict(zip(CLASSES, self.shares.tolist(), strict=True)),
            "report": self.report,
            "statistics": None if self.statistics is None else self.statistics.to_json(),
        }

    def save(self, path: Path) -> None:
        path.write_text(json.dumps(self.to_json()) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: Path, fields: Sequence[str]) -> Self:
        """The model of a file. Raises ModelError when it is not one, or was trained on other fields."""
        doing = f"Reading the model {path}"
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise ModelError(doing, f"it is not a model: {error}", "Train one: leave --model away") from error
        return cls.from_json(found, fields, doing)

    @classmethod
    def from_json(cls, found: Any, fields: Sequence[str], doing: str) -> Self:
        """What `to_json` gave, to compare records that have these fields; raises ModelError."""
        try:
            if found["version"] != MODEL_VERSION:
                raise ModelError(doing, f"it is of version {found['version']}", f"Train one of version {MODEL_VERSION}")
            model = cls(
                fields=tuple(found["fields"]),
                codes=found["codes"],
                person={name: np.array(values) for name, values in found["person"].items()},
                strangers={name: np.array(values) for name, values in found["strangers"].items()},
                sources=found["sources"],
                shares=np.array([found["shares"][of] for of in CLASSES]),
                report=found["report"],
                statistics=Statistics.from_json(found["statistics"]) if found["statistics"] else None,
            )
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ModelError(doing, f"it is not a model: {error}", "Train one: leave --model away") from error
        if missing := [name for name in model.fields if name not in fields]:
            raise ModelError(
                doing, f"it was trained with {', '.join(missing)}, which these records lack", "Train one for them"
            )
        return model


def _source(of: str, name: str) -> tuple[float, bool]:
    kind = kind_of(name)
    known = SOURCES.get(of, {})
    return known.get(kind) or known.get("*") or (KINDS[kind].shared, KINDS[kind].learned)


def _prior_of_a_person(name: str, fields: Sequence[str], known: Strangers) -> Floats:
    differing = list(KINDS[kind_of(name)].person[::-1])
    if SWAPPED in known.codes:
        differing.append(SWAPPED_SHARE)
    return np.concatenate([np.array(differing), (1 - sum(differing)) * known.share])


def _at_first(known: Strangers) -> Floats:
    by_chance = np.maximum(known.chance * 0.3, known.floor)
    return np.concatenate([known.differing * (1 - by_chance.sum()), by_chance])


def _within_bounds(shares: Floats, has_juniors: bool) -> Floats:
    """Strangers are the rest, and the most: also of a handful of records. Juniors are few among families."""
    shares = shares.copy()
    juniors, households = CLASSES.index("juniors"), CLASSES.index("household")
    least, most = LEAST_JUNIORS * shares[households], MOST_JUNIORS * shares[households]
    shares[juniors] = min(max(shares[juniors], least), most) if has_juniors else 0.0
    shares[:-1] *= min(1.0, 0.5 / shares[:-1].sum())
    shares[-1] = 1 - shares[:-1].sum()
    return shares


def _shares(logs: Floats) -> Floats:
    chances = np.exp(logs - logs.max(1, keepdims=True))
    return np.asarray(chances / chances.sum(1, keepdims=True))


def _log_sum(logs: Floats) -> Floats:
    return np.asarray(np.logaddexp.reduce(logs, axis=1))
