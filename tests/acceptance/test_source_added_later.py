"""A source that is added later, alone, by one file ends in what it would be had it been there from the start."""

from __future__ import annotations

from tests.acceptance import surveys
from tests.end_to_end.content import Content, difference
from tests.end_to_end.world import World


def test_a_source_with_history_added_later_ends_in_the_same_content(
    reference: Content, late: World, with_crm: Content
) -> None:
    assert "staging.stg_crm__contact" not in late.first
    assert len(reference["members"]) < len(reference["intermediate.int_identity_records"])
    assert difference(reference, with_crm) == ""


def test_a_source_of_ones_own_takes_part_in_identity(late: World, surveyed: World) -> None:
    answers = surveyed.first["staging.stg_surveys__answers"]
    assert len(answers) == surveys.COUNT
    members = {record: customer for customer in surveyed.first["members"] for record in customer}
    own = [record for record in members if record.startswith("surveys.answers:")]
    assert len(own) == surveys.COUNT
    assert all(any(other.startswith("shop.customers:") for other in members[record]) for record in own)
    assert len(surveyed.first["marts.customer_profile"]) == len(surveyed.first["members"])
