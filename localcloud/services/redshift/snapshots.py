"""Manual snapshots of a cluster: copies of its database that the warehouse keeps beside its own files."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from localcloud.base.errors import AwsError
from localcloud.services.redshift_serverless import warehouse

if TYPE_CHECKING:
    from localcloud.base.service import Service as Base
else:
    Base = object


class SnapshotOperations(Base):
    """Snapshots are taken at once: a statement that writes meanwhile makes them fail, not wait."""

    def _arn(self, kind: str, name: str) -> str:
        raise NotImplementedError

    def _available(self, name: str) -> dict[str, Any]:
        raise NotImplementedError

    def _add(self, name: str, cluster: dict[str, Any]) -> dict[str, Any]:
        raise NotImplementedError

    def _set_tags(self, arn: str, tags: list[dict[str, str]] | None) -> None:
        raise NotImplementedError

    def _shown_tags(self, arn: str) -> list[dict[str, str]]:
        raise NotImplementedError

    def create_cluster_snapshot(
        self,
        SnapshotIdentifier: str,
        ClusterIdentifier: str,
        ManualSnapshotRetentionPeriod: int = -1,
        Tags: list[dict[str, str]] | None = None,
    ) -> dict[str, Any]:
        """Copy what is committed in the cluster's database."""
        name = SnapshotIdentifier.lower()
        with self.lock:
            cluster = self._available(ClusterIdentifier)
            if name in self.state["snapshots"]:
                raise AwsError("ClusterSnapshotAlreadyExists", f"Snapshot {name} already exists.")
            warehouse.take_backup(self.cloud, cluster["DBName"], name)
            self.state["snapshots"][name] = {
                "Cluster": dict(cluster),
                "ManualSnapshotRetentionPeriod": ManualSnapshotRetentionPeriod,
                "Created": datetime.now(UTC).isoformat(),
            }
            self._set_tags(self._arn("snapshot", f"{cluster['ClusterIdentifier']}/{name}"), Tags)
            self.changed()
            return {"Snapshot": self._shown_snapshot(name)}

    def describe_cluster_snapshots(
        self,
        ClusterIdentifier: str | None = None,
        SnapshotIdentifier: str | None = None,
        SnapshotType: str | None = None,
        MaxRecords: int | None = None,
        Marker: str | None = None,
    ) -> dict[str, Any]:
        """The snapshots, of a cluster or of a name."""
        with self.lock:
            if SnapshotIdentifier:
                return {"Snapshots": [self._shown_snapshot(SnapshotIdentifier)]}
            shown = [self._shown_snapshot(name) for name in self.state["snapshots"]]
        of = ClusterIdentifier.lower() if ClusterIdentifier else None
        return {
            "Snapshots": [
                snapshot for snapshot in shown
                if of in (None, snapshot["ClusterIdentifier"]) and SnapshotType in (None, "manual")
            ]
        }  # fmt: skip

    def delete_cluster_snapshot(
        self, SnapshotIdentifier: str, SnapshotClusterIdentifier: str | None = None
    ) -> dict[str, Any]:
        """Delete a snapshot with its data."""
        name = SnapshotIdentifier.lower()
        with self.lock:
            shown = {**self._shown_snapshot(name), "Status": "deleted"}
            warehouse.drop_backup(self.cloud, name)
            del self.state["snapshots"][name]
            self.state["tags"].pop(self._arn("snapshot", f"{shown['ClusterIdentifier']}/{name}"), None)
            self.changed()
        return {"Snapshot": shown}

    def restore_from_cluster_snapshot(
        self,
        ClusterIdentifier: str,
        SnapshotIdentifier: str,
        SnapshotClusterIdentifier: str | None = None,
        NodeType: str | None = None,
        NumberOfNodes: int | None = None,
        ClusterSubnetGroupName: str | None = None,
        VpcSecurityGroupIds: list[str] | None = None,
        PubliclyAccessible: bool | None = None,
    ) -> dict[str, Any]:
        """Make a cluster that holds what the snapshot does; its admin's password is that of the snapshot's cluster."""
        name = SnapshotIdentifier.lower()
        changes = {
            "NodeType": NodeType, "NumberOfNodes": NumberOfNodes, "ClusterSubnetGroupName": ClusterSubnetGroupName,
            "VpcSecurityGroupIds": VpcSecurityGroupIds, "PubliclyAccessible": PubliclyAccessible,
        }  # fmt: skip
        with self.lock:
            kept = self._snapshot(name)["Cluster"]
            made = self._add(
                ClusterIdentifier, {**kept, **{key: value for key, value in changes.items() if value is not None}}
            )
            warehouse.restore_backup(self.cloud, kept["DBName"], name)
            return made

    def _snapshot(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] | None = self.state["snapshots"].get(name.lower())
        if found is None:
            raise AwsError("ClusterSnapshotNotFound", f"Snapshot {name} not found.", 404)
        return found

    def _shown_snapshot(self, name: str) -> dict[str, Any]:
        snapshot = self._snapshot(name)
        cluster = snapshot["Cluster"]
        kept = ("ClusterIdentifier", "DBName", "MasterUsername", "NodeType", "NumberOfNodes", "ClusterVersion")
        arn = self._arn("snapshot", f"{cluster['ClusterIdentifier']}/{name.lower()}")
        return {
            **{key: cluster[key] for key in kept},
            "SnapshotIdentifier": name.lower(),
            "SnapshotArn": arn,
            "SnapshotType": "manual",
            "Status": "available",
            "SnapshotCreateTime": datetime.fromisoformat(snapshot["Created"]),
            "ClusterCreateTime": datetime.fromisoformat(cluster["Created"]),
            "ManualSnapshotRetentionPeriod": snapshot["ManualSnapshotRetentionPeriod"],
            "Encrypted": cluster["Encrypted"],
            "Tags": self._shown_tags(arn),
        }
