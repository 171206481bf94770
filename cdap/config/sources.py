"""`config/sources/<source>.yaml`: where records come from and what they must look like (their contract)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, field_validator

from cdap.config.tables import NAME, Strict, Table
from cdap.config.yaml_files import field_error, load_yaml, read_yaml


class Source(Strict):
    """A system that records come from; `KINDS` has one class for each way in which they come.

    `timezone` is the one of its days and of timestamps without time zone. `history_from` is the first day on which
    there are records: a table of load `modified_window` is only whole when its history has been landed. A day that has
    not landed `fresh_within` after its end is an alert (`cdap.freshness`).
    """

    name: str
    description: Annotated[str, Field(min_length=1)]
    kind: str
    history_from: date | None = None
    timezone: str = "UTC"
    late_data_wait: Annotated[timedelta, Field(ge=timedelta(0))] = timedelta(0)
    fresh_within: Annotated[timedelta, Field(ge=timedelta(0))] = timedelta(hours=12)
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

    def table_folder(self, table: str) -> str:
        """The folder of a table under a load's folder, as the service that extracts it names it."""
        raise NotImplementedError

    def lake_table(self, table: str) -> str:
        """`<source>_<table>`: the table's name in the catalog and in the external schemas."""
        return f"{self.name}_{table}"


class DmsSource(Source):
    """Tables of a relational database, by AWS DMS."""

    kind: Literal["dms"]
    database: Annotated[str, Field(min_length=1)]
    schema_name: Annotated[str, Field(alias="schema", min_length=1)]

    @field_validator("tables")
    @classmethod
    def _immutable_windows(cls, value: dict[str, Table]) -> dict[str, Table]:
        for name, table in value.items():
            if table.load == "modified_window":
                raise ValueError(
                    f"table {name!r}: DMS filters by immutable columns only; use append or snapshot, or AppFlow"
                )
        return value

    def table_folder(self, table: str) -> str:
        """`<schema>/<table>`, as DMS names it."""
        return f"{self.schema_name}/{table}"


class AppflowSource(Source):
    """Objects of a SaaS application, by Amazon AppFlow: a flow a table."""

    kind: Literal["appflow"]
    connector: Literal["salesforce"]

    @field_validator("tables")
    @classmethod
    def _named_objects(cls, value: dict[str, Table]) -> dict[str, Table]:
        for name, table in value.items():
            if table.object is None:
                raise ValueError(f"table {name!r}: say which `object` of the application it is")
            if table.load == "append":
                raise ValueError(f"table {name!r}: use modified_window or snapshot")
        return value

    def flow_name(self, table: str) -> str:
        """The flow that extracts a table."""
        return f"cdap-{self.name}-{table}".replace("_", "-")

    def table_folder(self, table: str) -> str:
        """The flow's name, which AppFlow makes a folder."""
        return self.flow_name(table)

    @property
    def address_parameter(self) -> str:
        """The parameter with the application's address, made by the source's owner."""
        return f"/cdap/sources/{self.name}/instance_url"


KINDS: Mapping[str, type[Source]] = {"dms": DmsSource, "appflow": AppflowSource}


def load_source(path: Path) -> Source:
    """One source's file. Raises ConfigurationError naming file, line and field."""
    kind = str(read_yaml(path).get("kind"))
    if kind not in KINDS:
        raise field_error(path, ("kind",), f"{kind!r} is none of {', '.join(KINDS)}")
    source = load_yaml(path, KINDS[kind])
    if source.name != path.stem:
        raise field_error(path, ("name",), f"{source.name!r} is not the file's name {path.stem!r}")
    return source


def load_sources(config_dir: Path) -> dict[str, Source]:
    """Every `sources/*.yaml` under the configuration folder, by name, in the order of names."""
    return {path.stem: load_source(path) for path in sorted((config_dir / "sources").glob("*.yaml"))}
