"""Workgroups: where results go, and how much a query may read."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from localcloud.base.errors import AwsError

if TYPE_CHECKING:
    from localcloud.base.service import Service as Base
else:
    Base = object

PRIMARY = "primary"
ENGINE_VERSION = {"SelectedEngineVersion": "AUTO", "EffectiveEngineVersion": "Athena engine version 3"}
_LEAST_CUTOFF = 10_000_000
_CONFIGURED = frozenset(
    {"ResultConfiguration", "EnforceWorkGroupConfiguration", "PublishCloudWatchMetricsEnabled",
     "BytesScannedCutoffPerQuery", "RequesterPaysEnabled", "EngineVersion", "EnableMinimumEncryptionConfiguration"}
)  # fmt: skip


def invalid(message: str) -> AwsError:
    """Athena's error for what a request gets wrong."""
    return AwsError("InvalidRequestException", message)


class WorkGroupOperations(Base):
    """CreateWorkGroup and its siblings. The account has the workgroup ``primary`` from the start."""

    def init_workgroups(self) -> None:
        """Make the workgroup that every account has."""
        self.state["workgroups"].setdefault(PRIMARY, _workgroup(PRIMARY, {}, "", time.time()))

    def workgroup(self, name: str) -> dict[str, Any]:
        """A workgroup as it is kept. Raises AwsError when there is none."""
        found: dict[str, Any] | None = self.state["workgroups"].get(name)
        if found is None:
            raise invalid(f"WorkGroup {name} is not found.")
        return found

    def workgroup_arn(self, name: str) -> str:
        return self.cloud.arn("athena", f"workgroup/{name}")

    def create_work_group(
        self,
        Name: str,
        Configuration: dict[str, Any] | None = None,
        Description: str = "",
        Tags: list[dict[str, str]] | None = None,
    ) -> None:
        """Create a workgroup."""
        _check(Configuration or {})
        with self.lock:
            if Name in self.state["workgroups"]:
                raise invalid(f"WorkGroup {Name} is already created")
            self.state["workgroups"][Name] = _workgroup(Name, Configuration or {}, Description, time.time())
            self.state["tags"][self.workgroup_arn(Name)] = {tag["Key"]: tag["Value"] for tag in Tags or []}
            self.changed()

    def get_work_group(self, WorkGroup: str) -> dict[str, Any]:
        """A workgroup with its configuration."""
        return {"WorkGroup": dict(self.workgroup(WorkGroup))}

    def list_work_groups(self, NextToken: str | None = None, MaxResults: int = 50) -> dict[str, Any]:
        """All workgroups, in order of their names."""
        shown = [
            {**{key: group[key] for key in ("Name", "State", "Description", "CreationTime")},
             "EngineVersion": group["Configuration"]["EngineVersion"]}
            for _, group in sorted(self.state["workgroups"].items())
        ]  # fmt: skip
        page, token = paged(shown, NextToken, MaxResults)
        return {"WorkGroups": page, **token}

    def update_work_group(
        self,
        WorkGroup: str,
        Description: str | None = None,
        ConfigurationUpdates: dict[str, Any] | None = None,
        State: str | None = None,
    ) -> None:
        """Change a workgroup: what is not named stays."""
        updates = dict(ConfigurationUpdates or {})
        results = updates.pop("ResultConfigurationUpdates", {})
        removes_cutoff = updates.pop("RemoveBytesScannedCutoffPerQuery", False)
        _check(updates)
        with self.lock:
            group = self.workgroup(WorkGroup)
            configuration = {**group["Configuration"], **updates}
            kept = dict(configuration.get("ResultConfiguration", {}))
            for key in ("OutputLocation", "EncryptionConfiguration", "ExpectedBucketOwner", "AclConfiguration"):
                if results.get(f"Remove{key}"):
                    kept.pop(key, None)
                if key in results:
                    kept[key] = results[key]
            configuration["ResultConfiguration"] = kept
            if removes_cutoff:
                configuration.pop("BytesScannedCutoffPerQuery", None)
            configuration["EngineVersion"] = ENGINE_VERSION
            group.update(Configuration=configuration, State=State or group["State"])
            if Description is not None:
                group["Description"] = Description
            self.changed()

    def delete_work_group(self, WorkGroup: str, RecursiveDeleteOption: bool = False) -> None:
        """Delete a workgroup, with what is saved in it only when ``RecursiveDeleteOption`` says so."""
        if WorkGroup == PRIMARY:
            raise invalid("The primary workgroup cannot be deleted")
        with self.lock:
            self.workgroup(WorkGroup)
            saved = [key for kind in ("named_queries", "prepared", "executions")
                     for key, item in self.state[kind].items() if item["WorkGroup"] == WorkGroup]  # fmt: skip
            if saved and not RecursiveDeleteOption:
                raise invalid(f"WorkGroup {WorkGroup} is not empty")
            for kind in ("named_queries", "prepared", "executions"):
                self.state[kind] = {k: v for k, v in self.state[kind].items() if v["WorkGroup"] != WorkGroup}
            del self.state["workgroups"][WorkGroup]
            self.state["tags"].pop(self.workgroup_arn(WorkGroup), None)
            self.changed()


def _workgroup(name: str, configuration: dict[str, Any], description: str, created: float) -> dict[str, Any]:
    defaults = {"ResultConfiguration": {}, "EnforceWorkGroupConfiguration": True, "RequesterPaysEnabled": False,
                "PublishCloudWatchMetricsEnabled": True}  # fmt: skip
    if name == PRIMARY:
        defaults["EnforceWorkGroupConfiguration"] = False
    merged = {**defaults, **configuration, "EngineVersion": ENGINE_VERSION}
    return {"Name": name, "State": "ENABLED", "Configuration": merged, "Description": description,
            "CreationTime": created}  # fmt: skip


def _check(configuration: dict[str, Any]) -> None:
    unknown = sorted(set(configuration) - _CONFIGURED)
    if unknown:
        raise AwsError("NotImplementedException", f"athena: the local cloud does not support {', '.join(unknown)}", 501)
    cutoff = configuration.get("BytesScannedCutoffPerQuery")
    if cutoff is not None and cutoff < _LEAST_CUTOFF:
        raise invalid(f"BytesScannedCutoffPerQuery must be at least {_LEAST_CUTOFF}")
    version = configuration.get("EngineVersion", {}).get("SelectedEngineVersion", "AUTO")
    if version not in ("AUTO", "Athena engine version 3"):
        raise invalid(f"the engine version {version} is not there; use AUTO or Athena engine version 3")


def paged(items: list[Any], token: str | None, size: int) -> tuple[list[Any], dict[str, str]]:
    """A page of a list and the token of the next one, as output members."""
    start = int(token) if token and token.isdigit() else 0
    page = items[start : start + size]
    return page, ({"NextToken": str(start + size)} if start + size < len(items) else {})
