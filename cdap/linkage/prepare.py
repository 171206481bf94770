"""Records as they are compared: one normalised column a field, junk taken out, how frequent each value is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb

from cdap.errors import CdapError
from cdap.linkage.config import LinkageConfig
from cdap.linkage.fields import TRAITS, kind_of, traits_of
from cdap.linkage.names import find_nicknames, generation, latin, register, without_generation, without_titles

# An identifier that goes with more surnames than this says nothing about a person.
SURNAMES_OF_JUNK = 8
# So does a birth date with this many records that is ten times as frequent as the mean one.
RECORDS_OF_JUNK_DATE, TIMES_OF_JUNK_DATE = 30, 10
# Of records that are the same in every field at most so many are compared; the others go where the first goes.
MOST_ALIKE = 20
# A field that has one value nearly everywhere tells nobody from another.
CONSTANT = 0.8
_MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]


class RecordsError(CdapError):
    """A file of records that cannot be read as its configuration says."""


@dataclass(frozen=True)
class Junk:
    """A value that was taken out, in how many records it stood."""

    field: str
    value: str
    records: int


@dataclass(frozen=True)
class Prepared:
    """Table `r`: `i` from 0, `uid`, `source`, a column each field, `b_<field>`, its value's frequency bucket, and what
    its levels ask for besides (TRAITS).

    Table `copies`: `uid` of a record that is not in `r`, since enough are that are the same, and `i` of the first.
    """

    records: int
    fields: tuple[str, ...]
    junk: tuple[Junk, ...]


def fields_of(config: LinkageConfig) -> list[str]:
    """The fields that records have by their configuration, whether they hold anything or not."""
    return [field for field, _ in _fields(config)]


def prepare(
    db: duckdb.DuckDBPyConnection, config: LinkageConfig, path: Path, kept: Sequence[str] | None = None
) -> Prepared:
    """Reads the records (CSV or Parquet) into the table `r` and `tf_<field>` (value, count, bucket).

    `kept` are the fields that a model compares; without them those are kept that tell records apart.

    Raises RecordsError for a file that cannot be read, a column that is not there, an id that is missing or twice.
    """
    register(db)
    _read(db, config, path)
    fields = dict(_fields(config))
    source = f"cast({_quoted(config.source)} as varchar)" if config.source else "''"
    selected = ", ".join(f"({expression}) as {_quoted(field)}" for field, expression in fields.items())
    db.execute(
        f"create or replace table given as select cast({_quoted(config.unique_id)} as varchar) as uid, "  # noqa: S608
        f"{source} as source, {selected} from read"
    )
    db.execute("drop table read")
    (count, ids, nulls) = _one(db, "select count(*), count(distinct uid), count(*) filter (uid is null) from given")
    if nulls or ids != count:
        raise RecordsError(
            f"Reading the records {path}",
            f"the id {config.unique_id} is missing {nulls} times and there {count - nulls - ids} times again",
            "Give each record an id of its own",
        )
    count -= _set_copies_aside(db, fields)
    junk = list(_take_out_junk(db, fields))
    if "first" in fields:
        find_nicknames(db)
    kept = [field for field in fields if _tells_apart(db, field)] if kept is None else list(kept)
    for field in kept:
        _count_values(db, field)
    if kept:
        joined = " ".join(f'left join "tf_{f}" as "t_{f}" on "t_{f}".v = r0."{f}"' for f in kept)
        buckets = ", ".join(
            f'"t_{f}".b as "b_{f}"' + "".join(f', "t_{f}"."{trait}" as "{trait}_{f}"' for trait in traits_of(f))
            for f in kept
        )
        columns = ", ".join(f'r0."{f}"' for f in kept)
        db.execute(
            f"create or replace table r as select i, uid, source, {columns}, {buckets} from r0 {joined} order by i"  # noqa: S608
        )
    else:
        db.execute("create or replace table r as select i, uid, source from r0 order by i")
    db.execute("drop table r0")
    return Prepared(int(count), tuple(kept), tuple(junk))


def _set_copies_aside(db: duckdb.DuckDBPyConnection, fields: dict[str, str]) -> int:
    """Makes `r0` (`i` in the order of the ids) and `copies` of `given`; returns how many are copies.

    Thousands of records that are the same, those of a test account for instance, would be blocks over any budget.
    """
    same = "hash(source, " + ", ".join(map(_quoted, fields)) + ")"
    db.execute(
        f"create or replace temp table alike as select {same} as h from given group by 1 having count(*) > {MOST_ALIKE}"  # noqa: S608
    )
    db.execute(
        "create or replace temp table ranked as select uid, h, row_number() over (partition by h order by uid) as n "  # noqa: S608
        f"from (select uid, {same} as h from given) join alike using (h)"
    )
    db.execute(
        "create or replace table r0 as select (row_number() over (order by uid))::int - 1 as i, * from given "  # noqa: S608
        f"anti join (select uid from ranked where n > {MOST_ALIKE}) using (uid)"
    )
    db.execute(
        "create or replace table copies as select copy.uid, r0.i from ranked as copy "  # noqa: S608
        f"join ranked as first on first.h = copy.h and first.n = 1 join r0 on r0.uid = first.uid "
        f"where copy.n > {MOST_ALIKE} order by copy.uid"
    )
    db.execute("drop table given; drop table alike; drop table ranked")
    return _one(db, "select count(*) from copies")[0]


def _read(db: duckdb.DuckDBPyConnection, config: LinkageConfig, path: Path) -> None:
    doing = f"Reading the records {path}"
    reader = "read_csv(?, all_varchar = true)" if path.suffix.lower() in (".csv", ".tsv", ".txt") else "read_parquet(?)"
    try:
        db.execute(f"create or replace table read as select * from {reader}", [str(path)])  # noqa: S608
    except duckdb.Error as error:
        raise RecordsError(doing, str(error).splitlines()[0], "Give a readable CSV or Parquet file") from error
    there = [row[0] for row in db.execute("select column_name from (describe read)").fetchall()]
    missing = [name for name in config.columns() if name not in there]
    if missing:
        raise RecordsError(
            doing, f"it has no column {', '.join(missing)}; it has {', '.join(there)}", "Correct the configuration"
        )


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _text(name: str) -> str:
    return f"cast({_quoted(name)} as varchar)"


def _joined(names: tuple[str, ...]) -> str:
    if len(names) == 1:
        return _text(names[0])
    return f"nullif(trim(concat_ws(' ', {', '.join(map(_text, names))})), '')"


def _letters(expression: str) -> str:
    """Lower case Latin letters; null when nothing is left."""
    return f"nullif(trim(regexp_replace(regexp_replace({latin(expression)}, '[^a-z ]', '', 'g'), ' +', ' ', 'g')), '')"


def _name(expression: str) -> str:
    return f"nullif({without_titles(_letters(without_generation(expression)))}, '')"


def _email(expression: str) -> str:
    """Lower case, no `+tag`; without the dots that Gmail does not look at."""
    untagged = f"regexp_replace(lower(trim({expression})), '\\+[^@]*@', '@')"
    gmail = f"replace(split_part({untagged}, '@', 1), '.', '') || '@gmail.com'"
    return (
        f"nullif(case when regexp_matches({untagged}, '@(gmail|googlemail)\\.com$') then {gmail} "
        f"else {untagged} end, '')"
    )


def _date(expression: str, order: str) -> str:
    """Digits, year first: all eight, or of what is known the year or the year and the month; null without a digit.

    Parts may be apart by anything and without leading zeros; a year of four digits in front is one in any order, and a
    month by its English name is one anywhere.
    """
    named = f"list_position({_MONTHS!r}, regexp_extract(lower({expression}), '({'|'.join(_MONTHS)})'))"
    of_four = f"nullif(regexp_extract({expression}, '[0-9]{{4}}'), '')"
    of_two = f"nullif(regexp_extract({expression}, '(?:^|[^0-9])([0-9]{{1,2}})(?:[^0-9]|$)', 1), '')"
    parts = f"regexp_extract_all({expression}, '[0-9]+')"
    day, month, year = (f"{parts}[{order.index(part) + 1}]" for part in "dmy")
    digits = f"nullif(regexp_replace({expression}, '[^0-9]', '', 'g'), '')"
    together = {
        "ymd": f"{digits}[1:8]",
        "dmy": f"{digits}[5:8] || {digits}[3:4] || {digits}[1:2]",
        "mdy": f"{digits}[5:8] || {digits}[1:2] || {digits}[3:4]",
    }[order]
    # Nobody is born in the future: of two digits the century is the one that has been.
    full_year = (
        f"case when length({year}) > 2 then lpad({year}, 4, '0') "
        f"when cast({year} as int) > year(current_date) % 100 then '19' || lpad({year}, 2, '0') "
        f"else '20' || lpad({year}, 2, '0') end"
    )
    return (
        f"case when {named} is not null "
        f"then {of_four} || lpad(cast({named} as varchar), 2, '0') || coalesce(lpad({of_two}, 2, '0'), '') "
        # Eight digits are a date wherever a slip has put what stands between them.
        f"when length({digits}) = 8 then case when length({parts}[1]) = 4 then {digits} else {together} end "
        f"when len({parts}) >= 3 and length({parts}[1]) = 4 "
        f"then {parts}[1] || lpad({parts}[2], 2, '0') || lpad({parts}[3], 2, '0') "
        f"when len({parts}) >= 3 and length({year}) <= 4 "
        f"then ({full_year}) || lpad({month}, 2, '0') || lpad({day}, 2, '0') "
        f"when len({parts}) = 2 and length({digits}) <= 6 and length({parts}[1]) = 4 "
        f"then {parts}[1] || lpad({parts}[2], 2, '0') "
        f"when len({parts}) = 2 and length({digits}) <= 6 and length({parts}[2]) = 4 "
        f"then {parts}[2] || lpad({parts}[1], 2, '0') "
        f"when length({digits}) <= 6 then {digits} else {together} end"
    )


def _words(expression: str) -> str:
    """Lower case Latin letters and digits, words apart; null when nothing is left."""
    return (
        f"nullif(trim(regexp_replace(regexp_replace({latin(expression)}, '[^a-z0-9 ]', ' ', 'g'), ' +', ' ', 'g')), '')"
    )


def _fields(config: LinkageConfig) -> Iterator[tuple[str, str]]:
    """Each field and the SQL of its normalised value."""
    roles = config.fields
    full = _name(_joined(roles.full_name)) if roles.full_name else None
    rest = f"nullif(regexp_replace({full}, '^[^ ]+ ?', ''), '')"
    for field, columns, of_full in (
        ("first", roles.first_name, f"split_part({full}, ' ', 1)"),
        ("last", roles.last_name, rest),
    ):
        own = _name(_joined(columns)) if columns else None
        if own and full:
            yield field, f"coalesce({own}, {of_full})"
        elif own or full:
            yield field, own or of_full
    named = [_joined(columns) for columns in (roles.last_name, roles.full_name, roles.first_name) if columns]
    if named:
        yield "generation", f"coalesce({', '.join(map(generation, named))})"
    if roles.middle_name:
        yield "middle", _letters(_joined(roles.middle_name))
    if roles.birth_date:
        date = roles.birth_date
        if date.column is None:
            year, month, day = (
                f"lpad(nullif(regexp_extract({_text(name or '')}, '[0-9]+'), ''), {digits}, '0')"
                for name, digits in ((date.year, 4), (date.month, 2), (date.day, 2))
            )
            yield "dob", f"{year} || coalesce({month} || coalesce({day}, ''), '')"
        else:
            yield "dob", _date(_text(date.column), date.order)
    if roles.birth_year:
        yield "year", f"nullif(regexp_extract({_text(roles.birth_year)}, '[0-9]{{4}}'), '')"
    if roles.email:
        yield "email", _email(_text(roles.email))
    if roles.phone:
        # Without a country the last eight digits are what national and international forms have in common.
        yield "phone", f"nullif(right(regexp_replace({_text(roles.phone)}, '[^0-9]', '', 'g'), 8), '')"
    if roles.street:
        yield "street", _words(_joined(roles.street))
    if roles.city:
        yield "city", _words(_text(roles.city))
    if roles.postcode:
        yield "postcode", f"replace({_words(_text(roles.postcode))}, ' ', '')"
    if roles.gender:
        yield "gender", f"nullif(lower(trim({_text(roles.gender)}))[1], '')"
    for number, name in enumerate(roles.ids):
        yield f"id_{number}", f"nullif(regexp_replace(lower({_text(name)}), '[^a-z0-9]', '', 'g'), '')"
    for number, name in enumerate(roles.accounts):
        yield f"account_{number}", f"nullif(regexp_replace(lower({_text(name)}), '[^a-z0-9]', '', 'g'), '')"
    for number, name in enumerate(roles.categories):
        yield f"cat_{number}", _words(_text(name))


def _take_out_junk(db: duckdb.DuckDBPyConnection, fields: dict[str, str]) -> Iterator[Junk]:
    for field in fields:
        if kind_of(field) in ("email", "phone", "id", "account") and "last" in fields:
            found = db.execute(
                f'select "{field}", count(*) from r0 where "{field}" is not null group by 1 '  # noqa: S608
                f"having count(distinct last[1:4]) > {SURNAMES_OF_JUNK}"
            ).fetchall()
        elif field == "dob":
            found = db.execute(
                "select dob, c from (select dob, count(*) as c, avg(count(*)) over () as m from r0 "  # noqa: S608
                f"where dob is not null group by 1) where c > {RECORDS_OF_JUNK_DATE} and c > {TIMES_OF_JUNK_DATE} * m"
            ).fetchall()
        else:
            continue
        for value, count in found:
            db.execute(f'update r0 set "{field}" = null where "{field}" = ?', [value])  # noqa: S608
            yield Junk(field, str(value), int(count))


def _tells_apart(db: duckdb.DuckDBPyConnection, field: str) -> bool:
    top, filled = _one(
        db,
        f"select coalesce(max(c), 0), coalesce(sum(c), 0) from (select count(*) as c from r0 "  # noqa: S608
        f'where "{field}" is not null group by "{field}")',
    )
    return bool(filled) and (kind_of(field) in ("gender", "generation") or top <= CONSTANT * filled)


def _count_values(db: duckdb.DuckDBPyConnection, field: str) -> None:
    # Half-decades of frequency: that two records agree on a rare value says more than that they agree on a common one.
    traits = "".join(f', {TRAITS[trait].format(v="v")} as "{trait}"' for trait in traits_of(field))
    db.execute(
        f'create or replace table "tf_{field}" as '  # noqa: S608
        f"select v, c, t, least(floor(-2 * log10(c / t)), 11)::tinyint as b{traits} "
        f'from (select "{field}" as v, count(*)::double as c, sum(count(*)) over () as t from r0 '
        f'where "{field}" is not null group by 1)'
    )


def _one(db: duckdb.DuckDBPyConnection, query: str) -> tuple[int, ...]:
    row = db.execute(query).fetchone()
    assert row is not None
    return tuple(row)
