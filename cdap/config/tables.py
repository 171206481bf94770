"""A table of a source: its columns' contract, how it comes, and what it says about persons."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from cdap.config.column_types import is_numeric, is_temporal, parse_bound, parse_type

NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
# Partition keys of the lake's tables; a leading underscore marks what the platform adds to a record.
RESERVED_COLUMNS = frozenset({"dt", "load"})
NOT_YET = frozenset({"cdc"})

PiiClass = Literal["name", "email", "phone", "address", "birth_date", "account"]
Bound = int | float | str | Any


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class Column(Strict):
    """What a column's values must be. `type` is one of `cdap.config.column_types`; bounds include their end."""

    type: str
    required: bool = False
    min: Bound = None
    max: Bound = None
    enum: tuple[str, ...] | None = None
    pattern: str | None = None
    max_length: Annotated[int, Field(ge=1, le=65535)] | None = None
    format: Literal["json"] | None = None
    pii: PiiClass | None = None
    description: Annotated[str, Field(min_length=1)]

    @field_validator("type")
    @classmethod
    def _known_type(cls, value: str) -> str:
        return parse_type(value)

    @field_validator("min", "max")
    @classmethod
    def _bound_of_the_type(cls, value: Any, info: ValidationInfo) -> Any:
        column_type = info.data.get("type")
        if value is None or column_type is None:
            return value
        if not is_numeric(column_type) and not is_temporal(column_type):
            raise ValueError(f"a {column_type} has no bounds; they are for numbers, dates and timestamps")
        return parse_bound(column_type, value)

    @field_validator("enum", "pattern", "max_length", "format")
    @classmethod
    def _only_of_strings(cls, value: Any, info: ValidationInfo) -> Any:
        column_type = info.data.get("type")
        if value is not None and column_type is not None and column_type != "string":
            raise ValueError(f"only a string can have it, this is a {column_type}")
        return value

    @field_validator("pattern")
    @classmethod
    def _regular_expression(cls, value: str | None) -> str | None:
        if value is not None:
            try:
                re.compile(value)
            except re.error as error:
                raise ValueError(f"not a regular expression: {error}") from None
        return value


class AccountLink(Strict):
    """A column that holds the number of a record of another source: its account there is this record's too."""

    source: str
    column: str


class PersonMapping(Strict):
    """Which columns of a table say what about the person that a record stands for.

    Every member but `account_links` and `deny_marketing` names a column. `deny_marketing` names a boolean that is true
    for those who do not want marketing, where the source has no column that is true for those who do.
    """

    first_seen_at: str
    changed_at: str
    email: str | None = None
    phone: tuple[str, ...] = ()
    first_name: str | None = None
    last_name: str | None = None
    birth_date: str | None = None
    street: str | None = None
    city: str | None = None
    postcode: str | None = None
    country: str | None = None
    marketing_consent: str | None = None
    deny_marketing: str | None = None
    account_link: AccountLink | None = None

    def columns(self) -> list[str]:
        """Every column that is named."""
        single = [value for name, value in self if isinstance(value, str) and name not in ("phone", "account_link")]
        return [*single, *self.phone, *([self.account_link.column] if self.account_link else [])]


class Table(Strict):
    """A table of a source: its contract and how it comes (docs/architecture.md, One source's day).

    `key` names the columns that tell records apart; `changed_at` the column by which the newest of several records of
    one key is found; `window_column` the column by which a table is extracted day by day, immutable for `append`, the
    time of the last change for `modified_window`, and `window_field` the source's own spelling of it; `deleted` a
    boolean column that is true for records that are gone; `object` the source's own name of the table where it
    differs; `person` what records say about persons; `extra_columns` what becomes of a column that the contract does
    not have: `keep` leaves it in the raw table, `quarantine` sets aside the records that hold a value in it.
    """

    description: Annotated[str, Field(min_length=1)]
    load: Literal["append", "snapshot", "modified_window"]
    object: str | None = None
    columns: Annotated[dict[str, Column], Field(min_length=1)]
    key: Annotated[tuple[str, ...], Field(min_length=1)]
    window_column: Annotated[str | None, Field(validate_default=True)] = None
    window_field: str | None = None
    changed_at: str | None = None
    deleted: str | None = None
    person: PersonMapping | None = None
    extra_columns: Literal["keep", "quarantine"] = "keep"

    @field_validator("load", mode="before")
    @classmethod
    def _not_yet(cls, value: Any) -> Any:
        if isinstance(value, str) and value in NOT_YET:
            raise ValueError(f"{value} is not supported yet; use append, snapshot or modified_window")
        return value

    @field_validator("columns")
    @classmethod
    def _column_names(cls, value: dict[str, Column]) -> dict[str, Column]:
        for name in value:
            if NAME.fullmatch(name) is None:
                raise ValueError(f"column {name!r}: a name is lower-case letters, digits and _, letter first")
            if name in RESERVED_COLUMNS:
                raise ValueError(f"column {name!r}: the lake's partitions have that name")
        return value

    @field_validator("key")
    @classmethod
    def _key_of_required_columns(cls, value: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        columns: dict[str, Column] | None = info.data.get("columns")
        for name in value if columns is not None else ():
            if name not in columns:  # type: ignore[operator]
                raise ValueError(f"there is no column {name!r}")
            if not columns[name].required:  # type: ignore[index]
                raise ValueError(f"column {name!r} is part of the key, so say `required: true` of it")
        return value

    @field_validator("window_column")
    @classmethod
    def _window_of_append_tables(cls, value: str | None, info: ValidationInfo) -> str | None:
        load, columns = info.data.get("load"), info.data.get("columns")
        if load is None or columns is None:
            return value
        if load != "snapshot" and value is None:
            raise ValueError(f"a table of load {load} is extracted by one; give its timestamp column")
        if load == "snapshot" and value is not None:
            raise ValueError("a snapshot has none: the whole table is extracted")
        if value is not None:
            if value not in columns:
                raise ValueError(f"there is no column {value!r}")
            if not is_temporal(columns[value].type) or not columns[value].required:
                raise ValueError(f"column {value!r} must be a required date or timestamp")
        return value

    @field_validator("changed_at")
    @classmethod
    def _changed_at_is_a_time(cls, value: str | None, info: ValidationInfo) -> str | None:
        columns = info.data.get("columns")
        if value is not None and columns is not None:
            if value not in columns:
                raise ValueError(f"there is no column {value!r}")
            if not is_temporal(columns[value].type):
                raise ValueError(f"column {value!r} is a {columns[value].type}, not a time")
        return value

    @field_validator("deleted")
    @classmethod
    def _deleted_is_a_boolean(cls, value: str | None, info: ValidationInfo) -> str | None:
        columns = info.data.get("columns")
        if value is not None and columns is not None and (value not in columns or columns[value].type != "boolean"):
            raise ValueError(f"there is no boolean column {value!r}")
        return value

    @field_validator("person")
    @classmethod
    def _person_of_known_columns(cls, value: PersonMapping | None, info: ValidationInfo) -> PersonMapping | None:
        columns = info.data.get("columns")
        for name in value.columns() if value is not None and columns is not None else ():
            if name not in columns:  # type: ignore[operator]
                raise ValueError(f"there is no column {name!r}")
        return value

    @property
    def newest_by(self) -> str | None:
        """The column by which the newest of several records of one key is found."""
        return self.changed_at or (self.window_column if self.load == "modified_window" else None)

    @property
    def window_column_name(self) -> str:
        """The column by which the table is extracted day by day; raises ValueError for a snapshot, which has none."""
        if self.window_column is None:
            raise ValueError("a snapshot table has no window column")
        return self.window_column
