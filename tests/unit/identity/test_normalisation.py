"""A value is normalised alike by the warehouse and by a look-up."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlglot import exp

from cdap.identity.config import Identifier, Step
from cdap.identity.normalisation import STEPS, normalised, normalised_sql, usable_sql
from cdap.sql import render
from tests.unit.identity.conftest import DuckDbSession

# What people type, blanks and signs included. Case folding of letters outside Latin differs between engines and
# versions of Unicode, so such letters are left out.
typed = st.text(
    st.one_of(
        st.characters(min_codepoint=32, max_codepoint=126),
        st.characters(min_codepoint=0xC0, max_codepoint=0x17F, exclude_characters="İıŉſß"),
        st.sampled_from("\t\n "),
    ),
    max_size=30,
)


def in_the_warehouse(session: DuckDbSession, value: str, rule: Identifier) -> str | None:
    column = normalised_sql("field", rule)
    value_of = exp.column("value")
    query = exp.select(exp.case().when(usable_sql(value_of, rule), value_of).as_("value")).from_(
        exp.select(column.as_("value")).from_(exp.to_table("typed")).subquery("normalised")
    )
    session.connection.execute("create or replace temp table typed (field varchar)")
    session.connection.execute("insert into typed values (?)", [value])
    ((result,),) = session.fetch_all(render(query))
    return None if result is None else str(result)


@pytest.fixture(scope="module")
def warehouse() -> DuckDbSession:
    return DuckDbSession()


@pytest.mark.parametrize("step", sorted(STEPS))
def test_each_step_is_the_same_in_sql_and_in_python(warehouse: DuckDbSession, step: Step) -> None:
    rule = Identifier(normalise=(step,))

    @settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(typed)
    def same(value: str) -> None:
        assert in_the_warehouse(warehouse, value, rule) == normalised(value, rule)

    same()


@pytest.mark.parametrize(
    ("typed_in", "expected"),
    [
        (" Ann.Lee+shop@GMail.com ", "annlee@gmail.com"),
        ("ann.lee@googlemail.com", "annlee@gmail.com"),
        ("Ann.Lee+x@firm.example.org", "ann.lee@firm.example.org"),
        ("noreply@firm.com", None),
        ("test@test.com", None),
        ("no address", None),
        ("   ", None),
    ],
)
def test_an_email_address_becomes_the_box_it_is_delivered_to(
    warehouse: DuckDbSession, typed_in: str, expected: str | None
) -> None:
    rule = Identifier(
        normalise=("trim", "lower", "drop_plus_tag", "email_provider"),
        junk=frozenset({"test@test.com"}),
        junk_patterns=("^(no-?reply)@", "^[^@]*$"),
    )
    assert normalised(typed_in, rule) == expected
    assert in_the_warehouse(warehouse, typed_in, rule) == expected


@pytest.mark.parametrize(
    ("typed_in", "expected"),
    [(" José-María ", "josemaria"), ("O'Neil", "oneil"), ("李 小龙", "李小龙"), ("Łukasz", "łukasz"), ("42", None)],
)
def test_a_name_loses_accents_signs_and_digits_but_no_letters(
    warehouse: DuckDbSession, typed_in: str, expected: str | None
) -> None:
    rule = Identifier(normalise=("trim", "lower", "strip_accents", "letters"))
    assert normalised(typed_in, rule) == expected
    assert in_the_warehouse(warehouse, typed_in, rule) == expected
