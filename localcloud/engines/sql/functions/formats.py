"""Redshift's datetime format strings as DuckDB's."""

from __future__ import annotations

from localcloud.engines.sql.errors import unsupported

# Longest first: "Datetime format strings" of the Redshift guide.
_ELEMENTS: tuple[tuple[str, str], ...] = (
    ("HH24", "%H"),
    ("HH12", "%I"),
    ("YYYY", "%Y"),
    ("MONTH", "%B"),
    ("SSSSS", ""),
    ("MON", "%b"),
    ("DAY", "%A"),
    ("DDD", "%j"),
    ("IYYY", "%G"),
    ("A.M.", "%p"),
    ("P.M.", "%p"),
    ("AM", "%p"),
    ("PM", "%p"),
    ("HH", "%I"),
    ("MI", "%M"),
    ("SS", "%S"),
    ("MS", "%g"),
    ("US", "%f"),
    ("YY", "%y"),
    ("MM", "%m"),
    ("DD", "%d"),
    ("DY", "%a"),
    ("IW", "%V"),
    ("ID", "%u"),
    ("TZ", "%Z"),
    ("OF", "%z"),
)
_REFUSED = ("SSSSS", "CC", "WW", "RM", "BC", "AD", "J", "Q", "W", "TH")


def strftime_format(pattern: str) -> str:
    """The strftime pattern of a Redshift datetime format. Raises SqlError for an element that has none."""
    result, position = [], 0
    upper = pattern.upper()
    while position < len(pattern):
        if pattern[position] == '"':
            end = pattern.find('"', position + 1)
            end = len(pattern) if end < 0 else end
            result.append(pattern[position + 1 : end].replace("%", "%%"))
            position = end + 1
            continue
        if upper.startswith("FM", position):
            position += 2
            continue
        for name, code in _ELEMENTS:
            if upper.startswith(name, position) and code:
                result.append(code)
                position += len(name)
                break
        else:
            for name in _REFUSED:
                if upper.startswith(name, position):
                    raise unsupported(f"The datetime format element {name} (in {pattern!r})")
            result.append("T" if upper[position] == "T" else pattern[position].replace("%", "%%"))
            position += 1
    return "".join(result)


def is_number_format(pattern: str) -> bool:
    """Whether a format of to_char is one for numbers."""
    return any(character in "90" for character in pattern)
