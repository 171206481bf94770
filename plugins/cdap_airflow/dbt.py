"""How the DAGs run dbt: through Astronomer Cosmos, each model a task."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cosmos import ExecutionConfig, ExecutionMode, ProfileConfig, ProjectConfig, RenderConfig
from cosmos.constants import LoadMode, TestBehavior
from cosmos.profiles.base import DbtProfileConfigVars

from cdap.errors import CdapError
from cdap.settings import settings
from cdap_airflow.dbt_figures import record_dbt
from cdap_airflow.warehouse_profile import WarehouseProfileMapping


def dbt_models(stage: str, select: Sequence[str], exclude: Sequence[str] = ()) -> dict[str, Any]:
    """The arguments of a `DbtTaskGroup` that runs a part of the project as one stage.

    Rendered from the manifest, so that parsing the DAG starts no dbt; raises CdapError when there is none. Run in
    WATCHER mode: one dbt invocation builds the part, a sensor a model shows it (docs/decisions/dbt-by-watcher.md). Its
    first task skips on a second attempt; the models' tasks then run their model themselves, so all may be cleared.
    """
    project = settings().dbt_project_dir
    manifest = project / "target" / "manifest.json"
    if not manifest.exists():
        raise CdapError(
            f"Rendering the dbt models of stage {stage}",
            f"{manifest} is not there",
            "Make it with `make dbt_project/target/manifest.json`",
        )
    return {
        "project_config": ProjectConfig(
            dbt_project_path=project,
            manifest_path=manifest,
            install_dbt_deps=False,
        ),
        "profile_config": ProfileConfig(
            profile_name="cdap",
            target_name=settings().environment,
            profile_mapping=WarehouseProfileMapping(
                profile_args={"schema": "staging", "threads": 4, "connect_timeout": 30, "retries": 3, "ra3_node": True},
                dbt_config_vars=DbtProfileConfigVars(send_anonymous_usage_stats=False),
            ),
        ),
        "execution_config": ExecutionConfig(
            execution_mode=ExecutionMode.WATCHER,
            # Unit tests say nothing about today's data; they run where the models change.
            setup_operator_args={"dbt_cmd_flags": ["--exclude-resource-type", "unit_test"]},
        ),
        "render_config": RenderConfig(
            load_method=LoadMode.DBT_MANIFEST,
            select=list(select),
            exclude=list(exclude),
            test_behavior=TestBehavior.AFTER_EACH,
            emit_datasets=False,
        ),
        "operator_args": {
            "vars": {"state_run": "{{ run_id }}"},
            "install_deps": False,
            "poke_interval": 1,
            "callback": record_dbt,
            "callback_args": {"stage": stage},
        },
    }
