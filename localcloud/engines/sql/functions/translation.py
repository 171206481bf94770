"""What each Redshift function means in DuckDB."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from sqlglot import exp

from localcloud.engines.sql.errors import SqlError, unsupported
from localcloud.engines.sql.functions.formats import is_number_format, strftime_format

Rule = Callable[[list[Any]], Any]
SYSTEM = "redshift_system.main"

_DATE_PARTS = {
    name: unit
    for unit, names in {
        "millennium": "mil mils millennium millennia",
        "century": "c cent cents century centuries",
        "decade": "dec decs decade decades",
        "year": "y yr yrs year years",
        "quarter": "qtr qtrs quarter quarters",
        "month": "mon mons month months",
        "week": "w week weeks",
        "day": "d day days",
        "hour": "h hr hrs hour hours",
        "minute": "m min mins minute minutes",
        "second": "s sec secs second seconds",
        "millisecond": "ms msec msecs msecond mseconds millisec millisecs millisecond milliseconds",
        "microsecond": "us usec usecs usecond useconds microsec microsecs microsecond microseconds",
        "epoch": "epoch",
        "dayofweek": "dow dayofweek dw weekday",
        "dayofyear": "doy dayofyear dy yearday",
        "timezone": "timezone",
        "timezone_hour": "timezone_hour",
        "timezone_minute": "timezone_minute",
    }.items()
    for name in names.split()
}
_INTERVALS = {
    "millennium": ("to_years", 1000),
    "century": ("to_years", 100),
    "decade": ("to_years", 10),
    "year": ("to_years", 1),
    "quarter": ("to_months", 3),
    "month": ("to_months", 1),
    "week": ("to_days", 7),
    "day": ("to_days", 1),
    "hour": ("to_hours", 1),
    "minute": ("to_minutes", 1),
    "second": ("to_seconds", 1),
    "millisecond": ("to_milliseconds", 1),
    "microsecond": ("to_microseconds", 1),
}

# Functions that mean the same under the same name.
NATIVE = frozenset(
    [
        "abs",
        "acos",
        "any_value",
        "ascii",
        "asin",
        "atan",
        "atan2",
        "avg",
        "bit_and",
        "bit_or",
        "bool_and",
        "bool_or",
        "cbrt",
        "ceil",
        "chr",
        "coalesce",
        "corr",
        "cos",
        "cot",
        "count",
        "covar_pop",
        "covar_samp",
        "cume_dist",
        "degrees",
        "dense_rank",
        "exp",
        "first_value",
        "floor",
        "greatest",
        "lag",
        "last_value",
        "lead",
        "least",
        "length",
        "ln",
        "lower",
        "ltrim",
        "max",
        "md5",
        "median",
        "min",
        "mod",
        "ntile",
        "nth_value",
        "nullif",
        "percent_rank",
        "pi",
        "pow",
        "power",
        "radians",
        "random",
        "rank",
        "repeat",
        "replace",
        "reverse",
        "round",
        "row_number",
        "rtrim",
        "sha1",
        "sign",
        "sin",
        "sqrt",
        "stddev",
        "stddev_pop",
        "stddev_samp",
        "strpos",
        "sum",
        "tan",
        "upper",
        "var_pop",
        "var_samp",
        "variance",
        "generate_series",
        "percentile_cont",
        "percentile_disc",
        "trim",
        "position",
        "array_length",
    ]
)
_RENAMED = {
    "len": "length",
    "textlen": "length",
    "char_length": "length",
    "character_length": "length",
    "octet_length": "strlen",
    "octetindex": "strpos",
    "btrim": "trim",
    "nvl": "coalesce",
    "ceiling": "ceil",
    "dexp": "exp",
    "dlog1": "ln",
    "dlog10": "log10",
    "log": "log10",
    "every": "bool_and",
    "replicate": "repeat",
    "func_sha1": "sha1",
    "sha": "sha1",
    "crc32": "redshift_crc32",
    "fnv_hash": "redshift_fnv_hash",
    "translate": "redshift_translate",
    "to_hex": "to_hex",
    "approx_count_distinct": "approx_count_distinct",
    "boolor_agg": "bool_or",
    "booland_agg": "bool_and",
}
_MACROS = frozenset(
    [
        "add_months",
        "months_between",
        "last_day",
        "next_day",
        "concat",
        "initcap",
        "lpad",
        "rpad",
        "regexp_count",
        "regexp_instr",
        "is_valid_json",
        "is_valid_json_array",
        "can_json_parse",
        "json_array_length",
        "json_parse",
        "json_serialize",
        "json_typeof",
        "get_array_length",
        "array_concat",
        "sha2",
        "strtol",
        "format_type",
        "format_encoding",
        "current_schemas",
        "pg_get_userbyid",
        "pg_get_expr",
        "pg_table_is_visible",
        "pg_function_is_visible",
        "pg_type_is_visible",
        "array_to_string",
        "quote_ident",
        "pg_encoding_to_char",
    ]
)
# Functions of the system catalog that read the database's own, and how many of their arguments count.
_OF_THE_DATABASE = {"obj_description": 1, "col_description": 2, "pg_get_viewdef": 1, "pg_get_constraintdef": 1}


def date_part(node: Any) -> str:
    """The datetime part that an argument names, in DuckDB's word. Raises SqlError for an unknown one."""
    name = node.name if isinstance(node, exp.Column | exp.Identifier | exp.Literal | exp.Var) else node.sql()
    try:
        return _DATE_PARTS[name.lower()]
    except KeyError:
        raise SqlError("22023", f'invalid datetime part "{name}"') from None


