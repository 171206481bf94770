"""`train_identity`: a new model of which records are of one person."""

from __future__ import annotations

from datetime import timedelta

from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
from airflow.sdk import DAG
from cdap_airflow.conventions import DEFAULT_ARGS
from cdap_airflow.operators.train_identity import TrainIdentityOperator

from cdap.airflow_api import STATE_DAG

DOC = """
Trains a model on all records that there are and makes it the one by which they are compared, then lets `build_profiles`
resolve them anew. Customers whose records stay together keep their ids, the others get events that name the model.

Daily runs only score. A model is trained by itself when there is none, when `compare` in `config/identity.yaml` has
changed, and when there are `retrain_when_grown` times the records that it was trained on; trigger this when the records
have changed in kind: a new source, another country.
"""

with DAG(
    dag_id="train_identity",
    description="A new model of which records are of one person",
    doc_md=DOC,
    schedule=None,
    catchup=False,
    max_active_runs=1,
    default_args=DEFAULT_ARGS,
    tags=["identity"],
) as dag:
    train = TrainIdentityOperator(task_id="train", execution_timeout=timedelta(hours=4))
    build = TriggerDagRunOperator(task_id="build_profiles", trigger_dag_id=STATE_DAG, conf={"rebuild": True})
    train >> build
