"""The Neptune service: one cluster on the machine's Gremlin Server, its instances, subnet and parameter groups.

Creating and deleting take no time here; what AWS does in minutes is `available`, or gone, at once. Snapshots, restores,
replicas and global clusters have no engine and are refused.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, ClassVar

import httpx
from botocore.exceptions import ClientError

from localcloud.base.api_type import ApiType
from localcloud.base.cloud import Cloud
from localcloud.base.errors import AwsError
from localcloud.base.service import Service
from localcloud.base.signed_requests import EndpointAuthorization
from localcloud.servers.gremlin import script_request
from localcloud.services.neptune.cloudformation import TYPES
from localcloud.services.neptune.endpoint import ClusterEndpoint, ServedCluster
from localcloud.services.neptune.groups import GroupOperations
from localcloud.services.neptune.loader import ASSUMED_BY, Loader

SERVER, ENDPOINT = "gremlin", "neptune-cluster"
ENGINE, ENGINE_VERSION = "neptune", "1.4.5.1"
AVAILABLE, STOPPED = "available", "stopped"
_PORT = 8182
_CLUSTER = {
    "BackupRetentionPeriod": 1, "PreferredBackupWindow": "03:00-03:30", "DeletionProtection": False,
    "PreferredMaintenanceWindow": "sun:04:00-sun:04:30", "StorageEncrypted": False, "CopyTagsToSnapshot": False,
    "StorageType": "standard", "NetworkType": "IPV4", "EnableCloudwatchLogsExports": [],
    "DBClusterParameterGroupName": "default.neptune1.4", "DBSubnetGroupName": "default",
}  # fmt: skip


class NeptuneService(GroupOperations, Service):
    """Clusters and instances. A cluster's graph is the machine's: there is one cluster at a time."""

    name: ClassVar[str] = "neptune"
    iam_prefix: ClassVar[str] = "rds"
    cloudformation: ClassVar[Mapping[str, ApiType]] = TYPES

    def __init__(self, cloud: Cloud) -> None:
        super().__init__(cloud)
        self.state = {"clusters": {}, "instances": {}, "subnet_groups": {}, "parameter_groups": {}, "tags": {},
                      "loads": {}}  # fmt: skip
        self._endpoint: ClusterEndpoint | None = None

    def start(self) -> None:
        """Listen at the cluster's endpoint, when the machine has a Gremlin Server."""
        servers = self.cloud.servers
        if SERVER not in servers or ENDPOINT not in servers:
            self.log.info("this machine runs no Gremlin Server: clusters cannot be created")
            return
        server, address = servers[SERVER], servers[ENDPOINT]
        server_url = f"http://{server.host}:{server.port}"
        loads = self.state.setdefault("loads", {})
        self._endpoint = ClusterEndpoint(
            address.host,
            address.port,
            server_url,
            EndpointAuthorization(self.cloud.account_id, self.cloud.region, "neptune-db"),
            self._served,
            Loader(self.cloud, server_url, loads, self.lock, self.changed),
        )
        self._endpoint.start()

    def stop(self) -> None:
        """Stop listening."""
        if self._endpoint is not None:
            self._endpoint.stop()

    def resource_arns(self, operation: str, params: dict[str, Any]) -> list[str]:
        """Source: "Actions, resources, and condition keys for Amazon RDS", which are Neptune's management actions."""
        if "ResourceName" in params:
            return [str(params["ResourceName"])]
        kinds = {"DBInstanceIdentifier": "db", "DBClusterIdentifier": "cluster", "DBSubnetGroupName": "subgrp",
                 "DBClusterParameterGroupName": "cluster-pg"}  # fmt: skip
        return [self._arn(kind, params[key]) for key, kind in kinds.items() if key in params] or ["*"]

    def _arn(self, kind: str, name: str) -> str:
        return self.cloud.arn("rds", f"{kind}:{name.lower()}")

    def _served(self) -> ServedCluster | None:
        with self.lock:
            for cluster in self.state["clusters"].values():
                runs = cluster.get("Status", AVAILABLE) == AVAILABLE
                if runs and any(i["DBClusterIdentifier"] == cluster["Name"] for i in self.state["instances"].values()):
                    arn = self.cloud.arn("neptune-db", cluster["ResourceId"])
                    return ServedCluster(
                        arn,
                        cluster["EnableIAMDatabaseAuthentication"],
                        cluster["EngineVersion"],
                        tuple(cluster.get("Roles", {})),
                    )
        return None

    # clusters --------------------------------------------------------------------------------------------------------

    def create_db_cluster(
        self,
        DBClusterIdentifier: str,
        Engine: str,
        EngineVersion: str = ENGINE_VERSION,
        AvailabilityZones: list[str] | None = None,
        BackupRetentionPeriod: int | None = None,
        CopyTagsToSnapshot: bool | None = None,
        DBClusterParameterGroupName: str | None = None,
        VpcSecurityGroupIds: list[str] | None = None,
        DBSubnetGroupName: str | None = None,
        Port: int = _PORT,
        PreferredBackupWindow: str | None = None,
        PreferredMaintenanceWindow: str | None = None,
        Tags: list[dict[str, str]] | None = None,
        StorageEncrypted: bool | None = None,
        KmsKeyId: str | None = None,
        EnableIAMDatabaseAuthentication: bool = False,
        EnableCloudwatchLogsExports: list[str] | None = None,
        DeletionProtection: bool | None = None,
        ServerlessV2ScalingConfiguration: dict[str, float] | None = None,
        StorageType: str | None = None,
    ) -> dict[str, Any]:
        """Give the machine's graph to a new cluster; it answers once it has an instance."""
        if Engine != ENGINE:
            raise AwsError("InvalidParameterValue", f"Engine must be {ENGINE}, got {Engine!r}")
        if self._endpoint is None:
            raise AwsError("InsufficientDBClusterCapacityFault", "this machine runs no Gremlin Server")
        if not EngineVersion.startswith("1."):
            raise AwsError("InvalidParameterCombination", f"Cannot find version {EngineVersion} for {ENGINE}")
        if DBSubnetGroupName is not None:
            self.subnet_group(DBSubnetGroupName)
        if DBClusterParameterGroupName is not None and not DBClusterParameterGroupName.startswith("default."):
            self.parameter_group(DBClusterParameterGroupName)
        if KmsKeyId is not None:
            self._check_key(KmsKeyId)
        given = {
            "AvailabilityZones": AvailabilityZones, "BackupRetentionPeriod": BackupRetentionPeriod,
            "CopyTagsToSnapshot": CopyTagsToSnapshot, "DBClusterParameterGroupName": DBClusterParameterGroupName,
            "VpcSecurityGroupIds": VpcSecurityGroupIds, "DBSubnetGroupName": DBSubnetGroupName,
            "PreferredBackupWindow": PreferredBackupWindow, "KmsKeyId": KmsKeyId, "StorageType": StorageType,
            "PreferredMaintenanceWindow": PreferredMaintenanceWindow, "StorageEncrypted": StorageEncrypted,
            "EnableCloudwatchLogsExports": EnableCloudwatchLogsExports, "DeletionProtection": DeletionProtection,
            "ServerlessV2ScalingConfiguration": ServerlessV2ScalingConfiguration,
        }  # fmt: skip
        name = DBClusterIdentifier.lower()
        with self.lock:
            if name in self.state["clusters"]:
                raise AwsError("DBClusterAlreadyExistsFault", f"DB cluster {name} already exists")
            if self.state["clusters"]:
                raise AwsError(
                    "DBClusterQuotaExceededFault",
                    f"the local cloud has one graph, which the cluster {next(iter(self.state['clusters']))} has",
                )
            self.state["clusters"][name] = {
                **_CLUSTER, **{key: value for key, value in given.items() if value is not None},
                "Name": name, "ResourceId": f"cluster-{secrets.token_hex(13).upper()}", "Port": Port,
                "EngineVersion": EngineVersion, "EnableIAMDatabaseAuthentication": EnableIAMDatabaseAuthentication,
                "Created": datetime.now(UTC).isoformat(),
            }  # fmt: skip
            self.set_tags(self._arn("cluster", name), Tags)
            self.changed()
        return {"DBCluster": self._shown_cluster(name)}

    def add_role_to_db_cluster(self, DBClusterIdentifier: str, RoleArn: str, FeatureName: str = "") -> None:
        """Let the cluster's bulk loader read S3 by a role, which has to trust rds.amazonaws.com."""
        self.cloud.role_credentials(RoleArn, ASSUMED_BY)
        with self.lock:
            roles = self._cluster(DBClusterIdentifier).setdefault("Roles", {})
            if RoleArn in roles:
                raise AwsError("DBClusterRoleAlreadyExists", f"{RoleArn} is associated with {DBClusterIdentifier}")
            roles[RoleArn] = FeatureName
            self.changed()

    def remove_role_from_db_cluster(self, DBClusterIdentifier: str, RoleArn: str, FeatureName: str = "") -> None:
        """Take the role from the cluster; loads that run go on."""
        with self.lock:
            if self._cluster(DBClusterIdentifier).get("Roles", {}).pop(RoleArn, None) is None:
                raise AwsError("DBClusterRoleNotFound", f"{RoleArn} is not associated with {DBClusterIdentifier}", 404)
            self.changed()

    def _check_key(self, key: str) -> None:
        try:
            self.cloud.client("kms").describe_key(KeyId=key)
        except ClientError as error:
            raise AwsError("KMSKeyNotAccessibleFault", f"the key {key}: {error}") from error

    def describe_db_clusters(
        self,
        DBClusterIdentifier: str | None = None,
        Filters: list[dict[str, Any]] | None = None,
        MaxRecords: int | None = None,
        Marker: str | None = None,
    ) -> dict[str, Any]:
        """The clusters, or the one of a name."""
        if Filters:
            wanted = {value for item in Filters if item["Name"] == "engine" for value in item["Values"]}
            if any(item["Name"] != "engine" for item in Filters):
                raise AwsError("InvalidParameterValue", "the only filter is engine")
            if ENGINE not in wanted:
                return {"DBClusters": []}
        with self.lock:
            named = [DBClusterIdentifier] if DBClusterIdentifier else list(self.state["clusters"])
            names = [self._cluster(name)["Name"] for name in named]
            return {"DBClusters": [self._shown_cluster(name) for name in names]}

    def modify_db_cluster(
        self,
        DBClusterIdentifier: str,
        ApplyImmediately: bool = False,
        BackupRetentionPeriod: int | None = None,
        DBClusterParameterGroupName: str | None = None,
        VpcSecurityGroupIds: list[str] | None = None,
        PreferredBackupWindow: str | None = None,
        PreferredMaintenanceWindow: str | None = None,
        EnableIAMDatabaseAuthentication: bool | None = None,
        DeletionProtection: bool | None = None,
        CopyTagsToSnapshot: bool | None = None,
        ServerlessV2ScalingConfiguration: dict[str, float] | None = None,
        StorageType: str | None = None,
    ) -> dict[str, Any]:
        """Change a cluster, at once whether asked for immediately or not."""
        given = {
            "BackupRetentionPeriod": BackupRetentionPeriod, "DBClusterParameterGroupName": DBClusterParameterGroupName,
            "VpcSecurityGroupIds": VpcSecurityGroupIds, "PreferredBackupWindow": PreferredBackupWindow,
            "PreferredMaintenanceWindow": PreferredMaintenanceWindow, "DeletionProtection": DeletionProtection,
            "EnableIAMDatabaseAuthentication": EnableIAMDatabaseAuthentication, "StorageType": StorageType,
            "CopyTagsToSnapshot": CopyTagsToSnapshot,
            "ServerlessV2ScalingConfiguration": ServerlessV2ScalingConfiguration,
        }  # fmt: skip
        with self.lock:
            cluster = self._cluster(DBClusterIdentifier)
            cluster.update({key: value for key, value in given.items() if value is not None})
            self.changed()
        return {"DBCluster": self._shown_cluster(cluster["Name"])}

    def delete_db_cluster(
        self, DBClusterIdentifier: str, SkipFinalSnapshot: bool = False, FinalDBSnapshotIdentifier: str | None = None
    ) -> dict[str, Any]:
        """Delete a cluster and its graph. Its instances have to be gone, and snapshots cannot be made here."""
        with self.lock:
            cluster = self._cluster(DBClusterIdentifier)
            if cluster["DeletionProtection"]:
                raise AwsError(
                    "InvalidParameterCombination",
                    "Cannot delete protected Cluster, please disable deletion protection and try again.",
                )
            if any(i["DBClusterIdentifier"] == cluster["Name"] for i in self.state["instances"].values()):
                raise AwsError(
                    "InvalidDBClusterStateFault",
                    "Cluster cannot be deleted, it still contains DB instances in non-deleting state.",
                )
            if not SkipFinalSnapshot:
                raise AwsError("InvalidParameterCombination", "the local cloud makes no snapshots: delete the cluster "
                               "with SkipFinalSnapshot")  # fmt: skip
            shown = {**self._shown_cluster(cluster["Name"]), "Status": "deleting"}
            self._erase()
            del self.state["clusters"][cluster["Name"]]
            self.state["tags"].pop(self._arn("cluster", cluster["Name"]), None)
            self.changed()
        return {"DBCluster": shown}

    def stop_db_cluster(self, DBClusterIdentifier: str) -> dict[str, Any]:
        """Stop a cluster: its endpoint answers nobody until it is started; the graph stays."""
        return self._turn(DBClusterIdentifier, AVAILABLE, STOPPED)

    def start_db_cluster(self, DBClusterIdentifier: str) -> dict[str, Any]:
        """Start a cluster that was stopped."""
        return self._turn(DBClusterIdentifier, STOPPED, AVAILABLE)

    def _turn(self, name: str, before: str, after: str) -> dict[str, Any]:
        with self.lock:
            cluster = self._cluster(name)
            status = cluster.get("Status", AVAILABLE)
            if status != before:
                raise AwsError("InvalidDBClusterStateFault", f"DbCluster {name} is in {status} state")
            cluster["Status"] = after
            self.changed()
            return {"DBCluster": self._shown_cluster(cluster["Name"])}

    def _erase(self) -> None:
        server = self.cloud.servers[SERVER]
        url, asked = f"http://{server.host}:{server.port}/gremlin", script_request("g.V().drop()")
        answer = httpx.post(url, json=asked, timeout=120, trust_env=False)
        if answer.status_code != 200:
            raise AwsError("InternalFailure", f"the graph could not be erased: {answer.text[:500]}", 500)

    def _cluster(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] | None = self.state["clusters"].get(name.lower())
        if found is None:
            raise AwsError("DBClusterNotFoundFault", f"DBCluster {name} not found.", 404)
        return found

    def _shown_cluster(self, name: str) -> dict[str, Any]:
        cluster = self._cluster(name)
        address = self.cloud.servers[ENDPOINT]
        members = [
            {"DBInstanceIdentifier": i["Name"], "IsClusterWriter": index == 0, "PromotionTier": 1,
             "DBClusterParameterGroupStatus": "in-sync"}
            for index, i in enumerate(self.state["instances"].values()) if i["DBClusterIdentifier"] == name
        ]  # fmt: skip
        kept = ("BackupRetentionPeriod", "PreferredBackupWindow", "PreferredMaintenanceWindow", "StorageEncrypted",
                "KmsKeyId", "CopyTagsToSnapshot", "DeletionProtection", "StorageType", "NetworkType", "EngineVersion",
                "AvailabilityZones", "ServerlessV2ScalingConfiguration")  # fmt: skip
        return {
            **{key: cluster[key] for key in kept if key in cluster},
            "DBClusterIdentifier": name,
            "DBClusterArn": self._arn("cluster", name),
            "DbClusterResourceId": cluster["ResourceId"],
            "DBClusterParameterGroup": cluster["DBClusterParameterGroupName"],
            "DBSubnetGroup": cluster["DBSubnetGroupName"],
            "VpcSecurityGroups": [
                {"VpcSecurityGroupId": group, "Status": "active"} for group in cluster.get("VpcSecurityGroupIds", [])
            ],
            "EnabledCloudwatchLogsExports": cluster["EnableCloudwatchLogsExports"],
            "IAMDatabaseAuthenticationEnabled": cluster["EnableIAMDatabaseAuthentication"],
            "ClusterCreateTime": datetime.fromisoformat(cluster["Created"]),
            "DBClusterMembers": members,
            "AssociatedRoles": [
                {"RoleArn": role, "Status": "ACTIVE", **({"FeatureName": feature} if feature else {})}
                for role, feature in cluster.get("Roles", {}).items()
            ],
            "Engine": ENGINE,
            "Status": cluster.get("Status", AVAILABLE),
            "MultiAZ": False,
            # Where the cluster really listens: this machine has one port for it, whichever was asked for.
            "Endpoint": address.host,
            "ReaderEndpoint": address.host,
            "Port": address.port,
        }

    # instances -------------------------------------------------------------------------------------------------------

    def create_db_instance(
        self,
        DBInstanceIdentifier: str,
        DBInstanceClass: str,
        Engine: str,
        DBClusterIdentifier: str,
        AvailabilityZone: str | None = None,
        PreferredMaintenanceWindow: str | None = None,
        DBParameterGroupName: str | None = None,
        DBSubnetGroupName: str | None = None,
        EngineVersion: str | None = None,
        AutoMinorVersionUpgrade: bool = True,
        PubliclyAccessible: bool = False,
        Tags: list[dict[str, str]] | None = None,
        PromotionTier: int = 1,
    ) -> dict[str, Any]:
        """Add an instance to a cluster: the first writes, the others read; all of them are the one server."""
        if Engine != ENGINE:
            raise AwsError("InvalidParameterValue", f"Engine must be {ENGINE}, got {Engine!r}")
        name = DBInstanceIdentifier.lower()
        with self.lock:
            cluster = self._cluster(DBClusterIdentifier)
            if name in self.state["instances"]:
                raise AwsError("DBInstanceAlreadyExists", f"DB Instance {name} already exists")
            self.state["instances"][name] = {
                "Name": name, "DBClusterIdentifier": cluster["Name"], "DBInstanceClass": DBInstanceClass,
                "AvailabilityZone": AvailabilityZone or f"{self.cloud.region}a", "PromotionTier": PromotionTier,
                "AutoMinorVersionUpgrade": AutoMinorVersionUpgrade, "PubliclyAccessible": PubliclyAccessible,
                "PreferredMaintenanceWindow": PreferredMaintenanceWindow or _CLUSTER["PreferredMaintenanceWindow"],
                "DBParameterGroupName": DBParameterGroupName or "default.neptune1.4",
                "ResourceId": f"db-{secrets.token_hex(13).upper()}", "Created": datetime.now(UTC).isoformat(),
            }  # fmt: skip
            self.set_tags(self._arn("db", name), Tags)
            self.changed()
            return {"DBInstance": self._shown_instance(name)}

    def describe_db_instances(
        self,
        DBInstanceIdentifier: str | None = None,
        Filters: list[dict[str, Any]] | None = None,
        MaxRecords: int | None = None,
        Marker: str | None = None,
    ) -> dict[str, Any]:
        """The instances, or the one of a name; filters by `db-cluster-id` and `engine`."""
        with self.lock:
            named = [DBInstanceIdentifier] if DBInstanceIdentifier else list(self.state["instances"])
            found = [self._instance(name) for name in named]
            for item in Filters or []:
                if item["Name"] not in ("db-cluster-id", "engine"):
                    raise AwsError("InvalidParameterValue", "the filters are db-cluster-id and engine")
                values = {value.rsplit(":", 1)[-1] for value in item["Values"]}
                by_cluster = item["Name"] == "db-cluster-id"
                found = [i for i in found if (i["DBClusterIdentifier"] if by_cluster else ENGINE) in values]
            return {"DBInstances": [self._shown_instance(instance["Name"]) for instance in found]}

    def modify_db_instance(
        self,
        DBInstanceIdentifier: str,
        DBInstanceClass: str | None = None,
        ApplyImmediately: bool = False,
        PreferredMaintenanceWindow: str | None = None,
        AutoMinorVersionUpgrade: bool | None = None,
        PromotionTier: int | None = None,
    ) -> dict[str, Any]:
        """Change an instance."""
        given = {"DBInstanceClass": DBInstanceClass, "PreferredMaintenanceWindow": PreferredMaintenanceWindow,
                 "AutoMinorVersionUpgrade": AutoMinorVersionUpgrade, "PromotionTier": PromotionTier}  # fmt: skip
        with self.lock:
            instance = self._instance(DBInstanceIdentifier)
            instance.update({key: value for key, value in given.items() if value is not None})
            self.changed()
            return {"DBInstance": self._shown_instance(instance["Name"])}

    def delete_db_instance(
        self, DBInstanceIdentifier: str, SkipFinalSnapshot: bool = False, FinalDBSnapshotIdentifier: str | None = None
    ) -> dict[str, Any]:
        """Take an instance out of its cluster; the graph stays."""
        with self.lock:
            instance = self._instance(DBInstanceIdentifier)
            shown = {**self._shown_instance(instance["Name"]), "DBInstanceStatus": "deleting"}
            del self.state["instances"][instance["Name"]]
            self.state["tags"].pop(self._arn("db", instance["Name"]), None)
            self.changed()
        return {"DBInstance": shown}

    def _instance(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] | None = self.state["instances"].get(name.lower())
        if found is None:
            raise AwsError("DBInstanceNotFound", f"DBInstance {name} not found.", 404)
        return found

    def _shown_instance(self, name: str) -> dict[str, Any]:
        instance = self._instance(name)
        cluster = self._cluster(instance["DBClusterIdentifier"])
        address = self.cloud.servers[ENDPOINT]
        kept = ("DBClusterIdentifier", "DBInstanceClass", "AvailabilityZone", "PromotionTier", "PubliclyAccessible",
                "AutoMinorVersionUpgrade", "PreferredMaintenanceWindow")  # fmt: skip
        return {
            **{key: instance[key] for key in kept},
            "DBInstanceIdentifier": name,
            "DBInstanceArn": self._arn("db", name),
            "DbiResourceId": instance["ResourceId"],
            "DBInstanceStatus": cluster.get("Status", AVAILABLE),
            "Engine": ENGINE,
            "EngineVersion": cluster["EngineVersion"],
            "Endpoint": {"Address": address.host, "Port": address.port},
            "InstanceCreateTime": datetime.fromisoformat(instance["Created"]),
            "DBParameterGroups": [
                {"DBParameterGroupName": instance["DBParameterGroupName"], "ParameterApplyStatus": "in-sync"}
            ],
            "StorageEncrypted": cluster["StorageEncrypted"],
            "IAMDatabaseAuthenticationEnabled": cluster["EnableIAMDatabaseAuthentication"],
            "MultiAZ": False,
        }
