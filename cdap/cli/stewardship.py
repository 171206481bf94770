"""What stewards do with `cdap identity`: look at doubtful pairs, decide on them, preview and release models."""

from __future__ import annotations

import dataclasses
import getpass
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated
from uuid import uuid4

import boto3
import typer
from rich.console import Console

from cdap.identity import decisions, load_identity_config
from cdap.identity import history as histories
from cdap.identity.history import Happening
from cdap.identity.members import read_members
from cdap.identity.pages import EvidencePages
from cdap.identity.preview import Change, compare
from cdap.parameters import parameters
from cdap.settings import settings
from cdap.warehouse import Warehouse

RecordArgument = Annotated[str, typer.Argument(help="A record key, source.table:id.")]
ByOption = Annotated[str | None, typer.Option("--by", help="Who decides; the user of this machine when left out.")]
ReasonOption = Annotated[str | None, typer.Option("--reason", help="Why, for who reads it later.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
TAKES_EFFECT = "It takes effect with the next run of build_profiles; trigger it with `rebuild` when no day is waiting."


def review(
    limit: Annotated[int, typer.Option(min=1, help="How many pairs.")] = 20, as_json: JsonOption = False
) -> None:
    """List the pairs of records that are least sure and that nobody has decided on, with what each field says."""
    with Warehouse.connect(parameters(settings().parameters_prefix)) as warehouse:
        pairs = decisions.doubtful_pairs(warehouse, limit)
    if as_json:
        typer.echo(json.dumps([{**dataclasses.asdict(of), "evidence": json.loads(of.evidence)} for of in pairs]))
        return
    console = Console(highlight=False)
    if not pairs:
        console.print("No pair is in doubt.")
        return
    for of in pairs:
        is_now = "one customer" if of.one_customer else "two customers"
        said = sorted(json.loads(of.evidence).items(), key=lambda field: -field[1])
        fields = ", ".join(f"{name} {bits:+.1f}" for name, bits in said)
        console.print(f"{of.record_a} {of.record_b}  {is_now}, {of.bits:+.1f} bits ({fields})", soft_wrap=True)
    console.print("Next: `cdap profile show --id RECORD` for each, then `cdap identity link` or `unlink`.")


def history(
    id_: Annotated[str, typer.Argument(metavar="ID", help="A customer id, also of before, or source.table:id.")],
    as_json: JsonOption = False,
) -> None:
    """Tell what became of a customer or a record: whose it was and when, what happened and why."""
    with Warehouse.connect(parameters(settings().parameters_prefix)) as warehouse:
        found = histories.history(warehouse, id_)
    if as_json:
        typer.echo(json.dumps(dataclasses.asdict(found), default=str))
        return
    console = Console(highlight=False)
    is_record = found.stays[0].record_key == id_
    state = "is a customer" if found.now == id_ else f"is now {found.now}" if found.now else "is no more"
    if is_record and found.now:
        state = f"is of {found.now}"
    console.print(f"{id_} {state}.", soft_wrap=True)
    for happening in found.happenings:
        console.print(f"  {happening.at:%Y-%m-%d %H:%M}  {_happened(happening)}", soft_wrap=True)
    console.print("Of:" if is_record else "Records:")
    for stay in found.stays:
        what = stay.customer_id if is_record else stay.record_key
        until = f"{stay.until:%Y-%m-%d %H:%M}" if stay.until else "now"
        console.print(f"  {stay.since:%Y-%m-%d %H:%M} to {until:<16}  {what}", soft_wrap=True)


def _happened(of: Happening) -> str:
    """An event in words."""
    told = {
        "mint": f"{of.customer_id} began with {of.record_key}",
        "merge": f"{of.customer_id} took in {of.other_customer_id}",
        "split": f"{of.other_customer_id} was parted from {of.customer_id}",
        "move": f"{of.record_key} moved from {of.other_customer_id} to {of.customer_id}",
        "delete": f"{of.record_key} of {of.customer_id} is gone" if of.record_key else f"{of.customer_id} ended",
        "restore": f"{of.customer_id} came back with its records",
    }[of.kind]
    link = f": {of.because[0]} - {of.because[1]} ({of.agreement})" if of.because else ""
    return f"{told}, {of.cause.replace('_', ' ')}{link}"


def link(a: RecordArgument, b: RecordArgument, by: ByOption = None, reason: ReasonOption = None) -> None:
    """Decide that two records are of one person; it holds whatever a model says."""
    _decide(a, b, "link", by, reason)


def unlink(a: RecordArgument, b: RecordArgument, by: ByOption = None, reason: ReasonOption = None) -> None:
    """Decide that two records are of two persons; it holds whatever a model says."""
    _decide(a, b, "unlink", by, reason)


def undecide(a: RecordArgument, b: RecordArgument) -> None:
    """Take back what was decided of two records."""
    with Warehouse.connect(parameters(settings().parameters_prefix)) as warehouse:
        decisions.undecide(warehouse, a, b)
    Console().print(f"The decision on {a} and {b} is taken back. {TAKES_EFFECT}", soft_wrap=True)


def preview(
    model: Annotated[Path | None, typer.Option(help="A model; one is trained when not given.", dir_okay=False)] = None,
    config: Annotated[Path | None, typer.Option(help="Instead of config/identity.yaml.", dir_okay=False)] = None,
    save_model: Annotated[Path | None, typer.Option(help="Where to keep the model, to release it.")] = None,
    examples: Annotated[int, typer.Option(min=0, help="How many merges and splits to show.")] = 10,
    as_json: JsonOption = False,
) -> None:
    """Show by example which customers a new model or configuration would merge and split; nothing is changed."""
    # numpy, scipy and DuckDB are of no use to the other commands.
    from cdap.identity.matching import ModelMatcher

    settled = load_identity_config(config or settings().config_dir / "identity.yaml")
    names = parameters(settings().parameters_prefix)
    with Warehouse.connect(names) as warehouse:
        before = read_members(warehouse)
        proposal = ModelMatcher.in_lake(settled, names, f"preview {uuid4()}").propose(warehouse, model)
    if save_model and proposal.model is not None:
        proposal.model.save(save_model)
    found = compare(before, proposal.members)
    if as_json:
        shown = dataclasses.replace(found, changes=found.changes[:examples])
        typer.echo(json.dumps({**dataclasses.asdict(shown), "changed": len(found.changes)}))
        return
    console = Console(highlight=False)
    console.print(
        f"{found.records:,} records: {found.customers_before:,} customers would be {found.customers_after:,}; "
        f"{found.unchanged:,} stay as they are, {len(found.changes):,} merge or split.",
        soft_wrap=True,
    )
    for change in found.changes[:examples]:
        console.print(f"  {_told(change)}", soft_wrap=True)
    if found.changes:
        file = model or save_model
        how = f"`cdap identity release --model {file}`" if file else "`cdap identity preview --save-model FILE`"
        console.print(f"Next: {how}, or keep the model that there is.", soft_wrap=True)


def release(
    model: Annotated[Path, typer.Option(help="What `preview` or `resolve` saved.", exists=True, dir_okay=False)],
) -> None:
    """Make a model that was previewed the one by which records are compared from now on."""
    from cdap.identity.matching import ModelMatcher
    from cdap.identity.resolution import known_at

    config = load_identity_config(settings().config_dir / "identity.yaml")
    names = parameters(settings().parameters_prefix)
    run_id = f"release {uuid4()}"
    with Warehouse.connect(names) as warehouse, warehouse.transaction():
        made = ModelMatcher.in_lake(config, names, run_id).release(
            warehouse, model, run_id, known_at(warehouse, datetime.now(UTC))
        )
    Console().print(f"Model {made.model} is the current one. {TAKES_EFFECT}", soft_wrap=True)


def evidence(
    out: Annotated[Path, typer.Option(help="Where to write the page.", dir_okay=False)] = Path("identity.html"),
) -> None:
    """Copy the page of the last run: what agreement weighs, how the scores lie, which customers to look at."""
    EvidencePages(boto3.client("s3"), parameters(settings().parameters_prefix).lake_bucket).download(out)
    Console().print(f"Next: open {out.resolve().as_uri()}", soft_wrap=True)


def _decide(a: str, b: str, verdict: decisions.Verdict, by: str | None, reason: str | None) -> None:
    with Warehouse.connect(parameters(settings().parameters_prefix)) as warehouse:
        decisions.decide(warehouse, a, b, verdict, by=by or getpass.getuser(), reason=reason)
    are = "one person" if verdict == "link" else "two persons"
    Console().print(f"{a} and {b} are {are}, whatever a model says. {TAKES_EFFECT}", soft_wrap=True)


def _told(change: Change) -> str:
    return f"{change.kind}: {' | '.join(' '.join(part) for part in change.parts)}"
