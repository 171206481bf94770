"""`build_profiles`: all that has landed, to one profile a customer in the search index."""

from __future__ import annotations

from datetime import timedelta
from functools import reduce
from operator import or_

from airflow.sdk import DAG, Asset, FixedKeyMapper, Param, PartitionedAssetTimetable
from cdap_airflow.conventions import DEFAULT_ARGS, landed_asset
from cdap_airflow.dbt import dbt_models
from cdap_airflow.operators.apply_loads import ApplyLoadsOperator
from cdap_airflow.operators.check_profiles import CheckProfilesOperator
from cdap_airflow.operators.claim_loads import ClaimLoadsOperator
from cdap_airflow.operators.expectations import ValidateExpectationsOperator
from cdap_airflow.operators.publish_graph import PublishGraphOperator
from cdap_airflow.operators.publish_profiles import PublishProfilesOperator
from cdap_airflow.operators.resolve_identity import ResolveIdentityOperator
from cosmos import DbtTaskGroup

from cdap.airflow_api import STATE_DAG, STATE_KEY
from cdap.config import load_sources
from cdap.settings import settings

DOC = """
One chain over all that has landed, one run at a time. `claim` takes every landed day of the ledger that no run has
applied, and skips the run when there is none; `warehouse` are the dbt models of staging and up to
`int_identity_records`; `identity` gives each record its customer; `graph` brings the identity graph in Neptune to the
same; `marts` are the dbt models over the customers; `check` compares the counts of the hops; `expectations` runs the
Great Expectations suites, and a critical one that fails keeps the last good profiles in the index; `publish` sends the
documents that changed to the search index; `applied` marks the days.

Starts when a day of any source has landed; many events may be one run, since the ledger says what is pending. By hand:
trigger it without anything. Every task may be cleared: a cleared run works on its own days again. While it is paused,
events of landed days start no run later; trigger it once after unpausing. With `rebuild` it also runs when no day is
waiting: for a new identity model, a steward's decision, or a changed configuration.
"""

# Staging is built whole: a table that no model reads yet is still there to be queried.
WAREHOUSE = ["path:models/staging", "+int_identity_records"]

with DAG(
    dag_id=STATE_DAG,
    description="One profile a customer from all that has landed",
    doc_md=DOC,
    # Any source's event and not all of them: a day of one source that runs again must be enough.
    schedule=PartitionedAssetTimetable(
        assets=reduce(or_, (landed_asset(name) for name in load_sources(settings().config_dir))),
        default_partition_mapper=FixedKeyMapper(STATE_KEY),
    ),
    catchup=False,
    max_active_runs=1,
    params={"rebuild": Param(False, type="boolean", description="Run also when no landed day is waiting")},
    default_args=DEFAULT_ARGS,
    tags=["profiles"],
) as dag:
    claim = ClaimLoadsOperator(task_id="claim")
    warehouse = DbtTaskGroup(group_id="warehouse", **dbt_models("warehouse", select=WAREHOUSE))
    identity = ResolveIdentityOperator(task_id="identity", execution_timeout=timedelta(hours=4))
    graph = PublishGraphOperator(task_id="graph", execution_timeout=timedelta(hours=4))
    marts = DbtTaskGroup(group_id="marts", **dbt_models("marts", select=["+path:models/marts"], exclude=WAREHOUSE))
    check = CheckProfilesOperator(task_id="check")
    expectations = ValidateExpectationsOperator(task_id="expectations", execution_timeout=timedelta(hours=2))
    publish = PublishProfilesOperator(task_id="publish", execution_timeout=timedelta(hours=4))
    # An outlet of its own: Cosmos emits asset aliases, which partitioned timetables do not take.
    applied = ApplyLoadsOperator(task_id="applied", outlets=[Asset(name="profiles", uri="cdap://search/profiles")])

    claim >> warehouse >> identity >> marts >> [check, expectations] >> publish >> applied
    identity >> graph >> applied
