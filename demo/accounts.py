"""What the shop knows of its customers: accounts as people open, mistype, forget, change and delete them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from random import Random

from demo.population import Household, Person, Span, ascii_word, households, latest, permuted
from demo.reference import NICKNAMES

ACCOUNTS = 8
"""Room for accounts in a person's range of numbers."""

JUNK_EMAILS = ("test@test.com", "none@none.com", "noemail@example.com", "asdf@asdf.com", "n/a")
JUNK_PHONES = ("0000000000", "1234567890", "9999999999", "+10000000000")
JUNK_BIRTH_DATE = date(1900, 1, 1)


@dataclass(frozen=True)
class CustomerRow:
    """A row of the shop's `customers`, in the order of its columns."""

    customer_id: int
    email: str | None
    phone: str | None
    first_name: str | None
    last_name: str | None
    birth_date: date | None
    street: str | None
    city: str | None
    postcode: str | None
    country: str | None
    marketing_consent: bool
    registered_at: datetime
    updated_at: datetime


@dataclass
class Account:
    """One registration of one person, with every version of its row; `number` counts up, `customer_id` does not."""

    customer_id: int
    number: int
    person: Person
    household: Household
    versions: list[CustomerRow]
    deleted_at: datetime | None
    currency: str

    @property
    def registered_at(self) -> datetime:
        return self.versions[0].registered_at

    def row(self, at: datetime) -> CustomerRow | None:
        """The row as it stands at an instant; None before the registration and after the deletion."""
        if at <= self.registered_at or (self.deleted_at is not None and self.deleted_at < at):
            return None
        current = self.versions[0]
        for version in self.versions:
            if version.updated_at >= at:
                break
            current = version
        return current


def accounts(seed: int, span: Span, customers: int) -> Iterator[list[Account]]:
    """The accounts of one household after the other, `customers` in all, each registered before the span closes."""
    remaining = customers
    for household in households(seed, span):
        if remaining <= 0:
            return
        opened = [account for person in household.persons for account in _accounts_of(household, person, span)]
        yield opened[:remaining]
        remaining -= len(opened)


def _accounts_of(household: Household, person: Person, span: Span) -> Iterator[Account]:
    random = household.random
    count = random.choices((0, 1, 2, 3, 4), (8, 74, 13, 4, 1))[0]
    if household.persons[0] is person:
        count = max(count, 1)
    first: datetime | None = None
    for number in range(count):
        registered = span.instant(random, first)
        first = first or registered
        yield _open(household, person, number, registered, span)


def _open(household: Household, person: Person, number: int, registered: datetime, span: Span) -> Account:
    random = household.random
    account_number = person.number * ACCOUNTS + number
    customer_id = permuted(account_number)
    address = latest(household.addresses, registered)
    surname = latest(person.surnames, registered)
    style = random.choices(("national", "digits", "international", "e164", "prefix"), (34, 22, 18, 20, 6))[0]
    phone = household.shared_phone if random.random() < 0.7 else None
    national = phone or latest(person.phones, registered)
    row = CustomerRow(
        customer_id=customer_id,
        email=_email(household, person, number),
        phone=address.country.spell_phone(national, style),
        first_name=person.first_name,
        last_name=surname,
        birth_date=person.birth_date,
        street=address.street,
        city=address.city,
        postcode=address.postcode,
        country=address.country.code,
        marketing_consent=random.random() < 0.55,
        registered_at=registered,
        updated_at=registered,
    )
    row = _as_typed(random, row, number)
    account = Account(customer_id, account_number, person, household, [row], None, address.country.currency)
    if random.random() < 0.7:  # the others are never looked after again
        _keep_up(account, span, style, follows_phone=phone is None)
    if random.random() < 0.04:
        account.deleted_at = span.instant(random, registered)
    return account


def _email(household: Household, person: Person, number: int) -> str:
    random = household.random
    if household.shared_email and random.random() < 0.6:
        return household.shared_email
    if number == 0 or random.random() < 0.45:
        return person.emails[0]
    return random.choice(person.emails)


