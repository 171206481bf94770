"""What holds whatever the scores say: identifiers of one person, sources that hold each person once, decisions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import duckdb
import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from cdap.errors import CdapError
from cdap.linkage.config import LinkageConfig

Indices = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


def _none() -> Indices:
    return np.zeros(0, np.int64)


@dataclass(frozen=True)
class Decision:
    """What a person decided of two records, by their ids: `link`, they are one person, or `unlink`, they are two."""

    a: str
    b: str
    decision: str


@dataclass(frozen=True)
class Constraints:
    """Of records by place. `exclusive`: values by record, -1 for none; two of different values are two persons.
    `once`: the same; two of the same value are two persons. `together` and `apart`: pairs that are one, or two."""

    exclusive: tuple[Indices, ...] = ()
    once: tuple[Indices, ...] = ()
    together: tuple[Indices, Indices] = field(default_factory=lambda: (_none(), _none()))
    apart: tuple[Indices, Indices] = field(default_factory=lambda: (_none(), _none()))

    @property
    def hold_nothing(self) -> bool:
        """Whether scores decide everything."""
        return not (self.exclusive or self.once or len(self.together[0]) or len(self.apart[0]))

    def forbidden(self, records: Indices) -> Flags | None:
        """Which of the records, k of them or n times k, may not be of one customer with which: n x k x k, symmetric;
        None when nothing is forbidden."""
        if self.hold_nothing:
            return None
        found = np.zeros((*records.shape, records.shape[-1]), bool)
        for values in self.exclusive:
            of, other = values[records][..., :, None], values[records][..., None, :]
            found |= (of != other) & (of >= 0) & (other >= 0)
        for values in self.once:
            of, other = values[records][..., :, None], values[records][..., None, :]
            found |= (of == other) & (of >= 0)
        found &= ~np.eye(records.shape[-1], dtype=bool)
        # Last what is together: somebody looked at the two and knew better than an identifier.
        for pairs, barred in ((self.apart, True), (self.together, False)):
            for at, a, b in _within(pairs, records):
                found[(*at, a, b)] = found[(*at, b, a)] = barred
        return found

    def joined(self, records: Indices) -> list[tuple[int, int]]:
        """Pairs of the records, by their place among them, that are one person."""
        return [(a, b) for _, a, b in _within(self.together, records)]


def _within(pairs: tuple[Indices, Indices], records: Indices) -> Iterator[tuple[tuple[int, ...], int, int]]:
    """The pairs whose records are in one row of the records: which row, and where in it each is."""
    if not len(pairs[0]):
        return
    size = records.shape[-1]
    found = np.flatnonzero(np.isin(records, np.concatenate(pairs)))
    place = dict(zip(records.ravel()[found].tolist(), found.tolist(), strict=True))
    for a, b in zip(pairs[0].tolist(), pairs[1].tolist(), strict=True):
        if a in place and b in place and place[a] // size == place[b] // size:
            row = (place[a] // size,) if records.ndim > 1 else ()
            yield row, place[a] % size, place[b] % size


def constraints_of(
    db: duckdb.DuckDBPyConnection,
    config: LinkageConfig,
    decisions: Sequence[Decision],
    places: Mapping[str, int],
    records: int,
) -> Constraints:
    """The constraints of the prepared records: table `r`, and `places` of their ids among its `records`.

    Raises CdapError for decisions that contradict one another.
    """
    exclusive = [f'"id_{config.fields.ids.index(name)}"' for name in config.exclusive]
    there = {row[0] for row in db.execute("select column_name from (describe r)").fetchall()}
    kept = [name for name in exclusive if name.strip('"') in there]
    once = (_codes(db, _of_unique_sources(config)),) if config.unique_sources else ()
    # A decision on a record that is gone is kept by who made it, and means nothing here.
    together, apart = (places_of(decisions, places, kind) for kind in ("link", "unlink"))
    _refuse_contradictions(_of_kind(decisions, places, "unlink"), together, apart, records)
    return Constraints(tuple(_codes(db, name) for name in kept), once, together, apart)


def _of_unique_sources(config: LinkageConfig) -> str:
    listed = ", ".join("'" + source.replace("'", "''") + "'" for source in config.unique_sources)
    return f"case when source in ({listed}) then source end"


def _codes(db: duckdb.DuckDBPyConnection, expression: str) -> Indices:
    """A number for each distinct value, -1 for null, in the records' order."""
    found = db.execute(
        "select dense_rank() over (order by v nulls last) - 1 as n, v is null as none "  # noqa: S608
        f"from (select {expression} as v, i from r) order by i"
    ).fetchnumpy()
    return np.where(found["none"], -1, found["n"]).astype(np.int64)


def places_of(decisions: Iterable[Decision], places: Mapping[str, int], decision: str) -> tuple[Indices, Indices]:
    """The pairs of which this was decided, by place, where both records are there."""
    found = [(places[of.a], places[of.b]) for of in _of_kind(decisions, places, decision)]
    return np.array([a for a, _ in found], np.int64), np.array([b for _, b in found], np.int64)


def _of_kind(decisions: Iterable[Decision], places: Mapping[str, int], decision: str) -> list[Decision]:
    return [of for of in decisions if of.decision == decision and of.a in places and of.b in places]


def _refuse_contradictions(
    unlinks: Sequence[Decision], together: tuple[Indices, Indices], apart: tuple[Indices, Indices], records: int
) -> None:
    of = components(records, *together)
    against = of[apart[0]] == of[apart[1]]
    if against.any():
        broken = unlinks[int(np.argmax(against))]
        raise CdapError(
            "Reading the decisions",
            f"{broken.a} and {broken.b} are told apart, and yet links join them, maybe by way of other records",
            "Take one of these decisions back",
        )


def components(records: int, a: Indices, b: Indices) -> Indices:
    """The component of each record."""
    edges = coo_matrix((np.ones(len(a), np.int8), (a, b)), shape=(records, records)).tocsr()
    return np.asarray(connected_components(edges, directed=False)[1], np.int64)
