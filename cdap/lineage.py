"""The names by which OpenLineage knows the platform's datasets (OpenLineage: Naming Conventions).

Two tasks are joined in a lineage graph when one writes the name that the other reads, so each name is made here and
nowhere else. dbt's own events name warehouse tables in the same way.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from cdap.config import Source
from cdap.parameters import Parameters


@dataclass(frozen=True)
class Dataset:
    """A dataset by namespace and name; `rows` are those that this run wrote; `files` are where a table is kept."""

    namespace: str
    name: str
    rows: int | None = None
    files: Dataset | None = None


def source_table(source: Source, table: str) -> Dataset:
    """A table or object of a source; its server is known to the service that extracts it alone."""
    return Dataset(f"{source.kind}://{source.name}", table)


def raw_table(names: Parameters, source: Source, table: str, rows: int | None = None) -> Dataset:
    """A table as it came, in the lake."""
    return Dataset(f"s3://{names.lake_bucket}", f"raw/{source.name}/{table}", rows)


def quarantine(names: Parameters, source: Source, table: str, rows: int | None = None) -> Dataset:
    """A table's records that broke their contract, in the lake."""
    return Dataset(f"s3://{names.lake_bucket}", f"quarantine/{source.name}/{table}", rows)


def lake_table(names: Parameters, source: Source, table: str, rows: int | None = None) -> Dataset:
    """A table's checked records: in the lake, and a table of the external schema to the warehouse."""
    external = warehouse_table(names, f"lake.{source.lake_table(table)}", rows)
    return replace(external, files=Dataset(f"s3://{names.lake_bucket}", f"clean/{source.name}/{table}"))


def warehouse_table(names: Parameters, table: str, rows: int | None = None) -> Dataset:
    """A table of the warehouse, given as `schema.table`."""
    target = names.warehouse
    return Dataset(f"redshift://{target.host}:{target.port}", f"{target.database}.{table}", rows)


def search_index(names: Parameters, alias: str, rows: int | None = None) -> Dataset:
    """An index of the search domain by its alias."""
    return Dataset(f"opensearch://{urlsplit(names.search_endpoint).netloc}", alias, rows)


def graph(names: Parameters, rows: int | None = None) -> Dataset:
    """The identity graph."""
    return Dataset(f"neptune://{urlsplit(names.graph_endpoint).netloc}", "identity", rows)
