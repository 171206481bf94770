"""Migrations: each once, in order, unchanged ever after; a failed one leaves nothing."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from cdap.errors import MigrationError
from cdap.migrations import apply, read_migrations, statements
from cdap.parameters import Parameters
from cdap.settings import PROJECT_DIR
from tests.unit.cdap.duckdb_session import MIGRATIONS, DuckDbSession

NAMES = Parameters(
    {
        "/cdap/glue/database/raw": "raw's",
        "/cdap/glue/database/clean": "clean",
        **{f"/cdap/warehouse/{name}": name for name in ("host", "database", "workgroup", "secret_arn", "sslmode")},
        "/cdap/warehouse/port": "5439",
        "/cdap/warehouse/role_arn": "arn:aws:iam::111122223333:role/spectrum",
    }
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "0000_migrations.sql").write_text((MIGRATIONS / "0000_migrations.sql").read_text())
    (tmp_path / "0001_first.sql").write_text(
        "create table ops.a (x integer); -- a; comment\ncreate table ops.b (x integer);"
    )
    return tmp_path


def test_what_is_pending_is_applied_once(session: DuckDbSession, folder: Path) -> None:
    assert apply(session, NAMES, folder) == ["0001_first"]
    (folder / "0002_second.sql").write_text("insert into ops.a values (1)")
    assert apply(session, NAMES, folder) == ["0002_second"]
    assert apply(session, NAMES, folder) == []
    assert session.fetch_all("select count(*) from ops.a") == [(1,)]


def test_an_applied_file_that_changed_is_refused(session: DuckDbSession, folder: Path) -> None:
    apply(session, NAMES, folder)
    (folder / "0001_first.sql").write_text("create table ops.c (x integer)")
    with pytest.raises(MigrationError, match=r"0001_first.*not the one that was applied"):
        apply(session, NAMES, folder)


def test_a_file_that_comes_late_is_refused(session: DuckDbSession, folder: Path) -> None:
    (folder / "0003_third.sql").write_text("create table ops.c (x integer)")
    apply(session, NAMES, folder)
    (folder / "0002_second.sql").write_text("create table ops.d (x integer)")
    with pytest.raises(MigrationError, match="0003 was applied before it"):
        apply(session, NAMES, folder)


def test_a_migration_that_fails_leaves_nothing_and_can_be_applied_again(session: DuckDbSession, folder: Path) -> None:
    (folder / "0002_second.sql").write_text("create table ops.c (x integer); insert into ops.nowhere values (1)")
    with pytest.raises(duckdb.CatalogException):
        apply(session, NAMES, folder)
    assert session.fetch_all("select count(*) from duckdb_tables() where table_name = 'c'") == [(0,)]
    (folder / "0002_second.sql").write_text("create table ops.c (x integer)")
    assert apply(session, NAMES, folder) == ["0002_second"]


def test_a_number_given_twice_is_refused(folder: Path) -> None:
    (folder / "0001_other.sql").write_text("select 1")
    with pytest.raises(MigrationError, match="0001 is also"):
        read_migrations(folder)


def test_values_are_bound_as_literals_and_casts_strings_and_comments_are_left_alone() -> None:
    text = "-- about :who\nselect :who, ':who', cast(1 as int), '1'::int; select 2"
    assert list(statements(text, {"who": "it's"})) == [
        "-- about :who\nselect 'it''s', ':who', cast(1 as int), '1'::int",
        "select 2",
    ]


def test_a_name_without_a_value_is_said(session: DuckDbSession, folder: Path) -> None:
    (folder / "0002_second.sql").write_text("create table ops.c as select :nothing as x")
    with pytest.raises(MigrationError, match=":nothing, which has no value"):
        apply(session, NAMES, folder)


def test_external_schemas_are_made_outside_a_transaction_for_the_catalogs_databases() -> None:
    (external,) = [item for item in read_migrations(PROJECT_DIR / "migrations") if item.name == "external_schemas"]
    values = {"raw_database": "cdap_raw", "clean_database": "cdap_clean", "role_arn": "arn:r"}
    made = list(statements(external.text, values))
    assert not external.in_transaction
    assert "create external schema if not exists raw" in made[0] and "database 'cdap_raw'" in made[0]
    assert "create external schema if not exists lake" in made[1] and "database 'cdap_clean'" in made[1]
    assert all("iam_role 'arn:r'" in statement for statement in made)
