"""The operations of AWS Database Migration Service."""

from __future__ import annotations

import secrets
import string
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, ClassVar

from botocore.exceptions import BotoCoreError, ClientError

from localcloud.base.api_type import ApiType
from localcloud.base.cloud import Cloud
from localcloud.base.service import AwsError, Service
from localcloud.engines.replication import source as pg
from localcloud.services.dms import endpoints
from localcloud.services.dms.cloudformation import TYPES
from localcloud.services.dms.filters import Filters, apply_filters, page
from localcloud.services.dms.settings import invalid, unsupported
from localcloud.services.dms.tasks import TaskOperations

Tags = list[dict[str, str]]
VPC_ROLE = "dms-vpc-role"
ENGINE_VERSION = "3.6.1"
_ALPHABET = string.ascii_uppercase + string.digits
_ARN_PARAMETERS = (
    "ReplicationTaskArn",
    "EndpointArn",
    "ReplicationInstanceArn",
    "SourceEndpointArn",
    "TargetEndpointArn",
    "ResourceArn",
    "ReplicationSubnetGroupIdentifier",
)


def now() -> float:
    return time.time()


def with_times(item: Mapping[str, Any], *names: str) -> dict[str, Any]:
    """A copy with the named members, kept as seconds since the epoch, as datetimes."""
    return {k: datetime.fromtimestamp(v, UTC) if k in names and v is not None else v for k, v in item.items()}


