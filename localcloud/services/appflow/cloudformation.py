"""The CloudFormation types of AppFlow: calls of the service's own API."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from localcloud.base.api_type import ApiType, Properties


def _flow(properties: Properties) -> Properties:
    """CloudFormation has lists of keys and values where the API has maps, and a trigger's schedule one level higher."""
    tasks = [
        {
            **{key: value for key, value in task.items() if key != "TaskProperties"},
            "TaskProperties": {item["Key"]: item["Value"] for item in task.get("TaskProperties", [])},
        }
        for task in properties.get("Tasks", [])
    ]
    trigger = dict(properties.get("TriggerConfig", {}))
    if trigger.get("TriggerProperties"):
        trigger["TriggerProperties"] = {"Scheduled": trigger["TriggerProperties"]}
    changed = {"Tasks": tasks, "TriggerConfig": trigger}
    return {**properties, **{name: value for name, value in changed.items() if name in properties}}


def _first(name: str) -> Any:
    return lambda described: described["connectorProfileDetails"][0][name]


TYPES: Mapping[str, ApiType] = {
    "AWS::AppFlow::ConnectorProfile": ApiType(
        "appflow",
        "create_connector_profile",
        ref=lambda sent, answer: sent["connectorProfileName"],
        delete="delete_connector_profile",
        identity=lambda physical_id: {"connectorProfileName": physical_id},
        update="update_connector_profile",
        describe="describe_connector_profiles",
        describe_arguments=lambda physical_id: {"connectorProfileNames": [physical_id]},
        attributes={"ConnectorProfileArn": _first("connectorProfileArn")},
        rename={"KMSArn": "kmsArn"},
        replaced=frozenset({"ConnectorProfileName", "ConnectorType", "KMSArn", "ConnectorLabel"}),
        update_sends_all=True,
    ),
    "AWS::AppFlow::Flow": ApiType(
        "appflow",
        "create_flow",
        ref=lambda sent, answer: sent["flowName"],
        delete="delete_flow",
        identity=lambda physical_id: {"flowName": physical_id},
        update="update_flow",
        describe="describe_flow",
        attributes={"FlowArn": lambda described: described["flowArn"]},
        rename={"KMSArn": "kmsArn"},
        prepare=_flow,
        replaced=frozenset({"FlowName", "KMSArn"}),
        update_omits=frozenset({"Tags"}),
        update_sends_all=True,
    ),
}
