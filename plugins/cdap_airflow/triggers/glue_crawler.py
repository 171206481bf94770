"""Waiting for a Glue crawler without a worker."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from airflow.providers.amazon.aws.hooks.glue_crawler import GlueCrawlerHook
from airflow.triggers.base import BaseTrigger, TriggerEvent


class GlueCrawlerReadyTrigger(BaseTrigger):
    """Fires when a crawler is READY again, however its crawl ended.

    The provider's trigger needs aiobotocore, which pins botocore; see `cdap_airflow.triggers.dms`.

    :param crawler_name: the crawler
    :param poll_interval: seconds between two GetCrawler
    :param aws_conn_id: the Airflow connection of AWS
    :param region_name: the region; None for the connection's
    """

    def __init__(
        self,
        crawler_name: str,
        poll_interval: float = 5,
        aws_conn_id: str | None = "aws_default",
        region_name: str | None = None,
    ) -> None:
        super().__init__()
        self.crawler_name = crawler_name
        self.poll_interval = poll_interval
        self.aws_conn_id = aws_conn_id
        self.region_name = region_name

    def serialize(self) -> tuple[str, dict[str, Any]]:
        return (
            f"{type(self).__module__}.{type(self).__qualname__}",
            {
                "crawler_name": self.crawler_name,
                "poll_interval": self.poll_interval,
                "aws_conn_id": self.aws_conn_id,
                "region_name": self.region_name,
            },
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        hook = GlueCrawlerHook(aws_conn_id=self.aws_conn_id, region_name=self.region_name)
        while True:
            crawler = await asyncio.to_thread(hook.get_crawler, self.crawler_name)
            if crawler["State"] == "READY":
                yield TriggerEvent({"status": "READY"})
                return
            await asyncio.sleep(self.poll_interval)
