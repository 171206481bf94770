"""`make demo`: from nothing to one customer's profile on the screen, and everything left running to be looked at."""

from __future__ import annotations

import csv
import json
import os
import time
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import boto3
import psycopg2
import typer
from rich.console import Console
from rich.table import Table

from demo.machine import CommandError, Machine, Population
from localcloud.servers.process import ServerError

PROJECT = Path(__file__).resolve().parents[1]
WAREHOUSE_SECRET = "cdap/warehouse/admin"  # noqa: S105 - the secret's name
console = Console(width=120)


def main(
    customers: Annotated[int, typer.Option(min=1, help="Persons of the demo enterprise")] = 10_000,
    days: Annotated[int, typer.Option(min=1, help="Days of business; the last one is --end")] = 3,
    end: Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Last day; yesterday if not given")] = None,
    seed: Annotated[int, typer.Option(help="The same seed gives the same customers")] = 7,
    cdnow: Annotated[
        Path | None, typer.Option(help="Use the purchases of this CDNOW file instead", exists=True)
    ] = None,
    state: Annotated[Path, typer.Option(help="Folder that holds all state")] = PROJECT,
    down: Annotated[bool, typer.Option("--down", help="Stop everything instead")] = False,
) -> None:
    """Run the platform on this machine."""
    today = datetime.now(UTC).date()
    machine = Machine(
        project=PROJECT, state=state.resolve(), parallelism=max(4, 2 * (os.cpu_count() or 1)), daily_from=today
    )
    try:
        if down:
            stop(machine)
        elif cdnow is not None:
            run_cdnow(machine, cdnow)
        else:
            last = end.date() if end else today - timedelta(days=1)
            run_generated(machine, Population(customers, days, last, seed))
    except (CommandError, ServerError) as error:
        console.print(f"[red]{error}[/red]", soft_wrap=True, highlight=False)
        console.print("`make down` stops what runs; logs are under .localcloud/logs and .demo/airflow/logs")
        raise typer.Exit(1) from error


def stop(machine: Machine) -> None:
    """Stop everything; exits with 1 when something could not be stopped."""
    problems = machine.down()
    for problem in problems:
        console.print(f"[red]could not stop {problem}[/red]", soft_wrap=True)
    if problems:
        raise typer.Exit(1)
    console.print("Everything is stopped; the state is kept")


def run_generated(machine: Machine, population: Population) -> None:
    """Generated customers with ground truth."""
    started = Stopwatch()
    machine.up(lambda: machine.generate(population), step)
    started.lap("start, fill, deploy")
    first = population.end - timedelta(days=population.days - 1)
    backfill(machine, first, population.end)
    started.lap("backfill")
    truth = machine.state / ".demo" / "truth.csv"
    machine.run("demo", "truth", "--out", str(truth))
    report(machine, started, truth)


def run_cdnow(machine: Machine, file: Path) -> None:
    """The real purchases of CDNOW, as one history load."""
    started = Stopwatch()
    machine.up(lambda: machine.load_cdnow(file), step)
    started.lap("start, fill, deploy")
    purchases = [line.split()[1] for line in file.read_text().splitlines()[1:] if line.strip()]
    first, last = (datetime.strptime(day, "%Y%m%d").date() for day in (min(purchases), max(purchases)))  # noqa: DTZ007
    backfill(machine, first, last, "--one-load", "--source", "shop")
    started.lap("backfill")
    report(machine, started, None)


def backfill(machine: Machine, first: date, last: date, *options: str) -> Any:
    """Run every day through the DAGs; returns the summary."""
    step(f"running {first} to {last} through Airflow")
    return machine.cdap("backfill", "--from", first.isoformat(), "--to", last.isoformat(), *options)


def report(machine: Machine, started: Stopwatch, truth: Path | None) -> None:
    """The summary: stages, identity against the truth, one profile, what is up and where."""
    console.print(machine.run("cdap", "report", "stages", env=machine.platform), highlight=False)
    if truth is not None:
        console.print(machine.run("cdap", "identity", "evaluate", "--truth", str(truth), env=machine.platform))
        record = most_interesting(machine, truth)
        console.print(machine.run("cdap", "profile", "show", "--id", record, env=machine.platform), highlight=False)
    started.lap("report")
    console.print(started.table())
    console.print(addresses(machine))
    console.print("It stays up: `make down` stops all of it.")


def most_interesting(machine: Machine, truth: Path) -> str:
    """A customer of the shop whom the CRM knows too: of all those the one who bought most."""
    shop = json.loads(machine.run("demo", "status", "--json"))
    with (
        closing(
            psycopg2.connect(
                **{key: shop[key] for key in ("host", "port", "user", "password")}, dbname=shop["database"]
            )
        ) as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute("select customer_id, count(*) from orders group by customer_id")
        orders = {str(customer): count for customer, count in cursor.fetchall()}
    records: dict[str, list[tuple[str, str]]] = {}
    with truth.open(newline="") as file:
        for row in csv.DictReader(file):
            records.setdefault(row["person_id"], []).append((row["source"], row["id"]))
    everywhere = [found for found in records.values() if {source for source, _ in found} == {"shop", "crm"}]
    best = max(everywhere or records.values(), key=lambda found: (sum(orders.get(id, 0) for _, id in found), found))
    return next(f"shop.customers:{id}" for source, id in sorted(best) if source == "shop")


def addresses(machine: Machine) -> Table:
    """What is up, where, and who may log in."""
    table = Table("what", "address", "user", "password", title="What is up")
    airflow = machine.airflow.endpoint
    table.add_row("Airflow", airflow.url, airflow.user, airflow.password)
    owner = machine.owner
    secrets = boto3.client(
        "secretsmanager",
        endpoint_url=owner["AWS_ENDPOINT_URL"],
        region_name=owner["AWS_REGION"],
        aws_access_key_id=owner["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=owner["AWS_SECRET_ACCESS_KEY"],
    )
    admin = json.loads(secrets.get_secret_value(SecretId=WAREHOUSE_SECRET)["SecretString"])
    logins = {"warehouse": {"user": admin["username"], "password": admin["password"], "database": "cdap"}}
    for server in json.loads(machine.run("localcloud", "status", "--json")):
        server |= logins.get(server["name"], {})
        address = f"{server['scheme']}://{server['host']}:{server['port']}/{server['database']}".rstrip("/")
        table.add_row(server["name"], address, server["user"], server["password"])
    shop = json.loads(machine.run("demo", "status", "--json"))
    table.add_row("shop", f"postgresql://{shop['host']}:{shop['port']}/shop", shop["user"], shop["password"])
    table.add_row("crm", shop["crm"])
    return table


def step(what: str) -> None:
    """Say what happens now."""
    console.print(f"[dim]{datetime.now():%H:%M:%S}[/dim] {what}", highlight=False)  # noqa: DTZ005 - the reader's clock


class Stopwatch:
    """Seconds of each part of the demo."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._last = clock()
        self.laps: list[tuple[str, float]] = []

    def lap(self, name: str) -> None:
        """End the part that runs since the last lap."""
        now = self._clock()
        self.laps.append((name, now - self._last))
        self._last = now

    def table(self) -> Table:
        """The parts and their sum."""
        table = Table("part", "seconds", title="Time")
        for name, seconds in self.laps:
            table.add_row(name, f"{seconds:.1f}")
        table.add_row("in all", f"{sum(seconds for _, seconds in self.laps):.1f}")
        return table


if __name__ == "__main__":
    typer.run(main)
