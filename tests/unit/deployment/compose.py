"""The part of the Compose Specification that the project uses, strictly: a key that it does not have is an error.

Source: compose-spec.io, "Compose file reference" (services, build, depends_on, healthcheck, volumes).
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, StrictStr, StringConstraints

Duration = Annotated[str, StringConstraints(pattern=r"^(\d+(us|ms|s|m|h))+$")]
Volume = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_.-]*:/[^:]+(:ro)?$")]
Port = Annotated[str, StringConstraints(pattern=r"^(\d+\.\d+\.\d+\.\d+:)?\d+:\d+$")]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Build(_Strict):
    context: str
    target: str


class Dependency(_Strict):
    condition: Literal["service_started", "service_healthy", "service_completed_successfully"]


class Healthcheck(_Strict):
    test: Annotated[list[str], Field(min_length=2)]
    interval: Duration = "30s"
    start_period: Duration = "0s"
    retries: int = 3


class Service(_Strict):
    image: str
    build: Build | None = None
    entrypoint: list[str] = []
    command: list[str] = []
    # In YAML `on` or `5` is no string, and what a container gets is one: say so by quotes.
    environment: dict[str, StrictStr] = {}
    network_mode: Annotated[str, StringConstraints(pattern=r"^service:[a-z-]+$")] | None = None
    restart: Literal["no", "always", "on-failure", "unless-stopped"] = "no"
    stop_grace_period: Duration = "10s"
    ports: list[Port] = []
    volumes: list[Volume] = []
    healthcheck: Healthcheck | None = None
    depends_on: dict[str, Dependency] = {}


class Compose(_Strict):
    model_config = ConfigDict(extra="allow")  # x-* fragments, checked by `load`

    name: str
    services: dict[str, Service]
    volumes: dict[str, None]


VARIABLE = re.compile(r"\$(?:\$|\{(?P<name>[A-Z_]+)(?:(?P<kind>:[-?])(?P<text>[^}]*))?\})")


def interpolated(text: str, variables: dict[str, str]) -> str:
    """Compose's interpolation: `$$` is a dollar, `${NAME:-default}`, `${NAME:?message}`."""

    def value(match: re.Match[str]) -> str:
        if match["name"] is None:
            return "$"
        if found := variables.get(match["name"]):
            return found
        if match["kind"] == ":-":
            return match["text"]
        raise KeyError(f"{match['name']}: {match['text']}")

    return VARIABLE.sub(value, text)


def load(file: Path, variables: dict[str, str] | None = None) -> Compose:
    """The file, interpolated and checked. Raises ValidationError, KeyError for a variable that is needed."""
    document: dict[str, Any] = yaml.safe_load(file.read_text(encoding="utf-8"))
    unknown = [name for name in document if name not in Compose.model_fields and not name.startswith("x-")]
    assert not unknown, unknown

    def walk(node: Any) -> Any:
        if isinstance(node, dict):
            return {key: walk(value) for key, value in node.items()}
        if isinstance(node, list):
            return [walk(value) for value in node]
        return interpolated(node, variables or dict(os.environ)) if isinstance(node, str) else node

    return Compose.model_validate(walk(document))
