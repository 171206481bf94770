"""Records as they are compared: the SQL of each field's normalised value, from the columns that the roles name."""

from __future__ import annotations

from collections.abc import Iterator

from cdap.linkage.config import LinkageConfig
from cdap.linkage.database import quoted
from cdap.linkage.names import generation, latin, without_generation, without_titles

_MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]


def fields_of(config: LinkageConfig) -> list[str]:
    """The fields that records have by their configuration, whether they hold anything or not."""
    return [field for field, _ in expressions(config)]


def expressions(config: LinkageConfig) -> Iterator[tuple[str, str]]:
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


def _text(name: str) -> str:
    return f"cast({quoted(name)} as varchar)"


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
