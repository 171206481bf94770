"""`cdap identity`: which records are of one person, and how right that is."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from cdap.cli import stewardship
from cdap.identity.members import read_members
from cdap.linkage.evaluation import Evaluation, read_truth
from cdap.linkage.evaluation import evaluate as evaluate_members
from cdap.parameters import parameters
from cdap.settings import settings
from cdap.warehouse import Warehouse

if TYPE_CHECKING:
    from cdap.graph.explanation import Link
    from cdap.linkage.resolve import Resolution

app = typer.Typer(no_args_is_help=True, help="Which records belong to one customer.")
for command in (
    stewardship.review,
    stewardship.link,
    stewardship.unlink,
    stewardship.undecide,
    stewardship.preview,
    stewardship.evidence,
):
    app.command()(command)


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


@app.command()
def explain(
    a: Annotated[str, typer.Argument(help="A record key (source.table:id) or a customer id.")],
    b: Annotated[str, typer.Argument(help="Another one.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print the explanation as JSON.")] = False,
) -> None:
    """Say why two records are one customer, by the path of links between them, or why two are not."""
    from cdap.graph import Graph
    from cdap.graph import explain as explain_pair

    with Graph.connect(parameters(settings().parameters_prefix)) as graph:
        told = explain_pair(graph, a, b)
    if as_json:
        typer.echo(json.dumps({**dataclasses.asdict(told), "one_customer": told.one_customer}))
        return
    console = Console(highlight=False)
    if told.one_customer:
        console.print(f"{a} and {b} are one customer, {told.customers[0]}.", soft_wrap=True)
        if not told.path and a != b:
            console.print("Next: name two records of it for the path of links between them.")
    else:
        console.print(f"{a} and {b} are two customers, {told.customers[0]} and {told.customers[1]}.", soft_wrap=True)
        console.print(f"In common: {', '.join(told.shared) or 'no identifier'}.")
        if not told.apart:
            console.print("No pair of their records comes near to being of one person.")
    for link in (*told.path, *told.apart):
        console.print(f"  {_told(link)}", soft_wrap=True)
    if told.apart:
        console.print("Such pairs were outweighed by the other records, or the two may not be one, or are against it.")


@app.command()
def lookup(
    name: Annotated[str, typer.Argument(help="An identifier of config/identity.yaml: email, phone ...")],
    value: Annotated[str, typer.Argument(help="Its value, however it is written.")],
    region: Annotated[
        str | None, typer.Option(help="Country of a phone number without one, ISO code; as configured by default.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was found as JSON.")] = False,
) -> None:
    """Find the customers whose records have this value of an identifier."""
    from cdap.graph import Graph, look_up
    from cdap.identity import load_identity_config
    from cdap.profiles.search import e164

    config = load_identity_config(settings().config_dir / "identity.yaml")
    if name == "phone":
        value = e164(value, region or config.default_region)
    with Graph.connect(parameters(settings().parameters_prefix)) as graph:
        found = look_up(graph, config, name, value)
    if as_json:
        typer.echo(json.dumps([dataclasses.asdict(holder) for holder in found]))
        return
    console = Console(highlight=False)
    for holder in found:
        console.print(f"{holder.customer_id}: {', '.join(holder.records)}", soft_wrap=True)
    if not found:
        console.print(f"No customer has this {name}, or more records share it than one person has.")
    elif len(found) > 1:
        first, second = found[0].customer_id, found[1].customer_id
        console.print(f"Next: `cdap identity explain {first} {second}` says why they are two.", soft_wrap=True)
    else:
        console.print(f"Next: `cdap profile show --id {found[0].customer_id}`.", soft_wrap=True)


def _told(link: Link) -> str:
    if link.bits is None:
        return f"{link.record_a} - {link.record_b}: {link.rule}"
    fields = ", ".join(f"{name} {bits:+.1f}" for name, bits in sorted(link.evidence.items(), key=lambda of: -of[1]))
    return f"{link.record_a} - {link.record_b}: {link.bits:+.1f} bits ({fields})"


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
