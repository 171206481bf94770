"""From a file of records to customers and households, by a model that is trained on it or was before."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from cdap.linkage import stages
from cdap.linkage.config import LinkageConfig
from cdap.linkage.constraints import Decision
from cdap.linkage.customers import Assignment, assign
from cdap.linkage.database import database
from cdap.linkage.keys import recall_of_keys
from cdap.linkage.links import Link
from cdap.linkage.model import Model
from cdap.linkage.normalise import fields_of


@dataclass(frozen=True)
class Resolution:
    """The assignments in the order of the ids, the links that they stand on, the model that was used, and what there
    is to know of the run."""

    assignments: tuple[Assignment, ...]
    links: tuple[Link, ...]
    model: Model
    report: Mapping[str, Any]


def resolve(
    records: Path,
    config: LinkageConfig,
    *,
    model: Path | None = None,
    previous: Mapping[str, str] | None = None,
    decisions: Iterable[Decision] = (),
    tell_links: bool = False,
    threads: int | None = None,
    progress: Callable[[str], None] = lambda _: None,
) -> Resolution:
    """Resolves the records of a CSV or Parquet file.

    `model` is a file of a model; without one a model is trained on the records. `previous` are customer ids by unique
    id of an earlier run: a customer keeps its id as long as most of its records stay together. `decisions` hold
    whatever the model says; one on a record that is a copy of many is one on all of them. The links, which at a million
    records take some seconds to put into words, are told when `tell_links` asks for them.

    Raises RecordsError and ModelError for files that cannot be used, CdapError when nothing can be compared.
    """
    seconds: dict[str, float] = {}
    timed = stages.timing(seconds, progress)
    with database(threads) as db:
        trained = Model.load(model, fields_of(config)) if model is not None else None
        compared = stages.compare_all(db, config, records, trained, timed)
        with timed("model"):
            fitted = trained or stages.train(db, compared)
        found = stages.cluster(db, config, fitted, "codes", tuple(decisions), timed)
        links = found.links(fitted, config) if tell_links else []
        recall = recall_of_keys(db, compared.prepared.fields, *found.matched)
    assigned = assign(found.uids, found.clusters, found.home, previous or {})
    sizes = Counter(of.customer_id for of in assigned)
    report = {
        "records": len(assigned),
        "customers": len(sizes),
        "households": len({of.household_id for of in assigned}),
        "largest_customer": max(sizes.values(), default=0),
        **reported(fitted, compared, found, recall),
        "seconds": seconds,
    }
    return Resolution(tuple(sorted(assigned, key=lambda of: of.unique_id)), tuple(links), fitted, report)


def reported(model: Model, compared: stages.Compared, found: stages.Clustered, recall: float | None) -> dict[str, Any]:
    """What a report tells of how all records were compared and clustered."""
    return {
        "fields": list(model.fields),
        "keys": compared.statistics.keys,
        "pairs": compared.pairs,
        "recall_of_keys": recall,
        "largest_component": found.clusters.largest_component,
        "cut_at": found.clusters.cut_at,
        "junk": [asdict(of) for of in compared.prepared.junk],
        "nicknames": compared.prepared.nicknames,
        "model": model.report,
    }


def train(records: Path, config: LinkageConfig, *, threads: int | None = None) -> Model:
    """The model that `resolve` trains on the records when it is given none; raises what that raises."""
    with database(threads) as db:
        return stages.train(db, stages.compare_all(db, config, records, None, stages.timing({})))
