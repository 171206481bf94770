"""Households of made-up persons of several countries: families, twins, father and son of one name, moves, marriages."""

from __future__ import annotations

import json
import random
import string
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import lru_cache
from itertools import accumulate

import anyascii

from benchmarks.peers.environment import names

MAILS = ("gmail.com", "outlook.com", "yahoo.com", "web.example", "post.example", "icloud.com")


@dataclass(frozen=True)
class Mix:
    """What the persons of a set are like; shares are of households, or of persons where it says so."""

    locales: tuple[str, ...] = ("en_GB",)
    families: float = 0.5
    namesakes: float = 0.02
    twins: float = 0.03
    shared_email: float = 0.1
    shared_phone: float = 0.3
    moves: float = 0.1  # of persons
    marriages: float = 0.04  # of women
    recycled_phones: float = 0.01  # of persons: the number was somebody else's before
    middle_names: float = 0.4  # of persons


@dataclass
class Address:
    street: str
    city: str
    postcode: str


@dataclass
class Person:
    """`addresses`, `last_names` and `phones` are those before and after a change; one where nothing changed."""

    id: str
    household: str
    locale: str
    gender: str
    first: str
    middle: str
    born: date
    email: str
    birth_place: str
    occupation: str
    number: str
    last_names: list[str] = field(default_factory=list)
    addresses: list[Address] = field(default_factory=list)
    phones: list[str] = field(default_factory=list)


@lru_cache
def _stocks() -> dict[str, dict[str, list[str]]]:
    loaded: dict[str, dict[str, list[str]]] = json.loads(names().read_text(encoding="utf-8"))
    return loaded


class Country:
    """Draws names, towns and streets of a locale, the first ones of each list the most often."""

    def __init__(self, locale: str) -> None:
        self.locale = locale
        self._lists = _stocks()[locale]
        self._weights = {
            kind: list(accumulate(1 / (rank + 8) for rank in range(len(values))))
            for kind, values in self._lists.items()
        }

    def draw(self, chosen: random.Random, kind: str) -> str:
        return chosen.choices(self._lists[kind], cum_weights=self._weights[kind])[0]

    def last_name(self, chosen: random.Random) -> str:
        """Of the list, or one of the many rare names that no list has."""
        if chosen.random() < 0.65 or self.locale in ("ja_JP", "zh_CN"):
            return self.draw(chosen, "last")
        begin, end = (chosen.choice(self._lists["last"]) for _ in range(2))
        return begin[: max(2, len(begin) // 2)] + end[len(end) // 2 :].lower()

    def address(self, chosen: random.Random) -> Address:
        place = int(chosen.paretovariate(0.9)) % len(self._lists["towns"])
        codes = self._lists["postcodes"]
        code = codes[(place * 7 + int(chosen.paretovariate(1.2))) % len(codes)]
        if self.locale == "en_GB":
            code = code[:-2] + "".join(chosen.choices(string.ascii_uppercase[:12], k=2))
        return Address(
            f"{chosen.randrange(1, 200)} {chosen.choice(self._lists['streets'])}", self._lists["towns"][place], code
        )


class Population:
    """A stream of households, the same for the same seed and mix."""

    def __init__(self, mix: Mix, seed: int) -> None:
        self._mix = mix
        self._chosen = random.Random(seed)  # noqa: S311
        self._countries = [Country(locale) for locale in mix.locales]
        self._households = 0
        self._phones: list[str] = []

    def household(self) -> list[Person]:
        chosen, mix = self._chosen, self._mix
        country = chosen.choice(self._countries)
        self._households += 1
        last, home = country.last_name(chosen), country.address(chosen)
        year = chosen.randrange(1930, 1995)
        parents = [self._person(country, chosen.choice(("male", "female")), year, last)]
        children: list[Person] = []
        if chosen.random() < mix.families:
            other = "female" if parents[0].gender == "male" else "male"
            parents.append(self._person(country, other, year + chosen.randrange(-5, 6), last))
            for _ in range(chosen.choice((0, 1, 1, 2, 2, 3, 4))):
                born = year + chosen.randrange(20, 38)
                children.append(self._person(country, chosen.choice(("male", "female")), born, last))
            if children and chosen.random() < mix.twins:
                children.append(self._twin(country, children[-1], last))
        sons = [child for child in children if child.gender == parents[0].gender]
        if sons and chosen.random() < mix.namesakes * 3:
            sons[0].first = parents[0].first
        email, phone = "", self._phone()
        shares_email, shares_phone = chosen.random() < mix.shared_email, chosen.random() < mix.shared_phone
        for number, person in enumerate([*parents, *children]):
            person.household = f"h{self._households}"
            person.id = f"p{self._households}-{number}"
            person.addresses = [home]
            person.phones = [phone if shares_phone else self._phone()]
            email = email if shares_email and email else self._email(person)
            person.email = email
            self._changes(country, person)
        return [*parents, *children]

    def _person(self, country: Country, gender: str, year: int, last: str) -> Person:
        chosen = self._chosen
        born = date(year, 1, 1) + timedelta(days=chosen.randrange(365))
        has_middle = chosen.random() < self._mix.middle_names
        return Person(
            "", "", country.locale, gender, country.draw(chosen, gender),
            country.draw(chosen, gender) if has_middle else "", born, "", country.address(chosen).city,
            country.draw(chosen, "jobs"), f"{chosen.randrange(10**8, 10**9)}", [last],
        )  # fmt: skip

    def _twin(self, country: Country, of: Person, last: str) -> Person:
        twin = self._person(country, of.gender, of.born.year, last)
        twin.born, twin.birth_place = of.born, of.birth_place
        return twin

    def _changes(self, country: Country, person: Person) -> None:
        chosen, mix = self._chosen, self._mix
        if chosen.random() < mix.moves:
            person.addresses.append(country.address(chosen))
        if chosen.random() < mix.recycled_phones and self._phones:
            person.phones.append(chosen.choice(self._phones))
        elif chosen.random() < mix.moves:
            person.phones.append(self._phone())
        if person.gender == "female" and chosen.random() < mix.marriages:
            person.last_names.append(country.last_name(chosen))

    def _phone(self) -> str:
        phone = f"07{self._chosen.randrange(10**9):09}"
        self._phones.append(phone)
        return phone

    def _email(self, person: Person) -> str:
        chosen = self._chosen
        first, last = (
            "".join(c for c in anyascii.anyascii(name).lower() if c.isalnum())
            for name in (person.first, person.last_names[0])
        )
        made = chosen.choice((f"{first}.{last}", f"{first[:1]}{last}", f"{first}{last[:1]}", f"{last}.{first}"))
        tail = chosen.choice(("", str(person.born.year % 100), str(chosen.randrange(1000)), str(chosen.randrange(100))))
        return f"{made}{tail}@{chosen.choice(MAILS)}"
