"""Materialized views hold what their query gave at the last refresh, and say whether that is old."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from localcloud.engines.sql.errors import SqlError
from localcloud.engines.sql.session import Session
from localcloud.engines.sql.warehouse import Warehouse
from tests.unit.localcloud_sql.conftest import Run, execute


def _stale(run: Run) -> dict[str, str]:
    return dict(run("select name, is_stale from stv_mv_info where \"schema\" = 'mv_age'"))


@pytest.mark.parametrize("ending", ["commit", "rollback"])
def test_a_view_is_as_old_as_its_last_refresh(run: Run, ending: str) -> None:
    run(
        "drop schema if exists mv_age cascade; create schema mv_age; create table mv_age.t (a int);"
        "insert into mv_age.t values (1), (2);"
        "create materialized view mv_age.manual as select sum(a) as total from mv_age.t;"
        "create materialized view mv_age.automatic auto refresh yes as (select count(*) as n from mv_age.t);"
    )
    run("begin; insert into mv_age.t values (10)")
    run(ending)
    kept = ending == "commit"
    assert run("select total from mv_age.manual") == [(3,)]
    assert run("select n from mv_age.automatic") == [(3 if kept else 2,)]
    assert _stale(run) == {"manual": "t" if kept else "f", "automatic": "f"}
    run("refresh materialized view mv_age.manual")
    assert run("select total from mv_age.manual") == [(13 if kept else 3,)]
    assert _stale(run)["manual"] == "f"


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.sampled_from([
            "insert into {s}.t values (1), (5)",
            "delete from {s}.t where a = 1",
            "update {s}.t set a = a + 1",
            "truncate {s}.t",
            "insert into {s}.other values (3)",
            "alter table {s}.t append from {s}.other",
            "begin; insert into {s}.t values (7); delete from {s}.t where a = 7; commit",
        ]),
        max_size=6,
    )
)  # fmt: skip
def test_views_on_views_that_refresh_themselves_always_equal_their_query(session: Session, changes: list[str]) -> None:
    def run(sql: str) -> list[tuple[Any, ...]]:
        return execute(session, sql.format(s="mv_nested"))

    run(
        "drop schema if exists {s} cascade; create schema {s}; create table {s}.t (a int);"
        "create table {s}.other (a int); create view {s}.plain as select a from {s}.t where a > 1;"
        "create materialized view {s}.low auto refresh yes as select a, count(*) as n from {s}.plain group by a;"
        "create materialized view {s}.high auto refresh yes as select sum(n) as n from {s}.low;"
    )
    for change in changes:
        run(change)
        assert run("select a, n from {s}.low order by a") == run(
            "select a, count(*) from {s}.t where a > 1 group by a order by a"
        )
        assert run("select n from {s}.high") == run("select sum(n) from {s}.low")


def test_refresh_cascade_refreshes_the_views_below_first(run: Run) -> None:
    run(
        "create schema mv_below; create table mv_below.t (a int);"
        "create materialized view mv_below.low as select a from mv_below.t;"
        "create materialized view mv_below.high as select count(*) as n from mv_below.low;"
        "insert into mv_below.t values (1);"
    )
    run("refresh materialized view mv_below.high")
    assert run("select n from mv_below.high") == [(0,)]
    run("refresh materialized view mv_below.high cascade")
    assert run("select n from mv_below.high") == [(1,)]


def test_clients_find_the_statement_the_keys_and_the_rows(run: Run) -> None:
    run("create schema mv_keys; create table mv_keys.t (a int, b varchar(3)); insert into mv_keys.t values (1, 'x')")
    run(
        "create materialized view mv_keys.v distkey (a) sortkey (b) auto refresh no as (select a, b from mv_keys.t);"
        "create materialized view mv_keys.plain as select a from mv_keys.t"
    )
    [(definition,)] = run("select definition from pg_views where schemaname = 'mv_keys' and viewname = 'v'")
    assert definition.startswith("create materialized view mv_keys.v")
    assert definition.endswith("as (select a, b from mv_keys.t);")
    described = run(
        "select a.attname, a.attisdistkey, a.attsortkeyord from pg_class c "
        "join pg_namespace n on n.oid = c.relnamespace join pg_attribute a on a.attrelid = c.oid "
        "where n.nspname = 'mv_keys' and c.relname like 'mv_tbl__v__%' order by a.attnum"
    )
    assert described == [("a", True, 0), ("b", False, 1)]
    styles = run('select "table", diststyle, sortkey1 from svv_table_info where "schema" = \'mv_keys\' order by 1')
    assert styles == [
        ("plain", "EVEN", "AUTO(SORTKEY)"), ("t", "AUTO(ALL)", "AUTO(SORTKEY)"), ("v", "KEY(a)", "b"),
    ]  # fmt: skip
    run("alter materialized view mv_keys.v alter distkey b; alter materialized view mv_keys.v auto refresh yes")
    assert run(
        "select i.autorefresh, t.diststyle from stv_mv_info i join svv_table_info t on t.\"table\" = i.name "
        "and t.\"schema\" = i.\"schema\" where i.name = 'v' and i.\"schema\" = 'mv_keys'"
    ) == [("t", "KEY(b)")]  # fmt: skip


@pytest.mark.parametrize(
    ("statement", "code"),
    [
        ("insert into mv_fixed.v values (1)", "42809"),
        ("delete from mv_fixed.v", "42809"),
        ("alter table mv_fixed.v rename to w", "42809"),
        ("drop view mv_fixed.v", "42809"),
        ("drop table mv_fixed.t", "2BP01"),
        ("refresh materialized view mv_fixed.t", "42P01"),
    ],
)
def test_what_a_materialized_view_refuses(run: Run, statement: str, code: str) -> None:
    run(
        "drop schema if exists mv_fixed cascade; create schema mv_fixed; create table mv_fixed.t (a int);"
        "create materialized view mv_fixed.v as select a from mv_fixed.t"
    )
    with pytest.raises(SqlError) as failure:
        run(statement)
    assert failure.value.sqlstate == code


def test_a_warehouse_that_ended_before_a_refresh_does_it_at_its_start(tmp_path: Path) -> None:
    made = Warehouse(tmp_path)
    session = made.open_session("rdsdb", "dev")
    execute(
        session,
        "create table t (a int); create materialized view v auto refresh yes as select count(*) as n from t;"
        "create materialized view w as select count(*) as n from t",
    )
    # What a kill between the commit and the refresh leaves: the rows of the table without those of the view.
    session.run("insert into public.t values (1)")
    made.close()
    again = Warehouse(tmp_path)
    session = again.open_session("rdsdb", "dev")
    assert execute(session, "select n from v") == [(1,)]
    assert dict(execute(session, "select name, is_stale from stv_mv_info")) == {"v": "f", "w": "t"}
    again.close()
