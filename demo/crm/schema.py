"""The objects of the CRM: their fields, with Salesforce's types."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Field:
    """A field as `describe` gives it; `length` in characters, 0 where it has none."""

    type: str
    length: int = 0
    label: str = ""
    nillable: bool = True


_COMMON = {
    "CreatedDate": Field("datetime", nillable=False),
    "LastModifiedDate": Field("datetime", nillable=False),
    "SystemModstamp": Field("datetime", nillable=False),
    "IsDeleted": Field("boolean", nillable=False),
}

OBJECTS: Mapping[str, Mapping[str, Field]] = {
    "Contact": {
        "Id": Field("id", 18, nillable=False),
        "AccountId": Field("reference", 18),
        "FirstName": Field("string", 40),
        "LastName": Field("string", 80, nillable=False),
        "Email": Field("email", 80),
        "Phone": Field("phone", 40),
        "MobilePhone": Field("phone", 40),
        "Birthdate": Field("date"),
        "MailingStreet": Field("textarea", 255),
        "MailingCity": Field("string", 40),
        "MailingPostalCode": Field("string", 20),
        "MailingCountry": Field("string", 80),
        "LeadSource": Field("picklist", 255),
        "HasOptedOutOfEmail": Field("boolean", nillable=False),
        "Shop_Customer_Number__c": Field("string", 20, "Shop customer number"),
        **_COMMON,
    },
    "Account": {
        "Id": Field("id", 18, nillable=False),
        "Name": Field("string", 255, nillable=False),
        "Type": Field("picklist", 255),
        "Phone": Field("phone", 40),
        "BillingStreet": Field("textarea", 255),
        "BillingCity": Field("string", 40),
        "BillingPostalCode": Field("string", 20),
        "BillingCountry": Field("string", 80),
        **_COMMON,
    },
}


def describe(name: str) -> dict[str, object]:
    """The answer of `sobjects/<name>/describe`, as far as clients read it (Salesforce: sObject Describe)."""
    return {
        "name": name,
        "label": name,
        "queryable": True,
        "replicateable": True,
        "fields": [
            {
                "name": field,
                "label": kind.label or field,
                "type": kind.type,
                "length": kind.length,
                "nillable": kind.nillable,
                "filterable": True,
                "sortable": True,
                "custom": field.endswith("__c"),
            }
            for field, kind in OBJECTS[name].items()
        ],
    }
