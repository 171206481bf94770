"""Who lives where: households of persons with the events of their lives, one household at a time.

Household number n of a seed is the same whatever the size of the population, and is made without any other: a
population of any size needs the memory of one household. What must be unique over all of them (telephone numbers,
e-mail addresses, keys) is a permutation of a running number, so nothing needs to be remembered either.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from random import Random
from typing import TypeVar

from demo.reference import Country, countries

Value = TypeVar("Value")

ALWAYS = datetime.min  # noqa: DTZ901 in UTC without zone, as every instant here
"""Before anything happened."""

HISTORY = timedelta(days=730)
"""Customers registered during this time before the end of the population (or during its days, if they are more)."""

MEMBERS = 8
"""Room for persons in a household's range of numbers."""

_RECYCLING_BLOCK = 25
_RECYCLING_GIVER, _RECYCLING_TAKER = 3, 17


def permuted(number: int, salt: int = 0) -> int:
    """A number below 10**9 that looks random; different numbers below 999,999,937 (prime) stay different."""
    return (number * 387_420_489 + 123_456_789 + salt * 97_654_321) % 999_999_937


def scattered(number: int) -> int:
    """As `permuted`, but of seven digits: for numbers below 7,999,993 (prime)."""
    return (number * 5_318_008 + 1_234_567) % 7_999_993


@dataclass(frozen=True)
class Span:
    """The time that a population covers, by days in UTC."""

    end: date
    days: int

    def __post_init__(self) -> None:
        if self.days < 1:
            raise ValueError(f"a population covers at least one day, not {self.days}")

    @property
    def first_day(self) -> date:
        return self.end - timedelta(days=self.days - 1)

    @property
    def closes(self) -> datetime:
        """The first instant after the last day."""
        return midnight_after(self.end)

    @property
    def opens(self) -> datetime:
        """When the first customers registered."""
        return min(datetime.combine(self.first_day, time()), self.closes - HISTORY)

    def instant(self, random: Random, start: datetime | None = None) -> datetime:
        """A moment between `start` (or the opening) and the end."""
        begin = start or self.opens
        return begin + (self.closes - begin) * random.random()


def midnight_after(day: date) -> datetime:
    return datetime.combine(day + timedelta(days=1), time())


@dataclass(frozen=True)
class Address:
    street: str
    city: str
    postcode: str
    country: Country


@dataclass
class Person:
    """One human being. Lists of (instant, value) hold what was true from an instant on, oldest first."""

    number: int
    gender: str
    first_name: str
    birth_date: date
    surnames: list[tuple[datetime, str]]
    phones: list[tuple[datetime, str]]
    emails: list[str]
    birth_order: int = 0

    @property
    def person_id(self) -> str:
        return f"P{permuted(self.number, 1):09d}"


@dataclass
class Household:
    """Persons who live together, and the addresses they lived at."""

    number: int
    persons: list[Person]
    addresses: list[tuple[datetime, Address]]
    random: Random
    shared_email: str | None = None
    shared_phone: str | None = None
    kind: str = field(default="single")

    @property
    def household_id(self) -> str:
        return f"H{permuted(self.number, 2):09d}"


def latest(values: list[tuple[datetime, Value]], at: datetime) -> Value:
    """What was true at an instant."""
    found = values[0][1]
    for since, value in values:
        if since > at:
            break
        found = value
    return found


def households(seed: int, span: Span) -> Iterator[Household]:
    """Households without end, deterministic by seed and span; the caller stops when it has enough customers."""
    number = 0
    while True:
        yield _household(seed, number, span)
        number += 1


def _household(seed: int, number: int, span: Span) -> Household:
    random = Random(f"{seed}/household/{number}")
    lands, weights = countries()
    country = random.choices(lands, cum_weights=weights)[0]
    kind = random.choices(("single", "couple", "family", "namesakes", "twins"), (44, 24, 26, 4, 2))[0]
    addresses = [(ALWAYS, _address(random, country))]
    for _ in range(random.choices((0, 1, 2), (78, 18, 4))[0]):
        addresses.append((span.instant(random), _address(random, country)))
    addresses.sort(key=lambda dated: dated[0])
    home = Household(number, [], addresses, random, kind=kind)
    surname = country.names.surnames.draw(random)
    parent_birth = _birth(random, span, 24, 78) if kind in ("single", "couple") else _birth(random, span, 42, 68)
    _add(home, span, country, random.choice("fm"), surname, parent_birth)
    if kind in ("couple", "family"):
        _add_partner(home, span, country, surname, parent_birth)
    if kind == "family":
        for _ in range(random.choices((1, 2, 3), (45, 40, 15))[0]):
            _add_child(home, span, country, surname, parent_birth)
    if kind == "namesakes":  # father and son (or mother and daughter) of one name
        parent = home.persons[0]
        _add_child(home, span, country, surname, parent_birth, first_name=parent.first_name, gender=parent.gender)
    if kind == "twins":
        _add_child(home, span, country, surname, parent_birth)
        _add_child(home, span, country, surname, parent_birth, birth=home.persons[-1].birth_date)
    if len(home.persons) > 1:
        if random.random() < 0.35:
            home.shared_email = home.persons[0].emails[0]
        if random.random() < 0.45:
            home.shared_phone = home.persons[0].phones[0][1]
    _recycle_phone(seed, home, span, country)
    return home


