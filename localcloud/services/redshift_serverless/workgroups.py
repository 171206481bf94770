"""The ARNs of workgroups, for the Data API: IAM is asked before a request runs, when no API can be called."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_ARNS: dict[tuple[str, str], dict[str, str]] = {}


def remember(account_id: str, region: str, workgroups: Mapping[str, Mapping[str, Any]]) -> None:
    """Note the workgroups that an account has in a region now."""
    _ARNS[account_id, region] = {name: str(item["workgroupArn"]) for name, item in workgroups.items()}


def workgroup_arn(account_id: str, region: str, name: str) -> str | None:
    """The ARN of a workgroup, None when there is none of that name."""
    return _ARNS.get((account_id, region), {}).get(name)
