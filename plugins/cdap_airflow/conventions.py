"""What every DAG of the platform has in common."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import Asset

OWNER = "customer-data"

# A transient failure is tried again soon, a lasting one not for ever: 10 s, 20 s, then it is a person's turn.
DEFAULT_ARGS: dict[str, Any] = {
    "owner": OWNER,
    "retries": 2,
    "retry_delay": timedelta(seconds=10),
    "retry_exponential_backoff": True,
    "max_retry_delay": timedelta(minutes=5),
    "execution_timeout": timedelta(hours=1),
}


def landed_asset(source: str) -> Asset:
    """The asset whose events say that a day of the source has landed in the lake."""
    return Asset(name=f"landed_{source}", uri=f"cdap://lake/clean/{source}")
