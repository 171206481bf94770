"""The Redshift Serverless API over the one warehouse process of the machine.

There is one warehouse, so there is one namespace and one workgroup: second ones are refused. Capacity, network and key
settings are kept and described; nothing of them changes what a query answers.
"""

from __future__ import annotations

import json
import re
import secrets
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, ClassVar

from localcloud.base.api_type import ApiType
from localcloud.base.cloud import Cloud
from localcloud.base.errors import AwsError
from localcloud.base.service import Service
from localcloud.services.redshift_serverless.endpoint import WarehouseAdministration

_NAME = re.compile(r"^[a-z0-9-]{3,64}$")
_DEFAULT_DATABASE = "dev"
_DEFAULT_ADMIN = "admin"
# What the workgroup's database parameters may be here: the endpoint is on the loopback interface and has no TLS, and
# the others are the documented defaults ("Configuration parameters", Redshift Serverless API).
_PARAMETERS = {"require_ssl": {"false"}, "use_fips_ssl": {"false"}, "auto_mv": {"true", "false"}}


def _namespace_arn(described: Mapping[str, Any]) -> str:
    return str(described["namespace"]["namespaceArn"])


def _workgroup(field: str) -> Any:
    return lambda described: described["workgroup"][field]


class RedshiftServerlessService(Service):
    """`redshift-serverless` of boto3: namespaces, workgroups, tags."""

    name: ClassVar[str] = "redshift-serverless"
    cloudformation: ClassVar[Mapping[str, ApiType]] = {
        "AWS::RedshiftServerless::Namespace": ApiType(
            service="redshift-serverless",
            create="create_namespace",
            update="update_namespace",
            describe="get_namespace",
            delete="delete_namespace",
            ref=lambda sent, answer: answer["namespace"]["namespaceName"],
            identity=lambda physical_id: {"namespaceName": physical_id},
            replaced=frozenset({"NamespaceName", "DbName"}),
            update_omits=frozenset({"Tags"}),
            attributes={
                "Namespace.NamespaceArn": _namespace_arn,
                "Namespace.NamespaceId": lambda described: described["namespace"]["namespaceId"],
                "Namespace.NamespaceName": lambda described: described["namespace"]["namespaceName"],
                "Namespace.DbName": lambda described: described["namespace"]["dbName"],
                "Namespace.AdminUsername": lambda described: described["namespace"]["adminUsername"],
                "Namespace.Status": lambda described: described["namespace"]["status"],
            },
            ready=lambda described: described["namespace"]["status"] == "AVAILABLE",
        ),
        "AWS::RedshiftServerless::Workgroup": ApiType(
            service="redshift-serverless",
            create="create_workgroup",
            update="update_workgroup",
            describe="get_workgroup",
            delete="delete_workgroup",
            ref=lambda sent, answer: answer["workgroup"]["workgroupName"],
            identity=lambda physical_id: {"workgroupName": physical_id},
            replaced=frozenset({"WorkgroupName", "NamespaceName"}),
            update_omits=frozenset({"Tags"}),
            attributes={
                "Workgroup.Endpoint.Address": lambda described: described["workgroup"]["endpoint"]["address"],
                "Workgroup.Endpoint.Port": lambda described: described["workgroup"]["endpoint"]["port"],
                "Workgroup.WorkgroupArn": _workgroup("workgroupArn"),
                "Workgroup.WorkgroupId": _workgroup("workgroupId"),
                "Workgroup.WorkgroupName": _workgroup("workgroupName"),
                "Workgroup.NamespaceName": _workgroup("namespaceName"),
                "Workgroup.Status": _workgroup("status"),
            },
            ready=lambda described: described["workgroup"]["status"] == "AVAILABLE",
        ),
    }

    def __init__(self, cloud: Cloud) -> None:
        super().__init__(cloud)
        self.state = {"namespaces": {}, "workgroups": {}, "tags": {}}
        self._warehouse = WarehouseAdministration(cloud)

    def resource_arns(self, operation: str, params: dict[str, Any]) -> list[str]:
        """Source: "Actions, resources, and condition keys for Amazon Redshift Serverless"."""
        if "resourceArn" in params:
            return [str(params["resourceArn"])]
        if operation.startswith(("Create", "List")):
            return ["*"]
        for kind, key in (("workgroups", "workgroupName"), ("namespaces", "namespaceName")):
            if key in params:
                known = self.state[kind].get(params[key], {})
                return [str(known.get("workgroupArn") or known.get("namespaceArn") or "*")]
        return ["*"]

    # Namespaces ----------------------------------------------------------------------------------------------------

    def create_namespace(
        self,
        namespaceName: str,
        adminUsername: str | None = None,
        adminUserPassword: str | None = None,
        manageAdminPassword: bool | None = None,
        adminPasswordSecretKmsKeyId: str | None = None,
        dbName: str | None = None,
        defaultIamRoleArn: str | None = None,
        iamRoles: list[str] | None = None,
        kmsKeyId: str | None = None,
        logExports: list[str] | None = None,
        tags: list[dict[str, str]] | None = None,
    ) -> dict[str, Any]:
        """Create the namespace, its database and its admin user."""
        _check_name("namespaceName", namespaceName)
        with self.lock:
            if namespaceName in self.state["namespaces"]:
                raise AwsError("ConflictException", f"namespace {namespaceName} already exists")
            if self.state["namespaces"]:
                raise AwsError(
                    "ServiceQuotaExceededException",
                    f"the local cloud runs one warehouse, which namespace {', '.join(self.state['namespaces'])} has",
                )
            identifier = str(uuid.uuid4())
            namespace: dict[str, Any] = {
                "namespaceName": namespaceName,
                "namespaceId": identifier,
                "namespaceArn": self.cloud.arn("redshift-serverless", f"namespace/{identifier}"),
                "dbName": dbName or _DEFAULT_DATABASE,
                "adminUsername": adminUsername or _DEFAULT_ADMIN,
                "iamRoles": iamRoles or [],
                "defaultIamRoleArn": defaultIamRoleArn or "",
                "kmsKeyId": kmsKeyId or "AWS_OWNED_KMS_KEY",
                "logExports": logExports or [],
                "status": "AVAILABLE",
                "creationDate": _now(),
            }
            self._warehouse.create_database(namespace["dbName"])
            self._set_password(namespace, adminUserPassword, manageAdminPassword, adminPasswordSecretKmsKeyId)
            self.state["namespaces"][namespaceName] = namespace
            self._tag(str(namespace["namespaceArn"]), tags)
            self.changed()
            return {"namespace": namespace}

    def get_namespace(self, namespaceName: str) -> dict[str, Any]:
        """One namespace."""
        return {"namespace": self._find("namespaces", namespaceName)}

    def list_namespaces(self, maxResults: int | None = None, nextToken: str | None = None) -> dict[str, Any]:
        """Every namespace; they fit one page."""
        return {"namespaces": list(self.state["namespaces"].values())}

    def update_namespace(
        self,
        namespaceName: str,
        adminUsername: str | None = None,
        adminUserPassword: str | None = None,
        manageAdminPassword: bool | None = None,
        adminPasswordSecretKmsKeyId: str | None = None,
        defaultIamRoleArn: str | None = None,
        iamRoles: list[str] | None = None,
        kmsKeyId: str | None = None,
        logExports: list[str] | None = None,
    ) -> dict[str, Any]:
        """Change what was sent."""
        with self.lock:
            namespace = self._find("namespaces", namespaceName)
            if adminUsername is not None:
                namespace["adminUsername"] = adminUsername
            if adminUserPassword is not None or manageAdminPassword is not None:
                self._set_password(namespace, adminUserPassword, manageAdminPassword, adminPasswordSecretKmsKeyId)
            changes = {
                "defaultIamRoleArn": defaultIamRoleArn,
                "iamRoles": iamRoles,
                "kmsKeyId": kmsKeyId,
                "logExports": logExports,
            }
            namespace.update({key: value for key, value in changes.items() if value is not None})
            self.changed()
            return {"namespace": namespace}

    def delete_namespace(
        self,
        namespaceName: str,
        finalSnapshotName: str | None = None,
        finalSnapshotRetentionPeriod: int | None = None,
    ) -> dict[str, Any]:
        """Delete the namespace with its database; its workgroup must be gone, and there are no snapshots here."""
        if finalSnapshotName is not None:
            raise AwsError("ValidationException", "the local cloud takes no snapshots: leave finalSnapshotName out")
        with self.lock:
            namespace = self._find("namespaces", namespaceName)
            users = [w for w, group in self.state["workgroups"].items() if group["namespaceName"] == namespaceName]
            if users:
                raise AwsError("ConflictException", f"workgroup {', '.join(users)} uses namespace {namespaceName}")
            if namespace["dbName"] != _DEFAULT_DATABASE:
                self._warehouse.drop_database(namespace["dbName"])
            self._warehouse.drop_user(namespace["adminUsername"])
            if secret := namespace.get("adminPasswordSecretArn"):
                self.cloud.client("secretsmanager").delete_secret(SecretId=secret, ForceDeleteWithoutRecovery=True)
            del self.state["namespaces"][namespaceName]
            self.state["tags"].pop(namespace["namespaceArn"], None)
            self.changed()
            return {"namespace": {**namespace, "status": "DELETING"}}

    def _set_password(
        self, namespace: dict[str, Any], password: str | None, managed: bool | None, key: str | None
    ) -> None:
        if managed and password is not None:
            raise AwsError("ValidationException", "give adminUserPassword or manageAdminPassword, not both")
        if managed:
            password = secrets.token_urlsafe(24)
            namespace["adminPasswordSecretArn"] = self._managed_secret(namespace, password, key)
            namespace["adminPasswordSecretKmsKeyId"] = key or ""
        self._warehouse.set_admin(namespace["adminUsername"], password or secrets.token_urlsafe(24))

    def _managed_secret(self, namespace: Mapping[str, Any], password: str, key: str | None) -> str:
        """The secret of "Managing Amazon Redshift admin passwords using AWS Secrets Manager"; its ARN."""
        manager = self.cloud.client("secretsmanager")
        value = json.dumps({"username": namespace["adminUsername"], "password": password})
        if known := namespace.get("adminPasswordSecretArn"):
            manager.put_secret_value(SecretId=known, SecretString=value)
            return str(known)
        name = f"redshift!{namespace['namespaceName']}-{namespace['adminUsername']}"
        encrypted = {"KmsKeyId": key} if key else {}
        return str(manager.create_secret(Name=name, SecretString=value, **encrypted)["ARN"])

    # Workgroups ----------------------------------------------------------------------------------------------------

    def create_workgroup(
        self,
        workgroupName: str,
        namespaceName: str,
        baseCapacity: int | None = None,
        maxCapacity: int | None = None,
        enhancedVpcRouting: bool | None = None,
        publiclyAccessible: bool | None = None,
        configParameters: list[dict[str, str]] | None = None,
        subnetIds: list[str] | None = None,
        securityGroupIds: list[str] | None = None,
        ipAddressType: str | None = None,
        trackName: str | None = None,
        tags: list[dict[str, str]] | None = None,
    ) -> dict[str, Any]:
        """Open the warehouse for clients. The port is the machine's: asking for another is not a parameter here."""
        _check_name("workgroupName", workgroupName)
        with self.lock:
            self._find("namespaces", namespaceName)
            if workgroupName in self.state["workgroups"]:
                raise AwsError("ConflictException", f"workgroup {workgroupName} already exists")
            if self.state["workgroups"]:
                raise AwsError(
                    "ServiceQuotaExceededException",
                    f"the local cloud runs one warehouse, which workgroup {', '.join(self.state['workgroups'])} has",
                )
            _check_parameters(configParameters or [])
            identifier = str(uuid.uuid4())
            workgroup: dict[str, Any] = {
                "workgroupName": workgroupName,
                "workgroupId": identifier,
                "workgroupArn": self.cloud.arn("redshift-serverless", f"workgroup/{identifier}"),
                "namespaceName": namespaceName,
                "baseCapacity": baseCapacity or 128,
                "maxCapacity": maxCapacity,
                "enhancedVpcRouting": bool(enhancedVpcRouting),
                "publiclyAccessible": bool(publiclyAccessible),
                "configParameters": configParameters or [],
                "subnetIds": subnetIds or [],
                "securityGroupIds": securityGroupIds or [],
                "ipAddressType": ipAddressType or "ipv4",
                "trackName": trackName or "current",
                "status": "AVAILABLE",
                "creationDate": _now(),
            }
            self.state["workgroups"][workgroupName] = workgroup
            self._tag(str(workgroup["workgroupArn"]), tags)
            self.changed()
            return {"workgroup": self._described(workgroup)}

    def get_workgroup(self, workgroupName: str) -> dict[str, Any]:
        """One workgroup with its endpoint."""
        return {"workgroup": self._described(self._find("workgroups", workgroupName))}

    def list_workgroups(
        self, maxResults: int | None = None, nextToken: str | None = None, ownerAccount: str | None = None
    ) -> dict[str, Any]:
        """Every workgroup; they fit one page."""
        return {"workgroups": [self._described(workgroup) for workgroup in self.state["workgroups"].values()]}

    def update_workgroup(
        self,
        workgroupName: str,
        baseCapacity: int | None = None,
        maxCapacity: int | None = None,
        enhancedVpcRouting: bool | None = None,
        publiclyAccessible: bool | None = None,
        configParameters: list[dict[str, str]] | None = None,
        subnetIds: list[str] | None = None,
        securityGroupIds: list[str] | None = None,
        ipAddressType: str | None = None,
        trackName: str | None = None,
    ) -> dict[str, Any]:
        """Change what was sent."""
        with self.lock:
            workgroup = self._find("workgroups", workgroupName)
            _check_parameters(configParameters or [])
            changes = {
                "baseCapacity": baseCapacity,
                "maxCapacity": maxCapacity,
                "enhancedVpcRouting": enhancedVpcRouting,
                "publiclyAccessible": publiclyAccessible,
                "configParameters": configParameters,
                "subnetIds": subnetIds,
                "securityGroupIds": securityGroupIds,
                "ipAddressType": ipAddressType,
                "trackName": trackName,
            }
            workgroup.update({key: value for key, value in changes.items() if value is not None})
            self.changed()
            return {"workgroup": self._described(workgroup)}

    def delete_workgroup(self, workgroupName: str) -> dict[str, Any]:
        """Forget the workgroup; the namespace keeps the data."""
        with self.lock:
            workgroup = self._find("workgroups", workgroupName)
            del self.state["workgroups"][workgroupName]
            self.state["tags"].pop(workgroup["workgroupArn"], None)
            self.changed()
            return {"workgroup": {**self._described(workgroup), "status": "DELETING"}}

    def _described(self, workgroup: Mapping[str, Any]) -> dict[str, Any]:
        address = self._warehouse.address
        return {
            **{key: value for key, value in workgroup.items() if value is not None},
            "port": address.port,
            "endpoint": {"address": address.host, "port": address.port},
        }

    # Tags ----------------------------------------------------------------------------------------------------------

    def list_tags_for_resource(self, resourceArn: str) -> dict[str, Any]:
        """The tags of a namespace or workgroup."""
        return {"tags": [{"key": key, "value": value} for key, value in self._tags_of(resourceArn).items()]}

    def tag_resource(self, resourceArn: str, tags: list[dict[str, str]]) -> None:
        """Add tags, or change their values."""
        self._tags_of(resourceArn)
        self._tag(resourceArn, tags)
        self.changed()

    def untag_resource(self, resourceArn: str, tagKeys: list[str]) -> None:
        """Remove tags."""
        known = self._tags_of(resourceArn)
        for key in tagKeys:
            known.pop(key, None)
        self.changed()

    def _tag(self, arn: str, tags: list[dict[str, str]] | None) -> None:
        known = self.state["tags"].setdefault(arn, {})
        known.update({tag["key"]: tag["value"] for tag in tags or []})

    def _tags_of(self, arn: str) -> dict[str, str]:
        try:
            known: dict[str, str] = self.state["tags"][arn]
        except KeyError:
            raise AwsError("ResourceNotFoundException", f"there is no resource {arn}") from None
        return known

    def _find(self, kind: str, name: str) -> dict[str, Any]:
        try:
            found: dict[str, Any] = self.state[kind][name]
        except KeyError:
            raise AwsError("ResourceNotFoundException", f"there is no {kind[:-1]} {name}") from None
        return found


def _check_name(field: str, name: str) -> None:
    if not _NAME.match(name):
        raise AwsError("ValidationException", f"{field} {name!r} must be 3 to 64 of a-z, 0-9 and -")


def _check_parameters(parameters: list[dict[str, str]]) -> None:
    for parameter in parameters:
        key, value = parameter.get("parameterKey", ""), parameter.get("parameterValue", "")
        if value not in _PARAMETERS.get(key, set()):
            raise AwsError("ValidationException", f"the local warehouse does not support {key} = {value!r}")


def _now() -> str:
    return datetime.now(UTC).isoformat()
