"""What the columns of a table of persons say: their roles. Everything else follows from them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from cdap.config.yaml_files import load_yaml


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


# Of a model's file; another one is not read, and a new model is trained in its place.
MODEL_VERSION = 5

# One column, or several that are joined by a blank.
Columns = Annotated[tuple[str, ...], BeforeValidator(_listed), Field(min_length=1)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class BirthDate(_Strict):
    """A birth date in one column, digits in an `order` with any separators, or its parts in three."""

    column: str | None = None
    order: Literal["ymd", "dmy", "mdy"] = "ymd"
    day: str | None = None
    month: str | None = None
    year: str | None = None

    @model_validator(mode="after")
    def _one_or_three(self) -> BirthDate:
        parts = [self.day, self.month, self.year]
        if (self.column is None) == (None in parts) or (self.column is not None and any(parts)):
            raise ValueError("give either `column`, or `day`, `month` and `year`")
        return self


def _birth_date(value: Any) -> Any:
    return {"column": value} if isinstance(value, str) else value


class Roles(_Strict):
    """Which column says what. `full_name` is split at its first blank where first and last name are not there.

    `ids` are numbers of which a person has one, `accounts` those of which a person may have several: that two differ
    says nothing.
    """

    first_name: Columns | None = None
    middle_name: Columns | None = None
    last_name: Columns | None = None
    full_name: Columns | None = None
    birth_date: Annotated[BirthDate | None, BeforeValidator(_birth_date)] = None
    birth_year: str | None = None
    email: str | None = None
    phone: str | None = None
    street: Columns | None = None
    city: str | None = None
    postcode: str | None = None
    gender: str | None = None
    ids: tuple[str, ...] = ()
    accounts: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _something_to_compare(self) -> Roles:
        if not any(value for _, value in self):
            raise ValueError("name at least one column that says something about a person")
        return self


class LinkageConfig(_Strict):
    """A table of persons: the column of its unique id, of its source if it has one, and the roles of the others.

    `exclusive` are columns among `ids` that two records of one person never differ in, `unique_sources` values of
    `source` that hold each person once.
    """

    unique_id: str
    source: str | None = None
    fields: Roles
    exclusive: tuple[str, ...] = ()
    unique_sources: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _constraints_on_what_is_there(self) -> LinkageConfig:
        if unknown := [name for name in self.exclusive if name not in self.fields.ids]:
            raise ValueError(f"`exclusive` names {', '.join(unknown)}, which `ids` of the fields does not")
        if self.unique_sources and self.source is None:
            raise ValueError("`unique_sources` needs `source`, the column that they are values of")
        return self

    def columns(self) -> list[str]:
        """Every column that is named."""
        found = [self.unique_id, *([self.source] if self.source else [])]
        for _, value in self.fields:
            if isinstance(value, BirthDate):
                found += [name for name in (value.column, value.day, value.month, value.year) if name]
            elif isinstance(value, str):
                found.append(value)
            elif value:
                found += value
        return found


def load_linkage_config(path: Path) -> LinkageConfig:
    """The file as configuration. Raises ConfigurationError naming file, line and field."""
    return load_yaml(path, LinkageConfig)
