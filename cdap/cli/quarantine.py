"""`cdap quarantine`: what was set aside, and why."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from cdap.loads import quarantine_folder
from cdap.parameters import parameters
from cdap.settings import settings
from cdap.warehouse import Warehouse

app = typer.Typer(no_args_is_help=True, help="Records that broke their contract.")

EARLIEST = "0001-01-01"

QUERY = """
select r.source, r.table_name, r.day, r.load_id, r.reason, r.row_count
from ops.quarantine_reasons as r
where (%s = '' or r.source = %s) and (%s = '' or r.table_name = %s)
    and r.day >= cast(%s as date)
order by r.day desc, r.load_id desc, r.source, r.table_name, r.row_count desc
limit %s
"""


@app.callback()
def quarantine() -> None:
    """Records that broke their contract."""


@app.command("list")
def list_reasons(
    source: Annotated[str, typer.Option(help="Only this source.")] = "",
    table: Annotated[str, typer.Option(help="Only this table.")] = "",
    since: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Only loads of this day and later.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many lines.")] = 200,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Count quarantined rows by source, table, load and reason; say where they lie."""
    names = parameters(settings().parameters_prefix)
    with Warehouse.connect(names) as warehouse:
        rows = warehouse.fetch_all(
            QUERY,
            (source, source, table, table, since.date().isoformat() if since else EARLIEST, limit),
            purpose="Reading what is in quarantine",
        )
    found = [
        {
            "source": of,
            "table": name,
            "day": str(day),
            "load_id": load_id,
            "reason": reason,
            "rows": int(count),
            "folder": f"s3://{names.lake_bucket}/{quarantine_folder(of, name, day, load_id)}",
        }
        for of, name, day, load_id, reason, count in rows
    ]
    if as_json:
        typer.echo(json.dumps(found))
        return
    console = Console()
    if not found:
        console.print("Nothing is in quarantine.")
        return
    shown = Table("source", "table", "day", "reason", "rows", "folder")
    for item in found:
        shown.add_row(*(str(item[name]) for name in ("source", "table", "day", "reason", "rows", "folder")))
    console.print(shown)
    console.print("Next: correct the records at their source and land the day again with `cdap backfill --reprocess`.")
