"""Puts extracted files where a source's service would, and takes loads through the stages."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from cdap import ingestion
from cdap.config import Source
from cdap.contracts import TableCheck
from cdap.loads import Load, quarantine_folder, raw_folder
from cdap.parameters import Parameters
from cdap.warehouse import Warehouse

NOW = datetime(2026, 11, 4, 2, tzinfo=UTC)


class Lake:
    """A source's way through the real catalog and warehouse."""

    def __init__(self, s3: Any, glue: Any, warehouse: Warehouse, names: Parameters, source: Source) -> None:
        self.s3, self.glue, self.warehouse, self.names, self.source = s3, glue, warehouse, names, source

    def land(self, load: Load, table: str, rows: list[dict[str, Any]], schema: pa.Schema) -> int:
        buffer = io.BytesIO()
        pq.write_table(pa.Table.from_pylist(rows, schema=schema), buffer)
        key = raw_folder(self.source, load.load_id, table) + "LOAD00000001.parquet"
        self.s3.put_object(Bucket=self.names.lake_bucket, Key=key, Body=buffer.getvalue())
        return len(rows)

    def catalog(self, load: Load) -> list[ingestion.TableFinding]:
        findings = ingestion.examine(self.s3, self.glue, self.names, self.source, load)
        if any(finding.needs_crawl for finding in findings):
            self.crawl(ingestion.crawl_targets(self.names, self.source, load, findings))
        ingestion.register_raw(self.glue, self.names, self.source, load, findings)
        return findings

    def crawl(self, targets: list[dict[str, str]]) -> None:
        crawler = self.names.crawler
        self.glue.update_crawler(Name=crawler, Targets={"S3Targets": targets})
        self.glue.start_crawler(Name=crawler)
        deadline = time.monotonic() + 60
        while (state := self.glue.get_crawler(Name=crawler)["Crawler"])["State"] != "READY":
            assert time.monotonic() < deadline
            time.sleep(0.1)
        assert state["LastCrawl"]["Status"] == "SUCCEEDED", state["LastCrawl"]

    def check(self, load: Load, extracted: dict[str, int], mended: Collection[str] = ()) -> list[TableCheck]:
        findings = self.catalog(load)
        columns = {finding.table: finding.columns for finding in findings}
        return ingestion.check(self.warehouse, self.names, self.source, load, columns, extracted, mended=mended)

    def publish(self, load: Load, checks: list[TableCheck]) -> int:
        return ingestion.publish(self.glue, self.warehouse, self.names, self.source, load, checks, "run", NOW)

    def keys(self, folder: str) -> list[str]:
        listed = self.s3.list_objects_v2(Bucket=self.names.lake_bucket, Prefix=folder)
        return [item["Key"] for item in listed.get("Contents", ())]

    def quarantined(self, table: str, load: Load) -> list[dict[str, Any]]:
        rows = []
        for key in self.keys(quarantine_folder(self.source.name, table, load.last_day, load.load_id)):
            text = self.s3.get_object(Bucket=self.names.lake_bucket, Key=key)["Body"].read().decode()
            rows += [json.loads(line) for line in text.splitlines()]
        return rows
