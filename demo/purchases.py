"""What customers buy: products, orders with their items, subscriptions. Amounts are cents until written."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from random import Random

from demo.accounts import Account
from demo.population import Span, permuted

ORDERS_PER_DAY = 0.08
"""Mean orders of an account a day; accounts differ by a gamma distribution of shape 0.8."""

ORDERS = 2048
"""Room for orders in an account's range of numbers, and so the largest number of orders one account makes."""

ITEMS = 8
PLANS = ("basic", "plus", "family")


def money(cents: int) -> str:
    """Cents as an exact decimal: 1234 is `12.34`."""
    return f"{cents // 100}.{cents % 100:02d}"


@dataclass(frozen=True)
class OrderRow:
    """A row of the shop's `orders`, in the order of its columns."""

    order_id: int
    customer_id: int
    ordered_at: datetime
    status: str
    currency: str
    total_amount: str
    channel: str


@dataclass(frozen=True)
class ItemRow:
    """A row of the shop's `order_items`, in the order of its columns."""

    order_item_id: int
    order_id: int
    product_id: int
    ordered_at: datetime
    quantity: int
    line_amount: str


@dataclass(frozen=True)
class ProductRow:
    """A row of the shop's `products`, in the order of its columns."""

    product_id: int
    name: str
    category: str
    list_price: str
    updated_at: datetime


@dataclass(frozen=True)
class SubscriptionRow:
    """A row of the shop's `subscriptions`, in the order of its columns."""

    subscription_id: int
    customer_id: int
    plan: str
    status: str
    started_at: datetime
    ended_at: datetime | None
    updated_at: datetime


_CATEGORIES = {
    "Books": ("Novel", "Cookbook", "Travel Guide", "Atlas", "Biography"),
    "Kitchen": ("Kettle", "Saucepan", "Knife Set", "Espresso Maker", "Mixing Bowl"),
    "Garden": ("Watering Can", "Hose", "Secateurs", "Planter", "Garden Chair"),
    "Sports": ("Running Shoes", "Yoga Mat", "Water Bottle", "Tent", "Backpack"),
    "Toys": ("Building Blocks", "Puzzle", "Board Game", "Plush Bear", "Kite"),
    "Electronics": ("Headphones", "Keyboard", "Desk Lamp", "Power Bank", "Speaker"),
    "Clothing": ("Rain Jacket", "Wool Scarf", "T-Shirt", "Jeans", "Socks"),
    "Home": ("Cushion", "Candle", "Blanket", "Picture Frame", "Rug"),
}
_LINES = ("Classic", "Nord", "Alba", "Terra", "Luna")


class Catalogue:
    """The products on offer and what they cost from when on."""

    def __init__(self, seed: int, span: Span) -> None:
        random = Random(f"{seed}/products")
        self._prices: list[list[tuple[datetime, int]]] = []
        self._names: list[tuple[str, str]] = []
        for category, kinds in _CATEGORIES.items():
            for kind in kinds:
                for line in _LINES:
                    launched = span.opens if random.random() < 0.9 else span.instant(random)
                    cents = round(random.lognormvariate(3.2, 0.8)) * 100 + random.choice((0, 49, 90, 95, 99))
                    prices = [(launched, cents)]
                    for _ in range(random.choices((0, 1, 2, 3), (30, 40, 20, 10))[0]):
                        cents = max(99, cents * random.choice((90, 95, 105, 110)) // 100)
                        prices.append((span.instant(random, launched), cents))
                    self._prices.append(sorted(prices))
                    self._names.append((f"{line} {kind}", category))
        # What is bought most often: a Zipf law over a shuffled catalogue.
        popularity = list(range(len(self._names)))
        random.shuffle(popularity)
        self._products = popularity
        self._weights = [1 / rank for rank in range(1, len(popularity) + 1)]
        for rank in range(1, len(self._weights)):
            self._weights[rank] += self._weights[rank - 1]

    def draw(self, random: Random, at: datetime) -> tuple[int, int]:
        """Key and price in cents of a product on sale at an instant."""
        while True:
            product = random.choices(self._products, cum_weights=self._weights)[0]
            price = self._price(product, at)
            if price is not None:
                return product + 1, price[1]

    def _price(self, product: int, at: datetime) -> tuple[datetime, int] | None:
        current = None
        for since, cents in self._prices[product]:
            if since >= at:
                break
            current = (since, cents)
        return current

    def rows(self, at: datetime) -> Iterator[ProductRow]:
        """The table of products as it stands at an instant."""
        for product, (name, category) in enumerate(self._names):
            price = self._price(product, at)
            if price is not None:
                yield ProductRow(product + 1, name, category, money(price[1]), price[0])


def orders(seed: int, span: Span, account: Account, catalogue: Catalogue) -> Iterator[tuple[OrderRow, list[ItemRow]]]:
    """An account's orders during the days of the span, oldest first, each with its items, whose sum is its total."""
    random = Random(f"{seed}/orders/{account.customer_id}")
    rate = max(random.gammavariate(0.8, ORDERS_PER_DAY / 0.8), 1e-6)
    at = max(datetime.combine(span.first_day, time()), account.registered_at)
    until = min(span.closes, account.deleted_at or span.closes)
    first = at
    for number in range(ORDERS):
        # Half of those who register during the days order at once.
        soon = number == 0 and first == account.registered_at and random.random() < 0.5
        at += timedelta(hours=random.expovariate(2.0)) if soon else timedelta(days=random.expovariate(rate))
        if at >= until:
            return
        order_id = account.number * ORDERS + number + 1
        items = []
        total = 0
        for line in range(random.choices((1, 2, 3, 4, 5, 6), (48, 24, 13, 8, 4, 3))[0]):
            product_id, price = catalogue.draw(random, at)
            quantity = random.choices((1, 2, 3, 4), (78, 14, 5, 3))[0]
            total += price * quantity
            items.append(ItemRow(order_id * ITEMS + line, order_id, product_id, at, quantity, money(price * quantity)))
        status = random.choices(("completed", "cancelled", "returned"), (91, 4, 5))[0]
        channel = random.choices(("web", "app", "store"), (55, 30, 15))[0]
        yield OrderRow(order_id, account.customer_id, at, status, account.currency, money(total), channel), items


def subscription(seed: int, span: Span, account: Account) -> list[SubscriptionRow]:
    """The versions of an account's subscription, oldest first; none for most. It begins in the account's life."""
    random = Random(f"{seed}/subscription/{account.customer_id}")
    if random.random() >= 0.22:
        return []
    started = span.instant(random, account.registered_at)
    plan = random.choices(PLANS, (60, 28, 12))[0]
    # One a customer, so its key is the customer's through a permutation of its own.
    key = permuted(account.customer_id, 3)
    versions = [SubscriptionRow(key, account.customer_id, plan, "active", started, None, started)]
    at = started
    while True:
        at += timedelta(days=random.expovariate(1 / 240))
        if at >= span.closes:
            return versions
        last = versions[-1]
        fate = random.random()
        if last.status == "paused" and fate < 0.6:
            changed = (last.plan, "active", None)
        elif fate < 0.45:
            changed = (last.plan, "cancelled", at)
        elif fate < 0.7 and last.status == "active":
            changed = (last.plan, "paused", None)
        else:
            changed = (random.choice([other for other in PLANS if other != last.plan]), last.status, None)
        versions.append(SubscriptionRow(key, account.customer_id, *changed[:2], started, changed[2], at))
        if changed[1] == "cancelled":
            return versions
