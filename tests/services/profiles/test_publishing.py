"""The index ends as marts.customer_profile is, however often and wherever a publish was interrupted."""

from __future__ import annotations

from contextlib import suppress
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from opensearchpy import OpenSearch
from opensearchpy.exceptions import RequestError

from cdap.errors import CdapError
from cdap.identity import IdentityConfig, load_identity_config
from cdap.parameters import Parameters
from cdap.profiles import (
    PublishSummary,
    RejectedDocumentsError,
    find_by_email,
    find_by_id,
    find_by_phone,
    publish,
)
from cdap.profiles import indexes as indexes_module
from cdap.profiles.document import MAPPING_VERSION
from tests.services.profiles.conftest import MartSession

PROJECT = Path(__file__).parents[3]
CURRENT, NEXT = (f"profiles-v{MAPPING_VERSION + number}" for number in (0, 1))


@pytest.fixture(scope="session")
def rules() -> IdentityConfig:
    return load_identity_config(PROJECT / "config" / "identity.yaml")


@pytest.fixture
def run(marts: MartSession, search: OpenSearch, lake: Any, names: Parameters) -> Any:
    def run(run_id: str = "run", **options: Any) -> PublishSummary:
        return publish(marts, search, lake, names, run_id, **options)

    return run


def contents(search: OpenSearch) -> dict[str, dict[str, Any]]:
    """Every document behind the alias by id."""
    search.indices.refresh(index="profiles")
    hits = search.search(index="profiles", body={"size": 5000})["hits"]["hits"]
    return {hit["_id"]: hit["_source"] for hit in hits}


def test_the_first_publish_makes_the_index_and_puts_it_behind_the_alias(
    marts: MartSession, search: OpenSearch, run: Any
) -> None:
    marts.put(
        "cus_1",
        first_name="Zoë",
        birth_date=date(1980, 2, 3),
        emails="a@x.org|b@x.org",
        source_records="s.c:1|s.c:2",
        first_seen_at=datetime(2026, 1, 2, 3, 4, 5, 678000),  # noqa: DTZ001 - UTC without zone, as in the warehouse
        total_amount=Decimal("123456.78"),
        has_marketing_consent=False,
        recency_score=5,
    )
    marts.put("cus_2")
    summary = run()
    assert (summary.profiles, summary.indexed, summary.deleted, summary.index_name) == (2, 2, 0, CURRENT)
    assert list(search.indices.get_alias(name="profiles")) == [CURRENT]
    document = contents(search)["cus_1"]
    assert document == {
        "customer_id": "cus_1",
        "first_name": "Zoë",
        "birth_date": "1980-02-03",
        "emails": ["a@x.org", "b@x.org"],
        "source_records": ["s.c:1", "s.c:2"],
        "record_count": 1,
        "first_seen_at": "2026-01-02T03:04:05.678000",
        "order_count": 0,
        "total_amount": 123456.78,
        "has_marketing_consent": False,
        "recency_score": 5,
    }
    assert marts.published() == [("cus_1", False, CURRENT), ("cus_2", False, CURRENT)]


def test_only_what_changed_is_sent_and_what_is_gone_is_taken_away(
    marts: MartSession, search: OpenSearch, run: Any
) -> None:
    for number in range(2500):
        marts.put(f"cus_{number:04d}", order_count=number)
    assert run("first").indexed == 2500
    again = run("again")
    assert (again.indexed, again.deleted, again.profiles, again.rebuilt) == (0, 0, 2500, False)
    marts.put("cus_0007", order_count=99)
    marts.put("cus_new")
    marts.remove("cus_0008")
    marts.remove("cus_0009")
    changed = run("changed")
    assert (changed.indexed, changed.deleted, changed.profiles) == (2, 2, 2499)
    documents = contents(search)
    assert documents["cus_0007"]["order_count"] == 99
    assert "cus_new" in documents and not {"cus_0008", "cus_0009"} & documents.keys()


def test_a_publish_killed_at_any_statement_is_mended_by_the_next(
    marts: MartSession, search: OpenSearch, run: Any
) -> None:
    marts.put("cus_a", order_count=1)
    marts.put("cus_b")
    run("zero")
    before = marts.executed
    run("empty")
    statements = marts.executed - before
    for moment in range(statements + 4):
        marts.put("cus_a", order_count=moment + 2)
        marts.put(f"cus_x{moment}")
        marts.fail_after = marts.executed + moment
        with suppress(KeyboardInterrupt):
            run(f"killed {moment}")
        marts.fail_after = None
        marts.remove(f"cus_x{moment}")
        summary = run(f"mended {moment}")
        assert not summary.rebuilt
        assert contents(search).keys() == {"cus_a", "cus_b"}
        assert contents(search)["cus_a"]["order_count"] == moment + 2
        assert marts.published() == [("cus_a", False, CURRENT), ("cus_b", False, CURRENT)]


