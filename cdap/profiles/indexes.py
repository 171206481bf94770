"""Versioned indexes behind one alias: readers see a whole index or the one before it."""

from __future__ import annotations

import re
from typing import Any

from opensearchpy import OpenSearch

from cdap.errors import CdapError
from cdap.profiles.document import MAPPING_VERSION, index_body

ALIAS = "profiles"
TEMPLATE = "profiles"
NAME = re.compile(r"profiles-v(\d+)(?:-(\d+))?")


def current_index(search: OpenSearch) -> str | None:
    """The index behind the alias; None before the first publish. Raises CdapError when there are several."""
    if not search.indices.exists_alias(name=ALIAS):
        return None
    names = sorted(search.indices.get_alias(name=ALIAS))
    if len(names) != 1:
        raise CdapError(
            f"Looking up the alias {ALIAS}",
            f"it stands for {len(names)} indexes: {', '.join(names)}",
            "Take the alias off all but the right one",
        )
    return str(names[0])


def wanted_index(current: str | None, *, rebuild: bool = False, version: int = MAPPING_VERSION) -> str:
    """The index to write: the current one while its mapping is of this version; else a new one.

    A rebuild of the same version goes to `profiles-v<version>-<n>`, n counting from 2.
    """
    first = f"{ALIAS}-v{version}"
    match = NAME.fullmatch(current or "")
    if current is None or match is None or int(match[1]) != version:
        return first
    return f"{first}-{int(match[2] or 1) + 1}" if rebuild else current


def ensure_index(search: OpenSearch, name: str, *, anew: bool = False) -> bool:
    """Puts the template and makes the index where it is not there; returns whether it was made.

    With `anew`, one that is there (left by an attempt that did not end) is deleted first.
    """
    body: dict[str, Any] = {"index_patterns": [f"{ALIAS}-v{MAPPING_VERSION}*"], "template": index_body()}
    search.indices.put_index_template(name=f"{TEMPLATE}-v{MAPPING_VERSION}", body=body)
    if search.indices.exists(index=name):
        if not anew:
            return False
        search.indices.delete(index=name)
    search.indices.create(index=name)
    return True


def switch(search: OpenSearch, name: str) -> list[str]:
    """Puts the alias onto this index and off every other one, at once, and deletes those; returns their names."""
    others = [index for index in search.indices.get(index=f"{ALIAS}-v*") if index != name]
    behind = list(search.indices.get_alias(name=ALIAS)) if search.indices.exists_alias(name=ALIAS) else []
    actions: list[dict[str, Any]] = [{"add": {"index": name, "alias": ALIAS}}]
    actions += [{"remove": {"index": index, "alias": ALIAS}} for index in behind if index != name]
    search.indices.update_aliases(body={"actions": actions})
    for index in others:
        search.indices.delete(index=index)
    return sorted(others)


def count(search: OpenSearch, name: str) -> int:
    """Documents in the index, those just written included."""
    search.indices.refresh(index=name)
    return int(search.count(index=name)["count"])
