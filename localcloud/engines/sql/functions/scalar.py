"""Scalar functions that SQL cannot express, computed column by column in Python."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import duckdb
import pyarrow as pa

_FNV_OFFSET = 0xCBF29CE484222325
_FNV_PRIME = 0x100000001B3
_MASK = (1 << 64) - 1


def sha2(text: str, bits: int) -> str:
    """Hexadecimal SHA-2 digest of the UTF-8 bytes of ``text``."""
    return hashlib.new(f"sha{bits}", text.encode()).hexdigest()


def strtol(text: str, base: int) -> int:
    """The number that ``text`` writes in ``base``. Raises ValueError."""
    return int(text.strip(), base)


def fnv_hash(text: str) -> int:
    """64-bit FNV-1a of the UTF-8 bytes, as a signed number (Redshift's "FNV_HASH function")."""
    value = _FNV_OFFSET
    for byte in text.encode():
        value = ((value ^ byte) * _FNV_PRIME) & _MASK
    return value - (1 << 64) if value >> 63 else value


def crc32(text: str) -> str:
    """CRC-32 of the UTF-8 bytes as eight hexadecimal digits."""
    return f"{zlib.crc32(text.encode()):08x}"


def first_bytes(text: str, count: int) -> str:
    """As many whole characters as fit into ``count`` bytes of UTF-8."""
    return text.encode()[:count].decode(errors="ignore")


def translate(text: str, characters: str, replacements: str) -> str:
    """Each of ``characters`` replaced by the one at its place in ``replacements``, or removed where there is none."""
    table: dict[int, str | None] = {}
    for index, character in enumerate(characters):
        table.setdefault(ord(character), replacements[index] if index < len(replacements) else None)
    return text.translate(table)


def number_text(text: str, pattern: str) -> str:
    """A number by a Redshift numeric format: 9, 0, ``.``, ``,``, D, G, S, MI, PR, L, ``$`` and FM."""
    fill = not pattern.upper().startswith("FM")
    body = pattern if fill else pattern[2:]
    upper = body.upper()
    value = Decimal(text)
    whole_part, _, fraction_part = upper.replace("D", ".").partition(".")
    decimals = sum(character in "90" for character in fraction_part)
    rounded = abs(value).quantize(Decimal(1).scaleb(-decimals), rounding=ROUND_HALF_UP)
    digits, _, fraction = f"{rounded:f}".partition(".")
    places = [character for character in whole_part if character in "90,G"]
    count = sum(character in "90" for character in places)
    if len(digits) > count and int(digits):
        return f"{' ' if fill else ''}{'#' * len(places)}{'.' + '#' * decimals if decimals else ''}"
    padded = digits.rjust(count) if int(digits) or "0" in places else " " * count
    first_zero = next((i for i, c in enumerate(c for c in places if c in "90") if c == "0"), count)
    shown, index, started = "", 0, False
    for place in places:
        if place in ",G":
            shown += "," if started else " "
            continue
        digit = padded[index]
        if digit == " " and index >= first_zero:
            digit = "0"
        started = started or digit != " "
        shown += digit
        index += 1
    if decimals:
        shown += "." + fraction
    negative = value < 0
    if "MI" in upper:
        signed = shown + ("-" if negative else " ")
    elif "PR" in upper:
        signed = f"<{shown.strip()}>" if negative else f" {shown} "
    else:
        sign = "-" if negative else ("+" if "S" in upper else " ")
        blanks = len(shown) - len(shown.lstrip())
        signed = shown[:blanks] + sign + shown[blanks:]
    if "L" in upper or "$" in upper:
        blanks = len(signed) - len(signed.lstrip(" -+"))
        signed = signed[:blanks] + "$" + signed[blanks:]
    return signed if fill else signed.strip()


def to_number(text: str, pattern: str) -> Decimal:
    """The number in ``text``, written by a numeric format."""
    kept = "".join(character for character in text if character.isdigit() or character in ".-")
    negative = kept.endswith("-") or kept.startswith("-")
    value = Decimal(kept.strip("-"))
    return -value if negative else value


_FUNCTIONS: tuple[tuple[str, Callable[..., Any], list[str], str], ...] = (
    ("redshift_sha2", sha2, ["VARCHAR", "INTEGER"], "VARCHAR"),
    ("redshift_strtol", strtol, ["VARCHAR", "INTEGER"], "BIGINT"),
    ("redshift_fnv_hash", fnv_hash, ["VARCHAR"], "BIGINT"),
    ("redshift_crc32", crc32, ["VARCHAR"], "VARCHAR"),
    ("redshift_first_bytes", first_bytes, ["VARCHAR", "INTEGER"], "VARCHAR"),
    ("redshift_translate", translate, ["VARCHAR", "VARCHAR", "VARCHAR"], "VARCHAR"),
    ("redshift_number_text", number_text, ["VARCHAR", "VARCHAR"], "VARCHAR"),
    ("redshift_to_number", to_number, ["VARCHAR", "VARCHAR"], "DECIMAL(38,10)"),
)


def register(connection: duckdb.DuckDBPyConnection) -> None:
    """Make the functions known to the database instance of ``connection``."""
    for name, function, parameters, result in _FUNCTIONS:
        register_one: Any = connection.create_function
        register_one(name, _vectorised(function, result), parameters, result, type="arrow", null_handling="special")


def _vectorised(function: Callable[..., Any], result: str) -> Callable[..., Any]:
    arrow_type = {"VARCHAR": pa.string(), "BIGINT": pa.int64()}.get(result, pa.decimal128(38, 10))

    def over_columns(*columns: Any) -> Any:
        values = [
            None if any(argument is None for argument in row) else function(*row)
            for row in zip(*(column.to_pylist() for column in columns), strict=True)
        ]
        return pa.array(values, type=arrow_type)

    # DuckDB looks at the number of parameters that a function names.
    by_arity: dict[int, Callable[..., Any]] = {
        1: lambda a: over_columns(a),
        2: lambda a, b: over_columns(a, b),
        3: lambda a, b, c: over_columns(a, b, c),
    }
    return by_arity[function.__code__.co_argcount]
