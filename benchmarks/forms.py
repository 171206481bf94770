"""Sets of records of made-up persons in the forms that such files have, each with its truth and its configuration."""

from __future__ import annotations

import random
import string
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyascii
import pyarrow as pa
import pyarrow.parquet as pq
from nicknames import NickNamer

from benchmarks.population import Mix, Person, Population
from cdap.linkage.config import LinkageConfig

MANY = ("en_GB", "fr_FR", "de_DE", "es_ES", "it_IT", "nl_NL", "pt_BR", "sv_SE", "en_IN", "en_US")
SCRIPTS = ("ru_RU", "el_GR", "ja_JP", "zh_CN", "de_DE")
ALL = ("first_name", "last_name", "birth_date", "email", "phone", "street", "city", "postcode")
CATEGORIES = ("birth_place", "occupation")


@dataclass(frozen=True)
class Form:
    """A kind of file. `copies`: how many persons in a hundred have 1, 2, ... records. `wrong`: the chance that a value
    is written wrongly; `missing`: that it is left out, by column or for all (`*`)."""

    columns: tuple[str, ...]
    mix: Mix
    copies: tuple[int, ...] = (50, 30, 15, 5)
    wrong: float = 0.08
    missing: tuple[tuple[str, float], ...] = (("*", 0.05),)
    sources: int = 2
    other_order: float = 0.03  # of dates: day and month changed round
    year_only: float = 0.0  # of dates: the first of January
    nicknames: float = 0.06
    latin: float = 0.0  # of records: names written in Latin letters
    swapped: float = 0.01  # first and last name in each other's place


FORMS: dict[str, Form] = {
    "countries": Form(ALL, Mix(MANY)),
    "one source": Form(ALL, Mix(("en_US",)), sources=1),
    "full name": Form(("full_name", *ALL[2:]), Mix(("en_GB", "de_DE", "fr_FR"))),
    "no contact": Form(
        ("first_name", "last_name", "birth_date", "street", "city", "postcode"), Mix(("en_GB", "es_ES")),
    ),
    "census": Form(
        ("first_name", "middle_name", "last_name", "birth_year", "gender", "street", "city", *CATEGORIES),
        Mix(moves=0.25, namesakes=0.1, families=0.75), copies=(35, 65), wrong=0.1,
    ),
    "tax and census": Form(
        ("first_name", "middle_name", "last_name", "birth_date", "street", "city", "postcode", "id"),
        Mix(("en_US",), families=0.75, namesakes=0.05), copies=(20, 50, 30), wrong=0.03,
        missing=(("*", 0.01), ("id", 0.6)), sources=3,
    ),
    "historical": Form(
        ("full_name", "birth_date", "birth_place", "postcode", "occupation", "gender"),
        Mix(("en_GB", "en_US"), families=0.1, moves=0.3), copies=(5, 5, 6, 8, 8, 8, 8, 10, 10, 10, 6, 6, 5, 5),
        wrong=0.15,
        missing=(("*", 0.15), ("occupation", 0.4)), sources=1, year_only=0.15, nicknames=0.12,
    ),
    "few fields": Form(("first_name", "last_name", "birth_date"), Mix(("en_GB", "it_IT"), families=0.3)),
    "name and place": Form(
        ("first_name", "last_name", "postcode", "gender", "birth_year"), Mix(families=0.4), copies=(40, 60),
    ),
    "half missing": Form(ALL, Mix(("en_US", "nl_NL")), missing=(("*", 0.4), ("first_name", 0.05), ("last_name", 0.05))),
    "families": Form(
        ALL, Mix(("en_GB",), families=0.9, twins=0.15, namesakes=0.15, shared_email=0.4, shared_phone=0.7, moves=0.2,
                 marriages=0.15, recycled_phones=0.05),
    ),
    "register": Form(
        ("first_name", "last_name", "birth_date", "street", "city", "postcode", "id"),
        Mix(("en_US",), families=0.0), copies=(40, 25, 20, 10, 5), wrong=0.2, sources=1, swapped=0.05,
    ),
    "scripts": Form(ALL, Mix(SCRIPTS), latin=0.4),
}  # fmt: skip


def config(form: Form) -> LinkageConfig:
    """The roles of the form's columns."""
    fields: dict[str, Any] = {name: name for name in form.columns if name not in (*CATEGORIES, "id")}
    fields["ids"] = [name for name in form.columns if name == "id"]
    fields["categories"] = [name for name in form.columns if name in CATEGORIES]
    return LinkageConfig.model_validate({"unique_id": "unique_id", "source": "source", "fields": fields})


