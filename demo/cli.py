"""The command `demo`: the enterprise up and down, its customers made, moved on by days, and told apart."""

from __future__ import annotations

import csv
import json
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Annotated

import boto3
import psycopg2
import typer
from botocore.exceptions import BotoCoreError, ClientError
from rich.console import Console
from rich.table import Table

from demo import shop
from demo.enterprise import Enterprise
from localcloud.servers.postgres import PostgresEndpoint
from localcloud.servers.process import ServerError, ServerRunningError

app = typer.Typer(
    help="The demo enterprise: customers with ground truth, and the systems that hold them.", no_args_is_help=True
)
out = Console(highlight=False)
err = Console(stderr=True, highlight=False)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Day = Annotated[datetime, typer.Option(formats=["%Y-%m-%d"])]


@contextmanager
def errors_shown() -> Iterator[None]:
    """Turns what can go wrong into one readable line and exit status 1."""
    try:
        yield
    except (shop.ShopError, ServerError, OSError, psycopg2.Error, ClientError, BotoCoreError, ValueError) as error:
        err.print(f"[red]error:[/] {error}", markup=True)
        raise typer.Exit(1) from error


def _show(endpoint: PostgresEndpoint) -> None:
    out.print(f"the shop: PostgreSQL on {endpoint.host}:{endpoint.port}, database {endpoint.database}")


@app.command()
def up() -> None:
    """Start the enterprise's servers; when they run already, say where."""
    enterprise = Enterprise()
    with errors_shown():
        try:
            endpoint = enterprise.start()
        except ServerRunningError:
            out.print("the enterprise runs already")
            endpoint = enterprise.endpoint()
        _show(endpoint)


@app.command()
def down(wipe: Annotated[bool, typer.Option("--wipe", help="Remove the databases too.")] = False) -> None:
    """Stop the enterprise's servers."""
    enterprise = Enterprise()
    with errors_shown():
        out.print("the enterprise is stopped" if enterprise.stop() else "the enterprise did not run")
        if wipe and enterprise.server.data_dir.exists():
            shutil.rmtree(enterprise.server.data_dir)
            out.print(f"removed {enterprise.server.data_dir}")


@app.command()
def status(as_json: AsJson = False) -> None:
    """Say whether the enterprise runs, where, and what its shop holds; exit status 3 when it does not run."""
    enterprise = Enterprise()
    with errors_shown():
        if not enterprise.running:
            if as_json:
                sys.stdout.write(json.dumps({"running": False}) + "\n")
            else:
                out.print("the enterprise does not run; start it with `demo up`")
            raise typer.Exit(3)
        endpoint = enterprise.endpoint()
        with shop.transaction(endpoint.url) as connection:
            contents, rows = shop.read_contents(connection), shop.count_rows(connection)
    if as_json:
        found = {
            "running": True,
            "host": endpoint.host,
            "port": endpoint.port,
            "user": endpoint.user,
            "password": endpoint.password,
            "database": endpoint.database,
            "contents": None if contents is None else contents.__dict__,
            "rows": rows,
        }
        sys.stdout.write(json.dumps(found, default=str) + "\n")
        return
    _show(endpoint)
    out.print(f"user {endpoint.user}, password {endpoint.password}")
    print_rows(contents, rows)


def print_rows(contents: shop.Contents | None, rows: dict[str, int]) -> None:
    table = Table(title=f"up to the end of {contents.through}" if contents else "empty", title_justify="left")
    table.add_column("table")
    table.add_column("rows", justify="right")
    for name, count in rows.items():
        table.add_row(name, f"{count:,}")
    out.print(table)


@app.command()
def generate(
    end: Day,
    customers: Annotated[int, typer.Option(min=1, help="Registrations until the end of the last day.")] = 10_000,
    days: Annotated[int, typer.Option(min=1, help="Days of orders, up to and with the last.")] = 3,
    seed: Annotated[int, typer.Option(help="The same seed gives the same customers.")] = 7,
    through: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Load only what has happened by the end of this day.")
    ] = None,
) -> None:
    """Replace what the shop holds by generated customers, their orders and subscriptions."""
    began = time.monotonic()
    last = (through or end).date()
    with errors_shown():
        contents = shop.Contents("generated", customers, days, end.date(), seed, last)
        with shop.transaction(Enterprise().endpoint().url) as connection:
            shop.generate(connection, contents)
            rows = shop.count_rows(connection)
        print_rows(contents, rows)
    out.print(f"{sum(rows.values()):,} rows in {time.monotonic() - began:.1f} s")


@app.command()
def advance(to: Day) -> None:
    """Let the days up to `--to` happen: registrations, changes, deletions, orders. A day that has happened stays."""
    with errors_shown():
        with shop.transaction(Enterprise().endpoint().url) as connection:
            contents = shop.advance(connection, to.date())
            rows = shop.count_rows(connection)
        print_rows(contents, rows)


@app.command()
def truth(
    file: Annotated[Path, typer.Option("--out", help="CSV to write: source,table,id,person_id,household_id.")],
) -> None:
    """Write who is who among the customers that exist now."""
    count = 0
    with (
        errors_shown(),
        shop.transaction(Enterprise().endpoint().url) as connection,
        file.open("w", newline="", encoding="utf-8") as stream,
    ):
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(("source", "table", "id", "person_id", "household_id"))
        for row in shop.truth(connection):
            writer.writerow(row)
            count += 1
    out.print(f"{count:,} customers in {file}")


@app.command("register-secret")
def register_secret(name: Annotated[str, typer.Argument(help="Name of the secret.")]) -> None:
    """Put the reader's connection to the shop into AWS Secrets Manager; a secret of that name gets a new value."""
    with errors_shown():
        value = Enterprise().secret()
        client = boto3.client("secretsmanager")
        try:
            client.put_secret_value(SecretId=name, SecretString=value)
            done = "updated"
        except client.exceptions.ResourceNotFoundException:
            client.create_secret(Name=name, Description="PostgreSQL of the demo enterprise's shop", SecretString=value)
            done = "created"
    out.print(f"secret {name} {done}")


def main() -> None:
    """Entry point of the command `demo`."""
    app()


if __name__ == "__main__":
    main()
