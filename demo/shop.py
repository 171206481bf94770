"""The shop's database: its tables, what they hold, and their way from one day to the next.

Filling it up to a day and then moving it on by days gives the same rows as filling it up to the last day at once:
each household is made again from the seed and what differs between the two instants is written.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import astuple, dataclass
from datetime import date, datetime
from importlib.resources import files
from io import StringIO
from typing import Any, Literal

import psycopg2
from psycopg2 import sql
from psycopg2.extensions import connection as Connection

from demo.accounts import Account, accounts
from demo.population import Span, midnight_after
from demo.purchases import Catalogue, orders, subscription

TABLES = ("customers", "orders", "order_items", "products", "subscriptions")
_KEYS = {"customers": "customer_id", "products": "product_id", "subscriptions": "subscription_id"}
_BATCH_CHARACTERS = 4_000_000


class ShopError(Exception):
    """The shop cannot do what was asked; the message says why and what to do."""


@dataclass(frozen=True)
class Contents:
    """What the shop was filled from, and the last day that has happened in it."""

    kind: Literal["generated", "cdnow"]
    customers: int
    days: int
    end: date
    seed: int
    through: date

    @property
    def span(self) -> Span:
        return Span(self.end, self.days)


@contextmanager
def transaction(dsn: str) -> Iterator[Connection]:
    """A connection for one transaction: committed at the end, rolled back by an error, closed in any case."""
    connection = psycopg2.connect(dsn)
    try:
        with connection:
            yield connection
    finally:
        connection.close()


def create_tables(connection: Connection) -> None:
    with connection.cursor() as cursor:
        cursor.execute((files("demo") / "shop.sql").read_text("utf-8"))


def read_contents(connection: Connection) -> Contents | None:
    """What the shop holds; None when nothing was put into it yet."""
    with connection.cursor() as cursor:
        cursor.execute("select kind, customers, days, end_day, seed, through from demo.contents")
        row = cursor.fetchone()
    return Contents(*row) if row else None


def write_contents(connection: Connection, contents: Contents) -> None:
    with connection.cursor() as cursor:
        cursor.execute("delete from demo.contents")
        cursor.execute(
            "insert into demo.contents (kind, customers, days, end_day, seed, through) values (%s, %s, %s, %s, %s, %s)",
            astuple(contents),
        )


def count_rows(connection: Connection) -> dict[str, int]:
    """Rows of each table of the shop."""
    counts = {}
    with connection.cursor() as cursor:
        for table in TABLES:
            cursor.execute(sql.SQL("select count(*) from public.{}").format(sql.Identifier(table)))
            counts[table] = cursor.fetchone()[0]
    return counts


def empty(connection: Connection) -> None:
    """Removes every row of the shop."""
    with connection.cursor() as cursor:
        for table in TABLES:
            cursor.execute(sql.SQL("truncate public.{}").format(sql.Identifier(table)))
        cursor.execute("delete from demo.contents")


class Writer:
    """Writes rows of several tables as they come, by COPY, in batches of a few megabytes."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._buffers = {table: StringIO() for table in TABLES}
        self._writers = {table: csv.writer(buffer, lineterminator="\n") for table, buffer in self._buffers.items()}
        self._outdated: dict[str, list[int]] = {table: [] for table in _KEYS}

    def insert(self, table: str, row: Iterable[Any]) -> None:
        buffer = self._buffers[table]
        self._writers[table].writerow(row)
        if buffer.tell() > _BATCH_CHARACTERS:
            self._flush(table)

    def delete(self, table: str, key: int) -> None:
        self._outdated[table].append(key)
        if len(self._outdated[table]) >= 20_000:
            self._flush(table)

    def change(self, table: str, before: Iterable[Any] | None, after: Iterable[Any] | None) -> None:
        """Brings one keyed row from what it was to what it is; the key is its first column."""
        old, new = before and tuple(before), after and tuple(after)
        if old == new:
            return
        if old:
            self.delete(table, old[0])
        if new:
            self.insert(table, new)

    def close(self) -> None:
        for table in TABLES:
            self._flush(table)

    def _flush(self, table: str) -> None:
        buffer = self._buffers[table]
        with self._connection.cursor() as cursor:
            # Deletions first: a changed row is both.
            if self._outdated.get(table):
                cursor.execute(
                    sql.SQL("delete from public.{} where {} = any(%s)").format(
                        sql.Identifier(table), sql.Identifier(_KEYS[table])
                    ),
                    (self._outdated[table],),
                )
                self._outdated[table].clear()
            if buffer.tell():
                buffer.seek(0)
                copy = sql.SQL("copy public.{} from stdin with (format csv)").format(sql.Identifier(table))
                cursor.copy_expert(copy.as_string(cursor), buffer)
                buffer.seek(0)
                buffer.truncate()


