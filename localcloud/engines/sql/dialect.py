"""Parsing of Redshift SQL into sqlglot's syntax tree, with functions left as the client wrote them.

sqlglot's own Redshift dialect turns functions into a common meaning that loses Redshift's (``add_months`` becomes a
plain interval, ``json_extract_path_text`` loses its path). Here only what has a syntax of its own is parsed as such;
every other function keeps its name and arguments, and :mod:`localcloud.engines.sql.functions` decides what it means.
"""

from __future__ import annotations

from typing import Any

from sqlglot.dialects.redshift import Redshift
from sqlglot.errors import ErrorLevel, ParseError, TokenError

from localcloud.engines.sql.errors import SqlError, syntax_error
from localcloud.engines.sql.tokens import StatementTokenizer

_SYNTAX_OF_ITS_OWN = ("CAST", "TRY_CAST", "CONVERT", "EXTRACT", "TRIM", "POSITION", "SUBSTRING", "OVERLAY")


class WarehouseDialect(Redshift):
    """Redshift with its functions kept as written."""

    Tokenizer = StatementTokenizer

    class Parser(Redshift.Parser):  # type: ignore[valid-type, misc]
        FUNCTIONS: dict[str, Any] = {}  # noqa: RUF012 the base class declares a plain dict
        FUNCTION_PARSERS = {  # noqa: RUF012
            name: parser for name, parser in Redshift.Parser.FUNCTION_PARSERS.items() if name in _SYNTAX_OF_ITS_OWN
        }


def parse(sql: str) -> Any:
    """The syntax tree of one statement. Raises SqlError (42601)."""
    try:
        statements = WarehouseDialect().parse(sql, error_level=ErrorLevel.IMMEDIATE)
    except (ParseError, TokenError) as error:
        raise _syntax_error(error) from error
    found = [statement for statement in statements if statement is not None]
    if len(found) != 1:
        raise syntax_error("syntax error: expected one statement")
    return found[0]


def _syntax_error(error: Exception) -> SqlError:
    """PostgreSQL's words for where it stopped, and the parser's for why."""
    details = getattr(error, "errors", None)
    if not details:
        return syntax_error(f"syntax error: {error}")
    first = details[0]
    before = f"{first.get('start_context', '')}{first.get('highlight', '')}"[-80:].strip()
    return syntax_error(
        f'syntax error at or near "{str(first.get("highlight", "")).strip()}"',
        detail=f"{first.get('description', '').rstrip('.')}, at the end of: {before} (line {first.get('line')})",
    )
