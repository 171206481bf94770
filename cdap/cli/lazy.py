"""Groups whose commands are imported when they are called, so that each starts with only what it needs."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

import typer
from typer.core import TyperGroup


def lazy_group(commands: Mapping[str, str]) -> type[TyperGroup]:
    """A group of the commands that are registered with it and those of `commands`: a command's name, and where its
    function or its own group (a typer.Typer) is, as `module:attribute`."""

    class LazyGroup(TyperGroup):
        def list_commands(self, ctx: Any) -> list[str]:
            return [*super().list_commands(ctx), *commands]

        def get_command(self, ctx: Any, cmd_name: str) -> Any:
            if cmd_name not in commands:
                return super().get_command(ctx, cmd_name)
            module, attribute = commands[cmd_name].split(":")
            target = getattr(importlib.import_module(module), attribute)
            if not isinstance(target, typer.Typer):
                function, target = target, typer.Typer(add_completion=False)
                target.command(cmd_name)(function)
            command = typer.main.get_command(target)
            command.name = cmd_name
            return command

    return LazyGroup
