"""Records damaged in a load that has landed, as a source or a service that fails would send them.

As many as came: each damaged record stands in the place of one that was whole, which is what mends it.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

Row = dict[str, Any]
# What a record of a load becomes, and another record of it for what needs one.
Kind = Callable[[Row, Row], Row]
EXTRA = "not_in_the_contract"


def put(column: str, value: Any) -> Kind:
    """The record with another value in a column."""
    return lambda row, _other: {**row, column: value}


def copy_of_another(_row: Row, other: Row) -> Row:
    """The other record, so that there are two of its key."""
    return dict(other)


SHOP: Mapping[str, Mapping[str, Kind]] = {
    "customers": {
        "missing:customer_id": put("customer_id", None),
        "type:marketing_consent": put("marketing_consent", "perhaps"),
        "range:birth_date": put("birth_date", date(1700, 1, 1)),
        "duplicate:customer_id": copy_of_another,
        "encoding:first_name": put("first_name", "J\ufffdrg"),
        "pattern:country": put("country", "de"),
        "length:postcode": put("postcode", "1" * 21),
        f"unexpected:{EXTRA}": put(EXTRA, "gold"),
    },
    "orders": {
        "missing:ordered_at": put("ordered_at", None),
        "range:order_id": put("order_id", -1),
        "duplicate:order_id": copy_of_another,
        "enum:status": put("status", "lost"),
        "pattern:currency": put("currency", "euro"),
        "window:ordered_at": put("ordered_at", datetime(1970, 1, 1)),  # noqa: DTZ001 - the column has no time zone
        f"unexpected:{EXTRA}": put(EXTRA, "gold"),
    },
}
CRM: Mapping[str, Mapping[str, Kind]] = {
    "contact": {
        "missing:lastname": put("LastName", None),
        "type:birthdate": put("Birthdate", "in spring"),
        "range:birthdate": put("Birthdate", "1700-01-01"),
        "duplicate:id": copy_of_another,
        "enum:leadsource": put("LeadSource", "Dream"),
        "encoding:mailingcity": put("MailingCity", "K\ufffdln"),
        "pattern:id": put("Id", "003"),
        "length:firstname": put("FirstName", "A" * 41),
        "type:isdeleted": put("IsDeleted", "0.5"),
        f"unexpected:{EXTRA}": put(EXTRA, "gold"),
    },
    "account": {
        "missing:name": put("Name", None),
        "enum:type": put("Type", "Family"),
        "type:createddate": put("CreatedDate", "yesterday"),
        f"unexpected:{EXTRA}": put(EXTRA, "gold"),
    },
}


@dataclass(frozen=True)
class Planted:
    """What was done to a table of a load: reasons, and the whole records, by the catalog's column names."""

    reasons: list[str]
    whole: list[Row]


def plant(s3: Any, bucket: str, folder: str, kinds: Mapping[str, Kind]) -> Planted:
    """Damages the first records of a folder's files, one of each kind, in place; raises when there are too few."""
    keys = [item["Key"] for item in s3.list_objects_v2(Bucket=bucket, Prefix=folder)["Contents"]]
    key = max(keys, key=lambda name: s3.head_object(Bucket=bucket, Key=name)["ContentLength"])
    table = pq.read_table(io.BytesIO(s3.get_object(Bucket=bucket, Key=key)["Body"].read()))
    rows = table.to_pylist()
    if len(rows) <= len(kinds):
        raise ValueError(
            f"{key} has {len(rows)} records: too few for {len(kinds)} kinds of damage and one that is whole"
        )
    whole = rows[: len(kinds)]
    damaged = [kind(row, rows[-1]) for kind, row in zip(kinds.values(), whole, strict=True)]
    schema = table.schema
    if any(EXTRA in row for row in damaged):
        schema = schema.append(pa.field(EXTRA, pa.string()))
    written = io.BytesIO()
    pq.write_table(pa.Table.from_pylist([*damaged, *rows[len(kinds) :]], schema=schema), written)
    s3.put_object(Bucket=bucket, Key=key, Body=written.getvalue())
    return Planted(list(kinds), [{name.lower(): value for name, value in row.items()} for row in whole])
