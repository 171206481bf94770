"""`cdap identity explain` and `lookup`: what the graph tells of customers."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from cdap.parameters import parameters
from cdap.settings import settings

if TYPE_CHECKING:
    from cdap.graph.explanation import Link


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
