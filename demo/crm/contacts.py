"""What the sales people know: contacts of the shop's persons, with typos, gaps and stale values of their own.

Made household by household like the shop's accounts, from random numbers of its own: the shop's rows are the same with
a CRM and without.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from random import Random

from demo.accounts import Account, accounts, mistyped
from demo.population import Household, Person, Span, households, latest, permuted
from demo.reference import NICKNAMES

CONTACTS = 2
"""Room for contacts in a person's range of numbers: sales people enter some persons twice."""

IN_CRM = 0.45
"""Share of persons that sales people know."""

_SOURCES = ("Web", "Phone Inquiry", "Partner Referral", "Trade Show", "Other")
_LETTERS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_SUFFIX = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"


@dataclass(frozen=True)
class ContactRow:
    """A Contact under Salesforce's field names."""

    Id: str
    AccountId: str | None
    FirstName: str | None
    LastName: str
    Email: str | None
    Phone: str | None
    MobilePhone: str | None
    Birthdate: date | None
    MailingStreet: str | None
    MailingCity: str | None
    MailingPostalCode: str | None
    MailingCountry: str | None
    LeadSource: str | None
    HasOptedOutOfEmail: bool
    Shop_Customer_Number__c: str | None
    CreatedDate: datetime
    LastModifiedDate: datetime
    SystemModstamp: datetime
    IsDeleted: bool = False


@dataclass(frozen=True)
class AccountRow:
    """An Account under Salesforce's field names: one a household that sales people know."""

    Id: str
    Name: str
    Type: str | None
    Phone: str | None
    BillingStreet: str | None
    BillingCity: str | None
    BillingPostalCode: str | None
    BillingCountry: str | None
    CreatedDate: datetime
    LastModifiedDate: datetime
    SystemModstamp: datetime
    IsDeleted: bool = False


@dataclass(frozen=True)
class Entry:
    """One record of the CRM with all its versions, oldest first, and whom it is of."""

    versions: tuple[ContactRow | AccountRow, ...]
    person_id: str
    household_id: str

    def row(self, at: datetime) -> ContactRow | AccountRow | None:
        """The record as it stands at an instant, a deleted one with IsDeleted; None before it was made."""
        found = None
        for version in self.versions:
            if version.SystemModstamp >= at:
                break
            found = version
        return found


def record_id(prefix: str, number: int) -> str:
    """An id of 18 characters as Salesforce makes them: key prefix, number, and a suffix that gives the letters' case.

    Source: "What are Salesforce record IDs composed of?" (the suffix has a bit for each of three times five letters).
    """
    digits = ""
    for _ in range(9):
        number, rest = divmod(number, len(_LETTERS))
        digits = _LETTERS[rest] + digits
    id15 = f"{prefix}5e0{digits}"
    return id15 + "".join(
        _SUFFIX[sum(1 << bit for bit, letter in enumerate(id15[start : start + 5]) if letter.isupper())]
        for start in (0, 5, 10)
    )


def entries(seed: int, span: Span, customers: int) -> Iterator[tuple[Entry | None, list[Entry]]]:
    """(account, contacts) of one household after the other, of those households that have the shop's customers."""
    homes = households(seed, span)
    for opened in accounts(seed, span, customers):
        # `accounts` walks through the same households, but a household's own random numbers are used up by it: each
        # walk has objects of its own.
        yield _household(seed, span, next(homes), opened)


def _household(seed: int, span: Span, home: Household, opened: list[Account]) -> tuple[Entry | None, list[Entry]]:
    random = Random(f"{seed}/crm/{home.number}")
    made = [
        entry
        for person in home.persons
        for entry in _contacts_of(random, span, home, person, [a for a in opened if a.person.number == person.number])
    ]
    if not made:
        return None, []
    account = _account(random, home, min(entry.versions[0].CreatedDate for entry in made))
    return account, made


def _account(random: Random, home: Household, created: datetime) -> Entry:
    address = latest(home.addresses, created)
    row = AccountRow(
        Id=record_id("001", permuted(home.number, 5)),
        Name=f"{latest(home.persons[0].surnames, created)} Household",
        Type=random.choice(("Household", "Prospect", None)),
        Phone=address.country.spell_phone(home.shared_phone, "international") if home.shared_phone else None,
        BillingStreet=address.street,
        BillingCity=address.city,
        BillingPostalCode=address.postcode,
        BillingCountry=address.country.code,
        CreatedDate=created,
        LastModifiedDate=created,
        SystemModstamp=created,
    )
    return Entry((row,), home.persons[0].person_id, home.household_id)


def _contacts_of(random: Random, span: Span, home: Household, person: Person, opened: list[Account]) -> Iterator[Entry]:
    if random.random() >= IN_CRM:
        return
    for number in range(2 if random.random() < 0.04 else 1):
        versions = _versions(random, span, home, person, opened, number)
        yield Entry(tuple(versions), person.person_id, home.household_id)


