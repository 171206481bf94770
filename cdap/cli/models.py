"""`cdap models`: dbt on the deployed warehouse, without its address and password by hand."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Annotated

import boto3
import typer
from rich.console import Console

from cdap import dbt_runs
from cdap.parameters import parameters
from cdap.settings import settings
from cdap.warehouse import read_login

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="The dbt models: build them by hand, read their documentation.",
)


@app.callback()
def models() -> None:
    """The dbt models: build them by hand, read their documentation."""


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def build(
    context: typer.Context,
    modified: Annotated[
        bool, typer.Option(help="Only models that differ from the documented state, and what is built on them.")
    ] = False,
) -> None:
    """Run `dbt build`; what follows is passed on: `cdap models build --modified --full-refresh`.

    Without `--select` or `--modified` it is the whole project, every day that was ever claimed.
    """
    chosen = settings()
    names = parameters(chosen.parameters_prefix)
    arguments = ["build", *context.args]
    with tempfile.TemporaryDirectory(prefix="cdap-dbt-") as temporary:
        folder = Path(temporary)
        if modified:
            state = folder / "state"
            dbt_runs.fetch(dbt_runs.MANIFEST, state / "manifest.json", boto3.client("s3"), names)
            arguments += ["--select", "state:modified+", "--state", str(state)]
        variables = dbt_runs.environment(names.warehouse, read_login(names.warehouse))
        dbt_runs.run_dbt(arguments, chosen.dbt_project_dir, variables, chosen.environment, folder / "target")


@app.command()
def docs(
    out: Annotated[Path, typer.Option(help="File to put the page into.", dir_okay=False)] = Path("dbt_docs.html"),
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Copy the models' documentation from the lake, one page to be looked at in a browser."""
    names = parameters(settings().parameters_prefix)
    page = dbt_runs.fetch(dbt_runs.PAGE, out.resolve(), boto3.client("s3"), names)
    if as_json:
        typer.echo(json.dumps({"page": page.as_uri(), "from": f"s3://{names.lake_bucket}/{dbt_runs.PAGE}"}))
        return
    Console().print(f"Open {page.as_uri()}", soft_wrap=True)
