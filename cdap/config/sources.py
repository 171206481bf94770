"""`config/sources/<source>.yaml`: where records come from and what they must look like (their contract)."""

from __future__ import annotations

import re
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from cdap.config.column_types import is_numeric, is_temporal, parse_bound, parse_type
from cdap.config.yaml_files import configuration_error, load_yaml

NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
# Partition keys of the lake's tables; a leading underscore marks what the platform adds to a record.
RESERVED_COLUMNS = frozenset({"dt", "load"})
NOT_YET = frozenset({"modified_window", "cdc"})

PiiClass = Literal["name", "email", "phone", "address", "birth_date", "account"]
Bound = int | float | str | Any


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class Column(_Strict):
    """What a column's values must be. `type` is one of `cdap.config.column_types`; bounds include their end."""

    type: str
    required: bool = False
    min: Bound = None
    max: Bound = None
    enum: tuple[str, ...] | None = None
    pattern: str | None = None
    max_length: Annotated[int, Field(ge=1, le=65535)] | None = None
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

    @field_validator("enum", "pattern", "max_length")
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


class Table(_Strict):
    """A table of a source: its contract and how it comes (docs/architecture.md, One source's day).

    `key` names the columns that tell records apart; `changed_at` the column by which the newest of several records of
    one key is found; `window_column` the immutable column by which an append table is extracted day by day.
    """

    description: Annotated[str, Field(min_length=1)]
    load: Literal["append", "snapshot"]
    columns: Annotated[dict[str, Column], Field(min_length=1)]
    key: Annotated[tuple[str, ...], Field(min_length=1)]
    window_column: Annotated[str | None, Field(validate_default=True)] = None
    changed_at: str | None = None

    @field_validator("load", mode="before")
    @classmethod
    def _not_yet(cls, value: Any) -> Any:
        if isinstance(value, str) and value in NOT_YET:
            raise ValueError(f"{value} is not supported yet; use append or snapshot")
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
        if load == "append" and value is None:
            raise ValueError("an append table is extracted by one; give its immutable timestamp column")
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

    @property
    def window_column_name(self) -> str:
        """The window column of an append table; raises ValueError for a snapshot, which has none."""
        if self.window_column is None:
            raise ValueError("a snapshot table has no window column")
        return self.window_column


class Source(_Strict):
    """A system that records come from. `timezone` is the one of its days and of timestamps without time zone."""

    name: str
    description: Annotated[str, Field(min_length=1)]
    kind: Literal["dms"]
    database: Annotated[str, Field(min_length=1)]
    schema_name: Annotated[str, Field(alias="schema", min_length=1)]
    timezone: str = "UTC"
    late_data_wait: Annotated[timedelta, Field(ge=timedelta(0))] = timedelta(0)
    tables: Annotated[dict[str, Table], Field(min_length=1)]

    @field_validator("name")
    @classmethod
    def _source_name(cls, value: str) -> str:
        if NAME.fullmatch(value) is None:
            raise ValueError(f"{value!r}: a name is lower-case letters, digits and _, letter first")
        return value

    @field_validator("tables")
    @classmethod
    def _table_names(cls, value: dict[str, Table]) -> dict[str, Table]:
        for name in value:
            if NAME.fullmatch(name) is None:
                raise ValueError(f"table {name!r}: a name is lower-case letters, digits and _, letter first")
        return value

    @field_validator("timezone")
    @classmethod
    def _known_timezone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError):
            raise ValueError(f"{value!r} is not a time zone of the IANA database, such as Europe/Berlin") from None
        return value

    @cached_property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.timezone)

    @property
    def secret_name(self) -> str:
        """The secret with the source's login, made by the source's owner."""
        return f"cdap/sources/{self.name}"

    def lake_table(self, table: str) -> str:
        """`<source>_<table>`: the table's name in the catalog and in the external schemas."""
        return f"{self.name}_{table}"


def load_source(path: Path) -> Source:
    """One source's file. Raises ConfigurationError naming file, line and field."""
    source = load_yaml(path, Source)
    if source.name != path.stem:
        raise configuration_error(path, 1, ("name",), f"{source.name!r} is not the file's name {path.stem!r}")
    return source


def load_sources(config_dir: Path) -> dict[str, Source]:
    """Every `sources/*.yaml` under the configuration folder, by name, in the order of names."""
    return {path.stem: load_source(path) for path in sorted((config_dir / "sources").glob("*.yaml"))}
