"""Real input: the purchases of CDNOW's customers, put into the shop instead of generated ones.

`python -m demo.cdnow FILE` reads lines of four values, separated by white space: customer_id, date (YYYYMMDD),
number_of_cds, dollar_value (Fader and Hardie, "Forecasting Repeat Sales at CDNOW"). A line is an order of one item.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Annotated

import typer
from psycopg2.extensions import connection as Connection

from demo import shop
from demo.cli import errors_shown, out, print_rows
from demo.enterprise import Enterprise
from demo.purchases import money

PRODUCT = 1
_LINE = re.compile(r"(\d{1,18})\s+(\d{8})\s+(\d{1,9})\s+(\d{1,10}(?:\.\d{1,2})?)")


@dataclass(frozen=True)
class Purchase:
    """A line of the file."""

    customer_id: int
    day: date
    number_of_cds: int
    dollar_value: str


def purchases(file: Path) -> Iterator[Purchase]:
    """The purchases of a file, in its order; a heading in the first line is passed over.

    Raises ShopError naming file and line for a line that is not of the four values.
    """
    with file.open(encoding="ascii", errors="replace") as lines:
        for number, line in enumerate(lines, start=1):
            text = line.strip()
            if not text or (number == 1 and text.split()[0] == "customer_id"):
                continue
            match = _LINE.fullmatch(text)
            if match is None:
                raise shop.ShopError(
                    f"{file}, line {number}: expected customer_id, date (YYYYMMDD), number_of_cds and dollar_value, "
                    f"found {text!r}"
                )
            customer_id, day, number_of_cds, dollar_value = match.groups()
            try:
                bought_on = datetime.strptime(day, "%Y%m%d").date()  # noqa: DTZ007 a day has no zone
            except ValueError as error:
                raise shop.ShopError(f"{file}, line {number}: {day} is not a day") from error
            yield Purchase(int(customer_id), bought_on, int(number_of_cds), dollar_value)


def load(connection: Connection, file: Path) -> shop.Contents:
    """Replaces what the shop holds by the purchases of a file. Raises ShopError as `purchases` does, or for none."""
    shop.empty(connection)
    writer = shop.Writer(connection)
    registered: dict[int, date] = {}
    first = last = None
    cents = cds = 0
    for number, purchase in enumerate(purchases(file), start=1):
        at = datetime.combine(purchase.day, datetime.min.time())
        known = registered.get(purchase.customer_id)
        if known is None or purchase.day < known:
            registered[purchase.customer_id] = purchase.day
        first = min(first or purchase.day, purchase.day)
        last = max(last or purchase.day, purchase.day)
        writer.insert("orders", (number, purchase.customer_id, at, "completed", "USD", purchase.dollar_value, "web"))
        cents += round(float(purchase.dollar_value) * 100)
        cds += purchase.number_of_cds
        writer.insert("order_items", (number, number, PRODUCT, at, purchase.number_of_cds, purchase.dollar_value))
    if first is None or last is None:
        raise shop.ShopError(f"{file}: no purchase in it")
    for customer_id, day in sorted(registered.items()):
        at = datetime.combine(day, datetime.min.time())
        writer.insert("customers", (customer_id, *(None,) * 9, False, at, at))
    opened = datetime.combine(first, datetime.min.time())
    # The file has no list price: the mean price of a CD in it.
    writer.insert("products", (PRODUCT, "CD", "Music", money(round(cents / max(cds, 1))), opened))
    writer.close()
    contents = shop.Contents("cdnow", len(registered), (last - first).days + 1, last, 0, last)
    shop.write_contents(connection, contents)
    return contents


def command(file: Annotated[Path, typer.Argument(help="CDNOW_master.txt", exists=True, dir_okay=False)]) -> None:
    """Put the purchases of a CDNOW file into the shop, in place of what it holds."""
    began = time.monotonic()
    with errors_shown():
        with shop.transaction(Enterprise().endpoint().url) as connection:
            contents = load(connection, file)
            rows = shop.count_rows(connection)
        print_rows(contents, rows)
    out.print(f"{sum(rows.values()):,} rows in {time.monotonic() - began:.1f} s")


if __name__ == "__main__":
    typer.run(command)
