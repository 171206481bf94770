"""The `localcloud` command: AWS on one machine, up and down."""

from __future__ import annotations

import json
import shlex
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, NoReturn

import httpx
import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn
from rich.table import Table

from localcloud.base.role_tokens import role_token
from localcloud.servers import artifacts
from localcloud.servers.machine import GATEWAY, SERVERS, Machine, MachineRunningError
from localcloud.servers.process import PortInUseError, ServerError, StartCancelledError

SECONDS_BETWEEN_LOOKS = 5.0
EXIT_FAILED, EXIT_RUNNING, EXIT_PORT_IN_USE, EXIT_INTERRUPTED = 1, 3, 4, 130

app = typer.Typer(no_args_is_help=True, add_completion=False, help="AWS on one machine, with real engines.")
postgres_app = typer.Typer(no_args_is_help=True, help="The machine's PostgreSQL server.")
app.add_typer(postgres_app, name="postgres")
out = Console()
err = Console(stderr=True)

StateOption = Annotated[Path, typer.Option("--state", envvar="LOCALCLOUD_STATE", help="Folder that holds everything.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
ExportOption = Annotated[bool, typer.Option("--export", help="Print `export NAME=value` lines for a shell.")]
DEFAULT_STATE = Path(".localcloud")


@app.command()
def up(
    state: StateOption = DEFAULT_STATE,
    port: Annotated[
        str | None,
        typer.Option(help="Port of the AWS endpoint, or `free` to choose ports that are taken anew; kept once chosen."),
    ] = None,
    account: Annotated[str | None, typer.Option(help="Account id, 12 digits (first start).")] = None,
    region: Annotated[str | None, typer.Option(help="Region (first start).")] = None,
    without: Annotated[list[str] | None, typer.Option(help=f"Leave out a server: {', '.join(SERVERS)}.")] = None,
    foreground: Annotated[
        bool, typer.Option("--foreground", help="Stay until told to end or until a server is gone; then end all.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Start all servers; returns when all are healthy."""
    left_out = frozenset(without or [])
    unknown = left_out - set(SERVERS)
    if unknown:
        raise typer.BadParameter(f"no such server: {', '.join(sorted(unknown))} (servers: {', '.join(SERVERS)})")
    if port is not None and port != "free" and not (port.isdigit() and 0 < int(port) < 65536):
        raise typer.BadParameter(f"--port must be a port number or `free`, got {port!r}")
    if account is not None and not (account.isdigit() and len(account) == 12):
        raise typer.BadParameter(f"--account must have 12 digits, got {account!r}")
    machine = Machine(state)
    with _reported_errors(), _interruptible() as cancelled:
        machine.up(
            account_id=account,
            region=region,
            gateway_port=int(port) if port and port != "free" else None,
            new_ports=port == "free",
            without=left_out,
            report=_progress("Starting", machine.state),
            cancelled=cancelled,
        )
        if foreground:
            _print_status(machine)
            lost = _await_end(machine, cancelled)
            machine.down(report=_progress("Ending", machine.state))
            if lost:
                raise ServerError(f"{', '.join(lost)} ended by itself: see `localcloud logs`; the others were ended")
            return
    if as_json:
        _print_json(machine.status())
        return
    _print_status(machine)
    out.print("\nNext: [bold]localcloud credentials ROLE --export[/] after a stack with the role is deployed, or")
    out.print("[bold]localcloud root-credentials --export[/] to deploy one. [bold]localcloud down[/] ends it all.")


@app.command()
def down(
    state: StateOption = DEFAULT_STATE,
    wipe: Annotated[bool, typer.Option("--wipe", help="Remove the state folder too.")] = False,
) -> None:
    """End all servers and check that no process is left."""
    machine = Machine(state)
    with _reported_errors():
        stopped = machine.down(wipe=wipe, report=_progress("Ending", machine.state))
    err.print(f"Ended {len(stopped)} server(s)." if stopped else f"Nothing was running in {machine.state}.")
    if wipe:
        err.print(f"Removed {machine.state}.")


@app.command()
def status(state: StateOption = DEFAULT_STATE, as_json: JsonOption = False) -> None:
    """Show every endpoint with its login; exit code 0 only when all are healthy."""
    machine = Machine(state)
    with _reported_errors():
        rows = machine.status()
        if as_json:
            _print_json(rows)
        elif rows:
            _print_status(machine)
        else:
            err.print(f"There is no local cloud in {machine.state}: start one with [bold]localcloud up[/].")
    if not rows or any(row["health"] != "up" for row in rows):
        raise typer.Exit(EXIT_FAILED)


@app.command()
def logs(
    service: Annotated[str | None, typer.Argument(help=f"One of {', '.join(SERVERS)}; all by default.")] = None,
    follow: Annotated[bool, typer.Option("-f", "--follow", help="Go on with what is written.")] = False,
    lines: Annotated[int, typer.Option("-n", "--lines", help="Last lines of each log.")] = 50,
    state: StateOption = DEFAULT_STATE,
) -> None:
    """Print the servers' logs."""
    machine = Machine(state)
    if service is not None and service not in SERVERS:
        raise typer.BadParameter(f"no such server: {service} (servers: {', '.join(SERVERS)})")
    names = [service] if service else [name for name in SERVERS if machine.log_file(name).exists()]
    files = {name: machine.log_file(name) for name in names}
    missing = [str(file) for file in files.values() if not file.exists()]
    if missing or not files:
        err.print(f"No log is there yet: {', '.join(missing) or machine.logs_dir}")
        raise typer.Exit(EXIT_FAILED)
    try:
        _print_logs(files, lines, follow)
    except KeyboardInterrupt:
        raise typer.Exit(0) from None


@app.command()
def credentials(
    role: Annotated[str, typer.Argument(help="Name of an IAM role that trusts ecs-tasks.amazonaws.com.")],
    state: StateOption = DEFAULT_STATE,
    unchecked: Annotated[
        bool, typer.Option("--unchecked", help="Do not ask whether the role exists: it is being deployed.")
    ] = False,
    export: ExportOption = False,
    as_json: JsonOption = False,
) -> None:
    """Print the environment in which any AWS SDK works as a role, as a container of Fargate does."""
    machine = Machine(state)
    with _reported_errors():
        endpoint = _endpoint(machine)
        token = role_token((machine.state / "token").read_text(encoding="utf-8"), role)
        uri = f"{endpoint}/_localcloud/credentials/{role}"
        if not unchecked:
            _check_role(endpoint, role, uri, token)
        _print_environment(
            {
                "AWS_CONTAINER_CREDENTIALS_FULL_URI": uri,
                "AWS_CONTAINER_AUTHORIZATION_TOKEN": token,
                **_endpoint_environment(machine),
            },
            export,
            as_json,
        )


def _check_role(endpoint: str, role: str, uri: str, token: str) -> None:
    try:
        answer = httpx.get(uri, headers={"Authorization": token}, timeout=30, trust_env=False)
    except httpx.TransportError as error:
        raise ServerError(f"the gateway at {endpoint} does not answer ({error}): is the local cloud up?") from error
    if answer.status_code != 200:
        raise ServerError(f"no credentials for the role {role}: {answer.json().get('message', answer.text)}")


@app.command("root-credentials")
def root_credentials(
    state: StateOption = DEFAULT_STATE, export: ExportOption = False, as_json: JsonOption = False
) -> None:
    """Print the environment of the account's root: for deploying, not for running anything."""
    machine = Machine(state)
    with _reported_errors():
        file = machine.state / "root.json"
        if not file.exists():
            raise ServerError(f"there are no root credentials in {machine.state}: `localcloud up` makes them")
        keys = json.loads(file.read_text(encoding="utf-8"))
        _print_environment(
            {
                "AWS_ACCESS_KEY_ID": keys["access_key_id"],
                "AWS_SECRET_ACCESS_KEY": keys["secret_access_key"],
                **_endpoint_environment(machine),
            },
            export,
            as_json,
        )


@app.command()
def fetch(
    names: Annotated[
        list[str] | None, typer.Argument(help="opensearch, gremlin, spark; by default what every machine has.")
    ] = None,
) -> None:
    """Download what the servers need (once; afterwards no network is needed)."""
    if unknown := sorted(set(names or ()) - set(artifacts.ALL)):
        raise typer.BadParameter(f"{', '.join(unknown)}: it is one of {', '.join(artifacts.ALL)}")
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with _reported_errors(), Progress(*columns, console=err) as progress:
        task = progress.add_task("Servers' jars", total=None)
        count = artifacts.fetch(
            lambda there, total: progress.update(task, completed=there, total=total), tuple(names or artifacts.SERVERS)
        )
    err.print(f"{count} jar(s) downloaded to {artifacts.cache_dir()}; all are there.")


@postgres_app.command("create-database")
def create_database(
    name: Annotated[str, typer.Argument(help="Database to make, unless it exists.")],
    user: Annotated[str | None, typer.Option(help="Its owner; made too. The superuser by default.")] = None,
    state: StateOption = DEFAULT_STATE,
) -> None:
    """Make a database and its owner unless they exist; prints the URL to log in with."""
    with _reported_errors():
        server = Machine(state).postgres()
        if server.process.running() is None:
            raise ServerError(f"the PostgreSQL server of {state} is not running: `localcloud up` starts it")
        typer.echo(server.create_database(name, user).url)


def main() -> NoReturn:
    """Run the command."""
    app()
    sys.exit(0)


# --------------------------------------------------------------------------------------------------------------------


def _endpoint(machine: Machine) -> str:
    machine.account()  # says what to do when there is no local cloud
    return machine.addresses()[GATEWAY].url


def _endpoint_environment(machine: Machine) -> dict[str, str]:
    _, region = machine.account()
    return {"AWS_ENDPOINT_URL": _endpoint(machine), "AWS_REGION": region, "AWS_DEFAULT_REGION": region}


@contextmanager
def _reported_errors() -> Iterator[None]:
    """Errors for the reader, each kind with an exit code of its own."""
    try:
        yield
    except MachineRunningError as error:
        _fail(error, EXIT_RUNNING)
    except StartCancelledError as error:
        _fail(error, EXIT_INTERRUPTED)
    except PortInUseError as error:
        err.print(escape(str(error)), style="red", highlight=False)
        err.print("`localcloud up --port free` chooses the ports that are taken anew.", highlight=False)
        raise typer.Exit(EXIT_PORT_IN_USE) from None
    except (ServerError, artifacts.ArtifactError) as error:
        _fail(error, EXIT_FAILED)


def _fail(error: Exception, code: int) -> NoReturn:
    err.print(escape(str(error)), style="red", highlight=False, soft_wrap=True)
    raise typer.Exit(code) from None


@contextmanager
def _interruptible() -> Iterator[threading.Event]:
    """An event that Ctrl-C, a hang-up or a TERM sets; a second one does not break into the cleaning up."""
    cancelled = threading.Event()
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, lambda *_: cancelled.set()) for number in numbers}
    try:
        yield cancelled
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _await_end(machine: Machine, cancelled: threading.Event) -> list[str]:
    """Waits until it is told to end, or until servers are gone; returns their names."""
    while not cancelled.wait(SECONDS_BETWEEN_LOOKS):
        lost = [str(row["name"]) for row in machine.status() if row["health"] == "down"]
        if lost:
            return lost
    return []


def _progress(title: str, state: Path) -> Callable[[str, str, float], None]:
    err.print(f"{title} the local cloud in {state}", highlight=False)

    def report(name: str, what: str, seconds: float) -> None:
        if what != "starting":
            style = "red" if what == "failed" else "green"
            err.print(f"  [{style}]{what:8}[/] {name:12} {seconds:5.1f} s", highlight=False)

    return report


def _print_json(value: Any) -> None:
    typer.echo(json.dumps(value, indent=2))


def _print_status(machine: Machine) -> None:
    account_id, region = machine.account()
    table = Table(title=f"Local cloud: account {account_id}, region {region}", title_justify="left")
    for column in ("server", "health", "address", "pid"):
        table.add_column(column, overflow="fold", no_wrap=True)
    for row in machine.status():
        style = {"up": "green", "down": "dim"}.get(row["health"], "red")
        address = f"{row['scheme']}://{row['host']}:{row['port']}" + (f"/{row['database']}" if row["database"] else "")
        table.add_row(row["name"], f"[{style}]{row['health']}[/]", address, str(row["pid"] or "-"))
    out.print(table)
    out.print(
        f"Logs: {machine.logs_dir} (`localcloud logs SERVER`); logins: `localcloud status --json`", soft_wrap=True
    )


def _print_environment(variables: Mapping[str, str], export: bool, as_json: bool) -> None:
    if as_json:
        _print_json(dict(variables))
        return
    for name, value in variables.items():
        typer.echo(f"export {name}={shlex.quote(value)}" if export else f"{name}={value}")


def _print_logs(files: Mapping[str, Path], lines: int, follow: bool) -> None:
    opened = {name: file.open("r", encoding="utf-8", errors="replace") for name, file in files.items()}
    prefix = len(opened) > 1
    try:
        for name, file in opened.items():
            for line in deque(file, maxlen=lines):
                typer.echo(f"{name}: {line}" if prefix else line, nl=not line.endswith("\n"))
        while follow:
            quiet = True
            for name, file in opened.items():
                for line in file:
                    quiet = False
                    typer.echo(f"{name}: {line}" if prefix else line, nl=not line.endswith("\n"))
            if quiet:
                time.sleep(0.2)
    finally:
        for file in opened.values():
            file.close()


if __name__ == "__main__":
    main()
