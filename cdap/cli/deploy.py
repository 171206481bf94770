"""`cdap deploy`: the infrastructure and the warehouse's migrations, into whatever account the SDK's settings name."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Annotated

import boto3
import typer
from rich.console import Console
from rich.table import Table

from cdap import dbt_models
from cdap.config import load_environment, load_sources
from cdap.deployment import deploy_stack, synthesise
from cdap.identity import load_identity_config
from cdap.migrations import apply
from cdap.settings import PROJECT_DIR, settings
from cdap.warehouse import Warehouse

console = Console(stderr=True)


def deploy(
    environment: Annotated[str | None, typer.Option(help="A file of config/environments/, without .yaml")] = None,
    out: Annotated[Path, typer.Option(help="Where the templates are written")] = Path("cdk.out"),
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON")] = False,
) -> None:
    """Deploy the stacks that the environment names, then apply the migrations to its warehouse."""
    name = environment or settings().environment
    deployment = load_environment(settings().config_dir, name)
    session = boto3.Session(region_name=deployment.region)
    account = session.client("sts").get_caller_identity()["Account"]
    console.print(f"Deploying environment [b]{name}[/b] into account {account}, region {session.region_name}")
    with console.status("writing the sources' dbt models"):
        models = dbt_models.refresh(
            load_sources(settings().config_dir),
            load_identity_config(settings().config_dir / "identity.yaml"),
            settings().dbt_project_dir,
        )
    with console.status("synthesising the templates"):
        templates = synthesise(PROJECT_DIR, settings().config_dir, name, account, out.resolve())
    results = []
    for stack in (f"cdap-{part}" for part in deployment.stacks):
        with console.status(f"deploying {stack}") as status:
            results.append(deploy_stack(session, stack, templates[stack], lambda line: status.update(line)))
    with console.status("applying migrations"), Warehouse.connect() as warehouse:
        applied = apply(warehouse)
    if as_json:
        typer.echo(json.dumps({"stacks": [dataclasses.asdict(result) for result in results], "migrations": applied}))
        return
    table = Table("stack", "action", "status", "resources", "seconds")
    for result in results:
        table.add_row(result.name, result.action, result.status, str(result.resources), f"{result.seconds}")
    console.print(table)
    if models:
        console.print(
            f"{len(models)} files of the dbt project changed with the sources: Airflow reads the new manifest"
        )
    console.print(f"Migrations applied: {', '.join(applied) if applied else 'none pending'}")
    for result in results:
        for key, value in result.outputs.items():
            console.print(f"[dim]{result.name} {key}:[/dim] {value}", soft_wrap=True)
    console.print("Next: start Airflow with the task role, then [b]cdap backfill --from DAY --to DAY[/b]")
