"""Records of the demo's persons with their truth, as a file: of the shop and of the CRM."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from cdap.linkage.config import LinkageConfig
from demo.accounts import accounts
from demo.crm.contacts import ContactRow, entries
from demo.population import Span

COLUMNS = ("unique_id", "source", "first_name", "last_name", "birth_date", "email", "phone", "street", "city",
           "postcode", "country", "person_id", "household_id")  # fmt: skip
CONFIG = LinkageConfig.model_validate(
    {
        "unique_id": "unique_id",
        "source": "source",
        "fields": {
            "first_name": "first_name",
            "last_name": "last_name",
            "birth_date": "birth_date",
            "email": "email",
            "phone": "phone",
            "street": "street",
            "city": "city",
            "postcode": "postcode",
        },
    }
)


def write(file: Path, records: int, seed: int = 7) -> int:
    """Writes at least so many records, in whole households, as Parquet; returns how many they are."""
    span = Span(days=400, end=date(2026, 11, 25))
    schema = pa.schema([(name, pa.string()) for name in COLUMNS])
    written, batch = 0, []
    with pq.ParquetWriter(file, schema) as writer:
        for row in _rows(seed, span, records):
            batch.append(row)
            written += 1
            if len(batch) == 50_000 or written == records:
                writer.write_table(pa.Table.from_pylist(batch, schema=schema))
                batch = []
            if written == records:
                break
        if batch:
            writer.write_table(pa.Table.from_pylist(batch, schema=schema))
    return written


def _rows(seed: int, span: Span, customers: int) -> Iterator[dict[str, str | None]]:
    at = span.closes
    contacts = iter(entries(seed, span, customers))
    for opened in accounts(seed, span, customers):
        for account in opened:
            if row := account.row(at):
                yield {
                    "unique_id": f"shop:{row.customer_id}",
                    "source": "shop",
                    **{name: _text(getattr(row, name)) for name in COLUMNS[2:11]},
                    "person_id": account.person.person_id,
                    "household_id": account.household.household_id,
                }
        found = next(contacts, None)
        for entry in found[1] if found else []:
            contact = entry.row(at)
            if isinstance(contact, ContactRow) and not contact.IsDeleted:
                yield {
                    "unique_id": f"crm:{contact.Id}",
                    "source": "crm",
                    "first_name": contact.FirstName,
                    "last_name": contact.LastName,
                    "birth_date": _text(contact.Birthdate),
                    "email": contact.Email,
                    "phone": contact.MobilePhone or contact.Phone,
                    "street": contact.MailingStreet,
                    "city": contact.MailingCity,
                    "postcode": contact.MailingPostalCode,
                    "country": contact.MailingCountry,
                    "person_id": entry.person_id,
                    "household_id": entry.household_id,
                }


def _text(value: object) -> str | None:
    return None if value is None else str(value)
