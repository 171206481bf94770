"""The suites of `expectations/`: Great Expectations' own JSON, one file a table."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from cdap.config import Source
from cdap.errors import ConfigurationError

# The external schema over checked records. A suite on one of its tables looks at what a run has claimed, not at years.
LAKE = "lake"

Name = Annotated[str, StringConstraints(pattern=r"^[a-z_][a-z0-9_]*$")]


class Expectation(BaseModel):
    """One expectation as GX writes it; `severity` says what a failure does: `critical` stops the publish."""

    model_config = ConfigDict(extra="allow", frozen=True)

    type: str
    kwargs: dict[str, Any]
    severity: Literal["critical", "warning", "info"] = "critical"


class _Meta(BaseModel):
    model_config = ConfigDict(extra="allow", frozen=True)

    table: Annotated[str, StringConstraints(pattern=r"^[a-z_][a-z0-9_]*\.[a-z_][a-z0-9_]*$")]
    key: Annotated[tuple[Name, ...], Field(min_length=1)]


class _File(BaseModel):
    model_config = ConfigDict(extra="allow", frozen=True)

    name: str
    meta: _Meta
    expectations: Annotated[tuple[Expectation, ...], Field(min_length=1)]


@dataclass(frozen=True)
class Suite:
    """What is expected of one table; `key` names the columns by which a failing row is told."""

    file: Path
    name: str
    schema: str
    table: str
    key: tuple[str, ...]
    expectations: tuple[Expectation, ...]

    @property
    def of_landed_data(self) -> bool:
        return self.schema == LAKE


def load_suites(folder: Path, sources: Mapping[str, Source]) -> list[Suite]:
    """Every suite of the folder, by name.

    Raises ConfigurationError naming the file and field of what is wrong: not JSON, a field that GX or the platform
    needs, a name that is not the file's, a table of the lake that no source has.
    """
    landed = {source.lake_table(table) for source in sources.values() for table in source.tables}
    suites = [_load(file) for file in sorted(folder.glob("*.json"))]
    for suite in suites:
        if suite.of_landed_data and suite.table not in landed:
            raise _wrong(suite.file, f"meta.table: no source has the table {suite.table}; there are {sorted(landed)}")
    return suites


def _load(file: Path) -> Suite:
    try:
        content = _File.model_validate(json.loads(file.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise _wrong(file, str(error)) from error
    except ValidationError as error:
        problems = (
            f"{'.'.join(map(str, detail['loc'])) or '(the whole file)'}: {detail['msg']}"
            for detail in error.errors(include_url=False)
        )
        raise _wrong(file, "; ".join(problems)) from None
    if content.name != file.stem:
        raise _wrong(file, f"name: {content.name!r} is not the file's name")
    schema, table = content.meta.table.split(".")
    return Suite(file, content.name, schema, table, content.meta.key, content.expectations)


def _wrong(file: Path, found: str) -> ConfigurationError:
    return ConfigurationError(f"Loading the suite {file}", found, "Correct the file")
