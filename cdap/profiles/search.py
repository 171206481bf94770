"""The client of the search domain, and looking customers up in it."""

from __future__ import annotations

from typing import Any

import boto3
import phonenumbers
from opensearchpy import OpenSearch, Urllib3AWSV4SignerAuth, Urllib3HttpConnection

from cdap.errors import CdapError
from cdap.identity.config import IdentityConfig
from cdap.identity.normalisation import normalised
from cdap.parameters import Parameters
from cdap.profiles.document import ALIASES
from cdap.profiles.indexes import ALIAS

# A customer's identifier is shared by a family at most; more than this is not a look-up.
MAX_FOUND = 20


def search_client(parameters: Parameters, session: boto3.Session | None = None) -> OpenSearch:
    """A client of the domain at `/cdap/search/endpoint`, its requests signed (Signature Version 4, service `es`).

    Raises CdapError when the SDK finds no credentials or no region.
    """
    aws = session if session is not None else boto3.Session()
    credentials = aws.get_credentials()
    if credentials is None or aws.region_name is None:
        raise CdapError(
            f"Connecting to the search domain at {parameters.search_endpoint}",
            "the SDK finds no credentials" if credentials is None else "the SDK finds no region",
            "Run under a role that may read the domain, and set AWS_REGION",
        )
    return OpenSearch(
        hosts=[parameters.search_endpoint],
        http_auth=Urllib3AWSV4SignerAuth(credentials, aws.region_name, "es"),
        connection_class=Urllib3HttpConnection,
        timeout=60,
        # Bulk requests are sent again by cdap.profiles.bulk, which knows what has to be.
        max_retries=0,
        http_compress=False,
    )


def find_by_id(search: OpenSearch, value: str) -> list[dict[str, Any]]:
    """The profiles of a customer id, an id that was merged into another, or a record key."""
    fields = ("customer_id", ALIASES, "source_records")
    return _find(search, [{"term": {field: value}} for field in fields])


def find_by_email(search: OpenSearch, value: str, config: IdentityConfig) -> list[dict[str, Any]]:
    """The profiles that have the e-mail address. Raises CdapError for one that says nothing about a person."""
    plain = value.strip().lower()
    same = _normalised(plain, "email", config)
    return _find(search, [{"terms": {"emails": sorted({plain, same})}}])


def find_by_phone(search: OpenSearch, value: str, config: IdentityConfig, region: str) -> list[dict[str, Any]]:
    """The profiles that have the phone number; one without a country code is of `region` (ISO 3166-1 alpha-2).

    Raises CdapError for what is no phone number, or one that says nothing about a person.
    """
    return _find(search, [{"term": {"phones": _normalised(e164(value, region), "phone", config)}}])


def e164(value: str, region: str) -> str:
    """The phone number as records have it; one without a country code is of `region`. Raises CdapError."""
    try:
        number = phonenumbers.parse(value, region)
    except phonenumbers.NumberParseException as error:
        raise CdapError(
            "Looking up a phone number", f"this is no phone number: {error}", "Give it as +<country><number>"
        ) from None
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def _normalised(value: str, identifier: str, config: IdentityConfig) -> str:
    rule = config.identifiers.get(identifier)
    result = normalised(value, rule) if rule is not None else value
    if result is None:
        raise CdapError(
            f"Looking up a profile by {identifier}",
            "this value says nothing about a person: config/identity.yaml lists it as junk",
            "Look the customer up by another identifier or by id",
        )
    return result


def _find(search: OpenSearch, should: list[dict[str, Any]]) -> list[dict[str, Any]]:
    response = search.search(
        index=ALIAS,
        body={
            "query": {"bool": {"filter": {"bool": {"should": should, "minimum_should_match": 1}}}},
            "sort": ["customer_id"],
            "size": MAX_FOUND,
        },
    )
    return [dict(hit["_source"]) for hit in response["hits"]["hits"]]
