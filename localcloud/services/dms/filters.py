"""Filters and paging of DMS's describe operations."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from localcloud.base.service import AwsError

Filters = Sequence[Mapping[str, Any]]


def apply_filters(
    items: Sequence[dict[str, Any]],
    filters: Filters | None,
    fields: Mapping[str, Callable[[dict[str, Any]], str]],
    what: str,
) -> list[dict[str, Any]]:
    """The items that pass every filter (a filter passes when one of its values is equal).

    Raises AwsError InvalidParameterValueException for an unknown filter, and ResourceNotFoundFault when filters were
    given and nothing passes, as DMS does.
    """
    found = list(items)
    for given in filters or []:
        name = given.get("Name", "")
        if name not in fields:
            raise AwsError(
                "InvalidParameterValueException",
                f"{what}: the filter {name!r} is not supported (supported: {', '.join(sorted(fields))})",
            )
        values = set(given.get("Values") or [])
        found = [item for item in found if fields[name](item) in values]
    if filters and not found:
        raise AwsError("ResourceNotFoundFault", f"No {what} found matching provided filters", 404)
    return found


def page(items: Sequence[Any], marker: str | None, max_records: int | None, key: str) -> dict[str, Any]:
    """One page of `items` under `key`, and `Marker` when there are more. A marker is the next item's place."""
    size = max_records or 100
    if not 1 <= size <= 500:
        raise AwsError("InvalidParameterValueException", f"MaxRecords is {size}; it must be between 20 and 500")
    try:
        start = int(marker) if marker else 0
    except ValueError:
        raise AwsError(
            "InvalidParameterValueException", f"Marker {marker!r} is not one that this service gave"
        ) from None
    answer: dict[str, Any] = {key: list(items[start : start + size])}
    if start + size < len(items):
        answer["Marker"] = str(start + size)
    return answer
