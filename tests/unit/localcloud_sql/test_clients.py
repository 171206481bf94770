"""The catalog as clients read it, and what their statements count on: SQLAlchemy, Redshift's own drivers, dbt."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from localcloud.engines.sql.errors import SqlError
from tests.unit.localcloud_sql.conftest import Run

TABLES = """
create table keys.country (code char(2) primary key, name varchar(80) unique);
create table keys.person (
    id bigint identity(5, 2) not null,
    "the name" varchar(40) encode lzo,
    country char(2) references keys.country,
    parent bigint default 0,
    primary key (id),
    constraint one_name unique ("the name", country),
    foreign key (parent) references keys.person (id)
) diststyle key distkey (id) interleaved sortkey (country, parent);
"""
KEYS = """
select conname, contype, conkey, confkey, pg_get_constraintdef(k.oid, true)
from pg_constraint k join pg_class c on c.oid = k.conrelid join pg_namespace n on n.oid = c.relnamespace
where n.nspname = 'keys' and c.relname = '{}' order by 1
"""


@pytest.fixture
def tables(run: Run) -> Iterator[Run]:
    run("create schema keys")
    run(TABLES)
    yield run
    run("drop schema keys cascade")


def test_keys_have_names_positions_and_definitions(tables: Run) -> None:
    assert tables(KEYS.format("person")) == [
        ("one_name", "u", [2, 3], None, 'UNIQUE ("the name", country)'),
        ("person_country_fkey", "f", [3], [1], "FOREIGN KEY (country) REFERENCES keys.country(code)"),
        ("person_parent_fkey", "f", [4], [1], "FOREIGN KEY (parent) REFERENCES keys.person(id)"),
        ("person_pkey", "p", [1], None, "PRIMARY KEY (id)"),
    ]
    assert [row[0] for row in tables(KEYS.format("country"))] == ["country_name_key", "country_pkey"]
    assert tables(
        "select c.constraint_name, c.constraint_type, u.column_name, u.ordinal_position "
        "from information_schema.table_constraints c join information_schema.key_column_usage u "
        "using (constraint_schema, constraint_name) where c.table_schema = 'keys' and c.table_name = 'person' "
        "order by 1, 4"
    ) == [
        ("one_name", "UNIQUE", "the name", 1),
        ("one_name", "UNIQUE", "country", 2),
        ("person_country_fkey", "FOREIGN KEY", "country", 1),
        ("person_parent_fkey", "FOREIGN KEY", "parent", 1),
        ("person_pkey", "PRIMARY KEY", "id", 1),
    ]
    assert tables(
        "select constraint_name, unique_constraint_name from information_schema.referential_constraints "
        "where constraint_schema = 'keys' order by 1"
    ) == [("person_country_fkey", "country_pkey"), ("person_parent_fkey", "person_pkey")]


def test_keys_are_added_dropped_and_follow_names(tables: Run) -> None:
    tables("alter table keys.person drop constraint one_name")
    tables("alter table keys.person add constraint by_country unique (country)")
    tables("alter table keys.person rename column country to land")
    tables("alter table keys.country rename to land")
    tables("alter table keys.person drop column parent")
    assert [(name, definition) for name, *_, definition in tables(KEYS.format("person"))] == [
        ("by_country", "UNIQUE (land)"),
        ("person_country_fkey", "FOREIGN KEY (land) REFERENCES keys.land(code)"),
        ("person_pkey", "PRIMARY KEY (id)"),
    ]
    with pytest.raises(SqlError, match='constraint "one_name" of relation "person" does not exist'):
        tables("alter table keys.person drop constraint one_name")
    tables("drop table keys.person")
    tables("create table keys.person (id int)")
    assert tables(KEYS.format("person")) == []


def test_nobody_is_held_to_a_key(tables: Run) -> None:
    tables("insert into keys.country values ('de', 'Germany'), ('de', 'Germany')")
    assert tables("select count(*) from keys.country") == [(2,)]


def test_a_key_of_what_is_not_there_is_refused(tables: Run) -> None:
    with pytest.raises(SqlError, match='relation "nowhere" does not exist'):
        tables("create table keys.x (a int references nowhere)")
    tables("create table keys.no_key (a int)")
    with pytest.raises(SqlError, match='no primary key for referenced table "no_key"'):
        tables("create table keys.y (a int references keys.no_key)")


def test_columns_have_encoding_sort_position_default_and_description(tables: Run) -> None:
    tables("comment on column keys.person.parent is 'father or mother'")
    assert tables(
        "select a.attname, format_encoding(a.attencodingtype::integer), a.attisdistkey, a.attsortkeyord, a.attnotnull, "
        "regexp_replace(d.adsrc, '[0-9]{3,}', 'oid'), col_description(a.attrelid, a.attnum) "
        "from pg_attribute a left join pg_attrdef d on (a.attrelid, a.attnum) = (d.adrelid, d.adnum) "
        "where a.attrelid = 'keys.person'::regclass::oid order by a.attnum"
    ) == [
        ("id", "none", True, 0, True, "\"identity\"(oid, 0, '5,2'::text)", None),
        ("the name", "lzo", False, 0, False, None, None),
        ("country", "none", False, -1, False, None, None),
        ("parent", "none", False, 2, False, "0", "father or mother"),
    ]


def test_a_relation_is_found_by_its_name_and_a_views_text_by_its_number(tables: Run) -> None:
    tables('create table keys."Odd.name" (a int); create view keys.v as select code from keys.country')
    (oid,) = tables("select c.oid from pg_class c join pg_namespace n on n.oid = c.relnamespace "
                    "where n.nspname = 'keys' and relname = 'odd.name'")  # fmt: skip
    assert tables("""select 'keys."odd.name"'::regclass::oid""") == [oid]
    assert "code" in tables("select pg_get_viewdef('keys.v'::regclass::oid, true)")[0][0]
    with pytest.raises(SqlError, match=r'relation "keys\.none" does not exist') as refused:
        tables("select 'keys.none'::regclass::oid")
    assert refused.value.sqlstate == "42P01"


def test_the_current_schema_is_the_first_of_the_path_that_is_there(run: Run) -> None:
    assert run("select current_schema()") == [("public",)]


def test_columns_of_types_that_nothing_computes_with_are_told_by_their_types(tables: Run) -> None:
    tables("create table keys.places (id int, area geometry, place geography, visitors hllsketch)")
    assert tables(
        "select attname, format_type(atttypid, atttypmod) from pg_attribute "
        "where attrelid = 'keys.places'::regclass::oid and attnum > 1 order by attnum"
    ) == [("area", "geometry"), ("place", "geography"), ("visitors", "hllsketch")]
    with pytest.raises(SqlError, match="st_area"):
        tables("select st_area(area) from keys.places")


def test_a_key_has_an_index_that_clients_look_for(tables: Run) -> None:
    assert tables(
        "select t.relname as of_table, i.relname as name, a.attname, a.attnum, x.indkey, x.indisprimary "
        "from pg_index x join pg_class t on t.oid = x.indrelid "
        "join pg_class i on i.oid = x.indexrelid and i.relkind = 'i' "
        "join pg_attribute a on a.attrelid = i.oid join pg_namespace n on n.oid = t.relnamespace "
        "where n.nspname = 'keys' and t.relname = 'person' order by 2, 4"
    ) == [
        ("person", "one_name", "the name", 1, "2 3", False),
        ("person", "one_name", "country", 2, "2 3", False),
        ("person", "person_pkey", "id", 1, "1", True),
    ]


def test_fewer_values_than_columns_are_for_the_first_ones(tables: Run) -> None:
    tables("create table keys.defaults (a int, b int default 5, c varchar(3))")
    tables("insert into keys.defaults values (1), (2); insert into keys.defaults select 3, 4")
    assert tables("select * from keys.defaults order by a") == [(1, 5, None), (2, 5, None), (3, 4, None)]
    with pytest.raises(SqlError):
        tables("insert into keys.defaults values (1, 2, 'abc', 4)")


def test_a_name_may_stand_for_a_part_of_a_text_in_the_same_select(run: Run) -> None:
    assert run("select left('abc', 2) as a, a || right('xyz', 1) as b, split_part(b, 'b', 1) as c") == [
        ("ab", "abz", "a")
    ]
    with pytest.raises(SqlError, match="LEFT takes a length"):
        run("select left('abc', -1)")


def test_the_current_database_is_a_relation_too(run: Run) -> None:
    assert run("select current_database as name from current_database()") == [("dev",)]
