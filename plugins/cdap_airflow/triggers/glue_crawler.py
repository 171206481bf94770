"""Waiting for a Glue crawler without a worker."""

from __future__ import annotations

from typing import Any

from airflow.providers.amazon.aws.hooks.glue_crawler import GlueCrawlerHook

from cdap_airflow.triggers.polling import PollingTrigger


class GlueCrawlerReadyTrigger(PollingTrigger):
    """Fires when a crawler is READY again, however its crawl ended.

    :param crawler_name: the crawler
    """

    parameters = ("crawler_name",)

    def __init__(
        self,
        crawler_name: str,
        poll_interval: float = 5,
        aws_conn_id: str | None = "aws_default",
        region_name: str | None = None,
    ) -> None:
        super().__init__(poll_interval, aws_conn_id, region_name)
        self.crawler_name = crawler_name

    def look(self) -> dict[str, Any] | None:
        hook = GlueCrawlerHook(aws_conn_id=self.aws_conn_id, region_name=self.region_name)
        return {"status": "READY"} if hook.get_crawler(self.crawler_name)["State"] == "READY" else None
