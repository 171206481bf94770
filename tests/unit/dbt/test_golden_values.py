"""Which value survives, by each rule, and where it is said to come from."""

from __future__ import annotations

from typing import Any

import jinja2
import pytest
from pydantic import ValidationError

from cdap.golden_model import golden_sql
from cdap.identity.config import Golden
from tests.unit.identity.conftest import DuckDbSession, resolved

TABLES = {"current_members": '"identity".current_members', "int_identity_records": "intermediate.int_identity_records"}
SHARED = {"account_id": "1"}
RECORDS: dict[str, dict[str, Any]] = {
    "shop.c:1": {
        **SHARED, "source": "shop", "changed_at": "2026-01-05", "first_name": "Ann", "last_name": "Lee",
        "email": "ann@x.org", "birth_date": "1980-05-06", "street": "1 Elm", "city": "Leeds", "postcode": "LS1",
        "has_marketing_consent": True,
    },
    "shop.c:2": {
        **SHARED, "source": "shop", "changed_at": "2026-01-03", "first_name": "Annabel", "last_name": "Lee",
        "birth_date": "1980-05-06", "street": "12 Elm Tree Road", "city": "Leeds", "country": "GB",
        "has_marketing_consent": True,
    },
    "crm.c:3": {
        **SHARED, "source": "crm", "changed_at": "2026-01-09", "first_name": "A", "last_name": "Lee-Woods",
        "email": "annabel@x.org", "birth_date": "1980-06-05", "has_marketing_consent": True,
    },
    "crm.c:4": {
        **SHARED, "source": "crm", "changed_at": "2026-01-01", "email": "ann@x.org", "birth_date": "1900-01-01",
        "has_marketing_consent": False,
    },
    "crm.c:5": {"account_id": "2", "source": "crm", "changed_at": "2026-01-01", "first_name": "Zoe"},
}  # fmt: skip


def golden_values(session: DuckDbSession, golden: Golden) -> dict[str, tuple[str, str, str]]:
    """Value, record and rule by attribute, of the customer of four records."""
    environment = jinja2.Environment(autoescape=False)  # noqa: S701 - SQL
    sql = environment.from_string(golden_sql(golden)).render(
        config=lambda **_: "", var=lambda _: 12, ref=TABLES.__getitem__, source=lambda _, name: TABLES[name]
    )
    customer = session.members()["shop.c:1"]
    rows = [row for row in session.fetch_all(sql) if row[0] == customer]
    assert len({row[1] for row in rows}) == len(rows)
    assert all(row[5] == row[4].split(".")[0] and str(row[6]).startswith(RECORDS[row[4]]["changed_at"]) for row in rows)
    return {attribute: (value, record, rule) for _, attribute, value, rule, record, _, _ in rows}


@pytest.fixture
def people() -> DuckDbSession:
    session = DuckDbSession()
    session.connection.execute("alter table intermediate.int_identity_records add column has_marketing_consent boolean")
    session.replace_records(RECORDS)
    resolved(session, "day 1")
    return session


def test_the_most_recent_value_survives_and_the_strictest_consent(people: DuckDbSession) -> None:
    assert golden_values(people, Golden()) == {
        "first_name": ("A", "crm.c:3", "most_recent"),
        "last_name": ("Lee-Woods", "crm.c:3", "most_recent"),
        "email": ("annabel@x.org", "crm.c:3", "most_recent"),
        "birth_date": ("1980-06-05", "crm.c:3", "most_recent"),
        "address": ("shop.c:1", "shop.c:1", "most_recent"),
        "country": ("GB", "shop.c:2", "most_recent"),
        "has_marketing_consent": ("false", "crm.c:4", "strictest"),
    }


@pytest.mark.parametrize(
    ("golden", "expected"),
    [
        ({"first_name": "longest"}, ("first_name", "Annabel", "shop.c:2")),
        ({"address": "longest"}, ("address", "shop.c:2", "shop.c:2")),
        ({"last_name": "most_frequent"}, ("last_name", "Lee", "shop.c:1")),
        ({"birth_date": "most_frequent"}, ("birth_date", "1980-05-06", "shop.c:1")),
        ({"email": "most_frequent"}, ("email", "ann@x.org", "shop.c:1")),
        ({"first_name": "most_trusted", "trusted": ["shop"]}, ("first_name", "Ann", "shop.c:1")),
        ({"country": "most_trusted", "trusted": ["crm", "shop"]}, ("country", "GB", "shop.c:2")),
        ({"has_marketing_consent": "most_recent"}, ("has_marketing_consent", "true", "crm.c:3")),
    ],
)
def test_each_attribute_follows_its_rule(
    people: DuckDbSession, golden: dict[str, Any], expected: tuple[str, str, str]
) -> None:
    attribute, value, record = expected
    found = golden_values(people, Golden.model_validate(golden))[attribute]
    assert found == (value, record, golden[attribute])


def test_trust_without_an_order_and_rules_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ValidationError, match="needs `trusted`"):
        Golden.model_validate({"email": "most_trusted"})
    with pytest.raises(ValidationError, match="has_marketing_consent"):
        Golden.model_validate({"has_marketing_consent": "longest"})