def _versions(
    random: Random, span: Span, home: Household, person: Person, opened: list[Account], number: int
) -> list[ContactRow]:
    created = _seconds(span.instant(random))
    address = latest(home.addresses, created)
    national = latest(person.phones, created)
    mobile = address.country.spell_phone(national, random.choice(("international", "e164", "national")))
    shared = home.shared_phone and address.country.spell_phone(home.shared_phone, "international")
    row = ContactRow(
        Id=record_id("003", permuted(person.number * CONTACTS + number, 4)),
        AccountId=record_id("001", permuted(home.number, 5)),
        FirstName=person.first_name,
        LastName=latest(person.surnames, created),
        Email=random.choice(person.emails) if random.random() < 0.5 else person.emails[0],
        Phone=shared if random.random() < 0.5 else None,
        MobilePhone=mobile,
        Birthdate=person.birth_date,
        MailingStreet=address.street,
        MailingCity=address.city,
        MailingPostalCode=address.postcode,
        MailingCountry=address.country.code,
        LeadSource=random.choice(_SOURCES),
        HasOptedOutOfEmail=random.random() < 0.2,
        # Sales people note the shop's number for one in eight of those who have one.
        Shop_Customer_Number__c=str(opened[0].customer_id) if opened and random.random() < 0.12 else None,
        CreatedDate=created,
        LastModifiedDate=created,
        SystemModstamp=created,
    )
    versions = [_as_entered(random, row)]
    for at, change in _later(random, span, home, person, created):
        versions.append(replace(versions[-1], LastModifiedDate=at, SystemModstamp=at, **change))  # type: ignore[arg-type]
    return versions


def _as_entered(random: Random, row: ContactRow) -> ContactRow:
    """Gaps and slips of sales people: no birth date mostly, half an address, nicknames, swapped fields."""
    changes: dict[str, object] = {}
    if random.random() < 0.55:
        changes["Birthdate"] = None
    if random.random() < 0.22:
        changes["Email"] = None
    if random.random() < 0.20 and "Email" not in changes:
        changes["MobilePhone"] = None
    if random.random() < 0.30:
        changes.update(MailingStreet=None, MailingPostalCode=None)
    first, last = row.FirstName or "", row.LastName
    fate = random.random()
    if fate < 0.18:
        first = NICKNAMES.get(first, first)
    elif fate < 0.22:
        first = mistyped(random, first)
    elif fate < 0.26:
        last = mistyped(random, last)
    elif fate < 0.30:
        first = f"{first[0]}."
    elif fate < 0.33:
        last = last.upper()
    elif fate < 0.35:
        first, last = last, first
    elif fate < 0.36:
        changes["FirstName"] = None
    changes = {"FirstName": first, "LastName": last, **changes}
    return replace(row, **changes)  # type: ignore[arg-type]


def _later(
    random: Random, span: Span, home: Household, person: Person, created: datetime
) -> list[tuple[datetime, dict[str, object]]]:
    """What is changed after the contact was made, oldest first: some moves and new numbers, opt-outs, deletions."""
    events: list[tuple[datetime, dict[str, object]]] = []
    for since, address in home.addresses[1:]:
        if random.random() < 0.4:
            moved = {"MailingStreet": address.street, "MailingCity": address.city,
                     "MailingPostalCode": address.postcode, "MailingCountry": address.country.code}  # fmt: skip
            events.append((since, dict(moved)))
    for since, surname in person.surnames[1:]:
        if random.random() < 0.5:
            events.append((since, {"LastName": surname}))
    for since, number in person.phones[1:]:
        if random.random() < 0.5:
            country = latest(home.addresses, since).country
            events.append((since, {"MobilePhone": country.spell_phone(number, "international")}))
    # Much is touched during the days themselves: what daily windows are made for.
    days = (span.closes - timedelta(days=span.days), span.closes)
    for chance, change in ((0.10, {"LeadSource": random.choice(_SOURCES)}), (0.03, {"HasOptedOutOfEmail": True})):
        if random.random() < chance:
            events.append((days[0] + (days[1] - days[0]) * random.random(), dict(change)))
    told = sorted((_seconds(at + timedelta(days=random.random())), change) for at, change in events)
    kept = [(at, change) for at, change in told if created < at < span.closes]
    if random.random() < 0.03:
        deleted = _seconds(span.instant(random, created))
        kept = [(at, change) for at, change in kept if at < deleted] + [(deleted, {"IsDeleted": True})]
    return kept


def _seconds(at: datetime) -> datetime:
    """Salesforce's instants are whole seconds."""
    return at.replace(microsecond=0)
