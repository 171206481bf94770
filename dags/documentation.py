"""`document_models`: the dbt documentation in the lake, as the models are."""

from __future__ import annotations

from airflow.sdk import DAG, CronTriggerTimetable
from cdap_airflow.conventions import DEFAULT_ARGS
from cdap_airflow.operators.document_models import DocumentModelsOperator

DOC = """
Once a day: dbt's documentation of the models and of the tables that the warehouse holds of them, as one page in the
lake (`cdap models docs` copies it), and the manifest beside it. `cdap models build --modified` builds what differs from
that manifest.

By hand: trigger it without anything, after a deployment for instance.
"""

with DAG(
    dag_id="document_models",
    description="The models' documentation, and the state that changes are told from",
    doc_md=DOC,
    schedule=CronTriggerTimetable("0 5 * * *", timezone="UTC"),
    catchup=False,
    max_active_runs=1,
    default_args=DEFAULT_ARGS,
    tags=["operations"],
) as dag:
    DocumentModelsOperator(task_id="document")
