"""What an error of the warehouse says, and which ones are worth another try."""

from __future__ import annotations

import pickle

import pytest
from redshift_connector.error import ProgrammingError

from cdap.errors import CdapError, WarehouseError
from cdap.warehouse import Warehouse, is_conflict, retried_on_conflict


class RefusingCursor:
    paramstyle = "format"

    def execute(self, sql: str, args: object) -> None:
        raise ProgrammingError({"S": "ERROR", "C": "42501", "M": "permission denied for relation x", "D": "ada@b.c"})


class RefusingConnection:
    """As redshift_connector raises it: the server's fields as a dict."""

    autocommit = False

    def cursor(self) -> RefusingCursor:
        return RefusingCursor()

    def rollback(self) -> None:
        raise ProgrammingError("connection is closed")


def test_an_error_says_the_purpose_and_the_cause_but_no_data() -> None:
    with pytest.raises(WarehouseError) as raised:
        Warehouse(RefusingConnection()).execute(
            "insert into x values (%s)", ("ada@b.c",), purpose="Entering the load into the ledger"
        )
    assert "Entering the load into the ledger" in str(raised.value)
    assert "permission denied for relation x (SQLSTATE 42501)" in str(raised.value)
    assert "ada@b.c" not in str(raised.value)
    assert "insert into" not in str(raised.value)


def test_the_error_that_ended_a_transaction_is_the_one_raised_though_the_session_is_lost() -> None:
    warehouse = Warehouse(RefusingConnection())
    with pytest.raises(WarehouseError, match="42501"), warehouse.transaction():
        warehouse.execute("select 1", purpose="Asking")


@pytest.mark.parametrize(
    ("sqlstate", "found", "conflict"),
    [
        ("40001", "could not serialize access", True),
        ("XX000", "1023 DETAIL: Serializable isolation violation on table - 100, transactions", True),
        ("XX000", "disk is full", False),
        ("42P01", "relation 1023 does not exist", False),
    ],
)
def test_a_lost_race_is_told_from_other_errors(sqlstate: str, found: str, conflict: bool) -> None:
    assert is_conflict(WarehouseError("Writing", found, "", sqlstate)) is conflict


def test_a_transaction_that_lost_a_race_is_run_again() -> None:
    outcomes = [WarehouseError("Writing", "lost", "", "40001"), WarehouseError("Writing", "lost", "", "40001"), 7]

    @retried_on_conflict
    def write() -> int:
        outcome = outcomes.pop(0)
        if isinstance(outcome, WarehouseError):
            raise outcome
        return outcome

    assert write() == 7


def test_an_error_that_is_no_lost_race_is_not_tried_again() -> None:
    calls = []

    @retried_on_conflict
    def write() -> None:
        calls.append(1)
        raise WarehouseError("Writing", "no such table", "", "42P01")

    with pytest.raises(WarehouseError, match="no such table"):
        write()
    assert len(calls) == 1


def test_errors_survive_the_way_between_processes() -> None:
    for error in (CdapError("Doing", "found", "next"), WarehouseError("Doing", "found", "next", "42501")):
        again = pickle.loads(pickle.dumps(error))  # noqa: S301 - made here
        assert (type(again), str(again), vars(again)) == (type(error), str(error), vars(error))
