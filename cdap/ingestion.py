"""The stages of one load after its extraction: catalog, check, publish. Each is safe to run again for the same load."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from cdap import ledger
from cdap.catalog import (
    Columns,
    Partition,
    SchemaChange,
    discovered_columns,
    ensure_clean_table,
    ensure_table,
    raw_columns,
    register_partitions,
    retract_partitions,
    schema_change,
    table_columns,
)
from cdap.config import Source
from cdap.contracts import TableCheck, check_table
from cdap.errors import SchemaChangeError
from cdap.loads import Load, clean_folder, raw_folder
from cdap.parameters import Parameters
from cdap.warehouse import Warehouse


@dataclass(frozen=True)
class TableFinding:
    """What a load holds of one table; `columns` is empty when the extraction wrote no file."""

    table: str
    columns: Columns
    change: SchemaChange | None

    @property
    def needs_crawl(self) -> bool:
        """Whether the crawler has to discover the table: it is new, or has columns that the catalog does not know."""
        return self.change is not None and self.change.kind != "same"


def examine(s3: Any, glue: Any, parameters: Parameters, source: Source, load: Load) -> list[TableFinding]:
    """Reads the columns of a load's files and compares them with catalog and contract; changes nothing.

    Raises SchemaChangeError for a change that cannot be taken, CdapError for a file that cannot be read.
    """
    findings = []
    for table in source.tables:
        columns = raw_columns(s3, parameters.lake_bucket, raw_folder(source, load.load_id, table))
        change = None
        if columns:
            known = table_columns(glue, parameters.raw_database, source.lake_table(table))
            change = schema_change(source, table, known, columns, load)
        findings.append(TableFinding(table, columns, change))
    return findings


def crawl_targets(
    parameters: Parameters, source: Source, load: Load, findings: Sequence[TableFinding]
) -> list[dict[str, str]]:
    """S3 targets for the crawler, one for each table that it has to discover: the table's folder of the load.

    A target a table, and not their common folder, since a crawler takes folders of like schema under one target for
    partitions of one table (AWS Glue: How does a crawler determine when to create partitions?).
    """
    return [
        {"Path": f"s3://{parameters.lake_bucket}/{raw_folder(source, load.load_id, finding.table)}"}
        for finding in findings
        if finding.needs_crawl
    ]


def register_raw(
    glue: Any, parameters: Parameters, source: Source, load: Load, findings: Sequence[TableFinding]
) -> int:
    """Creates or widens the raw tables and points the load's partition at its folders; returns the partitions.

    New tables and columns are taken as the crawler discovered them. Raises SchemaChangeError when it discovered
    something else than the files' own footers say, or nothing.
    """
    registered = 0
    for finding in findings:
        if finding.change is None:
            continue
        folder = raw_folder(source, load.load_id, finding.table)
        name = source.lake_table(finding.table)
        if finding.needs_crawl:
            _compare_with_crawler(glue, parameters, source, load, finding, folder)
            ensure_table(
                glue,
                parameters.raw_database,
                name,
                finding.change.columns,
                f"s3://{parameters.lake_bucket}/raw/{source.name}/",
                source.tables[finding.table].description,
            )
        registered += register_partitions(
            glue,
            parameters.raw_database,
            name,
            parameters.lake_bucket,
            [Partition(load.last_day.isoformat(), load.load_id, folder)],
        )
    return registered


def _compare_with_crawler(
    glue: Any, parameters: Parameters, source: Source, load: Load, finding: TableFinding, folder: str
) -> None:
    discovered = discovered_columns(glue, parameters.discovered_database, parameters.lake_bucket, folder)
    if discovered is not None and dict(discovered) == dict(finding.columns):
        return
    found = "nothing" if discovered is None else f"columns {dict(discovered)}"
    raise SchemaChangeError(
        f"Discovering {source.name}.{finding.table}, partition dt={load.last_day} load={load.load_id}",
        f"the crawler found {found} in {folder}, the files' footers say {dict(finding.columns)}",
        f"Look at the last run of crawler {parameters.crawler}, then clear this task",
    )


def check(
    warehouse: Warehouse,
    parameters: Parameters,
    source: Source,
    load: Load,
    findings: Mapping[str, Columns],
    extracted: Mapping[str, int],
    *,
    mended: Collection[str] = (),
) -> list[TableCheck]:
    """Checks every table of a load against its contract and reconciles each (`cdap.contracts.check_table`).

    `findings` are the columns of the load's files by table, `extracted` the rows that the extraction says it wrote,
    `mended` the tables of which records have been mended since (`cdap.mending`).
    """
    return [
        check_table(
            warehouse,
            source,
            table,
            findings.get(table, []),
            load,
            extracted.get(table, 0),
            bucket=parameters.lake_bucket,
            role_arn=parameters.warehouse.role_arn,
            mended=table in mended,
        )
        for table in source.tables
    ]


def publish(
    glue: Any,
    warehouse: Warehouse,
    parameters: Parameters,
    source: Source,
    load: Load,
    checks: Sequence[TableCheck],
    run_id: str,
    now: datetime,
    *,
    again: bool = False,
) -> int:
    """Points the clean tables' partitions at the load's good rows and enters it into the ledger; returns the days.

    Until the ledger has the load no reader sees it: staging reads only loads that the ledger holds. `again` makes the
    load's days pending though their counts are what they were.
    """
    database, bucket = parameters.clean_database, parameters.lake_bucket
    for checked in checks:
        name = source.lake_table(checked.table)
        ensure_clean_table(glue, database, bucket, source, checked.table)
        retract_partitions(glue, database, name, load.load_id, checked.days)
        partitions = [
            Partition(
                day, load.load_id, clean_folder(source.name, checked.table, load.load_id, date.fromisoformat(day))
            )
            for day in checked.days
        ]
        register_partitions(glue, database, name, bucket, partitions)
    ledger.record_load(warehouse, source, load, run_id, checks, now, again=again)
    return len(load.window.days())
