"""Normalisation steps, each once as SQL and once in Python, so that a look-up normalises as the pipeline does."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass

from sqlglot import exp

from cdap.identity.config import Identifier, Step

# What translate() replaces in SQL: the lower and upper case letters of Latin-1, Latin Extended-A and Romanian that
# decompose into one ASCII letter and marks. Letters that become two (ß, æ) stay.
_ACCENTED = "".join(
    character
    for code in (*range(0xC0, 0x180), *range(0x218, 0x21C))
    if len(base := unicodedata.normalize("NFD", character := chr(code))[0]) == 1 and base.isascii() and base.isalpha()
)
_PLAIN = "".join(unicodedata.normalize("NFD", character)[0] for character in _ACCENTED)
_ACCENTS = str.maketrans(_ACCENTED, _PLAIN)

# Providers that deliver to the same box whatever dots the local part has (support.google.com, "Dots don't matter").
_DOTLESS = ("gmail.com", "googlemail.com")


@dataclass(frozen=True)
class _Normaliser:
    sql: Callable[[exp.Expr], exp.Expr]
    python: Callable[[str], str]


def _text(value: str) -> exp.Expr:
    return exp.Literal.string(value)


def _replace_all(value: exp.Expr, pattern: str, replacement: str) -> exp.Expr:
    """Redshift's REGEXP_REPLACE, which replaces every occurrence; sqlglot's own would ask for that with a flag."""
    return exp.Anonymous(this="REGEXP_REPLACE", expressions=[value, _text(pattern), _text(replacement)])


def _by_pattern(pattern: str, replacement: str) -> _Normaliser:
    """`pattern` in POSIX syntax, without backslashes: Redshift reads those in literals as escapes."""
    compiled = re.compile(pattern.replace("[:space:]", " \t\n\v\f\r"))
    return _Normaliser(
        lambda value: _replace_all(value, pattern, replacement), lambda value: compiled.sub(replacement, value)
    )


def _email_provider_sql(value: exp.Expr) -> exp.Expr:
    local = exp.func("split_part", value.copy(), _text("@"), exp.Literal.number(1), dialect="redshift")
    domain = exp.func("split_part", value.copy(), _text("@"), exp.Literal.number(2), dialect="redshift")
    return (
        exp.case()
        .when(
            exp.In(this=domain, expressions=[_text(name) for name in _DOTLESS]),
            exp.DPipe(
                this=exp.func("replace", local, _text("."), _text(""), dialect="redshift"),
                expression=_text("@gmail.com"),
            ),
        )
        .else_(value.copy())
    )


def _email_provider(value: str) -> str:
    parts = value.split("@")
    if len(parts) > 1 and parts[1] in _DOTLESS:
        return parts[0].replace(".", "") + "@gmail.com"
    return value


STEPS: dict[Step, _Normaliser] = {
    "trim": _by_pattern("^[[:space:]]+|[[:space:]]+$", ""),
    "lower": _Normaliser(lambda value: exp.Lower(this=value), str.lower),
    "upper": _Normaliser(lambda value: exp.Upper(this=value), str.upper),
    "collapse_spaces": _by_pattern("[[:space:]]+", " "),
    "strip_accents": _Normaliser(
        lambda value: exp.func("translate", value, _text(_ACCENTED), _text(_PLAIN), dialect="redshift"),
        lambda value: value.translate(_ACCENTS),
    ),
    # What is neither blank nor ASCII punctuation nor digit counts as a letter, so that other scripts stay.
    "letters": _by_pattern("[[:space:]0-9!-/:-@[-`{-~]+", ""),
    "digits": _by_pattern("[^0-9]+", ""),
    "letters_digits": _by_pattern("[[:space:]!-/:-@[-`{-~]+", ""),
    "first_word": _by_pattern("[[:space:]-].*$", ""),
    "first_letter": _Normaliser(
        lambda value: exp.func("left", value, exp.Literal.number(1), dialect="redshift"), lambda value: value[:1]
    ),
    # Sub-addressing, RFC 5233: what follows the plus sign does not change whose box it is.
    "drop_plus_tag": _by_pattern("[+][^@]*@", "@"),
    "email_provider": _Normaliser(_email_provider_sql, _email_provider),
}


def normalised_sql(name: str, rule: Identifier) -> exp.Expr:
    """The field's normalised value, as text, of the column that the rule reads."""
    value: exp.Expr = exp.cast(exp.column(rule.column or name), "varchar(1024)")
    for step in rule.normalise:
        value = STEPS[step].sql(value)
    return value


def usable_sql(value: exp.Expr, rule: Identifier) -> exp.Expr:
    """A condition that holds where the normalised `value` says something about a person."""
    conditions: list[exp.Expr] = [
        exp.GTE(this=exp.Length(this=value.copy()), expression=exp.Literal.number(rule.min_length))
    ]
    if rule.junk:
        conditions.append(exp.not_(exp.In(this=value.copy(), expressions=[_text(junk) for junk in sorted(rule.junk)])))
    for pattern in rule.junk_patterns:
        conditions.append(exp.not_(exp.RegexpLike(this=value.copy(), expression=_text(pattern))))
    return exp.and_(*conditions)


def normalised(value: str, rule: Identifier) -> str | None:
    """The value as the pipeline normalises it; None where it says nothing about a person."""
    for step in rule.normalise:
        value = STEPS[step].python(value)
    if len(value) < rule.min_length or value in rule.junk:
        return None
    if any(re.search(pattern, value) for pattern in rule.junk_patterns):
        return None
    return value
