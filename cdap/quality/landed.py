"""The rows of the loads that a run has claimed, for suites on the lake's tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sqlglot import exp

from cdap.config import Source
from cdap.quality.suites import Suite
from cdap.sql import render


def landed_query(suite: Suite, sources: Mapping[str, Source], loads: Iterable[tuple[str, str]]) -> str | None:
    """The suite's table in the loads (source, load id) of its source; None when there is no load of it."""
    (source,) = (
        source.name for source in sources.values() for table in source.tables if source.lake_table(table) == suite.table
    )
    ids = sorted({load for name, load in loads if name == source})
    if not ids:
        return None
    query = (
        exp.select("*")
        .from_(exp.table_(suite.table, db=suite.schema, quoted=True))
        .where(
            exp.In(
                this=exp.column(exp.to_identifier("load", quoted=True)),
                expressions=[exp.Literal.string(load) for load in ids],
            )
        )
    )
    return render(query)
