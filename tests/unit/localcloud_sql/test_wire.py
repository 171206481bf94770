"""The endpoint as stock clients use it."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg2
import psycopg2.extensions
import pytest
import redshift_connector

# ruff: noqa: DTZ001 Redshift's timestamps have no zone
ROOT = Path(__file__).resolve().parents[3]


# A process of its own: psycopg2 keeps the interpreter to itself while it cancels a query.
SERVER = """
import sys
from pathlib import Path
from localcloud.engines.sql.warehouse import Warehouse
from localcloud.engines.sql.wire.server import Server
warehouse = Warehouse(Path(sys.argv[1]))
warehouse.set_password("admin", "Admin1234", superuser=True)
server = Server(warehouse)
print(server.port, flush=True)
server.serve()
"""


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    command = [sys.executable, "-c", SERVER, str(tmp_path_factory.mktemp("wire"))]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield int(process.stdout.readline())
        process.kill()


@pytest.fixture
def connect(port: int) -> Any:
    def open_(**options: Any) -> Any:
        settings = {"user": "admin", "password": "Admin1234", "dbname": "dev", **options}
        return psycopg2.connect(host="127.0.0.1", port=port, **settings)

    return open_


def test_passwords_are_checked(connect: Any) -> None:
    with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
        connect(password="wrong")
    with pytest.raises(psycopg2.OperationalError, match="does not exist"):
        connect(dbname="nowhere")


def test_redshift_connector_reads_every_type_it_asks_for_in_binary(port: int) -> None:
    with redshift_connector.connect(
        host="127.0.0.1", port=port, user="admin", password="Admin1234", database="dev", ssl=False
    ) as connection:
        cursor = connection.cursor()
        cursor.execute(
            "select 1::bigint, -2::smallint, 3, 1.5::float8, 2.5::float4, 1.25::decimal(10,2), true, 'é', "
            "date '2020-01-02', timestamp '2020-01-02 03:04:05.678', null::int"
        )
        assert list(cursor.fetchone()) == [
            1, -2, 3, 1.5, 2.5, Decimal("1.25"), True, "é", date(2020, 1, 2),
            datetime(2020, 1, 2, 3, 4, 5, 678000), None,
        ]  # fmt: skip
        cursor.execute("create temp table p (a int, b varchar, c date, d numeric(12,2), e timestamp, f float8)")
        row = (7, "it's", date(2020, 1, 2), Decimal("1.50"), datetime(2020, 1, 2, 3), -0.5)
        cursor.execute("insert into p values (%s, %s, %s, %s, %s, %s)", row)
        assert cursor.rowcount == 1
        cursor.execute("select * from p where a = %s and b = %s", (7, "it's"))
        assert tuple(cursor.fetchone()) == row


def test_a_failed_transaction_takes_nothing_but_its_end(connect: Any) -> None:
    connection = connect()
    cursor = connection.cursor()
    cursor.execute("create table public.rolled (a int)")
    with pytest.raises(psycopg2.errors.UndefinedTable):
        cursor.execute("select * from nowhere")
    with pytest.raises(psycopg2.errors.InFailedSqlTransaction):
        cursor.execute("select 1")
    connection.rollback()
    cursor.execute("select count(*) from pg_tables where tablename = 'rolled'")
    assert cursor.fetchone() == (0,)
    connection.close()


def test_sessions_that_change_the_same_rows_wait_for_each_other(connect: Any) -> None:
    first = connect()
    first.autocommit = True
    with first.cursor() as cursor:
        cursor.execute("create table public.counter (n int)")
        cursor.execute("insert into public.counter values (0)")
    failures: list[BaseException] = []

    def increment() -> None:
        connection = connect()
        connection.autocommit = True
        try:
            with connection.cursor() as cursor:
                for _ in range(10):
                    cursor.execute("update public.counter set n = n + 1")
        except BaseException as error:
            failures.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=increment) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    with first.cursor() as cursor:
        cursor.execute("select n from public.counter")
        assert cursor.fetchone() == (40,)
    first.close()


def test_a_running_query_can_be_cancelled(connect: Any) -> None:
    connection = connect()
    threading.Timer(0.5, connection.cancel).start()
    began = time.monotonic()
    with pytest.raises(psycopg2.errors.QueryCanceled), connection.cursor() as cursor:
        cursor.execute(
            "select count(*) from generate_series(1, 1000000) a(x), generate_series(1, 1000000) b(y) "
            "where x * y % 7 = 3"
        )
    assert time.monotonic() - began < 20
    connection.close()


def test_named_cursors_read_in_portions(connect: Any) -> None:
    connection = connect()
    with connection.cursor("portions") as cursor:
        cursor.itersize = 1000
        cursor.execute("select x from generate_series(1, 5000) a(x) order by x")
        assert [row[0] for row in cursor] == list(range(1, 5001))
    connection.close()


def test_many_rows_arrive_whole(connect: Any) -> None:
    connection = connect()
    with connection.cursor() as cursor:
        cursor.execute(
            "select x, case when x % 3 = 0 then null else x::varchar end from generate_series(1, 100000) a(x)"
        )
        rows = cursor.fetchall()
    assert len(rows) == 100000
    assert all(text == (None if number % 3 == 0 else str(number)) for number, text in rows)
    connection.close()


def test_views_follow_renames_and_fall_with_cascade(connect: Any) -> None:
    connection = connect()
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute("create table public.base (a int)")
        cursor.execute("create view public.bound as select a from public.base")
        cursor.execute("create view public.late as select a from public.base with no schema binding")
        cursor.execute("alter table public.base rename to renamed")
        cursor.execute("select * from public.bound")
        with pytest.raises(psycopg2.errors.UndefinedTable):
            cursor.execute("select * from public.late")
        with pytest.raises(psycopg2.errors.DependentObjectsStillExist):
            cursor.execute("drop table public.renamed")
        cursor.execute("drop table public.renamed cascade")
        cursor.execute("select table_name from information_schema.views where table_name in ('bound', 'late')")
        assert cursor.fetchall() == [("late",)]
    connection.close()


def test_values_longer_than_the_column_are_refused(connect: Any) -> None:
    connection = connect()
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute("create table public.narrow (a varchar(3))")
        with pytest.raises(psycopg2.errors.StringDataRightTruncation):
            cursor.execute("insert into public.narrow values ('abcd')")
        with pytest.raises(psycopg2.errors.StringDataRightTruncation):
            cursor.execute("insert into public.narrow select 'abcd'")
        cursor.execute("insert into public.narrow values ('abc  '), (null)")
    connection.close()


def test_what_is_not_supported_is_an_error(connect: Any) -> None:
    connection = connect()
    connection.autocommit = True
    for statement in (
        "create library x language plpythonu",
        "create datashare x",
        "set enable_case_sensitive_identifier to on",
    ):
        with pytest.raises(psycopg2.errors.FeatureNotSupported), connection.cursor() as cursor:
            cursor.execute(statement)
    connection.close()


def test_files_of_the_machine_cannot_be_read(connect: Any) -> None:
    connection = connect()
    connection.autocommit = True
    for source in ('"/etc/passwd"', "read_text('/etc/passwd')", "'/tmp/x.csv'"):
        with pytest.raises(psycopg2.Error), connection.cursor() as cursor:
            cursor.execute(f"select * from {source}")  # noqa: S608
    connection.close()


def test_privileges_are_those_of_grants_groups_and_owners(connect: Any) -> None:
    connection = connect()
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute(
            "create user reader password 'Reader123'; create user writer password 'Writer123'; create group writers;"
            "alter group writers add user writer; create schema granted; create table granted.t (a int);"
            "grant select on granted.t to reader; grant insert on granted.t to group writers;"
            "grant usage on schema granted to reader"
        )
        cursor.execute(
            "select u.usename, p.name from pg_user u cross join (select 'select' as name union all select 'insert') p "
            'where has_table_privilege(u.usename, \'"dev"."granted"."t"\', p.name) and not u.usesuper order by 1'
        )
        assert cursor.fetchall() == [("reader", "select"), ("writer", "insert")]
        cursor.execute(
            "select has_table_privilege('granted.t', 'delete'), has_schema_privilege('reader', 'granted', 'usage'), "
            "has_schema_privilege('writer', 'granted', 'usage'), has_database_privilege('writer', 'dev', 'create')"
        )
        assert cursor.fetchall() == [(True, True, False, False)]
    connection.close()


def test_functions_are_found_by_their_schema(connect: Any) -> None:
    connection = connect()
    connection.autocommit = True
    with connection.cursor() as cursor:
        for schema, factor in (("doubles", 2), ("trebles", 3)):
            cursor.execute(
                f"create schema {schema}; create function {schema}.times(int) returns int immutable "
                f"as $$ select $1 * {factor} $$ language sql"
            )
        cursor.execute('select doubles.times(5), "dev"."trebles"."times"(5), pg_catalog.lower(\'X\')')
        assert cursor.fetchall() == [(10, 15, "x")]
        cursor.execute("set search_path to trebles; select times(5)")
        assert cursor.fetchall() == [(15,)]
        cursor.execute("set query_group to nightly; select current_setting('query_group')")
        assert cursor.fetchall() == [("nightly",)]
    connection.close()


def test_inserts_are_in_the_query_history_under_the_name_of_now(connect: Any) -> None:
    connection = connect()
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute("create table public.fresh as select 1 as a; alter table public.fresh rename to fresher")
        cursor.execute("create table public.never (a int)")
        cursor.execute(
            "select c.relname, max(d.start_time) > getdate() - interval '1 hour' from pg_class c "
            "join sys_query_detail d on d.table_id = c.oid where d.step_name = 'insert' "
            "and c.relname in ('fresh', 'fresher', 'never') group by 1"
        )
        assert cursor.fetchall() == [("fresher", True)]
    connection.close()


def test_parameters_come_with_the_connection_as_a_command_line(connect: Any) -> None:
    with connect() as connection, connection.cursor() as cursor:
        cursor.execute("create schema chosen; create table chosen.only_here as select 7 as a")
    with (
        connect(options="-c search_path=chosen --statement-timeout=60000") as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute("select a from only_here")
        assert cursor.fetchall() == [(7,)]
        cursor.execute("show statement_timeout")
        assert cursor.fetchall() == [("60000",)]
    with pytest.raises(psycopg2.OperationalError, match="unrecognized configuration parameter"):
        connect(options="-c no_such_thing=1")
    with pytest.raises(psycopg2.OperationalError, match="invalid command-line argument"):
        connect(options="-x")
