"""A load's folders into the Glue catalog."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.providers.amazon.aws.hooks.glue_crawler import GlueCrawlerHook
from airflow.providers.amazon.aws.hooks.s3 import S3Hook
from airflow.providers.amazon.aws.operators.base_aws import AwsBaseOperator
from airflow.providers.amazon.aws.utils.mixins import aws_template_fields

from cdap import ingestion
from cdap.errors import CdapError
from cdap.loads import Load
from cdap.parameters import parameters
from cdap.warehouse import Warehouse
from cdap_airflow.failures import no_retry_when_lasting
from cdap_airflow.stage_figures import record, source_of
from cdap_airflow.triggers.glue_crawler import GlueCrawlerReadyTrigger

if TYPE_CHECKING:
    from airflow.sdk import Context


class CatalogLoadOperator(AwsBaseOperator[GlueCrawlerHook]):
    """Compares a load's columns with the catalog, lets the crawler discover what is new, registers the raw partitions.

    The crawler runs on the first load and when columns came (its targets are set to the load's folder first, so the
    task needs the pool of the crawler); every other day costs one BatchCreatePartition a table.

    Returns the columns of the load's files, `{table: [[name, Glue type], ...]}`.

    :param source: name of the source
    :param extraction: what `DmsFullLoadOperator` returned
    :param inline_wait: seconds to wait for the crawler on the worker before deferring
    :param poll_interval: seconds between two looks at the crawler when deferred
    :param timeout: seconds after which a deferred wait fails
    """

    aws_hook_class = GlueCrawlerHook
    template_fields: Sequence[str] = aws_template_fields("source", "extraction")
    ui_color = "#e8f3e8"

    def __init__(
        self,
        *,
        source: str,
        extraction: Mapping[str, Any],
        inline_wait: float = 15,
        poll_interval: float = 10,
        timeout: float = 3600,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.source = source
        self.extraction = extraction
        self.inline_wait = inline_wait
        self.poll_interval = poll_interval
        self.timeout = timeout

    @no_retry_when_lasting
    def execute(self, context: Context) -> dict[str, Any]:
        findings = self._examine()
        if any(finding.needs_crawl for finding in findings):
            crawler = parameters().crawler
            self._await_ready(crawler)
            targets = ingestion.crawl_targets(parameters(), source_of(self.source), self._load, findings)
            self.hook.update_crawler(Name=crawler, Targets={"S3Targets": targets})
            self.hook.start_crawler(crawler)
            if not self._is_ready(crawler):
                self.defer(
                    trigger=GlueCrawlerReadyTrigger(crawler, self.poll_interval, self.aws_conn_id, self.region_name),
                    method_name="register",
                    timeout=timedelta(seconds=self.timeout),
                )
            return self.register(context, None)
        return self._register(context, 0.0)

    @no_retry_when_lasting
    def register(self, context: Context, event: dict[str, Any] | None) -> dict[str, Any]:
        """Register what was crawled; the triggerer comes back to here after a long crawl."""
        crawler = self.hook.get_crawler(parameters().crawler)
        crawl = crawler.get("LastCrawl", {})
        if crawl.get("Status") != "SUCCEEDED":
            raise CdapError(
                f"Discovering the columns of {self.source}, load {self._load.load_id}",
                f"crawler {crawler['Name']} ended {crawl.get('Status')}: {crawl.get('ErrorMessage', 'no reason')}",
                "Correct the cause and clear this task",
            )
        # To the end as seen from here: GetCrawlerMetrics knows it better, and is a permission over all crawlers.
        return self._register(context, (datetime.now(UTC) - crawl["StartTime"]).total_seconds())

    def _register(self, context: Context, engine_seconds: float) -> dict[str, Any]:
        findings = self._examine()
        partitions = ingestion.register_raw(
            self.hook.glue_client, parameters(), source_of(self.source), self._load, findings
        )
        self.log.info("%s raw partitions registered", partitions)
        rows = sum(self.extraction["rows"].values())
        with Warehouse.connect() as warehouse:
            record(
                context,
                warehouse,
                "catalog",
                load=self._load,
                rows_in=rows,
                rows_out=rows,
                engine_seconds=engine_seconds,
            )
        return {finding.table: [list(column) for column in finding.columns] for finding in findings}

    @property
    def _load(self) -> Load:
        return Load.from_json(self.extraction["load"])

    def _examine(self) -> list[ingestion.TableFinding]:
        s3 = S3Hook(aws_conn_id=self.aws_conn_id, region_name=self.region_name).conn
        return ingestion.examine(s3, self.hook.glue_client, parameters(), source_of(self.source), self._load)

    def _await_ready(self, crawler: str) -> None:
        """A crawl that a killed attempt left running must end before the targets can change."""
        for _ in range(8):
            if self._is_ready(crawler):
                return
        raise CdapError(
            f"Preparing crawler {crawler} for {self.source}",
            "it still runs on behalf of an earlier attempt",
            "Clear this task when the crawler is READY",
        )

    def _is_ready(self, crawler: str) -> bool:
        deadline = time.monotonic() + self.inline_wait
        pause = 0.2
        while self.hook.get_crawler(crawler)["State"] != "READY":
            if time.monotonic() > deadline:
                return False
            time.sleep(pause)
            pause = min(pause * 1.5, 2)
        return True
