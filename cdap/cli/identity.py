"""`cdap identity`: which records are of one person, and how right that is."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from cdap.cli.lazy import lazy_group
from cdap.linkage.evaluation import Evaluation, read_truth
from cdap.linkage.evaluation import evaluate as evaluate_members

if TYPE_CHECKING:
    from cdap.linkage.resolve import Resolution

# Those of the platform's own customers; files are resolved without what they need.
OF_THE_PLATFORM = {
    "explain": "cdap.cli.graph:explain",
    "lookup": "cdap.cli.graph:lookup",
    **{
        name: f"cdap.cli.stewardship:{name}"
        for name in ("history", "review", "link", "unlink", "undecide", "preview", "release", "evidence")
    },
}
app = typer.Typer(
    cls=lazy_group(OF_THE_PLATFORM),
    no_args_is_help=True,
    add_completion=False,
    help="Which records belong to one customer.",
)


@app.callback()
def identity() -> None:
    """Which records belong to one customer."""


@app.command()
def resolve(
    records: Annotated[Path, typer.Option(help="CSV or Parquet, one line a record.", exists=True, dir_okay=False)],
    config: Annotated[Path, typer.Option(help="YAML: which column says what.", exists=True, dir_okay=False)],
    out: Annotated[Path, typer.Option(help="CSV or Parquet to write.", dir_okay=False)],
    model: Annotated[Path | None, typer.Option(help="A model; trained on the records when not given.")] = None,
    save_model: Annotated[Path | None, typer.Option(help="Where to keep the model that was used.")] = None,
    previous: Annotated[Path | None, typer.Option(help="What an earlier run wrote: its customer ids stay.")] = None,
    decisions: Annotated[
        Path | None, typer.Option(help="Pairs of records that a person decided on: columns a, b, decision.")
    ] = None,
    state: Annotated[
        Path | None,
        typer.Option(
            help="A file to keep what was found in: the next run with it looks at what changed.", dir_okay=False
        ),
    ] = None,
    evidence: Annotated[
        Path | None, typer.Option(help="An HTML page to write: weights, scores, customers to look at.", dir_okay=False)
    ] = None,
    threads: Annotated[int | None, typer.Option(min=1, help="All cores by default.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Find out which records of a file are of one person. Needs no Airflow, no warehouse and no cloud.

    Writes unique_id, customer_id, cluster_probability, household_id.
    """
    # numpy, scipy and DuckDB are of no use to the other commands.
    from cdap.linkage import files
    from cdap.linkage.config import load_linkage_config
    from cdap.linkage.resolve import resolve as resolve_records
    from cdap.linkage.state import State

    settled = load_linkage_config(config)
    before = files.read_clusters(previous) if previous else {}
    decided = files.read_decisions(decisions) if decisions else []
    result: Resolution | None = None
    with Console(stderr=True).status("reading") as status:
        if state is not None:
            with State.open(state, settled, threads) as kept:
                report = kept.bring_to(records, model=model, previous=before, decisions=decided, progress=status.update)
                kept.write_assignments(out)
                used = kept.model
                result = kept.told(report) if evidence else None
        else:
            result = resolve_records(
                records,
                settled,
                model=model,
                previous=before,
                decisions=decided,
                tell_links=evidence is not None,
                threads=threads,
                progress=status.update,
            )
            report, used = dict(result.report), result.model
            files.write_assignments(out, result.assignments)
    if save_model:
        used.save(save_model)
    if evidence and result is not None:
        from cdap.linkage.evidence import evidence_page

        evidence.write_text(evidence_page(result, settled, f"Who is whom in {records.name}"), encoding="utf-8")
    if as_json:
        typer.echo(json.dumps({**report, "out": str(out)}))
        return
    console = Console()
    if report.get("state") == "updated":
        console.print(f"{report['changed']:,} records changed, {report['resolved_again']:,} were resolved again.")
    console.print(
        f"{report['records']:,} records are {report['customers']:,} customers in {report['households']:,} households; "
        f"{report['pairs']:,} pairs compared, largest customer {report['largest_customer']} records."
    )
    if report.get("recall_of_keys") is not None:
        console.print(f"The keys propose an estimated {report['recall_of_keys']:.1%} of the pairs of one person.")
    if not report["model"].get("converged", True):
        console.print("The model did not converge: more records, or other columns, would make it surer.")
    console.print(
        f"Next: `cdap identity evaluate --clusters {out} --truth FILE` where the truth is known.", soft_wrap=True
    )


@app.command()
def evaluate(
    truth: Annotated[
        Path,
        typer.Option(help="CSV source,table,id,person_id,household_id, or with --clusters unique_id,person_id."),
    ],
    clusters: Annotated[
        Path | None, typer.Option(help="What `resolve` wrote, instead of the customers in the warehouse.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Compare customers with a truth: precision, recall, F1, over-merging."""
    if clusters is not None:
        from cdap.linkage import files

        persons, members = files.read_truth(truth), files.read_clusters(clusters)
    else:
        from cdap.identity.members import read_members
        from cdap.parameters import parameters
        from cdap.settings import settings
        from cdap.warehouse import Warehouse

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
        console.print(f"{result.unresolved:,} records of the truth have no customer; is it of the same records?")
    if clusters is None:
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
