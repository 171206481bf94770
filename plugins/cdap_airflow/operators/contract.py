"""A load's rows against their contracts."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import boto3
from airflow.sdk import BaseOperator

from cdap import ingestion, lineage
from cdap.loads import Load
from cdap.mending import mended_tables
from cdap.parameters import parameters
from cdap.warehouse import Warehouse
from cdap_airflow.failures import no_retry_when_lasting
from cdap_airflow.lineage import LineageMixin
from cdap_airflow.stage_figures import record, source_of

if TYPE_CHECKING:
    from airflow.sdk import Context


class CheckContractOperator(LineageMixin, BaseOperator):
    """Writes a load's good rows, typed, to the lake and its bad ones to quarantine, and reconciles each table.

    The warehouse does the work; no row passes through the worker. Fails when rows extracted are not rows written.

    Returns the counts, one mapping a table (`cdap.contracts.TableCheck`).

    :param source: name of the source
    :param extraction: what `DmsFullLoadOperator` returned
    :param columns: what `CatalogLoadOperator` returned
    """

    template_fields: Sequence[str] = ("source", "extraction", "columns")
    ui_color = "#fdf3dc"

    def __init__(
        self, *, source: str, extraction: Mapping[str, Any], columns: Mapping[str, Any], **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.source = source
        self.extraction = extraction
        self.columns = columns

    @no_retry_when_lasting
    def execute(self, context: Context) -> list[dict[str, Any]]:
        load = Load.from_json(self.extraction["load"])
        names = parameters()
        source = source_of(self.source)
        with Warehouse.connect(names) as warehouse:
            began = time.monotonic()
            checks = ingestion.check(
                warehouse,
                names,
                source,
                load,
                {table: [(name, kind) for name, kind in columns] for table, columns in self.columns.items()},
                self.extraction["rows"],
                mended=mended_tables(boto3.client("s3"), names.lake_bucket, source, load),
            )
            record(
                context,
                warehouse,
                "check",
                load=load,
                rows_in=sum(check.rows_in for check in checks),
                rows_out=sum(check.good for check in checks),
                rows_quarantined=sum(check.bad for check in checks),
                engine_seconds=time.monotonic() - began,
            )
        for check in checks:
            self.log.info("%s: %s rows, %s good, %s quarantined", check.table, check.rows_in, check.good, check.bad)
            for reason, count in check.reasons.items():
                self.log.warning("%s: %s rows quarantined for %s", check.table, count, reason)
        self.moved(
            [lineage.raw_table(names, source, check.table) for check in checks],
            [lineage.lake_table(names, source, check.table, check.good) for check in checks]
            + [lineage.quarantine(names, source, check.table, check.bad) for check in checks if check.bad],
        )
        return [dataclasses.asdict(check) for check in checks]
