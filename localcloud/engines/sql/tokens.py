"""Reading statements token by token, for what a general SQL parser does not know of Redshift's own statements."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar

from sqlglot.dialects.redshift import Redshift
from sqlglot.errors import TokenError
from sqlglot.tokenizer_core import Token, TokenType

from localcloud.engines.sql.errors import syntax_error


class StatementTokenizer(Redshift.Tokenizer):
    """Redshift's tokens.

    sqlglot's own take what follows SHOW, EXPLAIN and the like for one string, and ``$1,$`` for a dollar quote.
    """

    COMMANDS: ClassVar[set[TokenType]] = set()
    HEREDOC_STRINGS: ClassVar[list[str | tuple[str, str]]] = []
    RAW_STRINGS: ClassVar[list[str | tuple[str, str]]] = ["$$"]
    SINGLE_TOKENS: ClassVar[dict[str, TokenType]] = {**Redshift.Tokenizer.SINGLE_TOKENS, "$": TokenType.PARAMETER}


class _StatementDialect(Redshift):
    Tokenizer = StatementTokenizer


_TOKENIZER = _StatementDialect()


@dataclass(frozen=True)
class Name:
    """A possibly qualified name, lower-cased: Redshift folds quoted identifiers too unless told otherwise."""

    name: str
    schema: str | None = None
    database: str | None = None


def tokenize(sql: str) -> list[Token]:
    """The tokens of ``sql`` without its comments. Raises SqlError (42601)."""
    try:
        return list(_TOKENIZER.tokenize(sql))
    except TokenError as error:
        raise syntax_error(str(error)) from error


# Literals, quoted names and comments come first, so that a dollar quote inside of one is none.
_TAGGED = re.compile(
    r"'(?:[^'\\]|\\.|'')*'|\"(?:[^\"]|\"\")*\"|--[^\n]*|/\*.*?\*/|\$(?P<tag>[A-Za-z_]\w*)\$(?P<text>.*?)\$(?P=tag)\$",
    re.DOTALL,
)


def _plain_literal(found: re.Match[str]) -> str:
    if found["tag"] is None:
        return found[0]
    return "'" + found["text"].replace("\\", "\\\\").replace("'", "''") + "'"


def split_statements(sql: str) -> list[str]:
    """The statements of ``sql``, divided at semicolons outside of literals, comments and dollar quotes.

    Dollar quotes with a tag (``$body$...$body$``) become plain literals.
    """
    sql = _TAGGED.sub(_plain_literal, sql)
    statements = []
    start: int | None = None
    end = 0
    for token in tokenize(sql):
        if token.token_type is TokenType.SEMICOLON:
            if start is not None:
                statements.append(sql[start : end + 1])
            start = None
            continue
        if start is None:
            start = token.start
        end = token.end
    if start is not None:
        statements.append(sql[start : end + 1])
    return statements


class TokenReader:
    """A cursor over the tokens of one statement."""

    def __init__(self, sql: str) -> None:
        self.sql = sql
        self.tokens = tokenize(sql)
        self.position = 0

    @property
    def done(self) -> bool:
        return self.position >= len(self.tokens)

    def _at(self, offset: int = 0) -> Token | None:
        index = self.position + offset
        return self.tokens[index] if index < len(self.tokens) else None

    def words(self, count: int) -> tuple[str, ...]:
        """The next ``count`` tokens in lower case, without moving."""
        return tuple(token.text.lower() for token in self.tokens[self.position : self.position + count])

    def accept(self, *words: str) -> bool:
        """Move past ``words`` if they are next."""
        flat = [part for word in words for part in word.split()]
        # A token such as "ORDER BY" or "PRIMARY KEY" holds two words.
        position, matched = self.position, 0
        while matched < len(flat):
            token = self.tokens[position] if position < len(self.tokens) else None
            if token is None or token.token_type in (TokenType.STRING, TokenType.IDENTIFIER):
                return False
            parts = token.text.lower().split()
            if parts != flat[matched : matched + len(parts)]:
                return False
            matched += len(parts)
            position += 1
        self.position = position
        return True

    def expect(self, *words: str) -> None:
        if not self.accept(*words):
            raise syntax_error(f"syntax error: expected {' '.join(words).upper()} at or near {self.near()}")

    def near(self) -> str:
        token = self._at()
        return f'"{token.text}"' if token else "end of statement"

    def identifier(self) -> str:
        """The next token as an identifier."""
        token = self._at()
        if token is None or token.token_type in (TokenType.STRING, TokenType.NUMBER, TokenType.L_PAREN):
            raise syntax_error(f"syntax error: expected a name at or near {self.near()}")
        self.position += 1
        return token.text.lower()

    def name(self) -> Name:
        """A name of one to three parts."""
        parts = [self.identifier()]
        while len(parts) < 3 and self._is(TokenType.DOT):
            self.position += 1
            parts.append(self.identifier())
        parts.reverse()
        return Name(*parts)

    def is_string(self) -> bool:
        token = self._at()
        return token is not None and token.token_type in (
            TokenType.STRING,
            TokenType.RAW_STRING,
            TokenType.HEREDOC_STRING,
            TokenType.NATIONAL_STRING,
        )

    def string(self) -> str:
        """The value of the string literal that is next."""
        token = self._at()
        if token is None or not self.is_string():
            raise syntax_error(f"syntax error: expected a string literal at or near {self.near()}")
        self.position += 1
        return token.text

    def number(self) -> int:
        token = self._at()
        if token is None or token.token_type is not TokenType.NUMBER:
            raise syntax_error(f"syntax error: expected a number at or near {self.near()}")
        self.position += 1
        return int(token.text)

    def is_number(self) -> bool:
        return self._is(TokenType.NUMBER)

    def _is(self, kind: TokenType) -> bool:
        token = self._at()
        return token is not None and token.token_type is kind

    def at_parenthesis(self) -> bool:
        return self._is(TokenType.L_PAREN)

    def parenthesized(self) -> str:
        """The text between the parenthesis that is next and the one that closes it."""
        self.expect("(")
        depth, first = 1, self.position
        while depth:
            token = self._at()
            if token is None:
                raise syntax_error("syntax error: a parenthesis is not closed")
            depth += {TokenType.L_PAREN: 1, TokenType.R_PAREN: -1}.get(token.token_type, 0)
            self.position += 1
        if self.position - 1 == first:
            return ""
        return self.sql[self.tokens[first].start : self.tokens[self.position - 2].end + 1]

    def names_in_parentheses(self) -> list[str]:
        """A parenthesised list of column names."""
        self.expect("(")
        names = [self.identifier()]
        while self.accept(","):
            names.append(self.identifier())
        self.expect(")")
        return names

    def rest(self) -> str:
        """The text from here to the end."""
        token = self._at()
        self.position = len(self.tokens)
        return self.sql[token.start :] if token else ""

    def finish(self) -> None:
        """Raise unless everything was read: nothing of a statement is ignored."""
        if not self.done:
            raise syntax_error(f"syntax error at or near {self.near()}")
