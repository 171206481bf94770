"""`cdap report`: what the stages did and how long it took."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from cdap.airflow_api import AirflowApi, AirflowError
from cdap.parameters import parameters
from cdap.settings import settings
from cdap.stage_report import Span, StageLine, read_stages, totals
from cdap.warehouse import Warehouse

app = typer.Typer(no_args_is_help=True, add_completion=False, help="What the stages did.")


@app.callback()
def report() -> None:
    """What the stages did."""


@app.command("stages")
def stages(
    dag: Annotated[str, typer.Option(help="Only this DAG.")] = "",
    limit: Annotated[int, typer.Option(min=1, help="At most so many stage runs, the newest.")] = 200,
    each: Annotated[bool, typer.Option("--each", help="A line a run, not a sum a stage.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print a line a run as JSON.")] = False,
) -> None:
    """Rows in, out and quarantined; seconds of engine work; seconds of Airflow around it."""
    names = parameters(settings().parameters_prefix)
    with Warehouse.connect(names) as warehouse, _airflow() as airflow:
        lines = read_stages(warehouse, dag_id=dag, limit=limit, airflow=airflow)
    if as_json:
        typer.echo(json.dumps([dataclasses.asdict(line) for line in lines], default=str))
        return
    console = Console()
    if not lines:
        console.print("No stage has run yet. Next: `cdap backfill --from DAY --to DAY`.")
        return
    shown = Table(title="Stages")
    for name in ("DAG", "run", "stage", "source", "day") if each else ("DAG", "stage", "source"):
        shown.add_column(name)
    for name in ("rows in", "out", "quarantined", "engine s", "Airflow s"):
        shown.add_column(name, justify="right")
    for line in lines if each else totals(lines).values():
        labels = (
            (line.dag_id, line.run_id, line.stage, line.source or "", str(line.day or ""))
            if each
            else (line.dag_id, line.stage, line.source or "")
        )
        shown.add_row(*labels, *_figures(line))
    console.print(shown)


class _Durations:
    """Airflow's own durations of the tasks of a run."""

    def __init__(self, api: AirflowApi) -> None:
        self._api = api

    def task_spans(self, dag_id: str, run_id: str) -> dict[str, Span]:
        """Queueing and end by task id. A run that Airflow no longer has gives none."""
        spans: dict[str, Span] = {}
        try:
            tasks = self._api.tasks(dag_id, run_id)
        except AirflowError as error:
            Console(stderr=True).print(f"[yellow]No durations of {dag_id} {run_id}:[/yellow] {error}", soft_wrap=True)
            return spans
        for task in tasks:
            if task.started_at is not None and task.ended_at is not None:
                spans[task.task_id] = (task.queued_at or task.started_at, task.ended_at)
        return spans


@contextmanager
def _airflow() -> Iterator[_Durations | None]:
    """Airflow when it can be reached; else none, said on standard error: the ledger's figures stand without it."""
    try:
        api = AirflowApi.connect()
    except AirflowError as error:
        Console(stderr=True).print(f"[yellow]Without Airflow's durations:[/yellow] {error}", soft_wrap=True)
        yield None
        return
    with api:
        yield _Durations(api)


def _figures(line: StageLine) -> list[str]:
    counts = ["" if value is None else f"{value:,}" for value in (line.rows_in, line.rows_out, line.rows_quarantined)]
    times = ["" if value is None else f"{value:.1f}" for value in (line.engine_seconds, line.airflow_seconds)]
    return [*counts, *times]
