"""The Redshift API for provisioned clusters, over the machine's warehouse process.

There is one warehouse, so there is one cluster, or one namespace of Redshift Serverless. What takes AWS minutes is done
when the call is answered. A paused cluster takes no statements of the Data API and gives no credentials; the port of
this machine, which it shares with whatever is made next, stays open. Node types, subnets and security groups are
recorded and change nothing here.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

from localcloud.base.api_type import ApiType
from localcloud.base.cloud import Cloud
from localcloud.base.errors import AwsError
from localcloud.base.service import Service
from localcloud.services.redshift.groups import GroupOperations
from localcloud.services.redshift.snapshots import SnapshotOperations
from localcloud.services.redshift_serverless import warehouse

_NAME = re.compile(r"^[a-z](?:-?[a-z0-9]){0,62}$")
_PASSWORD = re.compile(r"^(?=.*[a-z])(?=.*[A-Z])(?=.*\d)[\x21-\x7e]{8,64}$")
AVAILABLE, PAUSED = "available", "paused"


class RedshiftService(GroupOperations, SnapshotOperations, Service):
    """``redshift`` of boto3: clusters, snapshots, subnet groups, temporary credentials, tags."""

    name: ClassVar[str] = "redshift"
    cloudformation: ClassVar[Mapping[str, ApiType]] = {}

    def __init__(self, cloud: Cloud) -> None:
        super().__init__(cloud)
        self.state = {"clusters": {}, "snapshots": {}, "subnet_groups": {}, "tags": {}}

    def resource_arns(self, operation: str, params: dict[str, Any]) -> list[str]:
        """Source: "Actions, resources, and condition keys for Amazon Redshift"."""
        if "ResourceName" in params:
            return [str(params["ResourceName"])]
        cluster = str(params.get("ClusterIdentifier", params.get("SnapshotClusterIdentifier", "*"))).lower()
        if operation in ("GetClusterCredentials", "GetClusterCredentialsWithIAM"):
            return [self._arn("dbuser", f"{cluster}/{params.get('DbUser', '*')}")]
        if "SnapshotIdentifier" in params:
            return [self._arn("snapshot", f"{cluster}/{str(params['SnapshotIdentifier']).lower()}")]
        if "ClusterIdentifier" in params:
            return [self._arn("cluster", cluster)]
        if "ClusterSubnetGroupName" in params:
            return [self._arn("subnetgroup", str(params["ClusterSubnetGroupName"]).lower())]
        return ["*"]

    def _arn(self, kind: str, name: str) -> str:
        return self.cloud.arn("redshift", f"{kind}:{name}")

    # clusters --------------------------------------------------------------------------------------------------------

    def create_cluster(
        self,
        ClusterIdentifier: str,
        NodeType: str,
        MasterUsername: str,
        MasterUserPassword: str | None = None,
        DBName: str = "dev",
        ClusterType: str = "multi-node",
        NumberOfNodes: int | None = None,
        ClusterSecurityGroups: list[str] | None = None,
        VpcSecurityGroupIds: list[str] | None = None,
        ClusterSubnetGroupName: str | None = None,
        AvailabilityZone: str | None = None,
        PreferredMaintenanceWindow: str = "sun:04:00-sun:04:30",
        ClusterParameterGroupName: str = "default.redshift-1.0",
        AutomatedSnapshotRetentionPeriod: int = 1,
        ManualSnapshotRetentionPeriod: int = -1,
        Port: int | None = None,
        ClusterVersion: str = "1.0",
        AllowVersionUpgrade: bool = True,
        PubliclyAccessible: bool = False,
        Encrypted: bool = False,
        KmsKeyId: str | None = None,
        EnhancedVpcRouting: bool = False,
        IamRoles: list[str] | None = None,
        Tags: list[dict[str, str]] | None = None,
    ) -> dict[str, Any]:
        """Give the machine's warehouse to a new cluster, with an empty database and its admin."""
        if MasterUserPassword is None or not _PASSWORD.match(MasterUserPassword):
            raise AwsError(
                "InvalidParameterValue",
                "MasterUserPassword must have 8 to 64 characters with an upper-case letter, a lower-case letter and a "
                "digit",
            )
        nodes = 1 if ClusterType == "single-node" else NumberOfNodes or 2
        cluster: dict[str, Any] = {
            "NodeType": NodeType, "MasterUsername": MasterUsername.lower(), "DBName": DBName, "NumberOfNodes": nodes,
            "VpcSecurityGroupIds": VpcSecurityGroupIds or [], "ClusterSubnetGroupName": ClusterSubnetGroupName,
            "AvailabilityZone": AvailabilityZone or f"{self.cloud.region}a", "KmsKeyId": KmsKeyId,
            "PreferredMaintenanceWindow": PreferredMaintenanceWindow, "ClusterVersion": ClusterVersion,
            "ClusterParameterGroupName": ClusterParameterGroupName, "AllowVersionUpgrade": AllowVersionUpgrade,
            "AutomatedSnapshotRetentionPeriod": AutomatedSnapshotRetentionPeriod, "Encrypted": Encrypted,
            "ManualSnapshotRetentionPeriod": ManualSnapshotRetentionPeriod, "PubliclyAccessible": PubliclyAccessible,
            "EnhancedVpcRouting": EnhancedVpcRouting, "IamRoles": IamRoles or [],
        }  # fmt: skip
        with self.lock:
            made = self._add(ClusterIdentifier, cluster, Tags)
            warehouse.put_database(self.cloud, DBName)
            warehouse.put_user(self.cloud, cluster["MasterUsername"], MasterUserPassword, superuser=True)
            return made

    def _add(self, name: str, cluster: dict[str, Any], tags: list[dict[str, str]] | None = None) -> dict[str, Any]:
        name = name.lower()
        if not _NAME.match(name):
            raise AwsError("InvalidParameterValue", f"The parameter ClusterIdentifier is not valid: {name!r}")
        if cluster["ClusterSubnetGroupName"] is not None:
            self.subnet_group(cluster["ClusterSubnetGroupName"])
        if name in self.state["clusters"]:
            raise AwsError("ClusterAlreadyExists", f"Cluster {name} already exists.")
        namespaces = self.cloud.client("redshift-serverless").list_namespaces()["namespaces"]
        taken = [*self.state["clusters"], *(item["namespaceName"] for item in namespaces)]
        if taken:
            raise AwsError(
                "ClusterQuotaExceeded",
                f"the local cloud runs one warehouse, which is {taken[0]}'s: delete it before creating {name}",
            )
        self.state["clusters"][name] = {
            **cluster, "ClusterIdentifier": name, "ClusterStatus": AVAILABLE, "Created": datetime.now(UTC).isoformat(),
        }  # fmt: skip
        self._set_tags(self._arn("cluster", name), tags)
        self.changed()
        return {"Cluster": self._shown(name)}

    def describe_clusters(
        self,
        ClusterIdentifier: str | None = None,
        MaxRecords: int | None = None,
        Marker: str | None = None,
        TagKeys: list[str] | None = None,
        TagValues: list[str] | None = None,
    ) -> dict[str, Any]:
        """The clusters, or the one of a name, or those with any of the tags."""
        with self.lock:
            names = [ClusterIdentifier] if ClusterIdentifier else list(self.state["clusters"])
            shown = [self._shown(name) for name in names]
        if TagKeys or TagValues:
            shown = [
                cluster for cluster in shown
                if any(tag["Key"] in (TagKeys or []) or tag["Value"] in (TagValues or []) for tag in cluster["Tags"])
            ]  # fmt: skip
        return {"Clusters": shown}

    def modify_cluster(
        self,
        ClusterIdentifier: str,
        NodeType: str | None = None,
        NumberOfNodes: int | None = None,
        VpcSecurityGroupIds: list[str] | None = None,
        MasterUserPassword: str | None = None,
        AutomatedSnapshotRetentionPeriod: int | None = None,
        ManualSnapshotRetentionPeriod: int | None = None,
        PreferredMaintenanceWindow: str | None = None,
        AllowVersionUpgrade: bool | None = None,
        PubliclyAccessible: bool | None = None,
        EnhancedVpcRouting: bool | None = None,
    ) -> dict[str, Any]:
        """Change a cluster at once."""
        changes = {
            "NodeType": NodeType, "NumberOfNodes": NumberOfNodes, "VpcSecurityGroupIds": VpcSecurityGroupIds,
            "AutomatedSnapshotRetentionPeriod": AutomatedSnapshotRetentionPeriod,
            "ManualSnapshotRetentionPeriod": ManualSnapshotRetentionPeriod, "PubliclyAccessible": PubliclyAccessible,
            "PreferredMaintenanceWindow": PreferredMaintenanceWindow, "AllowVersionUpgrade": AllowVersionUpgrade,
            "EnhancedVpcRouting": EnhancedVpcRouting,
        }  # fmt: skip
        with self.lock:
            cluster = self._available(ClusterIdentifier)
            if MasterUserPassword is not None:
                if not _PASSWORD.match(MasterUserPassword):
                    raise AwsError("InvalidParameterValue", "MasterUserPassword is not valid")
                warehouse.put_user(self.cloud, cluster["MasterUsername"], MasterUserPassword, superuser=True)
            cluster.update({key: value for key, value in changes.items() if value is not None})
            self.changed()
            return {"Cluster": self._shown(cluster["ClusterIdentifier"])}

    def pause_cluster(self, ClusterIdentifier: str) -> dict[str, Any]:
        """Stop taking statements; the data stays."""
        return self._turn(ClusterIdentifier, AVAILABLE, PAUSED)

    def resume_cluster(self, ClusterIdentifier: str) -> dict[str, Any]:
        """Take statements again."""
        return self._turn(ClusterIdentifier, PAUSED, AVAILABLE)

    def _turn(self, name: str, before: str, after: str) -> dict[str, Any]:
        with self.lock:
            cluster = self._cluster(name)
            if cluster["ClusterStatus"] != before:
                raise AwsError(
                    "InvalidClusterState", f"Cluster {name} is {cluster['ClusterStatus']}, and has to be {before}."
                )
            cluster["ClusterStatus"] = after
            self.changed()
            return {"Cluster": self._shown(name)}

    def delete_cluster(
        self,
        ClusterIdentifier: str,
        SkipFinalClusterSnapshot: bool = False,
        FinalClusterSnapshotIdentifier: str | None = None,
        FinalClusterSnapshotRetentionPeriod: int = -1,
    ) -> dict[str, Any]:
        """Delete a cluster with its database and admin, after a last snapshot unless that is skipped."""
        with self.lock:
            cluster = self._cluster(ClusterIdentifier)
            name = cluster["ClusterIdentifier"]
            if SkipFinalClusterSnapshot == bool(FinalClusterSnapshotIdentifier):
                raise AwsError(
                    "InvalidParameterCombination",
                    "FinalClusterSnapshotIdentifier must be given, unless SkipFinalClusterSnapshot is true",
                )
            if FinalClusterSnapshotIdentifier:
                self.create_cluster_snapshot(FinalClusterSnapshotIdentifier, name, FinalClusterSnapshotRetentionPeriod)
            shown = {**self._shown(name), "ClusterStatus": "deleting"}
            warehouse.drop_database(self.cloud, cluster["DBName"])
            warehouse.drop_user(self.cloud, cluster["MasterUsername"])
            del self.state["clusters"][name]
            self.state["tags"].pop(self._arn("cluster", name), None)
            self.changed()
        return {"Cluster": shown}

    def get_cluster_credentials(
        self,
        DbUser: str,
        ClusterIdentifier: str,
        DbName: str | None = None,
        DurationSeconds: int = 900,
        AutoCreate: bool = False,
    ) -> dict[str, Any]:
        """A temporary password for a database user, who logs in as ``IAM:<user>``."""
        if not 900 <= DurationSeconds <= 3600:
            raise AwsError("InvalidParameterValue", "DurationSeconds must be between 900 and 3600")
        with self.lock:
            self._available(ClusterIdentifier)
        expiration = datetime.now(UTC) + timedelta(seconds=DurationSeconds)
        password = secrets.token_urlsafe(32)
        warehouse.put_temporary_password(
            self.cloud, DbUser.lower(), password, f"{expiration:%Y-%m-%d %H:%M:%S}", create=AutoCreate
        )
        return {"DbUser": f"IAM:{DbUser.lower()}", "DbPassword": password, "Expiration": expiration}

    # ----------------------------------------------------------------------------------------------------------------

    def _cluster(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] | None = self.state["clusters"].get(name.lower())
        if found is None:
            raise AwsError("ClusterNotFound", f"Cluster {name.lower()} not found.", 404)
        return found

    def _available(self, name: str) -> dict[str, Any]:
        cluster = self._cluster(name)
        if cluster["ClusterStatus"] != AVAILABLE:
            raise AwsError("InvalidClusterState", f"Cluster {name} is {cluster['ClusterStatus']}.")
        return cluster

    def _shown(self, name: str) -> dict[str, Any]:
        cluster = self._cluster(name)
        name = cluster["ClusterIdentifier"]
        server = self.cloud.server(warehouse.SERVER)
        hidden = ("Created", "VpcSecurityGroupIds", "IamRoles", "ClusterParameterGroupName")
        group = self.state["subnet_groups"].get(cluster["ClusterSubnetGroupName"])
        return {
            **{key: value for key, value in cluster.items() if key not in hidden and value is not None},
            "ClusterAvailabilityStatus": "Available" if cluster["ClusterStatus"] == AVAILABLE else "Unavailable",
            # Where the cluster really listens: this machine has one port for it, whichever was asked for.
            "Endpoint": {"Address": server.host, "Port": server.port},
            "ClusterCreateTime": datetime.fromisoformat(cluster["Created"]),
            "ClusterNamespaceArn": self._arn("namespace", name),
            "VpcSecurityGroups": [
                {"VpcSecurityGroupId": item, "Status": "active"} for item in cluster["VpcSecurityGroupIds"]
            ],
            "VpcId": group["VpcId"] if group else "",
            "ClusterParameterGroups": [
                {"ParameterGroupName": cluster["ClusterParameterGroupName"], "ParameterApplyStatus": "in-sync"}
            ],
            "IamRoles": [{"IamRoleArn": role, "ApplyStatus": "in-sync"} for role in cluster["IamRoles"]],
            "Tags": self._shown_tags(self._arn("cluster", name)),
        }
