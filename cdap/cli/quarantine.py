"""`cdap quarantine`: what was set aside, and why."""

from __future__ import annotations

import dataclasses
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import boto3
import typer
from rich.console import Console
from rich.table import Table

from cdap import ledger
from cdap.airflow_api import STATE_DAG, STATE_KEY, AirflowApi
from cdap.config import Source, load_source
from cdap.errors import CdapError
from cdap.loads import quarantine_folder
from cdap.mending import put_back, quarantined, read_mended
from cdap.parameters import parameters
from cdap.settings import settings
from cdap.warehouse import Warehouse

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Records that broke their contract.")

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
    console.print(
        "Next: correct the records at their source and land the day again with `cdap backfill --reprocess`, or mend "
        "them here: `cdap quarantine export`, then `cdap quarantine replay`."
    )


@app.command()
def export(
    source: Annotated[str, typer.Option(help="The source whose records are written.")],
    out: Annotated[Path, typer.Option(help="File to write, a JSON object a line.", dir_okay=False)],
    table: Annotated[str | None, typer.Option(help="Only this table.")] = None,
    load: Annotated[str | None, typer.Option(help="Only this load.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Write quarantined records to a file, to be mended and replayed. The file holds personal data."""
    names, of = parameters(settings().parameters_prefix), _source(source)
    if table is not None and table not in of.tables:
        raise CdapError(
            f"Exporting from {source}", f"it has no table {table!r}", f"Its tables are {', '.join(of.tables)}"
        )
    with Warehouse.connect(names) as warehouse:
        loads = ledger.loads_with_quarantine(warehouse, source, table, load)
    count = 0
    with out.open("w", encoding="utf-8") as file:
        for record in quarantined(boto3.client("s3"), names, of, loads, table):
            file.write(json.dumps(record, ensure_ascii=False) + "\n")
            count += 1
    if as_json:
        typer.echo(json.dumps({"records": count, "loads": len(loads), "file": str(out)}))
        return
    console = Console()
    console.print(f"{count} records of {len(loads)} loads in {out}.", soft_wrap=True)
    console.print(
        "Next: mend the columns, leave the fields that begin with _ as they are, and "
        f"`cdap quarantine replay --source {source} {out}`. Lines may be taken out: those records stay in quarantine.",
        soft_wrap=True,
    )


@app.command()
def replay(
    file: Annotated[Path, typer.Argument(help="Mended records, as `export` writes them.", dir_okay=False)],
    source: Annotated[str, typer.Option(help="The source that they are of.")],
    run: Annotated[bool, typer.Option(help="Start the state chain, which takes them to the profiles.")] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Put mended records back into the loads they came with. Safe to run again."""
    names, of, now = parameters(settings().parameters_prefix), _source(source), datetime.now(UTC)
    records = read_mended(file)
    with Warehouse.connect(names) as warehouse:
        replayed = put_back(
            boto3.client("s3"), boto3.client("glue"), warehouse, names, of, records, f"replay__{now.isoformat()}", now
        )
    started = ""
    if run and replayed:
        with AirflowApi.connect() as airflow:
            started = airflow.trigger(STATE_DAG, key=STATE_KEY).run_id
    if as_json:
        typer.echo(json.dumps({"replayed": [dataclasses.asdict(item) for item in replayed], "state_run": started}))
        return
    console = Console()
    shown = Table("table", "load", "mended", "quarantined before", "quarantined now", "reasons now")
    for item in replayed:
        reasons = ", ".join(f"{reason} {count}" for reason, count in item.open.items())
        counts = (item.mended, item.quarantined_before, item.quarantined)
        shown.add_row(item.table, item.load_id, *(str(count) for count in counts), reasons)
    console.print(shown)
    if started:
        console.print(f"The state chain takes them to the profiles: run {started} of {STATE_DAG}.", soft_wrap=True)
    else:
        console.print(f"Next: the next run of {STATE_DAG} takes them to the profiles.")


def _source(name: str) -> Source:
    return load_source(settings().config_dir / "sources" / f"{name}.yaml")