def call(name: str, *arguments: Any) -> Any:
    """A call of a DuckDB function."""
    return exp.Anonymous(this=name, expressions=list(arguments))


def macro(name: str, *arguments: Any) -> Any:
    """A call of one of the warehouse's own macros."""
    return call(f"{SYSTEM}.{name}", *arguments)


def _count(name: str, arguments: list[Any], least: int, most: int) -> None:
    if not least <= len(arguments) <= most:
        raise SqlError("42883", f"function {name} does not take {len(arguments)} arguments")


def _dateadd(a: list[Any]) -> Any:
    _count("dateadd", a, 3, 3)
    function, factor = _INTERVALS[date_part(a[0])]
    amount: Any = exp.Cast(this=exp.Paren(this=a[1]), to=exp.DataType.build("BIGINT"))
    if factor != 1:
        amount = exp.Mul(this=amount, expression=exp.Literal.number(factor))
    if function in ("to_years", "to_months", "to_days"):
        amount = exp.Cast(this=exp.Paren(this=amount), to=exp.DataType.build("INT"))
    return macro("plus_interval", a[2], call(function, amount))


def _datediff(a: list[Any]) -> Any:
    _count("datediff", a, 3, 3)
    return macro("date_diff", exp.Literal.string(date_part(a[0])), a[1], a[2])


def _date_trunc(a: list[Any]) -> Any:
    _count("date_trunc", a, 2, 2)
    return macro("date_trunc", exp.Literal.string(date_part(a[0])), a[1])


def extract(part: Any, value: Any) -> Any:
    """EXTRACT(part FROM value): a whole number."""
    unit = date_part(part)
    extracted = call("date_part", exp.Literal.string(unit), value)
    return exp.Cast(this=call("trunc", extracted), to=exp.DataType.build("BIGINT" if unit == "epoch" else "INT"))


def _date_part(a: list[Any]) -> Any:
    _count("date_part", a, 2, 2)
    return exp.Cast(this=extract(a[0], a[1]), to=exp.DataType.build("DOUBLE"))


def _now(_: list[Any]) -> Any:
    return call("timezone", exp.Literal.string("UTC"), call("now"))


def _convert_timezone(a: list[Any]) -> Any:
    _count("convert_timezone", a, 2, 3)
    source = [exp.Literal.string("UTC")] if len(a) == 2 else []
    return macro("convert_timezone", *source, *a)


def _literal(name: str, node: Any) -> str:
    if isinstance(node, exp.Literal) and node.is_string:
        return str(node.this)
    raise unsupported(f"{name} with a format that is not a literal")


