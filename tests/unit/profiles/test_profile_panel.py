"""`cdap profile show` prints what a person wants to read."""

from __future__ import annotations

from io import StringIO

from rich.console import Console

from cdap.cli.profile import panel


def text(document: dict[str, object]) -> str:
    console = Console(width=140, record=True, file=StringIO())
    console.print(panel(document))
    return console.export_text()


def test_a_full_profile_shows_person_orders_and_records() -> None:
    shown = text(
        {
            "customer_id": "cus_1",
            "first_name": "Ann",
            "last_name": "Lee",
            "email": "ann@x.org",
            "emails": ["a@x.org", "ann@x.org"],
            "country": "GB",
            "has_marketing_consent": False,
            "order_count": 1234,
            "total_amount": 9876.5,
            "currency": "GBP",
            "recency_score": 5,
            "frequency_score": 4,
            "monetary_score": 1,
            "record_count": 2,
            "source_records": ["s.c:1", "s.c:2"],
            "alias_ids": ["cus_0"],
        }
    )
    for part in ("Ann Lee", "cus_1", "ann@x.org, a@x.org", "not consented", "1,234", "9,876.50 GBP", "5-4-1", "cus_0"):
        assert part in shown
    assert "s.c:1, s.c:2" in shown


def test_a_profile_of_little_more_than_an_id_shows_no_empty_lines() -> None:
    shown = text({"customer_id": "cus_1", "record_count": 1, "source_records": ["s.c:1"]})
    assert "(no name)" in shown and "born" not in shown and "RFM" not in shown
