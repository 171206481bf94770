"""Waiting without a worker for something that is asked for its state every few seconds."""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import AsyncIterator
from typing import Any

from airflow.triggers.base import BaseTrigger, TriggerEvent


class PollingTrigger(BaseTrigger):
    """Fires when `look` finds something. A subclass names its own parameters as attributes and in `parameters`.

    The provider's own triggers need aiobotocore, which pins botocore, and have none for some services; the SDK's own
    client in a thread does for a poll every few seconds.

    :param poll_interval: seconds between two looks
    :param aws_conn_id: the Airflow connection of AWS
    :param region_name: the region; None for the connection's
    """

    parameters: tuple[str, ...] = ()

    def __init__(
        self, poll_interval: float = 5, aws_conn_id: str | None = "aws_default", region_name: str | None = None
    ) -> None:
        super().__init__()
        self.poll_interval = poll_interval
        self.aws_conn_id = aws_conn_id
        self.region_name = region_name

    @abstractmethod
    def look(self) -> dict[str, Any] | None:
        """The event to fire with, None while there is none. Runs in a thread."""

    def serialize(self) -> tuple[str, dict[str, Any]]:
        names = (*self.parameters, "poll_interval", "aws_conn_id", "region_name")
        return f"{type(self).__module__}.{type(self).__qualname__}", {name: getattr(self, name) for name in names}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        while (found := await asyncio.to_thread(self.look)) is None:
            await asyncio.sleep(self.poll_interval)
        yield TriggerEvent(found)