def write(file: Path, form: Form, records: int, seed: int = 7) -> int:
    """Writes at least so many records, in whole households, as Parquet; returns how many they are."""
    people, clerk = Population(form.mix, seed), _Clerk(form, seed + 1)
    rows: list[dict[str, str | None]] = []
    while len(rows) < records:
        rows += [row for person in people.household() for row in clerk.records(person)]
    random.Random(seed).shuffle(rows)  # noqa: S311
    for number, row in enumerate(rows):
        row["unique_id"] = f"r{number}"
    names = ("unique_id", "source", *form.columns, "person_id", "household_id")
    schema = pa.schema([(name, pa.string()) for name in names])
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), file)
    return len(rows)


class _Clerk:
    """Writes a person's records, and errs."""

    def __init__(self, form: Form, seed: int) -> None:
        self._form = form
        self._chosen = random.Random(seed)  # noqa: S311
        self._missing = dict(form.missing)
        self._namer = NickNamer()

    def records(self, person: Person) -> list[dict[str, str | None]]:
        form = self._form
        copies = self._chosen.choices(range(1, len(form.copies) + 1), form.copies)[0]
        return [self._record(person, number) for number in range(copies)]

    def _record(self, person: Person, number: int) -> dict[str, str | None]:
        form, chosen = self._form, self._chosen
        source = number % form.sources
        said = self._said(person, source)
        row: dict[str, str | None] = {
            "source": f"s{source}", "person_id": person.id, "household_id": person.household,
        }  # fmt: skip
        for column in form.columns:
            value = said[column]
            if not value or chosen.random() < self._missing.get(column, self._missing["*"]):
                row[column] = None
            elif chosen.random() < form.wrong and column not in ("gender",):
                row[column] = self._mistyped(value)
            else:
                row[column] = value
        return row

    def _said(self, person: Person, source: int) -> dict[str, str]:
        form, chosen = self._form, self._chosen
        address = chosen.choice(person.addresses)
        first, middle, last = person.first, person.middle, chosen.choice(person.last_names)
        if chosen.random() < form.nicknames:
            first = chosen.choice(sorted(self._namer.nicknames_of(first.lower())) or [first]).title()
        if middle and chosen.random() < 0.5:
            middle = middle[0]
        if chosen.random() < form.latin:
            first, middle, last = (anyascii.anyascii(name) for name in (first, middle, last))
        if chosen.random() < form.swapped:
            first, last = last, first
        street = address.street
        if chosen.random() < 0.3:
            street = street.replace("Street", "St").replace("Avenue", "Ave").replace("straße", "str.")
        phone = chosen.choice(person.phones)
        if source % 2:
            phone = f"+44 {phone[1:5]} {phone[5:]}"
            last = last.upper()
        middle_in_full = f"{middle} " if middle and chosen.random() < 0.5 else ""
        return {
            "first_name": first,
            "middle_name": middle,
            "last_name": last,
            "full_name": f"{first} {middle_in_full}{last}",
            "birth_date": self._date(person),
            "birth_year": str(person.born.year + chosen.choice((0, 0, 0, 0, 0, 0, 0, 1, -1, 2))),
            "email": person.email,
            "phone": phone,
            "street": street,
            "city": address.city,
            "postcode": address.postcode,
            "gender": person.gender,
            "birth_place": person.birth_place,
            "occupation": person.occupation,
            "id": person.number,
        }

    def _date(self, person: Person) -> str:
        form, chosen, born = self._form, self._chosen, person.born
        if chosen.random() < form.year_only:
            return f"{born.year}-01-01"
        if born.day <= 12 and chosen.random() < form.other_order:
            return f"{born.year}-{born.day:02}-{born.month:02}"
        return born.isoformat()

    def _mistyped(self, value: str) -> str:
        """One of a letter left out, written twice, changed, or changed round with the next; sometimes two of them."""
        chosen = self._chosen
        for _ in range(1 if chosen.random() < 0.8 else 2):
            place = chosen.randrange(len(value))
            letter = value[place]
            other = chosen.choice(string.digits if letter.isdigit() else string.ascii_lowercase)
            kind = chosen.randrange(4)
            if kind == 0 and len(value) > 2 and not letter.isdigit():
                value = value[:place] + value[place + 1 :]
            elif kind == 1 and not letter.isdigit():
                value = value[:place] + letter + value[place:]
            elif kind == 2 and place + 1 < len(value):
                value = value[:place] + value[place + 1] + letter + value[place + 2 :]
            elif letter.isalnum():
                value = value[:place] + other + value[place + 1 :]
        return value
