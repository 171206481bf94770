"""What the generator knows of the world: names by how common they are, countries, addresses and telephone spellings."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from itertools import accumulate
from random import Random
from typing import Any


class Zipf:
    """Draws from values listed from the most common to the rarest, the k-th with weight 1/k."""

    def __init__(self, values: Sequence[str]) -> None:
        self.values = tuple(values)
        self._cumulative = tuple(accumulate(1 / rank for rank in range(1, len(values) + 1)))

    def draw(self, random: Random) -> str:
        return random.choices(self.values, cum_weights=self._cumulative)[0]


@dataclass(frozen=True)
class Names:
    """First names by gender and surnames of one language."""

    female: Zipf
    male: Zipf
    surnames: Zipf

    def first_name(self, random: Random, gender: str) -> str:
        return (self.female if gender == "f" else self.male).draw(random)


@dataclass(frozen=True)
class Country:
    """One country: how its addresses and mobile numbers are written."""

    code: str
    currency: str
    names: Names
    calling_code: str
    trunk_prefix: str
    international_prefix: str
    postcode: str
    address_format: str
    streets: Zipf
    cities: Zipf
    mobile_prefixes: dict[str, str]
    phone_digits: int
    phone_groups: tuple[int, ...]
    phone_mask: str

    def spell_phone(self, national: str, style: str) -> str:
        """Writes a national significant number in one of the ways people type it.

        Styles: `e164`, `international` (grouped), `prefix` (00 or 011), `national` (grouped), `digits` (national).
        """
        if style == "e164":
            return f"+{self.calling_code}{national}"
        if style == "prefix":
            return f"{self.international_prefix}{self.calling_code}{national}"
        if style == "digits":
            return self.trunk_prefix + national
        groups, at = [], 0
        for size in self.phone_groups:
            groups.append(national[at : at + size])
            at += size
        groups.append(national[at:])
        grouped = self.phone_mask.format(*groups)
        return f"+{self.calling_code} {grouped}" if style == "international" else self.trunk_prefix + grouped


def _country(entry: dict[str, Any], names: dict[str, Names]) -> Country:
    return Country(
        code=entry["country"],
        currency=entry["currency"],
        names=names[entry["locale"]],
        calling_code=entry["calling_code"],
        trunk_prefix=entry["trunk_prefix"],
        international_prefix="011" if entry["calling_code"] == "1" else "00",
        postcode=entry["postcode"],
        address_format=entry["street"],
        streets=Zipf(entry["streets"]),
        cities=Zipf([city["city"] for city in entry["cities"]]),
        mobile_prefixes={city["city"]: city["mobile_prefix"] for city in entry["cities"]},
        phone_digits=entry["phone_digits"],
        phone_groups=tuple(entry["phone_groups"]),
        phone_mask=entry["phone_mask"],
    )


@cache
def countries() -> tuple[tuple[Country, ...], tuple[int, ...]]:
    """The countries where the enterprise sells, and the cumulative weights by which its customers live there."""
    data = files("demo") / "data"
    names = {
        locale: Names(*(Zipf(lists[kind]) for kind in ("female", "male", "surnames")))
        for locale, lists in json.loads((data / "names.json").read_text("utf-8")).items()
    }
    entries = json.loads((data / "countries.json").read_text("utf-8"))
    return tuple(_country(entry, names) for entry in entries), tuple(accumulate(entry["weight"] for entry in entries))


NICKNAMES = {
    "William": "Bill", "Robert": "Bob", "Richard": "Dick", "James": "Jim", "Michael": "Mike", "Elizabeth": "Liz",
    "Katherine": "Kate", "Margaret": "Peggy", "Thomas": "Tom", "Christopher": "Chris", "Patricia": "Pat",
    "Jennifer": "Jenny", "Joseph": "Joe", "Daniel": "Dan", "Matthew": "Matt", "Samuel": "Sam", "Benjamin": "Ben",
    "Alexander": "Alex", "Francisco": "Paco", "José": "Pepe", "Giuseppe": "Beppe", "Katharina": "Kathi",
    "Maximilian": "Max", "Johannes": "Hans", "Małgorzata": "Gosia", "Katarzyna": "Kasia",
}  # fmt: skip