def _as_typed(random: Random, row: CustomerRow, number: int) -> CustomerRow:
    """What stands in the form in the end: gaps, capitals, typos, nicknames and nonsense."""
    changes: dict[str, object] = {}
    if random.random() < 0.10:  # at the till of a store: no e-mail, no birth date
        changes.update(email=None, birth_date=None)
    elif random.random() < 0.12:
        changes["birth_date"] = None
    if random.random() < 0.08 and "email" not in changes:
        changes["phone"] = None
    if random.random() < 0.06:
        changes.update(street=None, city=None, postcode=None)
    if random.random() < 0.03 and row.email and "email" not in changes:
        changes["email"] = row.email.upper() if random.random() < 0.5 else f" {row.email}"
    elif random.random() < 0.015 and row.email and "email" not in changes:
        changes["email"] = mistyped(random, row.email)
    if row.first_name and row.last_name:
        first, last = row.first_name, row.last_name
        if number and random.random() < 0.25:
            first = NICKNAMES.get(first, first)
        fate = random.random()
        if fate < 0.02:
            first = mistyped(random, first)
        elif fate < 0.045:
            last = mistyped(random, last)
        elif fate < 0.075:
            first, last = first.upper(), last.upper()
        elif fate < 0.10:
            first, last = first.lower(), last.lower()
        elif fate < 0.11:
            first, last = last, first
        elif fate < 0.13:
            first, last = ascii_word(first).title(), ascii_word(last).title()
        elif fate < 0.15:
            first = f"{first[0]}."
        changes.update(first_name=first, last_name=last)
    if random.random() < 0.012:
        changes["email"] = random.choice(JUNK_EMAILS)
    if random.random() < 0.012:
        changes["phone"] = random.choice(JUNK_PHONES)
    if random.random() < 0.012:
        changes["birth_date"] = JUNK_BIRTH_DATE
    elif random.random() < 0.01 and row.birth_date and row.birth_date.day <= 12 and "birth_date" not in changes:
        changes["birth_date"] = row.birth_date.replace(day=row.birth_date.month, month=row.birth_date.day)
    return replace(row, **changes)  # type: ignore[arg-type]


def mistyped(random: Random, text: str) -> str:
    """One slip of the fingers: two letters swapped, one lost, doubled or replaced. Never the first letter."""
    if len(text) < 4:
        return text
    at = random.randint(1, len(text) - 2)
    fate = random.randint(0, 3)
    if fate == 0:
        return text[:at] + text[at + 1] + text[at] + text[at + 2 :]
    if fate == 1:
        return text[:at] + text[at + 1 :]
    if fate == 2:
        return text[:at] + text[at] + text[at:]
    return text[:at] + random.choice("aeinorst") + text[at + 1 :]


def _keep_up(account: Account, span: Span, style: str, *, follows_phone: bool) -> None:
    """Adds the versions that the owner's moves, marriages and new numbers bring, days after they happen."""
    random, person, household = account.household.random, account.person, account.household
    events: list[tuple[datetime, dict[str, object]]] = []
    for since, address in household.addresses[1:]:
        events.append(
            (since, {"street": address.street, "city": address.city, "postcode": address.postcode,
                     "country": address.country.code})
        )  # fmt: skip
    for since, surname in person.surnames[1:]:
        events.append((since, {"last_name": surname}))
    if follows_phone:
        for since, national in person.phones[1:]:
            country = latest(household.addresses, since).country
            events.append((since, {"phone": country.spell_phone(national, style)}))
    if random.random() < 0.06 and len(person.emails) > 1:
        events.append((span.instant(random, account.registered_at), {"email": person.emails[-1]}))
    if random.random() < 0.15:
        consent = not account.versions[0].marketing_consent
        events.append((span.instant(random, account.registered_at), {"marketing_consent": consent}))
    told = [(since + timedelta(days=10) * random.random(), change) for since, change in events]
    for since, change in sorted(told, key=lambda event: event[0]):
        if account.registered_at < since < span.closes:
            account.versions.append(replace(account.versions[-1], updated_at=since, **change))  # type: ignore[arg-type]
