"""`check_freshness`: an alert when a source or the published profiles are behind."""

from __future__ import annotations

from airflow.sdk import DAG, CronTriggerTimetable
from cdap_airflow.conventions import DEFAULT_ARGS
from cdap_airflow.operators.freshness import CheckFreshnessOperator

DOC = """
Every six hours: has each source landed the day that it should have (`fresh_within` in its file), and has what landed
been published? What is behind goes as one message to the topic `cdap-alerts`, and the run fails so that it shows here.
It asks the ledger: a DAG that is paused, or whose scheduler is down, has no run that could be late.

By hand: trigger it without anything.
"""

with DAG(
    dag_id="check_freshness",
    description="Alerts when a source or the profiles are behind",
    doc_md=DOC,
    # Without a start date the first run is at the next full hour of the schedule, not at once on an empty ledger.
    schedule=CronTriggerTimetable("0 */6 * * *", timezone="UTC"),
    catchup=False,
    max_active_runs=1,
    default_args=DEFAULT_ARGS,
    tags=["operations"],
) as dag:
    CheckFreshnessOperator(task_id="check")
