"""Subnet groups, cluster parameter groups and tags."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from localcloud.base.errors import AwsError

if TYPE_CHECKING:
    from localcloud.base.service import Service as Base
else:
    Base = object

_FAMILY = "neptune1."


class GroupOperations(Base):
    """What clusters are put into, and what is said of them."""

    def _arn(self, kind: str, name: str) -> str:
        raise NotImplementedError

    # subnet groups ---------------------------------------------------------------------------------------------------

    def create_db_subnet_group(
        self,
        DBSubnetGroupName: str,
        DBSubnetGroupDescription: str,
        SubnetIds: list[str],
        Tags: list[dict[str, str]] | None = None,
    ) -> dict[str, Any]:
        """Group subnets of at least two availability zones."""
        vpc, subnets = self._subnets(SubnetIds)
        name = DBSubnetGroupName.lower()
        with self.lock:
            if name in self.state["subnet_groups"]:
                raise AwsError("DBSubnetGroupAlreadyExists", f"DB subnet group {name} already exists")
            self.state["subnet_groups"][name] = {
                "DBSubnetGroupName": name, "DBSubnetGroupDescription": DBSubnetGroupDescription, "VpcId": vpc,
                "SubnetGroupStatus": "Complete", "Subnets": subnets, "DBSubnetGroupArn": self._arn("subgrp", name),
            }  # fmt: skip
            self.set_tags(self._arn("subgrp", name), Tags)
            self.changed()
            return {"DBSubnetGroup": self.subnet_group(name)}

    def modify_db_subnet_group(
        self, DBSubnetGroupName: str, SubnetIds: list[str], DBSubnetGroupDescription: str | None = None
    ) -> dict[str, Any]:
        """Change a group's subnets."""
        vpc, subnets = self._subnets(SubnetIds)
        with self.lock:
            group = self.subnet_group(DBSubnetGroupName)
            group.update(VpcId=vpc, Subnets=subnets)
            if DBSubnetGroupDescription is not None:
                group["DBSubnetGroupDescription"] = DBSubnetGroupDescription
            self.changed()
            return {"DBSubnetGroup": group}

    def _subnets(self, ids: list[str]) -> tuple[str, list[dict[str, Any]]]:
        try:
            found = self.cloud.client("ec2").describe_subnets(SubnetIds=ids)["Subnets"]
        except ClientError as error:
            raise AwsError("InvalidSubnet", f"the subnets {', '.join(ids)}: {error}") from error
        zones = {subnet["AvailabilityZone"] for subnet in found}
        if len(zones) < 2:
            raise AwsError(
                "DBSubnetGroupDoesNotCoverEnoughAZs",
                "The DB subnet group doesn't meet Availability Zone (AZ) coverage requirement. Current AZ coverage: "
                f"{', '.join(sorted(zones))}",
            )
        shown = [
            {"SubnetIdentifier": subnet["SubnetId"], "SubnetStatus": "Active",
             "SubnetAvailabilityZone": {"Name": subnet["AvailabilityZone"]}}
            for subnet in found
        ]  # fmt: skip
        return str(found[0]["VpcId"]), shown

    def subnet_group(self, name: str) -> dict[str, Any]:
        """A subnet group as it is kept. Raises AwsError when there is none."""
        found: dict[str, Any] | None = self.state["subnet_groups"].get(name.lower())
        if found is None:
            raise AwsError("DBSubnetGroupNotFoundFault", f"DB subnet group {name} does not exist.", 404)
        return found

    def describe_db_subnet_groups(
        self,
        DBSubnetGroupName: str | None = None,
        MaxRecords: int | None = None,
        Marker: str | None = None,
    ) -> dict[str, Any]:
        """The subnet groups, or the one of a name."""
        with self.lock:
            if DBSubnetGroupName:
                return {"DBSubnetGroups": [self.subnet_group(DBSubnetGroupName)]}
            return {"DBSubnetGroups": list(self.state["subnet_groups"].values())}

    def delete_db_subnet_group(self, DBSubnetGroupName: str) -> None:
        """Delete a subnet group that no cluster is in."""
        with self.lock:
            name = self.subnet_group(DBSubnetGroupName)["DBSubnetGroupName"]
            if any(c["DBSubnetGroupName"].lower() == name for c in self.state["clusters"].values()):
                raise AwsError("InvalidDBSubnetGroupStateFault", f"a cluster is in the DB subnet group {name}")
            del self.state["subnet_groups"][name]
            self.state["tags"].pop(self._arn("subgrp", name), None)
            self.changed()

    # cluster parameter groups ----------------------------------------------------------------------------------------

    def create_db_cluster_parameter_group(
        self,
        DBClusterParameterGroupName: str,
        DBParameterGroupFamily: str,
        Description: str,
        Tags: list[dict[str, str]] | None = None,
    ) -> dict[str, Any]:
        """Make a group of parameters, all of them at their defaults."""
        if not DBParameterGroupFamily.startswith(_FAMILY):
            raise AwsError("InvalidParameterValue", f"ParameterGroupFamily {DBParameterGroupFamily} is not Neptune's")
        name = DBClusterParameterGroupName.lower()
        with self.lock:
            if name in self.state["parameter_groups"]:
                raise AwsError("DBParameterGroupAlreadyExists", f"Parameter group {name} already exists")
            self.state["parameter_groups"][name] = {
                "DBClusterParameterGroupName": name, "DBParameterGroupFamily": DBParameterGroupFamily,
                "Description": Description, "DBClusterParameterGroupArn": self._arn("cluster-pg", name),
            }  # fmt: skip
            self.set_tags(self._arn("cluster-pg", name), Tags)
            self.changed()
            return {"DBClusterParameterGroup": self.parameter_group(name)}

    def parameter_group(self, name: str) -> dict[str, Any]:
        """A parameter group as it is kept. Raises AwsError when there is none."""
        found: dict[str, Any] | None = self.state["parameter_groups"].get(name.lower())
        if found is None:
            raise AwsError("DBParameterGroupNotFound", f"DBClusterParameterGroup {name} not found.", 404)
        return found

    def describe_db_cluster_parameter_groups(
        self,
        DBClusterParameterGroupName: str | None = None,
        MaxRecords: int | None = None,
        Marker: str | None = None,
    ) -> dict[str, Any]:
        """The parameter groups, or the one of a name."""
        with self.lock:
            if DBClusterParameterGroupName:
                return {"DBClusterParameterGroups": [self.parameter_group(DBClusterParameterGroupName)]}
            return {"DBClusterParameterGroups": list(self.state["parameter_groups"].values())}

    def delete_db_cluster_parameter_group(self, DBClusterParameterGroupName: str) -> None:
        """Delete a parameter group that no cluster has."""
        with self.lock:
            name = self.parameter_group(DBClusterParameterGroupName)["DBClusterParameterGroupName"]
            if any(c["DBClusterParameterGroupName"].lower() == name for c in self.state["clusters"].values()):
                raise AwsError("InvalidDBParameterGroupState", f"a cluster has the parameter group {name}")
            del self.state["parameter_groups"][name]
            self.state["tags"].pop(self._arn("cluster-pg", name), None)
            self.changed()

    # tags ------------------------------------------------------------------------------------------------------------

    def set_tags(self, arn: str, tags: list[dict[str, str]] | None) -> None:
        """Keep a new resource's tags."""
        self.state["tags"][arn] = {tag["Key"]: tag.get("Value", "") for tag in tags or []}

    def _tags(self, arn: str) -> dict[str, str]:
        found: dict[str, str] | None = self.state["tags"].get(arn)
        if found is None:
            raise AwsError("DBClusterNotFoundFault", f"{arn} not found.", 404)
        return found

    def add_tags_to_resource(self, ResourceName: str, Tags: list[dict[str, str]]) -> None:
        """Add tags."""
        with self.lock:
            self._tags(ResourceName).update({tag["Key"]: tag.get("Value", "") for tag in Tags})
            self.changed()

    def remove_tags_from_resource(self, ResourceName: str, TagKeys: list[str]) -> None:
        """Remove tags."""
        with self.lock:
            for key in TagKeys:
                self._tags(ResourceName).pop(key, None)
            self.changed()

    def list_tags_for_resource(self, ResourceName: str, Filters: list[dict[str, Any]] | None = None) -> dict[str, Any]:
        """A resource's tags."""
        with self.lock:
            return {"TagList": [{"Key": key, "Value": value} for key, value in self._tags(ResourceName).items()]}
