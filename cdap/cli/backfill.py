"""`cdap backfill`: days of sources through the DAGs, then the state chain once."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from cdap import ledger
from cdap.airflow_api import INGEST_PREFIX, STATE_DAG, STATE_KEY, AirflowApi, AirflowError, Reprocess, Run, pools
from cdap.config import Source, load_sources
from cdap.errors import CdapError
from cdap.loads import Window
from cdap.settings import settings
from cdap.warehouse import Warehouse

console = Console(stderr=True)
POLL_INTERVAL = 0.5
# Days of one source that are landed side by side; the replication task's pool lets one of them extract at a time.
DAYS_AT_ONCE = 4


class BackfillFailed(CdapError):
    """Runs failed; `log` is the tail of the first failed task's log."""

    def __init__(self, doing: str, found: str, next_step: str, log: Sequence[str]) -> None:
        super().__init__(doing, found, next_step)
        self.log = list(log)


@dataclass
class Summary:
    """What a backfill did. Seconds are wall-clock; runs are those that this command made or waited for."""

    first_day: str
    last_day: str
    sources: list[str]
    day_runs: int = 0
    day_runs_by_source: dict[str, int] = field(default_factory=dict)
    landing_seconds: float = 0.0
    state_run: str | None = None
    state_seconds: float = 0.0
    notes: list[str] = field(default_factory=list)

    @property
    def next_step(self) -> str:
        return "cdap report stages, then cdap profile show --email ADDRESS"


