"""The CloudFormation types of Athena: calls of the service's own API."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from localcloud.base.api_type import ApiType, Attributes, Properties

_CONFIGURATION = "WorkGroupConfiguration"


@dataclass(frozen=True)
class WorkGroupType(ApiType):
    """A workgroup: its state is set by an update, and updates have a shape of their own."""

    def needs_replacement(self, old: Properties, new: Properties) -> bool:
        """Only a new name makes a new workgroup."""
        return old.get("Name") != new.get("Name")

    def create_resource(
        self, client: Any, logical_id: str, properties: Properties, stack_name: str
    ) -> tuple[str, Attributes]:
        """Create the workgroup, then disable it if that is its state."""
        given = {key: value for key, value in properties.items() if key not in ("State", "RecursiveDeleteOption")}
        physical_id, attributes = super().create_resource(client, logical_id, given, stack_name)
        if properties.get("State", "ENABLED") != "ENABLED":
            client.update_work_group(WorkGroup=physical_id, State=properties["State"])
        return physical_id, attributes

    def update_resource(self, client: Any, physical_id: str, old: Properties, new: Properties) -> Attributes:
        """Change what differs; a member that is gone is removed."""
        created = self._parameters(
            client, self.create, {"Name": physical_id, **{k: v for k, v in new.items() if k == _CONFIGURATION}}, ""
        )
        before = (old.get(_CONFIGURATION) or {}).get("ResultConfiguration") or {}
        configuration = dict(created.get("Configuration", {}))
        results = dict(configuration.pop("ResultConfiguration", {}))
        removed = {f"Remove{key}": True for key in before if key not in results}
        updates = {**configuration, "ResultConfigurationUpdates": {**results, **removed}}
        if "BytesScannedCutoffPerQuery" not in configuration:
            updates["RemoveBytesScannedCutoffPerQuery"] = True
        client.update_work_group(
            WorkGroup=physical_id,
            Description=new.get("Description", ""),
            State=new.get("State", "ENABLED"),
            ConfigurationUpdates=updates,
        )
        return self._settled(client, physical_id)


def _prepared_identity(physical_id: str) -> Mapping[str, Any]:
    name, workgroup = physical_id.split("|", 1)
    return {"StatementName": name, "WorkGroup": workgroup}


TYPES: Mapping[str, ApiType] = {
    "AWS::Athena::WorkGroup": WorkGroupType(
        "athena",
        "create_work_group",
        ref=lambda sent, answer: sent["Name"],
        delete="delete_work_group",
        identity=lambda physical_id: {"WorkGroup": physical_id},
        update="update_work_group",
        describe="get_work_group",
        rename={_CONFIGURATION: "Configuration"},
        replaced=frozenset({"Name"}),
        # A deletion knows the resource's id only, not whether its template said RecursiveDeleteOption.
        delete_arguments={"RecursiveDeleteOption": True},
        attributes={"CreationTime": lambda described: described["WorkGroup"]["CreationTime"]},
    ),
    "AWS::Athena::NamedQuery": ApiType(
        "athena",
        "create_named_query",
        ref=lambda sent, answer: answer["NamedQueryId"],
        delete="delete_named_query",
        identity=lambda physical_id: {"NamedQueryId": physical_id},
        defaults=lambda stack, logical_id: {"Name": f"{stack}-{logical_id}"},
    ),
    "AWS::Athena::PreparedStatement": ApiType(
        "athena",
        "create_prepared_statement",
        ref=lambda sent, answer: f"{sent['StatementName']}|{sent['WorkGroup']}",
        delete="delete_prepared_statement",
        identity=_prepared_identity,
        update="update_prepared_statement",
        update_sends_all=True,
        replaced=frozenset({"StatementName", "WorkGroup"}),
    ),
}
