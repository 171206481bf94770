"""The CloudFormation types of DMS: calls of the service's own API."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from localcloud.base.api_type import ApiType


def _by_arn(filter_name: str) -> Any:
    return lambda physical_id: {"Filters": [{"Name": filter_name, "Values": [physical_id]}]}


def _task_settled(described: Mapping[str, Any]) -> bool:
    return described["ReplicationTasks"][0]["Status"] in ("ready", "stopped", "failed")


TYPES: Mapping[str, ApiType] = {
    "AWS::DMS::ReplicationSubnetGroup": ApiType(
        "dms",
        "create_replication_subnet_group",
        ref=lambda sent, answer: answer["ReplicationSubnetGroup"]["ReplicationSubnetGroupIdentifier"],
        delete="delete_replication_subnet_group",
        identity=lambda physical_id: {"ReplicationSubnetGroupIdentifier": physical_id},
        update="modify_replication_subnet_group",
        defaults=lambda stack, logical_id: {"ReplicationSubnetGroupIdentifier": f"{stack}-{logical_id}".lower()},
        replaced=frozenset({"ReplicationSubnetGroupIdentifier"}),
        update_omits=frozenset({"Tags"}),
    ),
    "AWS::DMS::ReplicationInstance": ApiType(
        "dms",
        "create_replication_instance",
        ref=lambda sent, answer: answer["ReplicationInstance"]["ReplicationInstanceArn"],
        delete="delete_replication_instance",
        identity=lambda physical_id: {"ReplicationInstanceArn": physical_id},
        update="modify_replication_instance",
        describe="describe_replication_instances",
        describe_arguments=_by_arn("replication-instance-arn"),
        defaults=lambda stack, logical_id: {"ReplicationInstanceIdentifier": f"{stack}-{logical_id}".lower()},
        replaced=frozenset(
            {
                "AvailabilityZone",
                "KmsKeyId",
                "PubliclyAccessible",
                "ReplicationSubnetGroupIdentifier",
                "ResourceIdentifier",
            }
        ),
        update_omits=frozenset({"Tags"}),
        ready=lambda d: d["ReplicationInstances"][0]["ReplicationInstanceStatus"] == "available",
    ),
    "AWS::DMS::Endpoint": ApiType(
        "dms",
        "create_endpoint",
        ref=lambda sent, answer: answer["Endpoint"]["EndpointArn"],
        delete="delete_endpoint",
        identity=lambda physical_id: {"EndpointArn": physical_id},
        update="modify_endpoint",
        describe="describe_endpoints",
        describe_arguments=_by_arn("endpoint-arn"),
        attributes={"ExternalId": lambda d: d["Endpoints"][0].get("ExternalId", "")},
        defaults=lambda stack, logical_id: {"EndpointIdentifier": f"{stack}-{logical_id}".lower()},
        replaced=frozenset({"KmsKeyId", "ResourceIdentifier", "EndpointType"}),
        update_omits=frozenset({"Tags"}),
        ready=lambda d: d["Endpoints"][0]["Status"] == "active",
    ),
    "AWS::DMS::ReplicationTask": ApiType(
        "dms",
        "create_replication_task",
        ref=lambda sent, answer: answer["ReplicationTask"]["ReplicationTaskArn"],
        delete="delete_replication_task",
        identity=lambda physical_id: {"ReplicationTaskArn": physical_id},
        update="modify_replication_task",
        describe="describe_replication_tasks",
        describe_arguments=_by_arn("replication-task-arn"),
        defaults=lambda stack, logical_id: {"ReplicationTaskIdentifier": f"{stack}-{logical_id}".lower()},
        replaced=frozenset({"ReplicationInstanceArn", "SourceEndpointArn", "TargetEndpointArn", "ResourceIdentifier"}),
        update_omits=frozenset({"Tags"}),
        ready=_task_settled,
    ),
}
