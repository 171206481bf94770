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
from itertools import chain
from pathlib import Path
from typing import Annotated

import boto3
import psycopg2
import typer
from botocore.exceptions import BotoCoreError, ClientError
from rich.console import Console
from rich.table import Table

from demo import shop
from demo.crm import filling
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


def _show(endpoint: PostgresEndpoint, crm_url: str) -> None:
    out.print(f"the shop: PostgreSQL on {endpoint.host}:{endpoint.port}, database {endpoint.database}")
    out.print(f"the CRM: Salesforce's REST interface on {crm_url}")


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
        _show(endpoint, enterprise.crm.url)


@app.command()
def down(wipe: Annotated[bool, typer.Option("--wipe", help="Remove the databases too.")] = False) -> None:
    """Stop the enterprise's servers."""
    enterprise = Enterprise()
    with errors_shown():
        out.print("the enterprise is stopped" if enterprise.stop() else "the enterprise did not run")
        for folder in (enterprise.server.data_dir, enterprise.crm.folder):
            if wipe and folder.exists():
                shutil.rmtree(folder)
                out.print(f"removed {folder}")


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
        rows |= {f"crm {name}": count for name, count in enterprise.crm.store.counts().items()}
    if as_json:
        found = {
            "running": True,
            "host": endpoint.host,
            "port": endpoint.port,
            "user": endpoint.user,
            "password": endpoint.password,
            "database": endpoint.database,
            "crm": enterprise.crm.url,
            "contents": None if contents is None else contents.__dict__,
            "rows": rows,
        }
        sys.stdout.write(json.dumps(found, default=str) + "\n")
        return
    _show(endpoint, enterprise.crm.url)
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
        enterprise = Enterprise()
        contents = shop.Contents("generated", customers, days, end.date(), seed, last)
        with shop.transaction(enterprise.endpoint().url) as connection:
            shop.generate(connection, contents)
            rows = shop.count_rows(connection)
        filling.generate(enterprise.crm.store, contents)
        rows |= {f"crm {name}": count for name, count in enterprise.crm.store.counts().items()}
        print_rows(contents, rows)
    out.print(f"{sum(rows.values()):,} rows in {time.monotonic() - began:.1f} s")


@app.command()
def advance(to: Day) -> None:
    """Let the days up to `--to` happen: registrations, changes, deletions, orders. A day that has happened stays."""
    enterprise = Enterprise()
    with errors_shown():
        with shop.transaction(enterprise.endpoint().url) as connection:
            before = shop.read_contents(connection)
            contents = shop.advance(connection, to.date())
            rows = shop.count_rows(connection)
            # Within the transaction: when the CRM cannot be moved on, the shop stays where it is too.
            filling.advance(enterprise.crm.store, before or contents, contents)
        rows |= {f"crm {name}": count for name, count in enterprise.crm.store.counts().items()}
        print_rows(contents, rows)


@app.command()
def truth(
    file: Annotated[Path, typer.Option("--out", help="CSV to write: source,table,id,person_id,household_id.")],
) -> None:
    """Write who is who among the customers and contacts that exist now."""
    count = 0
    with (
        errors_shown(),
        shop.transaction(Enterprise().endpoint().url) as connection,
        file.open("w", newline="", encoding="utf-8") as stream,
    ):
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(("source", "table", "id", "person_id", "household_id"))
        contents = shop.read_contents(connection)
        for row in chain(shop.truth(connection), filling.truth(contents) if contents else ()):
            writer.writerow(row)
            count += 1
    out.print(f"{count:,} records in {file}")


@app.command("register-secret")
def register_secret(
    name: Annotated[str, typer.Argument(help="Name of the secret.")],
    of: Annotated[str, typer.Option(help="Whose connection: shop or crm.")] = "shop",
    address: Annotated[
        str | None, typer.Option(help="Name of the parameter that gets the system's address: what a stack may read.")
    ] = None,
) -> None:
    """Put the connection to one of the systems into AWS Secrets Manager; a secret of that name gets a new value."""
    enterprise = Enterprise()
    if of not in ("shop", "crm"):
        raise typer.BadParameter(f"there is no system {of!r}: shop or crm")
    with errors_shown():
        value = enterprise.secret() if of == "shop" else enterprise.crm_secret()
        client = boto3.client("secretsmanager")
        try:
            arn = client.put_secret_value(SecretId=name, SecretString=value)["ARN"]
            done = "updated"
        except client.exceptions.ResourceNotFoundException:
            description = f"Connection to the demo enterprise's {of}"
            arn = client.create_secret(Name=name, Description=description, SecretString=value)["ARN"]
            done = "created"
        if of == "crm":  # AppFlow reads it as a service, without a role
            client.put_resource_policy(SecretId=arn, ResourcePolicy=_readable_by("appflow.amazonaws.com", arn))
        if address is not None:
            url = enterprise.crm.url if of == "crm" else enterprise.endpoint().host
            boto3.client("ssm").put_parameter(Name=address, Value=url, Type="String", Overwrite=True)
    out.print(f"secret {name} {done}")


def _readable_by(service: str, secret_arn: str) -> str:
    statement = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "secretsmanager:GetSecretValue"}
    return json.dumps({"Version": "2012-10-17", "Statement": [{**statement, "Resource": secret_arn}]})


def main() -> None:
    """Entry point of the command `demo`."""
    app()


if __name__ == "__main__":
    main()
