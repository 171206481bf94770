"""`cdap profile`: one customer, as the search index knows it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Annotated, Any

import typer
from rich.console import Console, Group
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from cdap.errors import CdapError
from cdap.identity import load_identity_config
from cdap.parameters import parameters
from cdap.profiles.search import MAX_FOUND, find_by_email, find_by_id, find_by_phone, search_client
from cdap.settings import settings
from cdap.warehouse import Warehouse

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Unified customer profiles.")


class ProfileNotFoundError(CdapError):
    """No customer has what was looked for."""


@app.callback()
def profile() -> None:
    """Unified customer profiles."""


@app.command()
def show(
    email: Annotated[str, typer.Option(help="An e-mail address of the customer.")] = "",
    phone: Annotated[str, typer.Option(help="A phone number of the customer.")] = "",
    id_: Annotated[
        str, typer.Option("--id", help="A customer id (a merged one resolves) or a record key, source.table:id.")
    ] = "",
    region: Annotated[
        str, typer.Option(help="Country of a phone number given without its code; else config/identity.yaml's.")
    ] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print the documents as JSON.")] = False,
) -> None:
    """Show the profile of a customer by one of its identifiers."""
    given = [name for name, value in (("email", email), ("phone", phone), ("id", id_)) if value.strip()]
    if len(given) != 1:
        raise typer.BadParameter("give one of --email, --phone and --id")
    config = load_identity_config(settings().config_dir / "identity.yaml")
    search = search_client(parameters(settings().parameters_prefix))
    find: dict[str, Callable[[], list[dict[str, Any]]]] = {
        "email": lambda: find_by_email(search, email, config),
        "phone": lambda: find_by_phone(search, phone, config, region or config.default_region),
        "id": lambda: find_by_id(search, id_.strip()),
    }
    found = find[given[0]]()
    if not found:
        raise ProfileNotFoundError(
            f"Looking up a profile by {given[0]}",
            "no customer in the search index has it",
            "Check it, or look the customer up by another identifier",
        )
    if as_json:
        typer.echo(json.dumps(found, ensure_ascii=False))
        return
    console = Console()
    if len(found) > 1:
        more = " or more" if len(found) == MAX_FOUND else ""
        console.print(f"{len(found)}{more} customers share it.")
    for document in found:
        console.print(panel(document))


@app.command()
def origins(
    customer: Annotated[str, typer.Argument(help="A customer id.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Say of each value of a customer which record it comes from, of when, and by which rule it survived."""
    with Warehouse.connect(parameters(settings().parameters_prefix)) as warehouse:
        rows = warehouse.fetch_all(
            "select attribute, value, rule, record_key, changed_at from marts.customer_golden_values "
            "where customer_id = %s order by attribute",
            [customer],
            purpose="Reading a customer's golden values",
        )
    if not rows:
        raise ProfileNotFoundError(
            f"Looking up the values of {customer}",
            "marts.customer_golden_values has no such customer",
            "Give a customer id; `cdap profile show` finds it, and follows merged ids",
        )
    names = ("attribute", "value", "rule", "record_key", "changed_at")
    if as_json:
        typer.echo(json.dumps([dict(zip(names, map(str, row), strict=True)) for row in rows], ensure_ascii=False))
        return
    table = Table("attribute", "value", "by", "record", "changed", title=customer)
    for column in table.columns:
        column.overflow = "fold"
    for attribute, value, rule, record, changed in rows:
        # An address is the record's as a whole.
        shown = "of that record" if attribute == "address" else str(value)
        table.add_row(str(attribute), shown, str(rule), str(record), str(changed)[:10])
    Console().print(table)


def panel(document: dict[str, Any]) -> Panel:
    """One profile, for people to read."""
    name = " ".join(str(document[part]) for part in ("first_name", "last_name") if document.get(part))
    address = ", ".join(
        part
        for part in (
            document.get("street", ""),
            " ".join(str(document[field]) for field in ("postcode", "city") if document.get(field)),
            document.get("country", ""),
        )
        if part
    )
    person = _lines(
        ("born", document.get("birth_date")),
        ("e-mail", _listed(document, "email", "emails")),
        ("phone", _listed(document, "phone", "phones")),
        ("address", address),
        ("marketing", {True: "consented", False: "not consented"}.get(document.get("has_marketing_consent", ""))),
        ("since", _day(document.get("first_seen_at"))),
    )
    currency = document.get("currency", "")
    orders = _lines(
        ("orders", f"{document.get('order_count', 0):,}"),
        ("money", f"{document.get('total_amount', 0):,.2f} {currency}".strip()),
        ("average", _money(document.get("average_order_amount"), currency)),
        ("first", _day(document.get("first_order_at"))),
        ("last", _day(document.get("last_order_at"))),
        ("cancelled, returned", _counts(document)),
        ("likes", document.get("favourite_category")),
        ("RFM", _scores(document)),
        ("subscription", _subscription(document)),
    )
    records = _lines(
        (f"{document.get('record_count', 0):,} records", ", ".join(document.get("source_records", []))),
        ("household", document.get("household_id")),
        ("merged ids", ", ".join(document.get("alias_ids", []))),
    )
    columns = Table.grid(padding=(0, 4))
    columns.add_row(person, orders)
    return Panel(
        Group(columns, Text(), records),
        title=Text(name or "(no name)", style="bold"),
        subtitle=Text(str(document.get("customer_id", "")), style="dim"),
        expand=False,
        padding=(1, 2),
    )


def _lines(*lines: tuple[str, Any]) -> Table:
    table = Table.grid(padding=(0, 2))
    for label, value in lines:
        if value not in (None, ""):
            table.add_row(Text(label, style="dim"), Text(str(value)))
    return table


def _listed(document: dict[str, Any], chosen: str, every: str) -> str:
    """The chosen value first, then the others."""
    first = document.get(chosen)
    values = [*([first] if first else []), *(value for value in document.get(every, []) if value != first)]
    return ", ".join(values)


def _day(value: Any) -> str:
    return str(value)[:10] if value else ""


def _money(value: Any, currency: str) -> str:
    return "" if value is None else f"{value:,.2f} {currency}".strip()


def _counts(document: dict[str, Any]) -> str:
    counts = [document.get("cancelled_order_count", 0), document.get("returned_order_count", 0)]
    return ", ".join(f"{count:,}" for count in counts) if any(counts) else ""


def _scores(document: dict[str, Any]) -> str:
    scores = [document.get(f"{name}_score") for name in ("recency", "frequency", "monetary")]
    return "-".join(str(score) for score in scores) if all(score is not None for score in scores) else ""


def _subscription(document: dict[str, Any]) -> str:
    status = document.get("subscription_status")
    plans = ", ".join(document.get("subscription_plans", []))
    return "" if status is None else f"{status} ({plans})" if plans else str(status)
