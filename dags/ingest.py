"""`ingest_<source>`: one day of one source, from its system to the lake. One DAG for each file in config/sources/."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import NamedTuple

from airflow.sdk import DAG, Asset, BaseOperator, CronPartitionTimetable, Param
from cdap_airflow.conventions import DEFAULT_ARGS, landed_asset
from cdap_airflow.operators.appflow import AppflowExtractOperator
from cdap_airflow.operators.catalog import CatalogLoadOperator
from cdap_airflow.operators.contract import CheckContractOperator
from cdap_airflow.operators.dms import DmsFullLoadOperator
from cdap_airflow.operators.publish_load import PublishLoadOperator
from cdap_airflow.pools import CRAWLER_POOL, extraction_pool

from cdap.config import Source, load_sources
from cdap.settings import settings

DOC = """
{description}

A run works on the day that is its partition key, in time zone {timezone}: `land` extracts it by {service} into a
folder of its own, `catalog` registers that folder, `check` writes good rows to the lake and bad ones to quarantine,
`publish` makes the load visible and tells `build_profiles`. Days run in any order and again; every task may be cleared.

History: `cdap backfill --from DAY --to DAY --source {name}`. One day by hand: trigger with a partition key
(YYYY-MM-DD) or with the param `day`.
"""


class Extraction(NamedTuple):
    """How sources of one kind are extracted."""

    service: str
    operator: type[BaseOperator]


EXTRACTIONS = {
    "dms": Extraction("DMS", DmsFullLoadOperator),
    "appflow": Extraction("AppFlow", AppflowExtractOperator),
}


def ingest(source: Source, landed: Asset) -> DAG:
    """The day stage of one source."""
    with DAG(
        dag_id=f"ingest_{source.name}",
        description=source.description,
        doc_md=DOC.format(
            description=source.description,
            timezone=source.timezone,
            name=source.name,
            service=EXTRACTIONS[source.kind].service,
        ),
        # At midnight, the day that has just ended; a backfill makes one run a day
        # (docs/decisions/days-and-state-in-airflow.md).
        schedule=CronPartitionTimetable("0 0 * * *", timezone=source.timezone, run_offset=-1, key_format="%Y-%m-%d"),
        # Holds back only what the schedule starts: a backfill goes to any day.
        start_date=midnight(settings().daily_from, source),
        catchup=False,
        max_active_runs=4,
        default_args=DEFAULT_ARGS,
        tags=["ingest", source.kind, source.name],
        params={
            "day": Param(
                None,
                type=["null", "string"],
                format="date",
                title="Day",
                description="The day to extract when the run is triggered without a partition key, YYYY-MM-DD",
            ),
            "first_day": Param(
                None,
                type=["null", "string"],
                format="date",
                title="First day",
                description="Extract all days from this one to the run's day as one load, YYYY-MM-DD",
            ),
        },
    ) as dag:
        land = EXTRACTIONS[source.kind].operator(
            task_id="land", source=source.name, pool=extraction_pool(source.name), execution_timeout=timedelta(hours=6)
        )
        catalog = CatalogLoadOperator(task_id="catalog", source=source.name, extraction=land.output, pool=CRAWLER_POOL)
        check = CheckContractOperator(
            task_id="check", source=source.name, extraction=land.output, columns=catalog.output
        )
        PublishLoadOperator(
            task_id="publish",
            source=source.name,
            extraction=land.output,
            checks=check.output,
            outlets=[landed],
        )
    return dag


def midnight(day: date | None, source: Source) -> datetime | None:
    """The instant at which a day begins for the source."""
    return None if day is None else datetime.combine(day, time.min, tzinfo=source.zone)


for _source in load_sources(settings().config_dir).values():
    globals()[f"ingest_{_source.name}"] = ingest(_source, landed_asset(_source.name))
