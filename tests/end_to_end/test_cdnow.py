"""Real purchases: every customer's count and money in the profiles equal a direct count over the file."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from decimal import Decimal

import pytest

from demo.machine import Machine
from tests.end_to_end.world import PROJECT, warehouse_of

FILE = PROJECT.parent / "shared" / "data" / "cdnow" / "CDNOW_master.txt"

pytestmark = pytest.mark.skipif(not FILE.exists(), reason="the real data is not part of the project")


def purchases() -> dict[str, tuple[int, Decimal]]:
    """Purchases and money of each customer, counted over the file and nothing else."""
    counts: defaultdict[str, int] = defaultdict(int)
    money: defaultdict[str, Decimal] = defaultdict(Decimal)
    for line in FILE.read_text().splitlines()[1:]:  # the first line names the columns
        if line.strip():
            customer, _, _, dollars = line.split()
            counts[str(int(customer))] += 1
            money[str(int(customer))] += Decimal(dollars)
    return {customer: (counts[customer], money[customer]) for customer in counts}


@pytest.fixture(scope="module")
def cdnow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    machine = Machine(project=PROJECT, state=tmp_path_factory.mktemp("cdnow"))
    try:
        machine.up(lambda: machine.load_cdnow(FILE))
        machine.cdap("backfill", "--from", "1997-01-01", "--to", "1998-06-30", "--one-load", "--source", "shop")
        yield machine
    finally:
        problems = machine.down()
    assert not problems, problems


def test_every_customer_has_the_purchases_and_the_money_of_the_file(cdnow: Machine) -> None:
    expected = purchases()
    assert len(expected) == 23_570
    connection = warehouse_of(cdnow)
    try:
        with connection.cursor() as cursor:
            cursor.execute("select source_records, order_count, total_amount from marts.customer_profile")
            found = {row[0].removeprefix("shop.customers:"): (row[1], row[2]) for row in cursor.fetchall()}
            cursor.execute("select sum(rows_in), sum(rows_out), sum(rows_quarantined) from ops.load_tables")
            rows_in, rows_out, quarantined = cursor.fetchone()
            cursor.execute("select count(*) from ops.published_profiles")
            (published,) = cursor.fetchone()
    finally:
        connection.close()
    assert found == expected
    assert rows_in == rows_out and quarantined == 0
    assert published == 23_570
