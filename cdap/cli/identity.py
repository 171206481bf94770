"""`cdap identity`: how right the customers are."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from cdap.identity.evaluation import Evaluation, read_members, read_truth
from cdap.identity.evaluation import evaluate as evaluate_members
from cdap.parameters import parameters
from cdap.settings import settings
from cdap.warehouse import Warehouse

app = typer.Typer(no_args_is_help=True, help="Which records belong to one customer.")


@app.callback()
def identity() -> None:
    """Which records belong to one customer."""


@app.command()
def evaluate(
    truth: Annotated[Path, typer.Option(help="CSV source,table,id,person_id,household_id; one line a record.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Compare the customers in the warehouse with a truth: precision, recall, F1, over-merging."""
    persons = read_truth(truth)
    with Warehouse.connect(parameters(settings().parameters_prefix)) as warehouse:
        members = read_members(warehouse)
    result = evaluate_members(members, persons)
    if as_json:
        typer.echo(json.dumps(dataclasses.asdict(result)))
        return
    console = Console()
    console.print(_table(result))
    if result.unresolved:
        console.print(
            f"{result.unresolved:,} records of the truth have no customer; is it of the same day as the warehouse?"
        )
    console.print("Next: `cdap profile show --id CUSTOMER` shows one of them.")


def _table(result: Evaluation) -> Table:
    table = Table("measure", "value", "", title="Identity against the truth")
    table.columns[1].justify = "right"
    family = result.over_merged_family_records
    lines = [
        ("records", f"{result.records:,}", f"{result.persons:,} persons, {result.customers:,} customers"),
        (
            "pairwise precision",
            f"{result.precision:.4f}",
            f"{result.right_pairs:,} of {result.found_pairs:,} pairs found are right",
        ),
        (
            "pairwise recall",
            f"{result.recall:.4f}",
            f"{result.right_pairs:,} of {result.true_pairs:,} true pairs are found",
        ),
        ("pairwise F1", f"{result.f1:.4f}", ""),
        (
            "B-cubed F1",
            f"{result.b_cubed_f1:.4f}",
            f"precision {result.b_cubed_precision:.4f}, recall {result.b_cubed_recall:.4f}",
        ),
        ("over-merged customers", f"{result.over_merged_customers:.4%}", "hold records of more than one person"),
        ("over-merged records", f"{result.over_merged_records:.4%}", "are in such customers"),
        ("over-merged family records", "-" if family is None else f"{family:.4%}", "of households of several persons"),
        (
            "largest customer",
            f"{result.largest_customer:,}",
            f"records; the largest person has {result.largest_person:,}",
        ),
    ]
    for line in lines:
        table.add_row(*line)
    return table
