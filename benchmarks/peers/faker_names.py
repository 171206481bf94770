"""Run by the peers' environment: writes Faker's names, towns and streets of some countries as JSON."""

import json
import sys
from importlib import import_module
from pathlib import Path

from faker import Faker

LOCALES = ("en_GB", "en_US", "fr_FR", "de_DE", "es_ES", "it_IT", "nl_NL", "pt_BR", "sv_SE", "ru_RU", "el_GR", "en_IN",
           "ja_JP", "zh_CN")  # fmt: skip
TOWNS, STREETS, JOBS, POSTCODES = 250, 600, 120, 400


def _drawn(faker: Faker, method: str, number: int) -> list[str]:
    """So many different values, less where the locale has less."""
    found: dict[str, None] = {}
    for _ in range(number * 6):
        found[getattr(faker, method)()] = None
        if len(found) == number:
            break
    return list(found)


def main(file: Path) -> None:
    stocks = {}
    for locale in LOCALES:
        faker = Faker(locale)
        Faker.seed(11)
        person = import_module(f"faker.providers.person.{locale}").Provider
        last = list(getattr(person, "last_names", None) or person.last_names_male)
        stocks[locale] = {
            "male": list(dict.fromkeys(person.first_names_male)),
            "female": list(dict.fromkeys(person.first_names_female)),
            "last": list(dict.fromkeys(last)),
            "towns": _drawn(faker, "city", TOWNS),
            "streets": _drawn(faker, "street_name", STREETS),
            "jobs": _drawn(Faker("en_GB"), "job", JOBS),
            "postcodes": _drawn(faker, "postcode", POSTCODES),
        }
    file.write_text(json.dumps(stocks, ensure_ascii=False), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
