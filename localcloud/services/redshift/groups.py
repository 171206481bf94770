"""Cluster subnet groups and tags."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from localcloud.base.errors import AwsError

if TYPE_CHECKING:
    from localcloud.base.service import Service as Base
else:
    Base = object


class GroupOperations(Base):
    """What clusters are put into, and what is said of them."""

    def _arn(self, kind: str, name: str) -> str:
        raise NotImplementedError

    def create_cluster_subnet_group(
        self,
        ClusterSubnetGroupName: str,
        Description: str,
        SubnetIds: list[str],
        Tags: list[dict[str, str]] | None = None,
    ) -> dict[str, Any]:
        """Group subnets of one VPC."""
        vpc, subnets = self._subnets(SubnetIds)
        name = ClusterSubnetGroupName.lower()
        with self.lock:
            if name in self.state["subnet_groups"]:
                raise AwsError("ClusterSubnetGroupAlreadyExists", f"Cluster subnet group {name} already exists.")
            self.state["subnet_groups"][name] = {
                "ClusterSubnetGroupName": name, "Description": Description, "VpcId": vpc,
                "SubnetGroupStatus": "Complete", "Subnets": subnets,
            }  # fmt: skip
            self._set_tags(self._arn("subnetgroup", name), Tags)
            self.changed()
            return {"ClusterSubnetGroup": self._shown_group(name)}

    def describe_cluster_subnet_groups(
        self, ClusterSubnetGroupName: str | None = None, MaxRecords: int | None = None, Marker: str | None = None
    ) -> dict[str, Any]:
        """The subnet groups, or the one of a name."""
        with self.lock:
            names = [ClusterSubnetGroupName] if ClusterSubnetGroupName else list(self.state["subnet_groups"])
            return {"ClusterSubnetGroups": [self._shown_group(name) for name in names]}

    def delete_cluster_subnet_group(self, ClusterSubnetGroupName: str) -> None:
        """Delete a subnet group that no cluster is in."""
        with self.lock:
            name = self.subnet_group(ClusterSubnetGroupName)["ClusterSubnetGroupName"]
            if any(cluster.get("ClusterSubnetGroupName") == name for cluster in self.state["clusters"].values()):
                raise AwsError("InvalidClusterSubnetGroupStateFault", f"a cluster is in the subnet group {name}")
            del self.state["subnet_groups"][name]
            self.state["tags"].pop(self._arn("subnetgroup", name), None)
            self.changed()

    def subnet_group(self, name: str) -> dict[str, Any]:
        """A subnet group as it is kept. Raises AwsError when there is none."""
        found: dict[str, Any] | None = self.state["subnet_groups"].get(name.lower())
        if found is None:
            raise AwsError("ClusterSubnetGroupNotFoundFault", f"The Cluster subnet group {name} is not found.")
        return found

    def _shown_group(self, name: str) -> dict[str, Any]:
        group = self.subnet_group(name)
        return {**group, "Tags": self._shown_tags(self._arn("subnetgroup", group["ClusterSubnetGroupName"]))}

    def _subnets(self, ids: list[str]) -> tuple[str, list[dict[str, Any]]]:
        try:
            found = self.cloud.client("ec2").describe_subnets(SubnetIds=ids)["Subnets"]
        except ClientError as error:
            raise AwsError("InvalidSubnet", f"the subnets {', '.join(ids)}: {error}") from error
        if len({subnet["VpcId"] for subnet in found}) != 1:
            raise AwsError("InvalidSubnet", "the subnets of a group must be of one VPC")
        shown = [
            {"SubnetIdentifier": subnet["SubnetId"], "SubnetStatus": "Active",
             "SubnetAvailabilityZone": {"Name": subnet["AvailabilityZone"]}}
            for subnet in found
        ]  # fmt: skip
        return str(found[0]["VpcId"]), shown

    # tags ------------------------------------------------------------------------------------------------------------

    def _set_tags(self, arn: str, tags: list[dict[str, str]] | None) -> None:
        self.state["tags"][arn] = {tag["Key"]: tag.get("Value", "") for tag in tags or []}

    def _tags(self, arn: str) -> dict[str, str]:
        found: dict[str, str] | None = self.state["tags"].get(arn)
        if found is None:
            raise AwsError("ResourceNotFoundFault", f"{arn} not found.", 404)
        return found

    def _shown_tags(self, arn: str) -> list[dict[str, str]]:
        return [{"Key": key, "Value": value} for key, value in self._tags(arn).items()]

    def create_tags(self, ResourceName: str, Tags: list[dict[str, str]]) -> None:
        """Add tags."""
        with self.lock:
            self._tags(ResourceName).update({tag["Key"]: tag.get("Value", "") for tag in Tags})
            self.changed()

    def delete_tags(self, ResourceName: str, TagKeys: list[str]) -> None:
        """Remove tags."""
        with self.lock:
            for key in TagKeys:
                self._tags(ResourceName).pop(key, None)
            self.changed()

    def describe_tags(
        self, ResourceName: str | None = None, MaxRecords: int | None = None, Marker: str | None = None
    ) -> dict[str, Any]:
        """The tags of a resource, or of all."""
        with self.lock:
            arns = [ResourceName] if ResourceName else list(self.state["tags"])
            return {
                "TaggedResources": [
                    {"ResourceName": arn, "ResourceType": arn.split(":")[5], "Tag": tag}
                    for arn in arns for tag in self._shown_tags(arn)
                ]
            }  # fmt: skip
