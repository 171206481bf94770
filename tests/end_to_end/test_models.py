"""The models' documentation in the lake, and building what has changed since it was written."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from tests.end_to_end.rest import wait_for
from tests.end_to_end.world import PROJECT, World

DAG = "document_models"


def built(output: str) -> set[str]:
    """Names of the models that dbt says it made."""
    return set(re.findall(r"OK created sql \w+ model \w+\.(\w+)", output))


def test_a_changed_model_and_what_follows_from_it_are_built_and_nothing_else(world: World, tmp_path: Path) -> None:
    run = world.airflow.post(f"/dags/{DAG}/dagRuns", {"logical_date": None})["dag_run_id"]
    wait_for("the documentation", lambda: world.airflow.tasks(DAG, run)["document"]["state"] in ("success", "failed"))
    task = world.airflow.tasks(DAG, run)["document"]
    assert task["state"] == "success", world.airflow.log(DAG, run, "document", task["try_number"])

    page = tmp_path / "models.html"
    told = world.machine.cdap("models", "docs", "--out", str(page))
    assert told["page"] == page.as_uri()
    text = page.read_text(encoding="utf-8")
    assert "model.cdap.customer_profile" in text and "One row a customer" in text

    project = tmp_path / "dbt_project"
    shutil.copytree(PROJECT / "dbt_project", project, ignore=shutil.ignore_patterns("target", "logs"))
    changed = world.machine.platform | {"CDAP_DBT_PROJECT_DIR": str(project)}
    assert built(world.machine.run("cdap", "models", "build", "--modified", env=changed)) == set()

    model = project / "models" / "marts" / "dim_customer.sql"
    model.write_text(model.read_text(encoding="utf-8") + "\n-- changed\n", encoding="utf-8")
    assert built(world.machine.run("cdap", "models", "build", "--modified", env=changed)) == {
        "dim_customer", "customer_profile",
    }  # fmt: skip
    assert world.content() == world.first
