"""What UNLOAD wrote becomes a document of the strict mapping."""

from __future__ import annotations

import hashlib
import json

import pytest

from cdap.profiles.document import DOCUMENT, MAPPING_VERSION, DocumentError, document, index_body

# The mapping's fingerprint by version. A change of the mapping needs a new version, so that the index is built anew.
FINGERPRINTS = {1: "a56deae984a1fab9", 2: "d7a521f092256170"}


def line(**values: object) -> bytes:
    return json.dumps({"customer_id": "cus_1", **values}).encode()


def test_values_become_what_the_mapping_says() -> None:
    found = document(
        line(
            emails="a@x.org|b@x.org",
            phones="",
            total_amount="12.30",
            order_count="3",
            first_order_at="2026-01-02 03:04:05.678",
            birth_date="1980-02-03",
            has_marketing_consent="t",
            city=None,
            as_of_day="2026-01-01",
        )
    )
    assert found.customer_id == "cus_1"
    assert json.loads(found.source) == {
        "customer_id": "cus_1",
        "emails": ["a@x.org", "b@x.org"],
        "total_amount": 12.3,
        "order_count": 3,
        "first_order_at": "2026-01-02T03:04:05.678",
        "birth_date": "1980-02-03",
        "has_marketing_consent": True,
    }


@pytest.mark.parametrize(("field", "value"), [("order_count", "many"), ("has_marketing_consent", "perhaps")])
def test_a_value_of_another_kind_is_named_by_customer_and_field_and_not_shown(field: str, value: str) -> None:
    with pytest.raises(DocumentError) as error:
        document(line(**{field: value}))
    assert "cus_1" in str(error.value) and field in str(error.value) and value not in str(error.value)


def test_a_row_without_an_id_is_refused() -> None:
    with pytest.raises(DocumentError, match="no customer_id"):
        document(b'{"first_name": "Ann"}')


def test_the_mapping_is_strict_and_holds_every_field() -> None:
    mappings = index_body()["mappings"]
    assert mappings["dynamic"] == "strict"
    assert mappings["properties"].keys() == {*DOCUMENT, "alias_ids"}


def test_a_changed_mapping_has_a_new_version() -> None:
    body = json.dumps({**index_body(), "version": None}, sort_keys=True).encode()
    assert FINGERPRINTS.get(MAPPING_VERSION) == hashlib.sha256(body).hexdigest()[:16]
