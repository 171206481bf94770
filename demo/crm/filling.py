"""What the CRM holds, and its way from one day to the next, beside the shop's."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from demo.crm.contacts import AccountRow, ContactRow, Entry, entries
from demo.crm.store import Store
from demo.population import midnight_after
from demo.shop import Contents

_BATCH = 2_000


def generate(store: Store, contents: Contents) -> None:
    """Replaces what the CRM holds by the contacts of a generated population, up to the end of `contents.through`."""
    with store.transaction() as connection:
        store.clear(connection)
    if contents.kind == "generated":
        _write_changes(store, contents, None)


def advance(store: Store, before: Contents, now: Contents) -> None:
    """Lets the days between two states of the shop happen in the CRM too."""
    if before.through < now.through:
        _write_changes(store, now, midnight_after(before.through))


def _write_changes(store: Store, contents: Contents, since: datetime | None) -> None:
    until = midnight_after(contents.through)
    batches: dict[str, list[ContactRow | AccountRow]] = {"Contact": [], "Account": []}
    with store.transaction() as connection:
        for entry in _all(contents):
            row = entry.row(until)
            if row is None or (since is not None and entry.row(since) == row):
                continue
            name = "Contact" if isinstance(row, ContactRow) else "Account"
            batches[name].append(row)
            if len(batches[name]) >= _BATCH:
                store.replace(connection, name, batches[name])
                batches[name].clear()
        for name, rows in batches.items():
            store.replace(connection, name, rows)


def truth(contents: Contents) -> Iterator[tuple[str, str, str, str, str]]:
    """Who is who: (source, table, id, person, household) of the contacts that exist now."""
    if contents.kind != "generated":
        return
    now = midnight_after(contents.through)
    for entry in _all(contents):
        row = entry.row(now)
        if isinstance(row, ContactRow) and not row.IsDeleted:
            yield "crm", "contact", row.Id, entry.person_id, entry.household_id


def _all(contents: Contents) -> Iterator[Entry]:
    for account, contacts in entries(contents.seed, contents.span, contents.customers):
        if account is not None:
            yield account
        yield from contacts
