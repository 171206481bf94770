"""The profile document: which columns of marts.customer_profile it has, and how the index holds each."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from cdap.errors import CdapError

# Raise it whenever DOCUMENT or the settings change: the index is then built anew and switched in when it is complete.
MAPPING_VERSION = 2

# marts.customer_profile joins its lists with it.
LIST_SEPARATOR = "|"


class Kind(Enum):
    """How a column comes from the warehouse and what it is in the index."""

    KEYWORD = "keyword"
    NAME = "name"
    LIST = "list"
    DATE = "date"
    TIMESTAMP = "timestamp"
    INTEGER = "integer"
    SCORE = "score"
    MONEY = "money"
    BOOLEAN = "boolean"

    @property
    def mapping(self) -> dict[str, Any]:
        """The field's part of an index mapping."""
        match self:
            case Kind.NAME:
                # To be found by any part of a name, and to be sorted and counted by the whole.
                return {"type": "text", "fields": {"keyword": {"type": "keyword", "ignore_above": 256}}}
            case Kind.DATE:
                return {"type": "date", "format": "strict_date"}
            case Kind.TIMESTAMP:
                return {"type": "date", "format": "strict_date_optional_time"}
            case Kind.INTEGER:
                return {"type": "long"}
            case Kind.SCORE:
                return {"type": "byte"}
            case Kind.MONEY:
                # Held as whole cents, so that sums and comparisons are exact.
                return {"type": "scaled_float", "scaling_factor": 100}
            case Kind.BOOLEAN:
                return {"type": "boolean"}
            case Kind.KEYWORD | Kind.LIST:
                return {"type": "keyword"}

    def convert(self, value: Any) -> Any:
        """The document's value of one that UNLOAD wrote as JSON; raises ValueError for what is of another kind."""
        match self:
            case Kind.LIST:
                return str(value).split(LIST_SEPARATOR)
            case Kind.KEYWORD | Kind.NAME:
                return str(value)
            case Kind.DATE:
                return str(value)[:10]
            case Kind.TIMESTAMP:
                # `2026-01-31 12:34:56.789` in UTC, to ISO 8601; the index keeps milliseconds.
                return str(value).replace(" ", "T")
            case Kind.INTEGER | Kind.SCORE:
                return int(value)
            case Kind.MONEY:
                return float(value)
            case Kind.BOOLEAN:
                if isinstance(value, bool):
                    return value
                return {"true": True, "t": True, "false": False, "f": False}[str(value).lower()]


# Columns of marts.customer_profile that are in the document.
DOCUMENT: Mapping[str, Kind] = {
    "customer_id": Kind.KEYWORD,
    "household_id": Kind.KEYWORD,
    "first_name": Kind.NAME,
    "last_name": Kind.NAME,
    "email": Kind.KEYWORD,
    "phone": Kind.KEYWORD,
    "birth_date": Kind.DATE,
    "street": Kind.NAME,
    "city": Kind.NAME,
    "postcode": Kind.KEYWORD,
    "country": Kind.KEYWORD,
    "has_marketing_consent": Kind.BOOLEAN,
    "emails": Kind.LIST,
    "phones": Kind.LIST,
    "source_records": Kind.LIST,
    "record_count": Kind.INTEGER,
    "first_seen_at": Kind.TIMESTAMP,
    "changed_at": Kind.TIMESTAMP,
    "order_count": Kind.INTEGER,
    "cancelled_order_count": Kind.INTEGER,
    "returned_order_count": Kind.INTEGER,
    "item_count": Kind.INTEGER,
    "currency": Kind.KEYWORD,
    "total_amount": Kind.MONEY,
    "average_order_amount": Kind.MONEY,
    "other_currency_order_count": Kind.INTEGER,
    "first_order_at": Kind.TIMESTAMP,
    "last_order_at": Kind.TIMESTAMP,
    "favourite_category": Kind.KEYWORD,
    "recency_score": Kind.SCORE,
    "frequency_score": Kind.SCORE,
    "monetary_score": Kind.SCORE,
    "subscription_status": Kind.KEYWORD,
    "active_subscription_count": Kind.INTEGER,
    "subscription_plans": Kind.LIST,
}

# Added to it from the identity log: the ids that were merged into this customer, so that a look-up by them finds it.
ALIASES = "alias_ids"


@dataclass(frozen=True)
class ProfileDocument:
    """One document, ready to be sent. `source` is its JSON."""

    customer_id: str
    source: bytes


class DocumentError(CdapError):
    """A row of the warehouse that is no profile document."""


def document(line: bytes) -> ProfileDocument:
    """The document of one line that UNLOAD wrote; absent and null values are left out.

    Raises DocumentError naming customer and column, never a value.
    """
    row: dict[str, Any] = json.loads(line)
    customer_id = row.get("customer_id")
    if not isinstance(customer_id, str) or not customer_id:
        raise DocumentError("Reading an unloaded profile", "it has no customer_id", "Correct marts.customer_profile")
    fields: dict[str, Any] = {}
    for name, kind in (*DOCUMENT.items(), (ALIASES, Kind.LIST)):
        value = row.get(name)
        if value is None or (kind is Kind.LIST and value == ""):
            continue
        try:
            fields[name] = kind.convert(value)
        except (KeyError, TypeError, ValueError):
            raise DocumentError(
                f"Reading the unloaded profile {customer_id}",
                f"its {name} is no {kind.value}",
                "Correct marts.customer_profile, or the document's definition with a new mapping version",
            ) from None
    return ProfileDocument(customer_id, json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode())


def index_body() -> dict[str, Any]:
    """Settings and strict mapping of a profile index: a field that is not in DOCUMENT is refused."""
    return {
        # A second copy where there is a second node, and no yellow index where there is one only.
        "settings": {"index": {"number_of_shards": 1, "auto_expand_replicas": "0-1"}},
        "mappings": {
            "dynamic": "strict",
            "_meta": {"mapping_version": MAPPING_VERSION},
            "properties": {
                **{name: kind.mapping for name, kind in DOCUMENT.items()},
                ALIASES: Kind.LIST.mapping,
            },
        },
    }