def backfill(
    first: Annotated[datetime, typer.Option("--from", formats=["%Y-%m-%d"], help="First day")],
    last: Annotated[datetime, typer.Option("--to", formats=["%Y-%m-%d"], help="Last day, included")],
    source: Annotated[list[str] | None, typer.Option(help="Only this source; may be given several times")] = None,
    one_load: Annotated[bool, typer.Option("--one-load", help="Extract all days of a source as one load")] = False,
    reprocess: Annotated[bool, typer.Option("--reprocess", help="Run days again that have run")] = False,
    backwards: Annotated[bool, typer.Option("--backwards", help="The last day first")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON")] = False,
) -> None:
    """Land days of the sources through Airflow, then build the profiles once.

    Days that have run are left alone, days that failed are run again; --reprocess runs all of them again. Started a
    second time while days are still running, it waits for those instead of making them again.
    """
    window = Window(first.date(), last.date()) if first <= last else _refuse(first, last)
    sources = chosen_sources(source)
    with AirflowApi.connect() as airflow:
        try:
            summary = run_backfill(
                airflow,
                sources,
                window,
                histories=missing_histories(sources, window),
                one_load=one_load,
                reprocess="completed" if reprocess else "failed",
                backwards=backwards,
                now=datetime.now(UTC),
            )
        except BackfillFailed as failure:
            for line in failure.log:
                console.print(f"  [dim]|[/dim] {escape(line)}", soft_wrap=True, highlight=False)
            raise
    if as_json:
        typer.echo(json.dumps({**asdict(summary), "next": summary.next_step}))
        return
    console.print(summary_table(summary))
    for note in summary.notes:
        console.print(f"[yellow]{note}[/yellow]")
    console.print(f"Next: [b]{summary.next_step}[/b]")


def _refuse(first: datetime, last: datetime) -> Window:
    raise CdapError("Reading the days", f"--from {first:%Y-%m-%d} is after --to {last:%Y-%m-%d}", "Swap them")


def chosen_sources(names: Sequence[str] | None) -> list[Source]:
    """The configured sources of these names, all of them for none. Raises CdapError for one that there is not."""
    configured = load_sources(settings().config_dir)
    for name in names or ():
        if name not in configured:
            raise CdapError(
                f"Choosing source {name}",
                f"config/sources has {', '.join(configured) or 'none'}",
                f"Name one of these, or add config/sources/{name}.yaml",
            )
    return [source for source in configured.values() if not names or source.name in names]


def missing_histories(sources: Sequence[Source], window: Window) -> dict[str, Window]:
    """By source, the days before the window that have to be landed with it: its history, when none of it is there."""
    wanting = [source for source in sources if source.history_from and source.history_from < window.first_day]
    if not wanting:
        return {}
    with Warehouse.connect() as warehouse:
        landed = {source.name: ledger.earliest_day(warehouse, source.name) for source in wanting}
    return {
        source.name: Window(source.history_from, window.first_day - timedelta(days=1))
        for source in wanting
        if source.history_from and (landed[source.name] or window.first_day) > source.history_from
    }


def run_backfill(
    airflow: AirflowApi,
    sources: Sequence[Source],
    window: Window,
    *,
    histories: Mapping[str, Window],
    one_load: bool,
    reprocess: Reprocess,
    backwards: bool,
    now: datetime,
) -> Summary:
    """Lands the days of the window and builds the profiles once. Raises CdapError before anything ran for days that
    have not ended and for DAGs that Airflow does not have; BackfillFailed when a run failed."""
    for source in sources:
        if now < window.instants(source.zone)[1]:
            raise CdapError(
                f"Backfilling {source.name} to {window.last_day}",
                f"that day has not ended in {source.timezone}",
                "Give an earlier --to",
            )
    summary = Summary(window.first_day.isoformat(), window.last_day.isoformat(), [source.name for source in sources])
    if made := airflow.ensure_pools(pools(load_sources(settings().config_dir))):
        summary.notes.append(f"Made Airflow's pools {', '.join(made)}")
    for dag_id in [*(f"{INGEST_PREFIX}{source.name}" for source in sources), STATE_DAG]:
        _await_dag(airflow, dag_id)
    began = time.monotonic()
    with held_back(airflow, summary):
        runs = _land(airflow, sources, window, histories, one_load, reprocess, backwards, summary)
        summary.landing_seconds = round(time.monotonic() - began, 1)
        summary.day_runs = len(runs)
        for run in runs:
            name = run.dag_id.removeprefix(INGEST_PREFIX)
            summary.day_runs_by_source[name] = summary.day_runs_by_source.get(name, 0) + 1
        _require_success(airflow, runs)
    began = time.monotonic()
    state = airflow.trigger(STATE_DAG, key=STATE_KEY)
    (state,) = _watch(airflow, [state], "building profiles")
    summary.state_run, summary.state_seconds = state.run_id, round(time.monotonic() - began, 1)
    _require_success(airflow, [state])
    return summary


@contextmanager
def held_back(airflow: AirflowApi, summary: Summary) -> Iterator[None]:
    """The state chain paused, so that the days' events start no run of it; unpaused at the end, whatever happens.

    Events that come while it is paused never start a run, so whoever holds it back starts it afterwards; the ledger,
    not the event, says what is pending. A state run that is under way is let end first: pausing would freeze it.
    """
    dag = airflow.dag(STATE_DAG) or {}
    if dag.get("is_paused"):
        summary.notes.append(f"{STATE_DAG} was paused and has been unpaused")
    _watch(airflow, airflow.runs(STATE_DAG, active=True), "waiting for a state run under way")
    previous = signal.signal(signal.SIGTERM, _interrupt)
    airflow.set_paused(STATE_DAG, True)
    try:
        yield
    finally:
        airflow.set_paused(STATE_DAG, False)
        signal.signal(signal.SIGTERM, previous)


def _interrupt(*_: Any) -> None:
    raise KeyboardInterrupt


def _land(
    airflow: AirflowApi,
    sources: Sequence[Source],
    window: Window,
    histories: Mapping[str, Window],
    one_load: bool,
    reprocess: Reprocess,
    backwards: bool,
    summary: Summary,
) -> list[Run]:
    runs: list[Run] = []
    for source in sources:
        dag_id = f"{INGEST_PREFIX}{source.name}"
        if (airflow.dag(dag_id) or {}).get("is_paused"):
            airflow.set_paused(dag_id, False)
            summary.notes.append(f"{dag_id} was paused and has been unpaused")
        known = {run.run_id for run in airflow.runs(dag_id) if not run.active}
        history = histories.get(source.name)
        if one_load:
            first_day = history.first_day if history else window.first_day
            made = [airflow.trigger(dag_id, key=window.last_day.isoformat(), conf={"first_day": first_day.isoformat()})]
        else:
            _await_earlier_backfill(airflow, dag_id, summary)
            airflow.create_backfill(
                dag_id,
                window.first_day,
                window.last_day,
                reprocess=reprocess,
                backwards=backwards,
                max_active_runs=DAYS_AT_ONCE,
            )
            days = {day.isoformat() for day in window.days()}
            # New ones, and those that were under way when this command started.
            made = [run for run in airflow.runs(dag_id) if run.run_id not in known and run.key in days]
            if history:
                key, first = history.last_day.isoformat(), history.first_day.isoformat()
                made.append(airflow.trigger(dag_id, key=key, conf={"first_day": first}))
                summary.notes.append(f"{source.name}: its history, {first} to {key}, was landed too")
        if not made:
            summary.notes.append(f"{source.name}: every day has run already; --reprocess runs them again")
        runs.extend(made)
    # Airflow closes the backfills by itself within 30 seconds. Cancelling them would be quicker, but a cancelled one
    # stays paused, and a run of it that is cleared later would never start.
    return _watch(airflow, runs, "landing days")


def _await_earlier_backfill(airflow: AirflowApi, dag_id: str, summary: Summary) -> None:
    """Airflow takes one backfill of a DAG at a time; one that is under way is waited for."""
    if airflow.active_backfill(dag_id) is None:
        return
    if underway := airflow.runs(dag_id, active=True):
        summary.notes.append(f"{dag_id}: a backfill was running already and was waited for")
        _watch(airflow, underway, f"waiting for the backfill of {dag_id} under way")
    airflow.await_no_backfill(dag_id)


def _await_dag(airflow: AirflowApi, dag_id: str, timeout: float = 120) -> None:
    """Waits until Airflow has read a DAG: right after its start the folder is not yet parsed.

    The DAG of a source whose file has just been added is made by the file that makes those of the others; that one is
    asked for at once, for an unchanged file of DAGs waits long until it is parsed again.
    """
    deadline = time.monotonic() + timeout
    asked = False
    while airflow.dag(dag_id) is None:
        asked = asked or airflow.ask_to_parse(INGEST_PREFIX)
        if time.monotonic() > deadline or airflow.import_errors():
            problems = airflow.import_errors()
            raise AirflowError(
                f"Looking for DAG {dag_id} in Airflow at {airflow.url}",
                "; ".join(problems) if problems else f"it is not there after {timeout:.0f} s",
                "Check the DAG folder and the dag-processor's log",
            )
        time.sleep(POLL_INTERVAL)


def _watch(airflow: AirflowApi, runs: Sequence[Run], what: str) -> list[Run]:
    """Shows progress until none of the runs is queued or running; returns them as they ended."""
    ended = [run for run in runs if not run.active]
    waiting = {(run.dag_id, run.run_id) for run in runs if run.active}
    with Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
        transient=True,
    ) as progress:
        bar = progress.add_task(what, total=len(runs), completed=len(ended))
        while waiting:
            time.sleep(POLL_INTERVAL)
            for dag_id in sorted({dag_id for dag_id, _ in waiting}):
                active = {run.run_id for run in airflow.runs(dag_id, active=True)}
                done = {pair for pair in waiting if pair[0] == dag_id and pair[1] not in active}
                for _, run_id in sorted(done):
                    ended.append(airflow.run(dag_id, run_id))
                    progress.advance(bar)
                waiting -= done
    return ended


def _require_success(airflow: AirflowApi, runs: Sequence[Run]) -> None:
    failed = [run for run in runs if run.state != "success"]
    if not failed:
        return
    first = failed[0]
    tasks = [task for task in airflow.tasks(first.dag_id, first.run_id) if task.state == "failed"]
    which = f"task {tasks[0].task_id} of {first.dag_id}" if tasks else first.dag_id
    raise BackfillFailed(
        f"Running {first.dag_id} for {first.key}",
        f"{len(failed)} of {len(runs)} runs failed, first {which}, run {first.run_id}",
        f"Correct the cause, then run the same command again: it runs the failed days ({airflow.url})",
        airflow.log_tail(tasks[0]) if tasks else [],
    )


def summary_table(summary: Summary) -> Table:
    """The summary for a person."""
    table = Table("what", "runs", "seconds", title=f"{summary.first_day} to {summary.last_day}")
    for source in summary.sources:
        table.add_row(f"{INGEST_PREFIX}{source}", str(summary.day_runs_by_source.get(source, 0)), "")
    table.add_row("landing", str(summary.day_runs), f"{summary.landing_seconds:.1f}")
    table.add_row(STATE_DAG, "1" if summary.state_run else "0", f"{summary.state_seconds:.1f}")
    return table
