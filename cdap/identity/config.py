"""`config/identity.yaml`: what is compared to tell persons apart, and the identifiers by which they are looked up."""

from __future__ import annotations

import hashlib
import re
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from cdap.config import load_yaml
from cdap.linkage.config import MODEL_VERSION, LinkageConfig, Roles

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


class Identifier(_Strict):
    """A field whose value points at a person: the column it comes from, how it is normalised, which of its values say
    nothing. A value that more than `max_records` records share is not used."""

    column: Name | None = None
    normalise: tuple[Step, ...] = ()
    min_length: int = Field(1, ge=1)
    junk: frozenset[str] = frozenset()
    junk_patterns: tuple[str, ...] = ()
    max_records: int = Field(20, ge=2)

    @model_validator(mode="after")
    def _patterns_compile(self) -> Self:
        for pattern in self.junk_patterns:
            try:
                re.compile(pattern)
            except re.error as error:
                raise ValueError(f"junk_patterns: {pattern!r} is no regular expression: {error}") from None
        return self


Survival = Literal["most_recent", "most_trusted", "most_frequent", "longest"]


class Golden(_Strict):
    """Which of the values of a customer's records is the customer's. Equal ones go to the most recent record, then to
    the smallest key. `trusted` are sources, the most trusted first; `address` is taken from one record as a whole."""

    trusted: tuple[Name, ...] = ()
    first_name: Survival = "most_recent"
    last_name: Survival = "most_recent"
    email: Survival = "most_recent"
    phone: Survival = "most_recent"
    birth_date: Survival = "most_recent"
    address: Survival = "most_recent"
    country: Survival = "most_recent"
    has_marketing_consent: Literal["strictest", "most_recent", "most_trusted"] = "strictest"

    @model_validator(mode="after")
    def _says_whom_it_trusts(self) -> Self:
        if not self.trusted and "most_trusted" in {rule for _, rule in self}:
            raise ValueError("`most_trusted` needs `trusted`, the sources in the order of trust")
        return self


class IdentityConfig(_Strict):
    """The whole file. Raises pydantic's ValidationError for what does not fit together."""

    records: Annotated[str, StringConstraints(pattern=r"^[a-z_][a-z0-9_]*(\.[a-z_][a-z0-9_]*)?$")] = (
        "intermediate.int_identity_records"
    )
    default_region: Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$")] = "US"
    compare: Roles
    exclusive: tuple[Name, ...] = ()
    unique_sources: tuple[Name, ...] = ()
    retrain_when_grown: float = Field(2.0, gt=1)
    identifiers: dict[Name, Identifier]
    golden: Golden = Golden()

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        # Its own validation says what does not fit.
        _ = self.linkage
        return self

    @cached_property
    def linkage(self) -> LinkageConfig:
        """The table of records as linkage is told of it."""
        return LinkageConfig(
            unique_id="record_key",
            source="source",
            fields=self.compare,
            exclusive=self.exclusive,
            unique_sources=self.unique_sources,
        )

    @property
    def compared_by(self) -> str:
        """A digest of what is compared, and how a model says it: one of other columns is not one for this file."""
        return hashlib.sha256(f"{MODEL_VERSION} {self.compare.model_dump_json()}".encode()).hexdigest()


def load_identity_config(path: Path) -> IdentityConfig:
    """Reads the file, `config/identity.yaml` of a checkout; raises ConfigurationError naming file, line and field."""
    return load_yaml(path, IdentityConfig)
