"""Which records are of one person, by the model: from the warehouse, through linkage, and back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Protocol, Self

import boto3
import pyarrow as pa
import pyarrow.parquet as pq
from sqlglot import exp

from cdap.identity.config import IdentityConfig
from cdap.identity.decisions import current_decisions
from cdap.identity.exchange import Exchange, LakeExchange
from cdap.identity.models import ModelStore, Release
from cdap.identity.pages import EvidencePages
from cdap.identity.protocol import SqlSession
from cdap.linkage.constraints import Decision
from cdap.linkage.evidence import evidence_page
from cdap.linkage.model import Model
from cdap.linkage.normalise import fields_of
from cdap.linkage.resolve import Resolution, train
from cdap.linkage.resolve import resolve as resolve_records
from cdap.parameters import Parameters
from cdap.sql import render

CLUSTERS = pa.schema([("record_key", pa.string()), ("cluster", pa.string()), ("household", pa.string())])
LINKS = pa.schema(
    [
        ("record_key_a", pa.string()),
        ("record_key_b", pa.string()),
        ("rule", pa.string()),
        ("bits", pa.float64()),
        ("evidence", pa.string()),
        ("used", pa.bool_()),
    ]
)
LONGEST_RULE = 128


@dataclass(frozen=True)
class Proposal:
    """Which customer each record would be of, under ids of the proposal's own, and by which model."""

    members: dict[str, str]
    model: Model | None


@dataclass(frozen=True)
class Matched:
    """By which model, and whether it was trained in this run."""

    model: str
    trained: bool


class Matcher(Protocol):
    """Says which records belong together."""

    def match(self, warehouse: SqlSession, run_id: str, as_of: str) -> Matched:
        """Fills the tables of begin.sql, `resolve_assigned` with every record, in the transaction that is open."""


class ModelMatcher:
    """Records are compared by the current model; one is trained when there is none that serves."""

    def __init__(
        self, config: IdentityConfig, exchange: Exchange, models: ModelStore, pages: EvidencePages | None = None
    ) -> None:
        self._config = config
        self._exchange = exchange
        self._models = models
        self._pages = pages

    @classmethod
    def in_lake(cls, config: IdentityConfig, names: Parameters, run_id: str) -> Self:
        """One whose exchange, models and pages are in the lake of the deployed stack."""
        s3, bucket = boto3.client("s3"), names.lake_bucket
        return cls(config, LakeExchange(s3, names, run_id), ModelStore(s3, bucket), EvidencePages(s3, bucket))

    def match(self, warehouse: SqlSession, run_id: str, as_of: str) -> Matched:
        with self._records(warehouse) as (folder, count):
            if not count:
                return Matched("", trained=False)
            release = self._models.current(warehouse)
            model = folder / "model.json"
            trained = release is None or not release.serves(self._config, count)
            if release is not None and not trained:
                self._models.fetch(release, model)
            found = self._resolve(warehouse, folder, None if trained else model, tell_links=True)
            if release is None or trained:
                release = self._models.release(warehouse, found.model, self._config, count, run_id, as_of)
            self._give_back(warehouse, folder, found)
            if self._pages is not None:
                title = f"Who is whom, by model {release.model}"
                self._pages.publish(evidence_page(found, self._config.linkage, title), run_id)
            return Matched(release.model, trained)

    def train(self, warehouse: SqlSession, run_id: str, as_of: str) -> Release | None:
        """Trains a model on the records that there are and makes it current; None when there is no record."""
        with self._records(warehouse) as (folder, count):
            if not count:
                return None
            model = train(folder / "*.parquet", self._config.linkage)
            return self._models.release(warehouse, model, self._config, count, run_id, as_of)

    def propose(self, warehouse: SqlSession, model: Path | None = None) -> Proposal:
        """What the model of a file would make of the records, or one trained now; nothing is written."""
        with self._records(warehouse) as (folder, count):
            if not count:
                return Proposal({}, None)
            found = self._resolve(warehouse, folder, model)
            return Proposal({of.unique_id: of.customer_id for of in found.assignments}, found.model)

    def release(self, warehouse: SqlSession, model: Path, run_id: str, as_of: str) -> Release:
        """Makes the model of a file the current one, for as many records as there are, in the transaction that is open.

        Raises ModelError when it is none, or compares what the configuration does not name.
        """
        loaded = Model.load(model, fields_of(self._config.linkage))
        return self._models.release(warehouse, loaded, self._config, self._count(warehouse), run_id, as_of)

    def _resolve(
        self, warehouse: SqlSession, folder: Path, model: Path | None, *, tell_links: bool = False
    ) -> Resolution:
        """By the model of a file, or one trained on the records."""
        decisions = [Decision(*decided) for decided in current_decisions(warehouse)]
        return resolve_records(
            folder / "*.parquet", self._config.linkage, model=model, decisions=decisions, tell_links=tell_links
        )

    @contextmanager
    def _records(self, warehouse: SqlSession) -> Iterator[tuple[Path, int]]:
        """A folder with the records as Parquet, and how many they are."""
        table = exp.to_table(self._config.records)
        columns = dict.fromkeys(self._config.linkage.columns())
        query = render(exp.select(*(exp.column(name) for name in columns)).from_(table))
        with TemporaryDirectory(prefix="cdap-identity-") as name:
            folder = Path(name)
            try:
                self._exchange.unload(warehouse, query, folder, purpose="Reading the records of persons")
                yield folder, self._count(warehouse)
            finally:
                self._exchange.clear()

    def _count(self, warehouse: SqlSession) -> int:
        counting = exp.select(exp.Count(this=exp.Star())).from_(exp.to_table(self._config.records))
        (count,) = warehouse.fetch_all(render(counting), purpose="Counting the records of persons")[0]
        return int(count)

    def _give_back(self, warehouse: SqlSession, folder: Path, found: Resolution) -> None:
        clusters = ((of.unique_id, of.customer_id, of.household_id) for of in found.assignments)
        links = (
            (of.record_a, of.record_b, of.agreement[:LONGEST_RULE], of.bits, of.evidence, of.holds)
            for of in found.links
        )
        for table, schema, rows in (
            ("resolve_assigned", CLUSTERS, list(clusters)),
            ("resolve_links", LINKS, list(links)),
        ):
            if rows:
                file = folder / table
                pq.write_table(_table(rows, schema), file)
                self._exchange.load(warehouse, table, file, purpose=f"Writing {table}")


def _table(rows: Sequence[tuple[Any, ...]], schema: pa.Schema) -> pa.Table:
    columns = zip(*rows, strict=True)
    arrays = [pa.array(column, field.type) for column, field in zip(columns, schema, strict=True)]
    return pa.table(arrays, schema=schema)