def generate(connection: Connection, contents: Contents) -> None:
    """Replaces what the shop holds by a generated population, up to the end of `contents.through`."""
    _check(contents, contents.through)
    empty(connection)
    _write_changes(connection, contents, None, midnight_after(contents.through))
    write_contents(connection, contents)


def advance(connection: Connection, to: date) -> Contents:
    """Lets every day up to the end of `to` happen; days that have happened are not touched again.

    Raises ShopError when the shop does not hold a generated population, or `to` is outside of its days.
    """
    contents = read_contents(connection)
    if contents is None:
        raise ShopError("the shop is empty, so there is no day to move on from; run `demo generate` first")
    if contents.kind != "generated":
        raise ShopError(f"the shop holds {contents.kind} data, which has no further days; run `demo generate` first")
    _check(contents, to)
    if to <= contents.through:
        return contents
    _write_changes(connection, contents, midnight_after(contents.through), midnight_after(to))
    moved = Contents(contents.kind, contents.customers, contents.days, contents.end, contents.seed, to)
    write_contents(connection, moved)
    return moved


def _check(contents: Contents, through: date) -> None:
    if contents.customers < 1:
        raise ShopError(f"the number of customers is {contents.customers}; it must be at least 1")
    span = contents.span
    if not span.first_day <= through <= span.end:
        raise ShopError(
            f"{through} is not one of this population's days, {span.first_day} to {span.end}; "
            "choose one of them, or generate with another --end or --days"
        )


def _write_changes(connection: Connection, contents: Contents, since: datetime | None, until: datetime) -> None:
    span, writer = contents.span, Writer(connection)
    catalogue = Catalogue(contents.seed, span)
    before = {row.product_id: astuple(row) for row in catalogue.rows(since)} if since else {}
    for product in catalogue.rows(until):
        writer.change("products", before.get(product.product_id), astuple(product))
    for opened in accounts(contents.seed, span, contents.customers):
        for account in opened:
            _write_account(writer, contents.seed, span, account, catalogue, since, until)
    writer.close()


def _write_account(
    writer: Writer,
    seed: int,
    span: Span,
    account: Account,
    catalogue: Catalogue,
    since: datetime | None,
    until: datetime,
) -> None:
    if account.registered_at >= until:
        return
    old, new = (account.row(since) if since else None), account.row(until)
    if old is not new:
        writer.change("customers", old and _values(old), new and _values(new))
    versions = subscription(seed, span, account)
    if versions:
        # A deleted customer's subscription goes with it.
        at_since = [v for v in versions if old and since and v.updated_at < since]
        at_until = [v for v in versions if new and v.updated_at < until]
        writer.change(
            "subscriptions",
            _values(at_since[-1]) if at_since else None,
            _values(at_until[-1]) if at_until else None,
        )
    for order, items in orders(seed, span, account, catalogue):
        if order.ordered_at >= until:
            break
        if since is None or order.ordered_at >= since:
            writer.insert("orders", _values(order))
            for item in items:
                writer.insert("order_items", _values(item))


def _values(row: Any) -> tuple[Any, ...]:
    """A row's values in the order of its columns (`astuple` without its deep copies)."""
    return tuple(row.__dict__.values())


def truth(connection: Connection) -> Iterator[tuple[str, str, int, str, str]]:
    """Who is who: (source, table, id, person, household) of the customers that exist now.

    Raises ShopError when the shop is empty.
    """
    contents = read_contents(connection)
    if contents is None:
        raise ShopError("the shop is empty, so there is no truth to write; run `demo generate` first")
    if contents.kind == "cdnow":  # the file has one number a person and says nothing of households
        with connection.cursor("truth") as cursor:
            cursor.execute("select customer_id from public.customers order by customer_id")
            for (customer_id,) in cursor:
                yield "shop", "customers", customer_id, f"P{customer_id:09d}", f"H{customer_id:09d}"
        return
    now = midnight_after(contents.through)
    for opened in accounts(contents.seed, contents.span, contents.customers):
        for account in opened:
            if account.row(now) is not None:
                yield (
                    "shop",
                    "customers",
                    account.customer_id,
                    account.person.person_id,
                    account.household.household_id,
                )