def _add_partner(home: Household, span: Span, country: Country, surname: str, birth: date) -> None:
    random = home.random
    first = home.persons[0]
    gender = ("m" if first.gender == "f" else "f") if random.random() < 0.94 else first.gender
    own = country.names.surnames.draw(random)
    partner_birth = birth + timedelta(days=int(random.gauss(0, 1300)))
    partner = _add(home, span, country, gender, own, partner_birth)
    fate = random.random()
    if fate < 0.55:  # married long ago
        partner.surnames = [(ALWAYS, surname)]
    elif fate < 0.75:  # marries while we watch
        partner.surnames.append((span.instant(random), surname))


def _add_child(
    home: Household,
    span: Span,
    country: Country,
    surname: str,
    parent_birth: date,
    *,
    first_name: str | None = None,
    gender: str | None = None,
    birth: date | None = None,
) -> None:
    random = home.random
    oldest = min((span.end - parent_birth).days - 19 * 365, 45 * 365)
    born = birth or span.end - timedelta(days=random.randint(16 * 365, oldest))
    child = _add(home, span, country, gender or random.choice("fm"), surname, born, first_name)
    taken = {person.first_name for person in home.persons[:-1]}
    while first_name is None and child.first_name in taken:
        child.first_name = country.names.first_name(random, child.gender)


def _add(
    home: Household,
    span: Span,
    country: Country,
    gender: str,
    surname: str,
    birth: date,
    first_name: str | None = None,
) -> Person:
    random = home.random
    number = home.number * MEMBERS + len(home.persons)
    first = first_name or country.names.first_name(random, gender)
    city = home.addresses[0][1].city
    phones = [(ALWAYS, phone_number(country, city, number * 2))]
    if random.random() < 0.08:
        phones.append((span.instant(random), phone_number(country, city, number * 2 + 1)))
    mailboxes = random.choices((1, 2, 3), (70, 24, 6))[0]
    emails = [_email(random, first, surname, birth, scattered(number * 4 + k)) for k in range(mailboxes)]
    person = Person(number, gender, first, birth, [(ALWAYS, surname)], phones, emails)
    home.persons.append(person)
    return person


def _recycle_phone(seed: int, home: Household, span: Span, country: Country) -> None:
    """In each block of households one gives a number up, and months later a stranger is given it."""
    block, position = divmod(home.number, _RECYCLING_BLOCK)
    if position not in (_RECYCLING_GIVER, _RECYCLING_TAKER):
        return
    shared = Random(f"{seed}/recycled/{block}")  # the same for the two households
    lands, weights = countries()
    land = shared.choices(lands, cum_weights=weights)[0]
    number = phone_number(land, land.cities.values[0], (block * _RECYCLING_BLOCK + _RECYCLING_TAKER) * MEMBERS * 2 + 15)
    given_up = span.instant(shared)
    person = home.persons[0]
    home.addresses = [(since, _abroad(home.random, address, land, country)) for since, address in home.addresses]
    if position == _RECYCLING_GIVER:
        person.phones = [(ALWAYS, number), (given_up, person.phones[0][1])]
    else:
        person.phones = [*person.phones[:1], (given_up + timedelta(days=60), number)]


def _abroad(random: Random, address: Address, land: Country, country: Country) -> Address:
    return address if land is country else _address(random, land)


def phone_number(country: Country, city: str, number: int) -> str:
    """A mobile number (national significant number, digits only); different numbers below 7,999,993 differ."""
    subscriber = str(2_000_000 + scattered(number))
    prefix = country.mobile_prefixes[city]
    return (prefix + subscriber + f"{number % 97:02d}" * 2)[: country.phone_digits]


def _address(random: Random, country: Country) -> Address:
    street = country.address_format.format(number=random.randint(1, 240), street=country.streets.draw(random))
    letters = "ABCDEFGHJKLMNPRSTUVWXYZ"
    postcode = "".join(
        random.choice(letters) if c == "@" else str(random.randint(1, 9)) if c == "#" else c for c in country.postcode
    )
    return Address(street, country.cities.draw(random), postcode, country)


def _birth(random: Random, span: Span, youngest: int, oldest: int) -> date:
    return span.end - timedelta(days=random.randint(youngest * 365, oldest * 365))


_DOMAINS = (
    "gmail.com", "outlook.com", "yahoo.com", "hotmail.com", "icloud.com", "gmx.net", "web.de", "orange.fr",
    "libero.it", "btinternet.com", "proton.me", "aol.com",
)  # fmt: skip


def _email(random: Random, first: str, surname: str, birth: date, number: int) -> str:
    """An address of this person alone: the number in it makes it so."""
    given, family = ascii_word(first), ascii_word(surname)
    name = random.choice((f"{given}.{family}", f"{given}{family}", f"{given[0]}.{family}", f"{family}.{given}", given))
    # The year looks like people's own choice; the number behind it is what makes the address unique.
    tail = f"{birth.year % 100:02d}" if random.random() < 0.3 else ""
    return f"{name}{tail}.{number}@{random.choice(_DOMAINS)}" if tail else f"{name}{number}@{random.choice(_DOMAINS)}"


def ascii_word(text: str) -> str:
    """Letters as they stand in an e-mail address: `Jürgen` is `juergen`, `O'Brien` is `obrien`."""
    spelled = text.lower()
    for letter, letters in (("ä", "ae"), ("ö", "oe"), ("ü", "ue"), ("ß", "ss"), ("ł", "l"), ("ø", "oe")):
        spelled = spelled.replace(letter, letters)
    plain = unicodedata.normalize("NFKD", spelled)
    return "".join(c for c in plain if c.isascii() and c.isalpha())
