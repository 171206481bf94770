"""`cdap quality`: what the Great Expectations suites found."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import boto3
import typer
from rich.console import Console

from cdap.parameters import parameters
from cdap.quality.docs import DocsStore
from cdap.settings import settings

app = typer.Typer(no_args_is_help=True, add_completion=False, help="What is expected of the data, and what was found.")


@app.callback()
def quality() -> None:
    """What is expected of the data, and what was found."""


@app.command()
def docs(
    out: Annotated[Path, typer.Option(help="Folder to put the pages into.", file_okay=False)] = Path("data_docs"),
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Copy the Data Docs of the last runs from the lake, to be looked at in a browser."""
    names = parameters(settings().parameters_prefix)
    store = DocsStore(boto3.client("s3"), names.lake_bucket, names.quality_prefix)
    first = store.download(out.resolve())
    if as_json:
        typer.echo(json.dumps({"index": first.as_uri(), "from": store.index}))
        return
    Console().print(f"Open {first.as_uri()}", soft_wrap=True)
