"""`cdap migrate`: brings the warehouse's own tables up to the release."""

from __future__ import annotations

import json
from typing import Annotated

import typer
from rich.console import Console

from cdap.migrations import apply
from cdap.parameters import parameters
from cdap.settings import settings
from cdap.warehouse import Warehouse


def migrate(
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Apply the migrations that the warehouse does not have yet."""
    names = parameters(settings().parameters_prefix)
    with Warehouse.connect(names) as warehouse:
        applied = apply(warehouse, names)
    if as_json:
        typer.echo(json.dumps({"applied": applied}))
        return
    console = Console()
    for label in applied:
        console.print(f"applied {label}")
    console.print(f"{len(applied)} applied. Next: `cdap backfill --from DAY --to DAY`" if applied else "Nothing to do.")
