"""Who serves which AWS service: every one has exactly one owner, and what no owner does is refused by name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum

from localcloud.base.service import Service


class Owner(Enum):
    """Where the work of a service is done."""

    MINISTACK = "ministack"
    OURS = "ours"


@dataclass(frozen=True)
class Entry:
    """One service: its owner and, for MiniStack's, the operations that it would answer without doing them."""

    owner: Owner
    refused: Mapping[str, str] = field(default_factory=dict)
    """Operation (or a prefix ending in ``*``) -> why it is refused."""

    def refusal(self, operation: str) -> str | None:
        """Why ``operation`` is refused, or None."""
        for pattern, reason in self.refused.items():
            if operation == pattern or (pattern.endswith("*") and operation.startswith(pattern[:-1])):
                return reason
        return None


class Ownership:
    """The table of a running local cloud, by signing scope."""

    def __init__(self, ministack: Mapping[str, Mapping[str, str]], ours: Iterable[type[Service]]) -> None:
        """Raises ValueError when a service of ours appears twice; ours take the place of MiniStack's."""
        self.entries = {scope: Entry(Owner.MINISTACK, refused) for scope, refused in ministack.items()}
        self.services: dict[str, type[Service]] = {}
        for service in ours:
            scope = service.signing_scope()
            if scope in self.services:
                raise ValueError(
                    f"the scope {scope!r} has two owners: {self.services[scope].__name__}, {service.__name__}"
                )
            self.services[scope] = service
            self.entries[scope] = Entry(Owner.OURS)

    def __contains__(self, scope: str) -> bool:
        return scope in self.entries

    def refusal(self, scope: str, operation: str | None) -> str | None:
        """Why a request is refused (no owner, or an operation that its owner does not do), or None."""
        entry = self.entries.get(scope)
        if entry is None:
            offered = ", ".join(sorted(self.entries))
            return f"the local cloud does not offer the AWS service {scope!r} (it offers {offered})"
        reason = entry.refusal(operation) if operation else None
        return f"the local cloud does not offer {scope}:{operation}: {reason}" if reason else None
