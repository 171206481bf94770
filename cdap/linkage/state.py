"""What is kept between two resolutions, so that the second one only looks at what changed: a DuckDB file.

It is attached as `kept` and holds records as they are compared and the digests of their keys' pieces (`records`,
`pieces`), the pairs that count with a key that proposes each (`near`), those that were only looked at inside a
component (`extra`), the blocks that are too large (`large`), whose each record is (`assigned`), the records that are
copies of many (`aside`), the decisions, and in `meta` by what all this was made.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import duckdb
import numpy as np

from cdap.errors import CdapError
from cdap.linkage import stages
from cdap.linkage.compare import codes_of
from cdap.linkage.config import LinkageConfig
from cdap.linkage.constraints import Decision, Indices, places_of
from cdap.linkage.customers import Assignment, assign
from cdap.linkage.database import database, one
from cdap.linkage.files import is_parquet
from cdap.linkage.kept import assigned_table, codes_table
from cdap.linkage.keys import recall_of_keys
from cdap.linkage.links import COPY, DECISION, NEAR, Near, links_of, links_without_evidence
from cdap.linkage.model import Model
from cdap.linkage.normalise import fields_of
from cdap.linkage.prepare import read
from cdap.linkage.resolve import Resolution, reported
from cdap.linkage.update import update

VERSION = 2


class StateError(CdapError):
    """A file that is no state, or that another process is using."""


class State:
    """The state in a file. All of it is written in one transaction or as a whole, so that after a kill it is what it
    was before."""

    def __init__(self, db: duckdb.DuckDBPyConnection, file: Path, config: LinkageConfig) -> None:
        self._db = db
        self._file = file
        self._config = config
        self._model: Model | None = None
        self._given = ""

    @classmethod
    @contextmanager
    def open(cls, file: Path, config: LinkageConfig, threads: int | None = None) -> Iterator[Self]:
        """The state of a file, which need not be there yet. Raises StateError."""
        with database(threads) as db:
            state = cls(db, file, config)
            if file.exists():
                state._attach()
            yield state

    def bring_to(
        self,
        records: Path,
        *,
        model: Path | None = None,
        previous: Mapping[str, str] | None = None,
        decisions: Iterable[Decision] = (),
        progress: Callable[[str], None] = lambda _: None,
    ) -> dict[str, Any]:
        """Makes it the state of the records of a file (all of them, not the changes), and returns the report.

        What is unchanged is not looked at again, and all is as a resolution of all the records by its model finds it.
        It is begun anew, customers keeping their ids, when another `model` is given or another configuration; with a
        new model, unless one is given, when the records are twice as many as those that the model was trained on, or
        half; and with the same model when their values are no longer what they were, or junk has come. `previous` are
        customer ids for a state that is not there yet.

        Raises what `cdap.linkage.resolve.resolve` raises.
        """
        decided = tuple(decisions)
        seconds: dict[str, float] = {}
        timed = stages.timing(seconds, progress)
        given = "" if model is None else hashlib.sha256(model.read_bytes()).hexdigest()
        told = None
        loaded = Model.load(model, fields_of(self._config)) if model is not None else None
        if self._model is not None and self._serves(given, records):
            told = update(self._db, self._config, self._model, records, decided, timed)
            loaded = self._model
        if told is None:
            origin = self._given if loaded is not None and loaded is self._model else given
            told = self._begin(records, origin, loaded, previous or {}, decided, timed)
        return {**self._counts(), **told, "seconds": seconds}

    @property
    def model(self) -> Model:
        """The model by which it was made."""
        assert self._model is not None
        return self._model

    def write_assignments(self, file: Path) -> None:
        """Writes unique_id, customer_id, cluster_probability, household_id; in the file's place once it is whole."""
        beside = file.with_name(f".{file.name}.part")
        kind = "format parquet" if is_parquet(file) else "format csv, header"
        self._db.execute(f"copy ({_ASSIGNMENTS}) to {_literal(beside)} ({kind})")
        beside.replace(file)

    def told(self, report: dict[str, Any]) -> Resolution:
        """All of it, with the links in words."""
        rows = self._db.execute(_ASSIGNMENTS).fetchall()
        records = self._db.execute(
            "select uid, customer_id, i from kept.assigned order by i nulls last, uid"
        ).fetchnumpy()
        uids = [str(uid) for uid in records["uid"]]
        cluster = np.unique(records["customer_id"].astype(str), return_inverse=True)[1].reshape(-1).astype(np.int64)
        # Places in the records' order, not their own numbers.
        place_of = np.full(int(one(self._db, "select coalesce(max(i), 0) + 1 from kept.assigned")[0]), -1, np.int64)
        numbers = np.ma.filled(np.ma.asarray(records["i"]).astype(np.int64), -1)
        place_of[numbers[numbers >= 0]] = np.flatnonzero(numbers >= 0)
        places = {uid: place for place, uid in enumerate(uids)}
        near = [self._near(table, place_of) for table in ("near", "extra")]
        links = [
            *links_of(self.model, self._config, uids, cluster, near),
            *links_without_evidence(uids, cluster, places_of(self._decisions(), places, "link"), DECISION),
            *links_without_evidence(uids, cluster, self._copies(places), COPY),
        ]
        return Resolution(
            tuple(Assignment(*row) for row in rows),
            tuple(sorted(links, key=lambda link: (link.record_a, link.record_b, link.agreement))),
            self.model,
            report,
        )

    # What it was made by ----------------------------------------------------------------------------------------------

    def _attach(self) -> None:
        doing = f"Opening the state {self._file}"
        try:
            self._db.execute(f"attach {_literal(self._file)} as kept")
            meta = dict(self._db.execute("select name, value from kept.meta").fetchall())
        except duckdb.Error as error:
            raise StateError(
                doing, str(error).splitlines()[0], "Wait for what uses it, or give the name of a new file"
            ) from error
        if meta["made by"] == _made_by(self._config):
            self._model = Model.from_json(json.loads(meta["model"]), fields_of(self._config), doing)
            self._given = meta["given"]

    def _serves(self, given: str, records: Path) -> bool:
        if given not in ("", self._given):
            return False
        read(self._db, self._config, records)
        (count,) = one(self._db, "select count(*) from read")
        return self.model.statistics is not None and self.model.statistics.serve(count)

    def _begin(
        self,
        records: Path,
        given: str,
        model: Model | None,
        previous: Mapping[str, str],
        decisions: tuple[Decision, ...],
        timed: stages.Timed,
    ) -> dict[str, Any]:
        db, config = self._db, self._config
        attached = self._file.exists()
        before = dict(db.execute("select uid, customer_id from kept.assigned").fetchall()) if attached else previous
        compared = stages.compare_all(db, config, records, model, timed)
        with timed("model"):
            self._model = replace(model, statistics=compared.statistics) if model else stages.train(db, compared)
            self._given = given
        found = stages.cluster(db, config, self._model, "codes", decisions, timed, keep="near")
        recall = recall_of_keys(db, compared.prepared.fields, *found.matched)
        with timed("keep"):
            assigned = assign(found.uids, found.clusters, found.home, before)
            if attached:
                db.execute("detach kept")
            beside = self._file.with_name(f".{self._file.name}.part")
            beside.unlink(missing_ok=True)
            db.execute(f"attach {_literal(beside)} as kept")
            self._keep(found, assigned, decisions)
            db.execute("detach kept")
            beside.replace(self._file)
            db.execute(f"attach {_literal(self._file)} as kept")
        return {**reported(self._model, compared, found, recall), "state": "begun", "changed": compared.prepared.given}

    def _keep(self, found: stages.Clustered, assigned: list[Assignment], decisions: tuple[Decision, ...]) -> None:
        db, fields = self._db, self.model.fields
        names = "".join(f', "{field}"' for field in fields)
        db.execute("create table kept.records as select * from r")
        db.execute("create table kept.pieces as select * from pieces")
        db.execute("create table kept.large as select * from large")
        db.execute(
            "create table kept.near as with numbered as (select *, (a::ubigint << 32) | b::ubigint as p from near), "  # noqa: S608
            "proposals as "
            "(select p, min(proposed) as proposed from candidates semi join numbered using (p) group by p) "
            f"select a, b{names}, (proposed & 65535)::usmallint as proposed_by from numbered join proposals using (p)"
        )
        numbers = np.arange(found.compared)
        db.register("found_extra", codes_table(found.near[1:], fields, numbers))
        db.execute(f"create table kept.extra as select a, b{names} from found_extra")  # noqa: S608
        db.unregister("found_extra")
        db.execute(f"create table kept.aside as select uid, source, raw, same{names} from copies")  # noqa: S608
        rows = assigned_table(
            found.uids,
            found.clusters,
            numbers,
            [of.customer_id for of in assigned],
            [of.cluster_probability for of in assigned],
            [of.household_id for of in assigned],
        )
        db.register("found_assigned", rows)
        db.execute("create table kept.assigned as select * from found_assigned")
        db.unregister("found_assigned")
        db.execute("create table kept.decisions (a varchar, b varchar, decision varchar)")
        if decisions:
            rows = [(of.a, of.b, of.decision) for of in decisions]
            db.executemany("insert into kept.decisions values (?, ?, ?)", rows)
        db.execute("create table kept.meta (name varchar, value varchar)")
        meta = {
            "made by": _made_by(self._config),
            "given": self._given,
            "model": json.dumps(self.model.to_json()),
        }
        db.executemany("insert into kept.meta values (?, ?)", list(meta.items()))

    # What it tells ----------------------------------------------------------------------------------------------------

    def _counts(self) -> dict[str, int]:
        counts = one(
            self._db,
            "select count(*), count(distinct customer_id), count(distinct household_id), "
            "(select coalesce(max(c), 0) from (select count(*) as c from kept.assigned group by customer_id)) "
            "from kept.assigned",
        )
        return dict(zip(("records", "customers", "households", "largest_customer"), map(int, counts), strict=True))

    def _near(self, table: str, place_of: Indices) -> Near:
        found = self._db.execute(f"select * from kept.{table} order by a, b").fetchnumpy()  # noqa: S608
        codes = codes_of(found, self.model.fields)
        bits = self.model.bits(codes)
        near = bits >= NEAR
        a, b = (place_of[np.asarray(found[side]).astype(np.int64)] for side in ("a", "b"))
        return Near(a[near], b[near], codes[near], bits[near])

    def _decisions(self) -> list[Decision]:
        return [Decision(*row) for row in self._db.execute("select a, b, decision from kept.decisions").fetchall()]

    def _copies(self, places: Mapping[str, int]) -> tuple[Indices, Indices]:
        """The first of each group of the same, and its copy, by place."""
        found = self._db.execute(
            "select first.uid, aside.uid from kept.aside as aside join (select same, min(uid) as uid "
            "from kept.records where same in (select same from kept.aside) group by same) as first using (same)"
        ).fetchall()
        first, copy = (np.array([places[row[side]] for row in found], np.int64) for side in (0, 1))
        return first, copy


_ASSIGNMENTS = "select uid as unique_id, customer_id, cluster_probability, household_id from kept.assigned order by uid"


def _made_by(config: LinkageConfig) -> str:
    """What a state can only be used with. DuckDB's digests are another version's other ones."""
    made_by = {"version": VERSION, "duckdb": duckdb.__version__, "config": config.model_dump(mode="json")}
    return json.dumps(made_by, sort_keys=True)


def _literal(file: Path) -> str:
    return "'" + str(file).replace("'", "''") + "'"
