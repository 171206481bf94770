"""`cdap sources`: what follows from the files in config/sources."""

from __future__ import annotations

import json
from typing import Annotated

import typer
from rich.console import Console

from cdap import dbt_models
from cdap.config import load_sources
from cdap.identity import load_identity_config
from cdap.settings import settings

console = Console(stderr=True)
app = typer.Typer(help="What follows from the files in config/sources.", no_args_is_help=True, add_completion=False)


@app.callback()
def sources() -> None:
    """What follows from the files in config/sources."""


@app.command()
def generate(as_json: Annotated[bool, typer.Option("--json", help="Print the changed files as JSON")] = False) -> None:
    """Write the dbt models of the sources (staging, records of persons, their documentation), and dbt's manifest."""
    project = settings().dbt_project_dir
    changed = [
        str(path.relative_to(project))
        for path in dbt_models.refresh(
            load_sources(settings().config_dir), load_identity_config(settings().config_dir / "identity.yaml"), project
        )
    ]
    if as_json:
        typer.echo(json.dumps({"changed": changed}))
        return
    for path in changed:
        console.print(path, highlight=False)
    console.print(f"{len(changed)} files changed. Next: [b]cdap deploy[/b]" if changed else "Everything is up to date.")
