"""The `cdap` command."""

from __future__ import annotations

import json
import sys

import typer
from botocore.exceptions import BotoCoreError, ClientError
from rich.console import Console
from rich.text import Text

from cdap.cli.lazy import lazy_group
from cdap.errors import CdapError

# A command's name, and where its function or its own group (a typer.Typer) is.
COMMANDS = {
    "deploy": "cdap.cli.deploy:deploy",
    "migrate": "cdap.cli.migrate:migrate",
    "sources": "cdap.cli.sources:app",
    "backfill": "cdap.cli.backfill:backfill",
    "profile": "cdap.cli.profile:app",
    "identity": "cdap.cli.identity:app",
    "quarantine": "cdap.cli.quarantine:app",
    "quality": "cdap.cli.quality:app",
    "models": "cdap.cli.models:app",
    "report": "cdap.cli.report:app",
}


app = typer.Typer(
    cls=lazy_group(COMMANDS),
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)


@app.callback()
def cdap() -> None:
    """Customer Data Analytics Platform: one trustworthy profile per customer, every day."""


def main() -> None:
    """Runs the command. Exits with 0, with 1 after an error that is reported, with 2 when it was called wrongly."""
    try:
        app()
    except (CdapError, BotoCoreError, ClientError) as error:
        report_error(error, as_json="--json" in sys.argv)
        raise SystemExit(1) from None


def report_error(error: Exception, *, as_json: bool) -> None:
    """Writes cause and next step to standard error, as a JSON object when the command's output is JSON."""
    if isinstance(error, CdapError):
        parts = {"doing": error.doing, "found": error.found, "next_step": error.next_step}
    else:
        parts = {"doing": "Asking AWS", "found": str(error), "next_step": "Check endpoint, region and permissions"}
    if as_json:
        print(json.dumps({"error": parts}), file=sys.stderr)
        return
    console = Console(stderr=True)
    console.print(Text.assemble(("Error: ", "bold red"), (parts["doing"], "bold")), soft_wrap=True)
    console.print(Text(f"  cause: {parts['found']}"), soft_wrap=True)
    console.print(Text(f"  next:  {parts['next_step']}"), soft_wrap=True)
