"""Pools: where a service takes one run at a time.

`python -m cdap_airflow.pools` prints what `airflow pools import` takes; `cdap backfill` makes those that are missing by
the REST API.
"""

from __future__ import annotations

import json
import sys

from cdap.airflow_api import CRAWLER_POOL, extraction_pool, pools
from cdap.config import load_sources
from cdap.settings import settings

__all__ = ["CRAWLER_POOL", "extraction_pool", "pools"]


def main() -> None:
    """Print the pools of the configured sources as JSON."""
    wanted = pools(load_sources(settings().config_dir))
    json.dump(
        {
            pool.name: {
                "slots": pool.slots,
                "description": pool.description,
                "include_deferred": pool.include_deferred,
            }
            for pool in wanted
        },
        sys.stdout,
        indent=2,
    )
    print()


if __name__ == "__main__":
    main()