def _to_char(a: list[Any]) -> Any:
    _count("to_char", a, 2, 2)
    pattern = _literal("to_char", a[1])
    dates = "" if is_number_format(pattern) else strftime_format(pattern)
    return macro("to_char", a[0], exp.Literal.string(pattern), exp.Literal.string(dates))


def _to_date(a: list[Any]) -> Any:
    _count("to_date", a, 2, 3)
    text = exp.Cast(this=a[0], to=exp.DataType.build("VARCHAR"))
    parsed = call("strptime", text, exp.Literal.string(strftime_format(_literal("to_date", a[1]))))
    return exp.Cast(this=parsed, to=exp.DataType.build("DATE"))


def _to_timestamp(a: list[Any]) -> Any:
    _count("to_timestamp", a, 2, 3)
    text = exp.Cast(this=a[0], to=exp.DataType.build("VARCHAR"))
    parsed = call("strptime", text, exp.Literal.string(strftime_format(_literal("to_timestamp", a[1]))))
    return exp.Cast(this=parsed, to=exp.DataType.build("TIMESTAMPTZ"))


def _to_number(a: list[Any]) -> Any:
    _count("to_number", a, 2, 2)
    return call("redshift_to_number", a[0], a[1])


def _nvl2(a: list[Any]) -> Any:
    _count("nvl2", a, 3, 3)
    condition = exp.Not(this=exp.Is(this=exp.Paren(this=a[0]), expression=exp.Null()))
    return exp.Case(ifs=[exp.If(this=condition, true=a[1])], default=a[2])


def _decode(a: list[Any]) -> Any:
    if len(a) < 3:
        raise SqlError("42883", f"function decode does not take {len(a)} arguments")
    pairs = [
        # DECODE, unlike CASE, holds two nulls to be equal.
        exp.If(this=exp.NullSafeEQ(this=a[0].copy(), expression=a[i]), true=a[i + 1])
        for i in range(1, len(a) - 1, 2)
    ]
    return exp.Case(ifs=pairs, default=a[-1] if len(a) % 2 == 0 else None)


def _charindex(a: list[Any]) -> Any:
    _count("charindex", a, 2, 2)
    return call("strpos", a[1], a[0])


def _json_extract_path_text(a: list[Any]) -> Any:
    flag: list[Any] = [a.pop()] if isinstance(a[-1], exp.Boolean) else []
    if len(a) < 2:
        raise SqlError("42883", "function json_extract_path_text takes a JSON text and at least one key")
    if all(isinstance(key, exp.Literal) for key in a[1:]):
        path: Any = exp.Literal.string("$" + "".join(f'."{key.this}"' for key in a[1:]))
    else:
        path = exp.Literal.string("$")
        for key in a[1:]:
            text = call("concat", exp.Literal.string('."'), key, exp.Literal.string('"'))
            path = exp.DPipe(this=path, expression=text)
    return macro("json_text_at", a[0], path, *flag)


def _regexp_replace(a: list[Any]) -> Any:
    _count("regexp_replace", a, 2, 5)
    replacement = a[2] if len(a) > 2 else exp.Literal.string("")
    if isinstance(replacement, exp.Literal):
        replacement = exp.Literal.string(re.sub(r"\$(\d)", r"\\\1", str(replacement.this)))
    if len(a) > 3 and not (isinstance(a[3], exp.Literal) and a[3].this == "1"):
        raise unsupported("regexp_replace from a position other than 1")
    options = "g"
    if len(a) > 4 and "i" in _literal("regexp_replace", a[4]):
        options += "i"
    return call("regexp_replace", a[0], a[1], replacement, exp.Literal.string(options))


def _regexp_substr(a: list[Any]) -> Any:
    _count("regexp_substr", a, 2, 5)
    if len(a) == 2:
        return call("regexp_extract", a[0], a[1])
    options = _literal("regexp_substr", a[4]) if len(a) > 4 else ""
    group = exp.Literal.number(1 if "e" in options else 0)
    flags = exp.Literal.string("i" if "i" in options else "c")
    occurrence = a[3] if len(a) > 3 else exp.Literal.number(1)
    return macro("regexp_substr_at", a[0], a[1], a[2], occurrence, group, flags)


