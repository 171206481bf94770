"""Finds the properties of a resource that MiniStack's own provisioners never look at.

A provisioner that does not know a property ignores it silently. Handed these objects in place of plain ones, it leaves
a trace of what it read; what it left unread was not honoured.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any


class TrackedObject(dict[str, Any]):
    """A JSON object that remembers which of its members were asked for."""

    def __init__(self, plain: dict[str, Any]) -> None:
        super().__init__({key: tracked(value) for key, value in plain.items()})
        self.read: set[str] = set()
        self.whole = False

    def __getitem__(self, key: str) -> Any:
        self.read.add(key)
        return super().__getitem__(key)

    def get(self, key: str, default: Any = None) -> Any:
        self.read.add(key)
        return super().get(key, default)

    def pop(self, key: str, *default: Any) -> Any:
        self.read.add(key)
        return super().pop(key, *default)

    def __contains__(self, key: object) -> bool:
        # Whether a member is there is asked before it is read, and by validations that then ignore it.
        return super().__contains__(key)

    def __iter__(self) -> Iterator[str]:
        self.whole = True
        return super().__iter__()

    def keys(self) -> Any:
        self.whole = True
        return super().keys()

    def values(self) -> Any:
        self.whole = True
        return super().values()

    def items(self) -> Any:
        self.whole = True
        return super().items()

    def copy(self) -> dict[str, Any]:
        self.whole = True
        return dict(super().items())

    def __deepcopy__(self, memo: dict[int, Any]) -> dict[str, Any]:
        self.whole = True
        return {key: copy.deepcopy(value, memo) for key, value in super().items()}

    @property
    def touched(self) -> bool:
        """Whether anything in it was looked at."""
        return self.whole or bool(self.read)

    def members(self) -> list[tuple[str, Any]]:
        """The members, without leaving a trace."""
        return list(super().items())


class TrackedList(list[Any]):
    """A JSON array of tracked values."""

    def __init__(self, plain: list[Any]) -> None:
        super().__init__(tracked(value) for value in plain)

    def __deepcopy__(self, memo: dict[int, Any]) -> list[Any]:
        return [copy.deepcopy(value, memo) for value in self]


def tracked(value: Any) -> Any:
    """A tracked copy of a JSON value."""
    if isinstance(value, dict):
        return TrackedObject(value)
    return TrackedList(value) if isinstance(value, list) else value


def untracked(value: Any) -> Any:
    """The plain JSON value of a tracked one, without leaving a trace."""
    if isinstance(value, TrackedObject):
        return {key: untracked(item) for key, item in value.members()}
    return [untracked(item) for item in value] if isinstance(value, list) else value


def unread(value: Any, path: str | None = None) -> list[str]:
    """Paths of the members that nobody read, e.g. ``Rules[0].Filter``.

    An object that was taken as a whole (stored, copied) without a look inside counts as read.
    """
    if isinstance(value, TrackedList):
        return [found for i, item in enumerate(value) for found in unread(item, f"{path or ''}[{i}]")]
    if not isinstance(value, TrackedObject) or (path is not None and not value.touched):
        return []
    found = []
    for key, item in value.members():
        where = key if path is None else f"{path}.{key}"
        if value.whole or key in value.read:
            found += unread(item, where)
        else:
            found.append(where)
    return found
