"""The CloudFormation types of Neptune: calls of the service's own API."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from localcloud.base.api_type import ApiType

_ENGINE = {"Engine": "neptune"}


def _associate(client: Any, cluster: str, old: Any, new: Any) -> None:
    """The roles of a cluster, one call each."""
    before, now = ({role["RoleArn"]: role for role in roles or ()} for roles in (old, new))
    for arn in before.keys() - now.keys():
        client.remove_role_from_db_cluster(DBClusterIdentifier=cluster, RoleArn=arn)
    for arn in now.keys() - before.keys():
        client.add_role_to_db_cluster(DBClusterIdentifier=cluster, **now[arn])


TYPES: Mapping[str, ApiType] = {
    "AWS::Neptune::DBSubnetGroup": ApiType(
        "neptune",
        "create_db_subnet_group",
        ref=lambda sent, answer: answer["DBSubnetGroup"]["DBSubnetGroupName"],
        delete="delete_db_subnet_group",
        identity=lambda physical_id: {"DBSubnetGroupName": physical_id},
        update="modify_db_subnet_group",
        update_sends_all=True,
        update_omits=frozenset({"Tags"}),
        replaced=frozenset({"DBSubnetGroupName"}),
        defaults=lambda stack, logical_id: {"DBSubnetGroupName": f"{stack}-{logical_id}".lower()},
    ),
    "AWS::Neptune::DBClusterParameterGroup": ApiType(
        "neptune",
        "create_db_cluster_parameter_group",
        ref=lambda sent, answer: answer["DBClusterParameterGroup"]["DBClusterParameterGroupName"],
        delete="delete_db_cluster_parameter_group",
        identity=lambda physical_id: {"DBClusterParameterGroupName": physical_id},
        rename={"Name": "DBClusterParameterGroupName", "Family": "DBParameterGroupFamily"},
        defaults=lambda stack, logical_id: {"DBClusterParameterGroupName": f"{stack}-{logical_id}".lower()},
    ),
    "AWS::Neptune::DBCluster": ApiType(
        "neptune",
        "create_db_cluster",
        ref=lambda sent, answer: answer["DBCluster"]["DBClusterIdentifier"],
        delete="delete_db_cluster",
        delete_arguments={"SkipFinalSnapshot": True},
        identity=lambda physical_id: {"DBClusterIdentifier": physical_id},
        update="modify_db_cluster",
        describe="describe_db_clusters",
        rename={"IamAuthEnabled": "EnableIAMDatabaseAuthentication", "DBPort": "Port"},
        replaced=frozenset({"DBClusterIdentifier", "DBSubnetGroupName", "KmsKeyId", "StorageEncrypted",
                            "AvailabilityZones"}),
        update_omits=frozenset({"Tags", "EngineVersion", "DBPort", "EnableCloudwatchLogsExports"}),
        defaults=lambda stack, logical_id: {**_ENGINE, "DBClusterIdentifier": f"{stack}-{logical_id}".lower()},
        apart={"AssociatedRoles": _associate},
        attributes={
            "Endpoint": lambda described: described["DBClusters"][0]["Endpoint"],
            "ReadEndpoint": lambda described: described["DBClusters"][0]["ReaderEndpoint"],
            "Port": lambda described: described["DBClusters"][0]["Port"],
            "ClusterResourceId": lambda described: described["DBClusters"][0]["DbClusterResourceId"],
        },
    ),
    "AWS::Neptune::DBInstance": ApiType(
        "neptune",
        "create_db_instance",
        ref=lambda sent, answer: answer["DBInstance"]["DBInstanceIdentifier"],
        delete="delete_db_instance",
        delete_arguments={"SkipFinalSnapshot": True},
        identity=lambda physical_id: {"DBInstanceIdentifier": physical_id},
        update="modify_db_instance",
        describe="describe_db_instances",
        replaced=frozenset({"DBInstanceIdentifier", "DBClusterIdentifier", "AvailabilityZone", "DBSubnetGroupName"}),
        update_omits=frozenset({"Tags"}),
        defaults=lambda stack, logical_id: {**_ENGINE, "DBInstanceIdentifier": f"{stack}-{logical_id}".lower()},
        attributes={
            "Endpoint": lambda described: described["DBInstances"][0]["Endpoint"]["Address"],
            "Port": lambda described: described["DBInstances"][0]["Endpoint"]["Port"],
        },
    ),
}  # fmt: skip