class DatabaseMigrationService(TaskOperations, Service):
    """DMS with PostgreSQL as source and S3 as target, full loads only."""

    name: ClassVar[str] = "dms"
    cloudformation: ClassVar[Mapping[str, ApiType]] = TYPES

    def __init__(self, cloud: Cloud) -> None:
        super().__init__(cloud)
        self.init_tasks()

    def start(self) -> None:
        for kind in ("subnet_groups", "instances", "endpoints", "tasks", "connections", "tags", "statistics"):
            self.state.setdefault(kind, {})
        for connection in self.state["connections"].values():
            if connection["Status"] == "testing":
                connection.update(Status="failed", LastFailureMessage="the test was interrupted; test again")
        self.fail_interrupted_tasks()

    def stop(self) -> None:
        self.stop_running_tasks()

    def resource_arns(self, operation: str, params: dict[str, Any]) -> list[str]:
        if operation.startswith("Describe") and operation != "DescribeTableStatistics":
            return ["*"]
        arns = []
        for name in _ARN_PARAMETERS:
            if value := params.get(name):
                arns.append(self.cloud.arn("dms", f"subgrp:{value}") if name.endswith("GroupIdentifier") else value)
        return arns or ["*"]

    # subnet groups ---------------------------------------------------------------------------------------------------

    def create_replication_subnet_group(
        self,
        ReplicationSubnetGroupIdentifier: str,
        ReplicationSubnetGroupDescription: str,
        SubnetIds: list[str],
        Tags: Tags | None = None,
    ) -> dict[str, Any]:
        identifier = ReplicationSubnetGroupIdentifier.lower()
        self._check_vpc_role()
        group = self._subnet_group(identifier, ReplicationSubnetGroupDescription, SubnetIds)
        with self.lock:
            if identifier in self.state["subnet_groups"]:
                raise AwsError("ResourceAlreadyExistsFault", f"Replication subnet group {identifier} already exists")
            self.state["subnet_groups"][identifier] = group
            self._tag(self.cloud.arn("dms", f"subgrp:{identifier}"), Tags)
        return {"ReplicationSubnetGroup": group}

    def modify_replication_subnet_group(
        self,
        ReplicationSubnetGroupIdentifier: str,
        SubnetIds: list[str] | None = None,
        ReplicationSubnetGroupDescription: str | None = None,
    ) -> dict[str, Any]:
        identifier = ReplicationSubnetGroupIdentifier.lower()
        current = self._one("subnet_groups", identifier, "Replication subnet group")
        subnets = SubnetIds or [s["SubnetIdentifier"] for s in current["Subnets"]]
        description = ReplicationSubnetGroupDescription or current["ReplicationSubnetGroupDescription"]
        group = self._subnet_group(identifier, description, subnets)
        self._put("subnet_groups", identifier, group)
        return {"ReplicationSubnetGroup": group}

    def delete_replication_subnet_group(self, ReplicationSubnetGroupIdentifier: str) -> dict[str, Any]:
        identifier = ReplicationSubnetGroupIdentifier.lower()
        with self.lock:
            self._one("subnet_groups", identifier, "Replication subnet group")
            for instance in self.state["instances"].values():
                if instance.get("SubnetGroup") == identifier:
                    raise AwsError(
                        "InvalidResourceStateFault",
                        f"Replication subnet group {identifier} is used by the replication instance "
                        f"{instance['ReplicationInstanceIdentifier']}",
                    )
            del self.state["subnet_groups"][identifier]
            self.changed()
        return {}

    def describe_replication_subnet_groups(
        self, Filters: Filters | None = None, MaxRecords: int | None = None, Marker: str | None = None
    ) -> dict[str, Any]:
        found = apply_filters(
            list(self.state["subnet_groups"].values()),
            Filters,
            {"replication-subnet-group-id": lambda g: str(g["ReplicationSubnetGroupIdentifier"])},
            "replication subnet groups",
        )
        return page(found, Marker, MaxRecords, "ReplicationSubnetGroups")

    def _check_vpc_role(self) -> None:
        arn = f"arn:aws:iam::{self.cloud.account_id}:role/{VPC_ROLE}"
        try:
            self.cloud.role_credentials(arn, endpoints.PRINCIPAL)
        except AwsError as error:
            raise AwsError(
                "AccessDeniedFault",
                f"The IAM Role {arn} is not configured properly ({error.message}). DMS needs this role by this name in "
                'the account: see "Creating the IAM roles to use with AWS DMS"',
            ) from error

    def _subnet_group(self, identifier: str, description: str, subnet_ids: list[str]) -> dict[str, Any]:
        try:
            subnets = self.cloud.client("ec2").describe_subnets(SubnetIds=subnet_ids)["Subnets"]
        except ClientError as error:
            raise AwsError("InvalidSubnet", f"subnets {', '.join(subnet_ids)}: {error}") from error
        if len({s["VpcId"] for s in subnets}) > 1:
            raise AwsError("InvalidSubnet", "all subnets of a replication subnet group must be in one VPC")
        if len({s["AvailabilityZone"] for s in subnets}) < 2:
            raise AwsError(
                "ReplicationSubnetGroupDoesNotCoverEnoughAZs",
                "a replication subnet group needs subnets in at least two Availability Zones",
            )
        return {
            "ReplicationSubnetGroupIdentifier": identifier,
            "ReplicationSubnetGroupDescription": description,
            "VpcId": subnets[0]["VpcId"],
            "SubnetGroupStatus": "Complete",
            "Subnets": [
                {
                    "SubnetIdentifier": s["SubnetId"],
                    "SubnetAvailabilityZone": {"Name": s["AvailabilityZone"]},
                    "SubnetStatus": "Active",
                }
                for s in subnets
            ],
        }

    # replication instances -------------------------------------------------------------------------------------------

    def create_replication_instance(
        self,
        ReplicationInstanceIdentifier: str,
        ReplicationInstanceClass: str,
        AllocatedStorage: int = 50,
        VpcSecurityGroupIds: list[str] | None = None,
        AvailabilityZone: str | None = None,
        ReplicationSubnetGroupIdentifier: str | None = None,
        PreferredMaintenanceWindow: str = "sun:06:00-sun:14:00",
        MultiAZ: bool = False,
        EngineVersion: str = ENGINE_VERSION,
        AutoMinorVersionUpgrade: bool = True,
        Tags: Tags | None = None,
        KmsKeyId: str | None = None,
        PubliclyAccessible: bool = True,
        ResourceIdentifier: str | None = None,
        NetworkType: str = "IPV4",
    ) -> dict[str, Any]:
        identifier = ReplicationInstanceIdentifier.lower()
        if not ReplicationInstanceClass.startswith("dms."):
            raise invalid(
                f"ReplicationInstanceClass {ReplicationInstanceClass!r} is not one of DMS's (dms.t3.medium ...)"
            )
        with self.lock:
            if any(i["ReplicationInstanceIdentifier"] == identifier for i in self.state["instances"].values()):
                raise AwsError("ResourceAlreadyExistsFault", f"Replication instance {identifier} already exists")
            group = None
            if ReplicationSubnetGroupIdentifier:
                group = ReplicationSubnetGroupIdentifier.lower()
                self._one("subnet_groups", group, "Replication subnet group")
            arn = self.new_arn("rep", ResourceIdentifier)
            instance = {
                "ReplicationInstanceIdentifier": identifier,
                "ReplicationInstanceClass": ReplicationInstanceClass,
                "ReplicationInstanceStatus": "available",
                "AllocatedStorage": AllocatedStorage,
                "InstanceCreateTime": now(),
                "VpcSecurityGroups": _security_groups(VpcSecurityGroupIds),
                "AvailabilityZone": AvailabilityZone or f"{self.cloud.region}a",
                "SubnetGroup": group,
                "PreferredMaintenanceWindow": PreferredMaintenanceWindow,
                "PendingModifiedValues": {},
                "MultiAZ": MultiAZ,
                "EngineVersion": EngineVersion,
                "AutoMinorVersionUpgrade": AutoMinorVersionUpgrade,
                "KmsKeyId": KmsKeyId,
                "ReplicationInstanceArn": arn,
                "ReplicationInstancePrivateIpAddress": "127.0.0.1",
                "PubliclyAccessible": PubliclyAccessible,
                "NetworkType": NetworkType,
            }
            self.state["instances"][arn] = instance
            self._tag(arn, Tags)
        return {"ReplicationInstance": {**self._shown_instance(instance), "ReplicationInstanceStatus": "creating"}}

    def modify_replication_instance(
        self,
        ReplicationInstanceArn: str,
        AllocatedStorage: int | None = None,
        ApplyImmediately: bool = True,
        ReplicationInstanceClass: str | None = None,
        VpcSecurityGroupIds: list[str] | None = None,
        PreferredMaintenanceWindow: str | None = None,
        MultiAZ: bool | None = None,
        EngineVersion: str | None = None,
        AllowMajorVersionUpgrade: bool = False,
        AutoMinorVersionUpgrade: bool | None = None,
        ReplicationInstanceIdentifier: str | None = None,
        NetworkType: str | None = None,
    ) -> dict[str, Any]:
        if not ApplyImmediately:
            raise unsupported("ApplyImmediately false is not supported: there is no maintenance window here")
        with self.lock:
            instance = self._instance(ReplicationInstanceArn)
            changes = {
                "AllocatedStorage": AllocatedStorage,
                "ReplicationInstanceClass": ReplicationInstanceClass,
                "VpcSecurityGroups": _security_groups(VpcSecurityGroupIds) if VpcSecurityGroupIds else None,
                "PreferredMaintenanceWindow": PreferredMaintenanceWindow,
                "MultiAZ": MultiAZ,
                "EngineVersion": EngineVersion,
                "AutoMinorVersionUpgrade": AutoMinorVersionUpgrade,
                "ReplicationInstanceIdentifier": ReplicationInstanceIdentifier,
                "NetworkType": NetworkType,
            }
            instance.update({k: v for k, v in changes.items() if v is not None})
            self.changed()
        return {"ReplicationInstance": self._shown_instance(instance)}

    def delete_replication_instance(self, ReplicationInstanceArn: str) -> dict[str, Any]:
        with self.lock:
            instance = self._instance(ReplicationInstanceArn)
            self.refuse_when_used("ReplicationInstanceArn", ReplicationInstanceArn, "Replication instance")
            del self.state["instances"][ReplicationInstanceArn]
            self.state["tags"].pop(ReplicationInstanceArn, None)
            for key in [
                k for k, c in self.state["connections"].items() if c["ReplicationInstanceArn"] == ReplicationInstanceArn
            ]:
                del self.state["connections"][key]
            self.changed()
        return {"ReplicationInstance": {**self._shown_instance(instance), "ReplicationInstanceStatus": "deleting"}}

    def describe_replication_instances(
        self, Filters: Filters | None = None, MaxRecords: int | None = None, Marker: str | None = None
    ) -> dict[str, Any]:
        fields = {
            "replication-instance-arn": lambda i: str(i["ReplicationInstanceArn"]),
            "replication-instance-id": lambda i: str(i["ReplicationInstanceIdentifier"]),
            "replication-instance-class": lambda i: str(i["ReplicationInstanceClass"]),
            "engine-version": lambda i: str(i["EngineVersion"]),
        }
        found = apply_filters(list(self.state["instances"].values()), Filters, fields, "replication instances")
        answer = page(found, Marker, MaxRecords, "ReplicationInstances")
        answer["ReplicationInstances"] = [self._shown_instance(i) for i in answer["ReplicationInstances"]]
        return answer

    def _shown_instance(self, instance: Mapping[str, Any]) -> dict[str, Any]:
        shown = with_times(instance, "InstanceCreateTime")
        group = shown.pop("SubnetGroup", None)
        if group:
            shown["ReplicationSubnetGroup"] = self.state["subnet_groups"][group]
        return {k: v for k, v in shown.items() if v is not None}

    def _instance(self, arn: str) -> dict[str, Any]:
        return self._one("instances", arn, "Replication instance")

    # endpoints -------------------------------------------------------------------------------------------------------

    def create_endpoint(
        self,
        EndpointIdentifier: str,
        EndpointType: str,
        EngineName: str,
        Username: str | None = None,
        Password: str | None = None,
        ServerName: str | None = None,
        Port: int | None = None,
        DatabaseName: str | None = None,
        ExtraConnectionAttributes: str | None = None,
        KmsKeyId: str | None = None,
        Tags: Tags | None = None,
        SslMode: str = "none",
        ServiceAccessRoleArn: str | None = None,
        S3Settings: dict[str, Any] | None = None,
        PostgreSQLSettings: dict[str, Any] | None = None,
        ResourceIdentifier: str | None = None,
    ) -> dict[str, Any]:
        identifier = EndpointIdentifier.lower()
        given = {
            "EndpointIdentifier": identifier,
            "EndpointType": EndpointType.lower(),
            "EngineName": EngineName.lower(),
            "Username": Username,
            "Password": Password,
            "ServerName": ServerName,
            "Port": Port,
            "DatabaseName": DatabaseName,
            "ExtraConnectionAttributes": ExtraConnectionAttributes,
            "KmsKeyId": KmsKeyId,
            "SslMode": SslMode,
            "ServiceAccessRoleArn": ServiceAccessRoleArn,
            "S3Settings": S3Settings,
            "PostgreSQLSettings": PostgreSQLSettings,
        }
        endpoint = {k: v for k, v in given.items() if v is not None}
        endpoints.check_endpoint(endpoint)
        with self.lock:
            if any(e["EndpointIdentifier"] == identifier for e in self.state["endpoints"].values()):
                raise AwsError("ResourceAlreadyExistsFault", f"Endpoint {identifier} already exists")
            arn = self.new_arn("endpoint", ResourceIdentifier)
            endpoint.update(EndpointArn=arn, Status="active")
            self.state["endpoints"][arn] = endpoint
            self._tag(arn, Tags)
        return {"Endpoint": _shown_endpoint(endpoint)}

    def modify_endpoint(
        self,
        EndpointArn: str,
        EndpointIdentifier: str | None = None,
        EndpointType: str | None = None,
        EngineName: str | None = None,
        Username: str | None = None,
        Password: str | None = None,
        ServerName: str | None = None,
        Port: int | None = None,
        DatabaseName: str | None = None,
        ExtraConnectionAttributes: str | None = None,
        SslMode: str | None = None,
        ServiceAccessRoleArn: str | None = None,
        S3Settings: dict[str, Any] | None = None,
        PostgreSQLSettings: dict[str, Any] | None = None,
        ExactSettings: bool = False,
    ) -> dict[str, Any]:
        given: dict[str, Any] = {
            "EndpointIdentifier": EndpointIdentifier.lower() if EndpointIdentifier else None,
            "EndpointType": EndpointType,
            "EngineName": EngineName,
            "Username": Username,
            "Password": Password,
            "ServerName": ServerName,
            "Port": Port,
            "DatabaseName": DatabaseName,
            "ExtraConnectionAttributes": ExtraConnectionAttributes,
            "SslMode": SslMode,
            "ServiceAccessRoleArn": ServiceAccessRoleArn,
            "S3Settings": S3Settings,
            "PostgreSQLSettings": PostgreSQLSettings,
        }
        with self.lock:
            current = self._endpoint(EndpointArn)
            self.refuse_while_running(EndpointArn, "modified")
            changed = dict(current)
            for key, value in given.items():
                if value is None:
                    continue
                # "If this attribute is N, DMS does an update": single settings are put over those that are there.
                merge = isinstance(value, dict) and not ExactSettings
                changed[key] = {**current.get(key, {}), **value} if merge else value
            endpoints.check_endpoint(changed)
            self.state["endpoints"][EndpointArn] = changed
            self.changed()
        return {"Endpoint": _shown_endpoint(changed)}

    def delete_endpoint(self, EndpointArn: str) -> dict[str, Any]:
        with self.lock:
            endpoint = self._endpoint(EndpointArn)
            for role in ("SourceEndpointArn", "TargetEndpointArn"):
                self.refuse_when_used(role, EndpointArn, "Endpoint")
            del self.state["endpoints"][EndpointArn]
            self.state["tags"].pop(EndpointArn, None)
            for key in [k for k, c in self.state["connections"].items() if c["EndpointArn"] == EndpointArn]:
                del self.state["connections"][key]
            self.changed()
        return {"Endpoint": {**_shown_endpoint(endpoint), "Status": "deleting"}}

    def describe_endpoints(
        self, Filters: Filters | None = None, MaxRecords: int | None = None, Marker: str | None = None
    ) -> dict[str, Any]:
        fields = {
            "endpoint-arn": lambda e: str(e["EndpointArn"]),
            "endpoint-id": lambda e: str(e["EndpointIdentifier"]),
            "endpoint-type": lambda e: str(e["EndpointType"]),
            "engine-name": lambda e: str(e["EngineName"]),
        }
        found = apply_filters(list(self.state["endpoints"].values()), Filters, fields, "endpoints")
        answer = page(found, Marker, MaxRecords, "Endpoints")
        answer["Endpoints"] = [_shown_endpoint(e) for e in answer["Endpoints"]]
        return answer

    def _endpoint(self, arn: str) -> dict[str, Any]:
        return self._one("endpoints", arn, "Endpoint")

    # connections -----------------------------------------------------------------------------------------------------

    def test_connection(self, ReplicationInstanceArn: str, EndpointArn: str) -> dict[str, Any]:
        with self.lock:
            instance, endpoint = self._instance(ReplicationInstanceArn), self._endpoint(EndpointArn)
            key = f"{ReplicationInstanceArn} {EndpointArn}"
            connection = {
                "ReplicationInstanceArn": ReplicationInstanceArn,
                "EndpointArn": EndpointArn,
                "Status": "testing",
                "EndpointIdentifier": endpoint["EndpointIdentifier"],
                "ReplicationInstanceIdentifier": instance["ReplicationInstanceIdentifier"],
            }
            self.state["connections"][key] = connection
            self.changed()
            shown = dict(connection)

        def test() -> None:
            failure = self._try_connection(endpoint)
            with self.lock:
                connection.update(Status="failed" if failure else "successful", LastFailureMessage=failure)
                self.changed()

        self.cloud.run(test, "dms-test-connection")
        return {"Connection": shown}

    def _try_connection(self, endpoint: Mapping[str, Any]) -> str:
        try:
            if endpoint["EndpointType"] == "source":
                with pg.connect(endpoints.source_settings(self.cloud, endpoint)):
                    return ""
            target, role = endpoints.s3_target(endpoint)
            s3 = endpoints.role_client(self.cloud, "s3", role)
            s3.list_objects_v2(
                Bucket=target.bucket, Prefix=f"{target.folder.strip('/')}/" if target.folder else "", MaxKeys=1
            )
        except AwsError as error:
            return str(error.message)
        except (ClientError, BotoCoreError, pg.SourceError) as error:
            return str(error)
        return ""

    def describe_connections(
        self, Filters: Filters | None = None, MaxRecords: int | None = None, Marker: str | None = None
    ) -> dict[str, Any]:
        fields = {
            "endpoint-arn": lambda c: str(c["EndpointArn"]),
            "replication-instance-arn": lambda c: str(c["ReplicationInstanceArn"]),
        }
        found = apply_filters(list(self.state["connections"].values()), Filters, fields, "connections")
        return page([dict(c) for c in found], Marker, MaxRecords, "Connections")

    def delete_connection(self, EndpointArn: str, ReplicationInstanceArn: str) -> dict[str, Any]:
        with self.lock:
            connection = self.state["connections"].pop(f"{ReplicationInstanceArn} {EndpointArn}", None)
            if connection is None:
                raise AwsError("ResourceNotFoundFault", f"No connection of {EndpointArn} was tested", 404)
            self.changed()
        return {"Connection": {**connection, "Status": "deleting"}}

    # tags ------------------------------------------------------------------------------------------------------------

    def add_tags_to_resource(self, ResourceArn: str, Tags: Tags) -> dict[str, Any]:
        self._resource(ResourceArn)
        with self.lock:
            self._tag(ResourceArn, Tags)
        return {}

    def remove_tags_from_resource(self, ResourceArn: str, TagKeys: list[str]) -> dict[str, Any]:
        self._resource(ResourceArn)
        with self.lock:
            for key in TagKeys:
                self.state["tags"].get(ResourceArn, {}).pop(key, None)
            self.changed()
        return {}

    def list_tags_for_resource(
        self, ResourceArn: str | None = None, ResourceArnList: list[str] | None = None
    ) -> dict[str, Any]:
        tags = []
        for arn in ResourceArnList or [ResourceArn or ""]:
            self._resource(arn)
            tags += [{"Key": k, "Value": v, "ResourceArn": arn} for k, v in self.state["tags"].get(arn, {}).items()]
        return {"TagList": tags}

    # ---------------------------------------------------------------------------------------------------------------

    def new_arn(self, kind: str, identifier: str | None) -> str:
        name = identifier or "".join(secrets.choice(_ALPHABET) for _ in range(26))
        arn = self.cloud.arn("dms", f"{kind}:{name}")
        if any(arn in self.state[k] for k in ("instances", "endpoints", "tasks")):
            raise AwsError("ResourceAlreadyExistsFault", f"{arn} already exists")
        return arn

    def _resource(self, arn: str) -> None:
        group = self.cloud.arn("dms", "subgrp:")
        known = any(arn in self.state[kind] for kind in ("instances", "endpoints", "tasks"))
        if not known and arn.removeprefix(group) not in self.state["subnet_groups"]:
            raise AwsError("ResourceNotFoundFault", f"Resource {arn} not found", 404)

    def _tag(self, arn: str, tags: Tags | None) -> None:
        for tag in tags or []:
            self.state["tags"].setdefault(arn, {})[tag["Key"]] = tag.get("Value", "")
        self.changed()

    def _one(self, kind: str, key: str, what: str) -> dict[str, Any]:
        try:
            found: dict[str, Any] = self.state[kind][key]
        except KeyError:
            raise AwsError("ResourceNotFoundFault", f"{what} {key} not found", 404) from None
        return found

    def _put(self, kind: str, key: str, value: dict[str, Any]) -> None:
        with self.lock:
            self.state[kind][key] = value
            self.changed()


def _security_groups(ids: list[str] | None) -> list[dict[str, str]]:
    return [{"VpcSecurityGroupId": i, "Status": "active"} for i in ids or []]


def _shown_endpoint(endpoint: Mapping[str, Any]) -> dict[str, Any]:
    shown = {k: v for k, v in endpoint.items() if k != "Password"}
    if "PostgreSQLSettings" in shown:
        shown["PostgreSQLSettings"] = {k: v for k, v in shown["PostgreSQLSettings"].items() if k != "Password"}
    engines = {**endpoints.SOURCE_ENGINES, **endpoints.TARGET_ENGINES}
    shown["EngineDisplayName"] = engines[endpoint["EngineName"]]
    return shown
