"""Pages of answers, and what documents of several kinds have."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from localcloud.base.service import AwsError


def page(items: Sequence[Any], key: str, token: str | None, max_results: int) -> dict[str, Any]:
    """One page of `items` under `key`; the token is the place of the next item."""
    try:
        start = int(token) if token else 0
    except ValueError:
        raise AwsError("InvalidInputException", "NextToken is not one that this service gave") from None
    answer: dict[str, Any] = {key: list(items[start : start + max_results])}
    if start + max_results < len(items):
        answer["NextToken"] = str(start + max_results)
    return answer


def role_arn(account_id: str, role: str) -> str:
    """The ARN of a role that was given by its ARN, or by its name with its path."""
    return role if role.startswith("arn:") else f"arn:aws:iam::{account_id}:role/{role.lstrip('/')}"


class PartitionPage:
    """Partitions up to a page's limit, read from their stored text."""

    def __init__(self, limit: int, *, exclude_columns: bool) -> None:
        self._limit = limit
        self._exclude_columns = exclude_columns
        self.partitions: list[dict[str, Any]] = []
        self.last_key = ""

    @staticmethod
    def values(key: str) -> list[str]:
        values: list[str] = json.loads(key)
        return values

    def add(self, key: str, document: str) -> bool:
        """False when the page is full and the partition belongs to the next one."""
        if len(self.partitions) == self._limit:
            return False
        partition: dict[str, Any] = json.loads(document)
        if self._exclude_columns:
            partition.get("StorageDescriptor", {}).pop("Columns", None)
        self.partitions.append(partition)
        self.last_key = key
        return True
