"""Answers of the Redshift documentation, function by function."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pytest

from localcloud.engines.sql.errors import SqlError
from tests.unit.localcloud_sql.conftest import Run

D = Decimal
# ruff: noqa: DTZ001 Redshift's timestamps have no zone
DOCUMENTED: list[tuple[str, Any]] = [
    ("add_months('2008-04-30', 1)", datetime(2008, 5, 31)),
    ("add_months('2008-03-31', -1)", datetime(2008, 2, 29)),
    ("dateadd(month, 1, '2008-04-30'::date)", datetime(2008, 5, 30)),
    ("dateadd(qtr, 2, '2008-01-31'::date)", datetime(2008, 7, 31)),
    ("datediff(qtr, '1998-07-01', '2009-12-31')", 45),
    ("datediff(week, '2009-01-01', '2009-12-31')", 52),
    ("date_trunc('week', '2020-04-30'::timestamp)", datetime(2020, 4, 27)),
    ("date_part(dow, timestamp '2008-10-05')", 0.0),
    ("extract(month from date '2008-10-05')", 10),
    ("extract(epoch from timestamp '1970-01-02')", 86400),
    ("last_day('2008-02-01'::date)", date(2008, 2, 29)),
    ("months_between('1969-01-18', '1969-03-18')", -2.0),
    ("next_day('2014-08-20', 'Tuesday')", date(2014, 8, 26)),
    ("convert_timezone('EST', 'PST8PDT', '2008-03-05 12:25:29'::timestamp)", datetime(2008, 3, 5, 9, 25, 29)),
    ("trunc('2011-07-21 10:32:38'::timestamp)", date(2011, 7, 21)),
    ("to_char(timestamp '2009-12-31 23:15:59', 'MONTH-DY-DD-YYYY HH12:MIPM')", "December-Thu-31-2009 11:15PM"),
    ("to_char(125.8, '999.99')", " 125.80"),
    ("to_date('02 Oct 2001', 'DD Mon YYYY')", date(2001, 10, 2)),
    ("'20080101'::date", date(2008, 1, 1)),
    ("substring('caterpillar', 6, 4)", "pill"),
    ("substring('caterpillar', 0, 6)", "cater"),
    ("substring('caterpillar', -2, 6)", "cat"),
    ("charindex('dog', 'fish') ", 0),
    ("charindex('fish', 'dogfish')", 4),
    ("concat('a', null)", None),
    ("'a' || null", None),
    ("initcap('nibh.enim@sed.org')", "Nibh.Enim@Sed.Org"),
    ("len('français')", 8),
    ("octet_length('français')", 9),
    ("lpad('abc', 5)", "  abc"),
    ("split_part('abc$def$ghi', '$', 2)", "def"),
    ("split_part('abc', '$', 4)", ""),
    ("strpos('dogfish', 'fish')", 4),
    ("translate('mint tea', 'inea', 'osin')", "most tin"),
    ("regexp_count('abcdefghijklmnopqrstuvwxyz', '[a-z]{3}')", 8),
    ("regexp_substr('a@b.com', '@[a-z]+')", "@b"),
    ("regexp_substr('abc', 'x')", ""),
    ("regexp_replace('DonecFri@semperpretiumneque.com', '@.*\\\\.(org|gov|com)$')", "DonecFri"),
    ("strtol('0xf', 16)", 15),
    ("strtol('abcd1234', 16)", 2882343476),
    ("nvl(null, 2)", 2),
    ("nvl2(null, 1, 2)", 2),
    ("decode(null, null, 'both', 'none')", "both"),
    ('json_extract_path_text(\'{"f2":{"f3":1},"f4":{"f5":99,"f6":"star"}}\', \'f4\', \'f6\')', "star"),
    ("json_extract_path_text('{bad', 'a', true)", None),
    ('json_array_length(\'[11,12,13,{"f1":21,"f2":[25,26]},14]\')', 5),
    ("json_extract_array_element_text('[111,112,113]', 2)", "113"),
    ("is_valid_json('{\"a\":2}')", True),
    ("is_valid_json('[1]')", False),
    ("try_cast('x' as int)", None),
    ("'abcdef'::varchar(3)", "abc"),
    ("'a_b' like 'a\\\\_b'", True),
    ("'axb' like 'a\\\\_b'", False),
    ("'abc' similar to '%(b|d)%'", True),
    ("7 / 2", 3),
    ("-7 / 2", -3),
    ("7 / 2.0", D("3.5000")),
    ("2 / 3.0", D("0.6667")),
    ("7 % 3", 1),
    ("null = null", None),
    ("greatest(1, null, 3)", 3),
]


@pytest.mark.parametrize(("expression", "answer"), DOCUMENTED, ids=[sql for sql, _ in DOCUMENTED])
def test_documented_answer(run: Run, expression: str, answer: Any) -> None:
    assert run(f"select {expression} as x") == [(answer,)]


def test_hash_functions(run: Run) -> None:
    assert run(
        "select func_sha1('abc'), md5('abc'), left(sha2('abc', 256), 8) as a, left(sha2('abc', 512), 8) as b"
    ) == [("a9993e364706816aba3e25717850c26c9cd0d89d", "900150983cd24fb0d6963f7d28e17f72", "ba7816bf", "ddaf35a1")]


VALUES = "(select 1 as i, 10.25::decimal(12,2) as d union all select 2, 0.50)"


@pytest.mark.parametrize(
    ("expression", "answer"),
    [
        ("avg(i)", 1),
        ("avg(d)", D("5.38")),
        ("sum(i)", 3),
        ("sum(d)", D("10.75")),
        ("sum(i::bigint)", D("3")),
        ("sum(d) / count(*)", D("5.3750")),
        ("sum(i) / count(*)", 1),
        ("avg(i) over ()", 1),
        ("count(distinct i)", 2),
        ("median(i)", 1.5),
        ("listagg(i, ',') within group (order by i desc)", "2,1"),
        ("percentile_cont(0.25) within group (order by i desc)", 1.75),
    ],
)
def test_aggregates_have_redshifts_types(run: Run, expression: str, answer: Any) -> None:
    found = run(f"select {expression} as x from {VALUES} v")[0][0]  # noqa: S608
    assert found == answer
    assert type(found) is type(answer)


def test_types_are_settled_through_common_table_expressions_and_aliases(run: Run) -> None:
    sql = """
        with totals as (select sum(i) as total, sum(d) as money from {0} v),
             shares as (select money / total as mean, total / 2 as half from totals)
        select mean, half, half / 2 as quarter, money / 3 as third from shares, totals
    """
    mean, half, quarter, third = run(sql.format(VALUES))[0]
    assert (half, quarter) == (1, 0)
    assert isinstance(mean, D) and isinstance(third, D)
    assert round(mean, 4) == round(third, 4) == D("3.5833")


def test_a_division_by_zero_is_an_error(run: Run) -> None:
    for expression in ("1 / 0", "1.5 / 0", "1.5::float8 / 0"):
        with pytest.raises(SqlError) as failure:
            run(f"select {expression}")
        assert failure.value.sqlstate == "22012", expression


def test_a_function_that_redshift_does_not_have_is_an_error(run: Run) -> None:
    with pytest.raises(SqlError, match="function list_transform does not exist"):
        run("select list_transform(1)")


def test_nulls_sort_as_the_largest(run: Run) -> None:
    assert run("select x from (select 1 as x union all select null) v order by x desc") == [(None,), (1,)]


def test_unnamed_columns_are_named_as_redshift_does(session: Any) -> None:
    columns = session.describe(session.plan("select count(*), 1, 'a'::varchar, max(2), current_date, lower('A')"))
    assert [column.name for column in columns] == ["count", "?column?", "varchar", "max", "date", "lower"]


@pytest.mark.parametrize(
    ("first", "second", "weeks"),
    [("2019-12-31", "2019-12-27", -1), ("2019-12-31", "2019-12-30", 0), ("2019-12-31", "2020-01-02", 0),
     ("2019-12-31", "2020-01-06", 1), ("2009-01-01", "2009-12-31", 52)],
)  # fmt: skip
def test_datediff_counts_the_mondays_between(run: Run, first: str, second: str, weeks: int) -> None:
    assert run(f"select datediff(week, date '{first}', timestamp '{second} 23:59')") == [(weeks,)]


def test_dates_are_read_as_redshift_reads_them(run: Run) -> None:
    run("create table public.dated (e timestamp, d date)")
    run("insert into public.dated values ('9/1/2023 04:05', '20230901'), ('2023-09-01 04:05:00+02', '09/01/2023')")
    at, day = datetime(2023, 9, 1, 4, 5), date(2023, 9, 1)
    assert run("select e, d from public.dated") == [(at, day), (at, day)]
    assert run("select timestamp '2023-09-01 04:05:00-0', cast('09/01/2023' as date) as d") == [(at, day)]
    with_t = run("select cast('2023-09-01T04:05:00+00:00' as timestamp) as a, timestamp '2023-09-01T04:05Z' as b")
    assert with_t == [(at, at)]
