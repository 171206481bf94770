"""`config/identity.yaml`: identifiers with their guards, attributes, and the rules that link two records."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from cdap.config import load_yaml

Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,62}$")]

Step = Literal[
    "trim",
    "lower",
    "upper",
    "collapse_spaces",
    "strip_accents",
    "letters",
    "digits",
    "letters_digits",
    "first_word",
    "first_letter",
    "drop_plus_tag",
    "email_provider",
]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class FieldRule(_Strict):
    """One field of a record: the column it comes from, how it is normalised, which of its values say nothing."""

    column: Name | None = None
    normalise: tuple[Step, ...] = ()
    min_length: int = Field(1, ge=1)
    junk: frozenset[str] = frozenset()
    junk_patterns: tuple[str, ...] = ()
    exclusive: bool = False

    @model_validator(mode="after")
    def _patterns_compile(self) -> Self:
        for pattern in self.junk_patterns:
            try:
                re.compile(pattern)
            except re.error as error:
                raise ValueError(f"junk_patterns: {pattern!r} is no regular expression: {error}") from None
        return self


class Identifier(FieldRule):
    """A field whose value points at a person. A value that more than `max_records` records share is not used."""

    max_records: int = Field(20, ge=2)


class LinkRule(_Strict):
    """Two records are linked when every field of `match` is present in both and equal, and every field of
    `compatible` is equal or absent in one of them. Combinations that more than `max_records` share are not used."""

    name: Name
    match: tuple[Name, ...] = Field(min_length=1)
    compatible: tuple[Name, ...] = ()
    max_records: int | None = Field(None, ge=2)


class IdentityConfig(_Strict):
    """The whole file. `rules` are strongest first. Raises pydantic's ValidationError for what does not fit together."""

    records: Annotated[str, StringConstraints(pattern=r"^[a-z_][a-z0-9_]*(\.[a-z_][a-z0-9_]*)?$")] = (
        "intermediate.int_identity_records"
    )
    default_region: Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$")] = "US"
    identifiers: dict[Name, Identifier]
    attributes: dict[Name, FieldRule] = Field(default_factory=dict)
    rules: tuple[LinkRule, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        both = self.identifiers.keys() & self.attributes.keys()
        if both:
            raise ValueError(f"identifiers and attributes both name {', '.join(sorted(both))}")
        seen: set[str] = set()
        for rule in self.rules:
            if rule.name in seen:
                raise ValueError(f"rules: {rule.name} appears twice")
            seen.add(rule.name)
            for field in (*rule.match, *rule.compatible):
                if field not in self.fields:
                    raise ValueError(
                        f"rules: {rule.name} names the field {field}, which is neither identifier nor attribute"
                    )
            if set(rule.match) & set(rule.compatible):
                raise ValueError(f"rules: {rule.name} has the same field in match and compatible")
            if rule.max_records is None and not set(rule.match) & self.identifiers.keys():
                raise ValueError(f"rules: {rule.name} matches on no identifier, so it needs max_records")
        return self

    @property
    def fields(self) -> dict[str, FieldRule]:
        """Identifiers and attributes by name."""
        return {**self.identifiers, **self.attributes}

    @property
    def exclusive_fields(self) -> tuple[str, ...]:
        return tuple(name for name, field in self.fields.items() if field.exclusive)


def load_identity_config(path: Path) -> IdentityConfig:
    """Reads the file, `config/identity.yaml` of a checkout; raises ConfigurationError naming file, line and field."""
    return load_yaml(path, IdentityConfig)