def test_a_new_mapping_version_is_built_beside_the_index_that_is_read(
    marts: MartSession, search: OpenSearch, run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    marts.put("cus_a")
    marts.put("cus_b")
    run("one")
    monkeypatch.setattr(indexes_module, "MAPPING_VERSION", MAPPING_VERSION + 1)
    monkeypatch.setattr(
        indexes_module.wanted_index, "__kwdefaults__", {"rebuild": False, "version": MAPPING_VERSION + 1}
    )
    marts.fail_after = marts.executed + 8
    with pytest.raises(KeyboardInterrupt):
        run("two")
    assert list(search.indices.get_alias(name="profiles")) == [CURRENT]
    marts.fail_after = None
    summary = run("two")
    assert (summary.index_name, summary.rebuilt, summary.profiles) == (NEXT, True, 2)
    assert list(search.indices.get_alias(name="profiles")) == [NEXT]
    assert not search.indices.exists(index=CURRENT)
    search.indices.delete_index_template(name=NEXT)


def test_an_index_that_somebody_else_changed_is_built_anew(marts: MartSession, search: OpenSearch, run: Any) -> None:
    marts.put("cus_a")
    marts.put("cus_b")
    run("one")
    search.delete(index=CURRENT, id="cus_a", refresh=True)
    summary = run("two")
    assert (summary.index_name, summary.rebuilt) == (f"{CURRENT}-2", True)
    assert contents(search).keys() == {"cus_a", "cus_b"}
    search.indices.delete(index=f"{CURRENT}-2")
    assert run("three").indexed == 2
    assert contents(search).keys() == {"cus_a", "cus_b"}


def test_a_field_that_is_not_in_the_mapping_is_refused(marts: MartSession, search: OpenSearch, run: Any) -> None:
    marts.put("cus_a")
    run()
    with pytest.raises(RequestError, match="strict_dynamic_mapping_exception"):
        search.index(index="profiles", id="x", body={"customer_id": "x", "favourite_colour": "red"})


def test_a_refused_document_is_reported_by_id_and_field_without_its_value(
    marts: MartSession, search: OpenSearch, run: Any
) -> None:
    marts.put("cus_good")
    marts.put("cus_bad", recency_score=4711)
    with pytest.raises(RejectedDocumentsError) as error:
        run()
    assert "cus_bad" in str(error.value) and "recency_score" in str(error.value)
    assert "4711" not in str(error.value)
    assert search.exists(index=CURRENT, id="cus_good")
    assert not search.indices.exists_alias(name="profiles")
    marts.put("cus_bad", recency_score=4)
    assert run().profiles == 2


def test_a_customer_is_found_by_any_spelling_of_its_identifiers_and_by_merged_ids(
    marts: MartSession, search: OpenSearch, run: Any, rules: IdentityConfig
) -> None:
    marts.put("cus_a", emails="ann@x.org|a.lee@gmail.com", phones="+442079460123", source_records="s.c:1")
    marts.put("cus_b", emails="ann@x.org", source_records="s.c:2")
    run("one")
    assert [found["customer_id"] for found in find_by_email(search, " ANN@x.org ", rules)] == ["cus_a", "cus_b"]
    assert [found["customer_id"] for found in find_by_phone(search, "020 7946 0123", rules, "GB")] == ["cus_a"]
    assert [found["customer_id"] for found in find_by_id(search, "s.c:2")] == ["cus_b"]
    marts.remove("cus_b")
    marts.connection.execute(
        "insert into identity.aliases values ('cus_b', 'cus_a', 'run', timestamp '2026-01-01', null)"
    )
    assert run("two").indexed == 1
    assert [found["customer_id"] for found in find_by_id(search, "cus_b")] == ["cus_a"]
    with pytest.raises(CdapError, match="no phone number"):
        find_by_phone(search, "call me", rules, "GB")
    with pytest.raises(CdapError, match="junk"):
        find_by_email(search, "test@test.com", rules)
