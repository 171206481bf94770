"""The generated customers: the same by seed, one household at a time, and as hard to tell apart as real ones."""

from __future__ import annotations

import tracemalloc
from collections import Counter, defaultdict
from datetime import date
from decimal import Decimal
from itertools import islice

import pytest

from demo.accounts import JUNK_BIRTH_DATE, JUNK_EMAILS, JUNK_PHONES, Account, accounts
from demo.population import Household, Span, households, midnight_after, permuted, scattered
from demo.purchases import Catalogue, orders, subscription
from demo.reference import countries

SPAN = Span(date(2026, 3, 31), 31)


@pytest.fixture(scope="module")
def homes() -> list[Household]:
    return list(islice(households(7, SPAN), 3000))


@pytest.fixture(scope="module")
def customers() -> list[Account]:
    return [account for opened in accounts(7, SPAN, 4000) for account in opened]


def histories(seed: int, count: int) -> list[object]:
    catalogue = Catalogue(seed, SPAN)
    return [
        (account.versions, account.deleted_at, list(orders(seed, SPAN, account, catalogue)))
        for opened in accounts(seed, SPAN, count)
        for account in opened
    ]


def test_the_same_seed_gives_the_same_histories_and_another_seed_others() -> None:
    assert histories(1, 300) == histories(1, 300)
    assert histories(1, 300) != histories(2, 300)


def test_a_larger_population_begins_with_the_smaller_one() -> None:
    assert histories(1, 300)[:200] == histories(1, 200)


def test_a_population_has_exactly_the_customers_asked_for(customers: list[Account]) -> None:
    assert len(customers) == 4000
    assert len({account.customer_id for account in customers}) == 4000
    assert all(SPAN.opens <= account.registered_at < SPAN.closes for account in customers)


def test_memory_does_not_grow_with_the_number_of_customers() -> None:
    def peak(count: int) -> int:
        tracemalloc.start()
        for _ in accounts(3, SPAN, count):
            pass
        used = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return used

    peak(100)  # names and countries are read once
    assert peak(8000) < peak(500) + 200_000


def test_numbers_that_must_be_unique_are_permutations() -> None:
    assert len({permuted(number, 3) for number in range(50_000)}) == 50_000
    assert len({scattered(number) for number in range(50_000)}) == 50_000


def test_families_share_contacts_and_each_kind_of_household_occurs(homes: list[Household]) -> None:
    kinds = Counter(home.kind for home in homes)
    assert set(kinds) == {"single", "couple", "family", "namesakes", "twins"}
    together = [home for home in homes if len(home.persons) > 1]
    assert 0.2 < sum(home.shared_email is not None for home in together) / len(together) < 0.5
    assert 0.3 < sum(home.shared_phone is not None for home in together) / len(together) < 0.6


def test_namesakes_are_parent_and_child_of_one_name(homes: list[Household]) -> None:
    for home in homes:
        if home.kind == "namesakes":
            parent, child = home.persons
            assert parent.first_name == child.first_name
            assert parent.surnames[0][1] == child.surnames[0][1]
            assert (child.birth_date - parent.birth_date).days > 18 * 365


def test_twins_share_their_birth_date_and_differ_in_name(homes: list[Household]) -> None:
    for home in homes:
        if home.kind == "twins":
            _, one, other = home.persons
            assert one.birth_date == other.birth_date
            assert one.first_name != other.first_name


def test_some_persons_marry_and_some_households_move_during_the_time(homes: list[Household]) -> None:
    assert any(len(person.surnames) > 1 for home in homes for person in home.persons)
    assert any(len(home.addresses) > 1 for home in homes)


def test_a_given_up_number_comes_to_a_stranger_later(homes: list[Household]) -> None:
    holders = defaultdict(list)
    for home in homes:
        for person in home.persons:
            for since, number in person.phones:
                holders[(home.addresses[0][1].country.code, number)].append((since, home.number))
    recycled = {number: sorted(held) for number, held in holders.items() if len({home for _, home in held}) > 1}
    assert len(recycled) >= len(homes) // 25 - 1
    assert all(held[0][0] < held[-1][0] for held in recycled.values())


def test_no_two_persons_have_one_address_of_their_own(homes: list[Household]) -> None:
    addresses = Counter(email for home in homes for person in home.persons for email in person.emails)
    assert addresses.most_common(1)[0][1] == 1


def test_persons_register_several_times_and_forms_hold_nonsense(customers: list[Account]) -> None:
    registrations = Counter(account.person.number for account in customers)
    assert 0.1 < sum(count > 1 for count in registrations.values()) / len(registrations) < 0.3
    first = [account.versions[0] for account in customers]
    assert any(row.email in JUNK_EMAILS for row in first)
    assert any(row.phone in JUNK_PHONES for row in first)
    assert any(row.birth_date == JUNK_BIRTH_DATE for row in first)
    assert any(row.email is None for row in first)
    assert len({row.country for row in first}) == len(countries()[0])


def test_versions_follow_one_another_and_end_with_a_deletion(customers: list[Account]) -> None:
    assert any(len(account.versions) > 1 for account in customers)
    deleted = [account for account in customers if account.deleted_at is not None]
    assert deleted
    for account in customers:
        times = [version.updated_at for version in account.versions]
        assert times == sorted(times)
    for account in deleted:
        assert account.deleted_at is not None
        assert account.row(account.deleted_at) is not None
        assert account.row(SPAN.closes) is None


def test_an_order_amounts_to_its_items_to_the_cent(customers: list[Account]) -> None:
    catalogue = Catalogue(7, SPAN)
    count = 0
    for account in customers[:1500]:
        for order, items in orders(7, SPAN, account, catalogue):
            count += 1
            assert Decimal(order.total_amount) == sum(Decimal(item.line_amount) for item in items)
            assert account.registered_at <= order.ordered_at < SPAN.closes
            assert order.ordered_at.date() >= SPAN.first_day
    assert count > 1000


def test_subscriptions_change_and_an_end_is_the_end(customers: list[Account]) -> None:
    found = [subscription(7, SPAN, account) for account in customers]
    assert {version.status for versions in found for version in versions} == {"active", "paused", "cancelled"}
    for versions in found:
        assert all(version.status != "cancelled" and version.ended_at is None for version in versions[:-1])


def test_prices_change_over_the_time() -> None:
    catalogue = Catalogue(7, SPAN)
    before = {row.product_id: row.list_price for row in catalogue.rows(SPAN.opens.replace(year=2025))}
    after = {row.product_id: row.list_price for row in catalogue.rows(midnight_after(SPAN.end))}
    assert any(after[product] != price for product, price in before.items())


@pytest.mark.parametrize(
    ("style", "spelled"),
    [
        ("e164", "+4915123456789"),
        ("international", "+49 151 23456789"),
        ("prefix", "004915123456789"),
        ("national", "0151 23456789"),
        ("digits", "015123456789"),
    ],
)
def test_a_number_is_spelled_as_people_do(style: str, spelled: str) -> None:
    germany = next(country for country in countries()[0] if country.code == "DE")
    assert germany.spell_phone("15123456789", style) == spelled