def _trunc(a: list[Any]) -> Any:
    _count("trunc", a, 1, 2)
    return macro("trunc_scale", *a) if len(a) == 2 else macro("trunc_date_or_number", *a)


def _json_element(a: list[Any]) -> Any:
    _count("json_extract_array_element_text", a, 2, 3)
    return macro("json_element_text", *a)


def _object(a: list[Any]) -> Any:
    return call("json_object", *a)


def _array(a: list[Any]) -> Any:
    return call("json_array", *a)


def _listagg(a: list[Any]) -> Any:
    if isinstance(a[0], exp.Distinct):
        inner = list(a[0].expressions)
        separator = inner[1] if len(inner) > 1 else exp.Literal.string("")
        return call("string_agg", exp.Distinct(expressions=[inner[0]]), separator)
    return call("string_agg", a[0], a[1] if len(a) > 1 else exp.Literal.string(""))


def _checksum(a: list[Any]) -> Any:
    _count("checksum", a, 1, 1)
    return exp.Cast(
        this=call("redshift_fnv_hash", exp.Cast(this=a[0], to=exp.DataType.build("VARCHAR"))),
        to=exp.DataType.build("BIGINT"),
    )


def _fnv_hash(a: list[Any]) -> Any:
    _count("fnv_hash", a, 1, 1)
    return call("redshift_fnv_hash", exp.Cast(this=a[0], to=exp.DataType.build("VARCHAR")))


def _substring(a: list[Any]) -> Any:
    _count("substring", a, 2, 3)
    return macro("substring", *a)


def _of_length(name: str, least: int) -> Rule:
    """A function whose last argument is a length or a place of at least `least`; the macro refuses a smaller one."""

    def rule(a: list[Any]) -> Any:
        if a and isinstance(a[-1], exp.Literal) and a[-1].is_int and int(a[-1].name) >= least:
            # What may fail has side effects to DuckDB, and then no alias may stand for it.
            return call(name, exp.Cast(this=a[0], to=exp.DataType.build("VARCHAR")), *a[1:])
        return macro(name, *a)

    return rule


def _date(a: list[Any]) -> Any:
    _count("date", a, 1, 1)
    return exp.Cast(this=a[0], to=exp.DataType.build("DATE"))


_RULES: dict[str, Rule] = {
    "dateadd": _dateadd,
    "date_add": _dateadd,
    "datediff": _datediff,
    "date_diff": _datediff,
    "date_trunc": _date_trunc,
    "date_part": _date_part,
    "pgdate_part": _date_part,
    "getdate": _now,
    "convert_timezone": _convert_timezone,
    "to_char": _to_char,
    "to_date": _to_date,
    "to_timestamp": _to_timestamp,
    "to_number": _to_number,
    "nvl2": _nvl2,
    "decode": _decode,
    "charindex": _charindex,
    "json_extract_path_text": _json_extract_path_text,
    "json_extract_array_element_text": _json_element,
    "regexp_replace": _regexp_replace,
    "regexp_substr": _regexp_substr,
    "trunc": _trunc,
    "object": _object,
    "array": _array,
    "listagg": _listagg,
    "string_agg": _listagg,
    "checksum": _checksum,
    "fnv_hash": _fnv_hash,
    "substring": _substring,
    "substr": _substring,
    "date": _date,
    "left": _of_length("left", 0),
    "right": _of_length("right", 0),
    "split_part": _of_length("split_part", 1),
}


def translate(name: str, arguments: list[Any]) -> Any | None:
    """The DuckDB expression for a call of the Redshift function ``name`` (lower case); None when there is none."""
    if rule := _RULES.get(name):
        return rule(arguments)
    if name in NATIVE:
        return call(name, *arguments)
    if renamed := _RENAMED.get(name):
        return call(renamed, *arguments)
    if name in _MACROS:
        return macro(name, *arguments)
    if name in _OF_THE_DATABASE:
        # What comes after is how to print it or, of obj_description, the catalog that the object is in.
        return call(f"pg_internal.{name}", *arguments[: _OF_THE_DATABASE[name]])
    return None
