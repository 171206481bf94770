"""The Redshift Serverless API over the machine's warehouse process.

There is one warehouse, so there is one namespace and one workgroup: a second one is refused. Capacity, subnets and
security groups are recorded and change nothing here; the endpoint is that of the process on this machine.
"""

from __future__ import annotations

import json
import re
import secrets
import string
import time
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, ClassVar

from botocore.exceptions import ClientError

from localcloud.base.api_type import ApiType
from localcloud.base.cloud import Cloud
from localcloud.base.errors import AwsError
from localcloud.base.service import Service
from localcloud.services.redshift_serverless import warehouse, workgroups

_NAME = re.compile(r"^[a-z0-9-]{3,64}$")
_PASSWORD = re.compile(r"^(?=.*[a-z])(?=.*[A-Z])(?=.*\d)[\x21-\x7e]{8,64}$")
# The endpoint is on the loopback interface and has no TLS; the others are the documented defaults.
_PARAMETERS = {"require_ssl": {"false"}, "use_fips_ssl": {"false"}, "auto_mv": {"true", "false"}}
_PASSWORD_CHARACTERS = string.ascii_letters + string.digits


def _namespace_attribute(name: str) -> Any:
    return lambda described: described["namespace"].get(name, "")


def _workgroup_attribute(name: str) -> Any:
    return lambda described: described["workgroup"].get(name, "")


class RedshiftServerlessService(Service):
    """``redshift-serverless`` of boto3: namespaces, workgroups, credentials, tags."""

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
                "Namespace.AdminUsername": _namespace_attribute("adminUsername"),
                "Namespace.AdminPasswordSecretArn": _namespace_attribute("adminPasswordSecretArn"),
                "Namespace.AdminPasswordSecretKmsKeyId": _namespace_attribute("adminPasswordSecretKmsKeyId"),
                "Namespace.CreationDate": _namespace_attribute("creationDate"),
                "Namespace.DbName": _namespace_attribute("dbName"),
                "Namespace.DefaultIamRoleArn": _namespace_attribute("defaultIamRoleArn"),
                "Namespace.KmsKeyId": _namespace_attribute("kmsKeyId"),
                "Namespace.NamespaceArn": _namespace_attribute("namespaceArn"),
                "Namespace.NamespaceId": _namespace_attribute("namespaceId"),
                "Namespace.NamespaceName": _namespace_attribute("namespaceName"),
                "Namespace.Status": _namespace_attribute("status"),
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
                "Workgroup.BaseCapacity": _workgroup_attribute("baseCapacity"),
                "Workgroup.CreationDate": _workgroup_attribute("creationDate"),
                "Workgroup.Endpoint.Address": lambda described: described["workgroup"]["endpoint"]["address"],
                "Workgroup.Endpoint.Port": lambda described: described["workgroup"]["endpoint"]["port"],
                "Workgroup.EnhancedVpcRouting": _workgroup_attribute("enhancedVpcRouting"),
                "Workgroup.NamespaceName": _workgroup_attribute("namespaceName"),
                "Workgroup.PubliclyAccessible": _workgroup_attribute("publiclyAccessible"),
                "Workgroup.Status": _workgroup_attribute("status"),
                "Workgroup.WorkgroupArn": _workgroup_attribute("workgroupArn"),
                "Workgroup.WorkgroupId": _workgroup_attribute("workgroupId"),
                "Workgroup.WorkgroupName": _workgroup_attribute("workgroupName"),
            },
            ready=lambda described: described["workgroup"]["status"] == "AVAILABLE",
        ),
    }

    def __init__(self, cloud: Cloud) -> None:
        super().__init__(cloud)
        self.state = {"namespaces": {}, "workgroups": {}, "tags": {}}

    def start(self) -> None:
        """Make the workgroups known."""
        workgroups.remember(self.cloud.account_id, self.cloud.region, self.state["workgroups"])

    def changed(self) -> None:
        """Save, and make the workgroups known."""
        workgroups.remember(self.cloud.account_id, self.cloud.region, self.state["workgroups"])
        super().changed()

    def resource_arns(self, operation: str, params: dict[str, Any]) -> list[str]:
        """Source: "Actions, resources, and condition keys for Amazon Redshift Serverless"."""
        if "resourceArn" in params:
            return [str(params["resourceArn"])]
        arns = []
        for kind in ("namespace", "workgroup"):
            name = params.get(f"{kind}Name")
            if name is None or (kind == "namespace" and "Workgroup" in operation):
                continue
            known = self.state[f"{kind}s"].get(name)
            arns.append(known[f"{kind}Arn"] if known else self.cloud.arn("redshift-serverless", f"{kind}/*"))
        return arns or ["*"]

    # Namespaces ----------------------------------------------------------------------------------------------------

    def create_namespace(
        self,
        namespaceName: str,
        adminUsername: str = "admin",
        adminUserPassword: str | None = None,
        manageAdminPassword: bool = False,
        adminPasswordSecretKmsKeyId: str | None = None,
        dbName: str = "dev",
        defaultIamRoleArn: str | None = None,
        iamRoles: list[str] | None = None,
        kmsKeyId: str | None = None,
        logExports: list[str] | None = None,
        tags: list[dict[str, str]] | None = None,
    ) -> dict[str, Any]:
        """Create the database and the admin user; the password is given, or kept in a secret of the service's own."""
        self._check_name("namespaceName", namespaceName)
        with self.lock:
            self._only_one("namespaces", "namespace", namespaceName)
            for cluster in self.cloud.client("redshift").describe_clusters()["Clusters"]:
                raise AwsError(
                    "ServiceQuotaExceededException",
                    f"the local cloud runs one warehouse, which is the cluster {cluster['ClusterIdentifier']}'s: "
                    f"delete it before creating {namespaceName}",
                )
            identifier = str(uuid.uuid4())
            namespace: dict[str, Any] = {
                "namespaceName": namespaceName,
                "namespaceId": identifier,
                "namespaceArn": self.cloud.arn("redshift-serverless", f"namespace/{identifier}"),
                "adminUsername": adminUsername,
                "dbName": dbName,
                "iamRoles": list(iamRoles or []),
                "logExports": list(logExports or []),
                "kmsKeyId": kmsKeyId or "AWS_OWNED_KMS_KEY",
                "status": "AVAILABLE",
                "creationDate": time.time(),
            }
            if defaultIamRoleArn:
                namespace["defaultIamRoleArn"] = defaultIamRoleArn
            warehouse.put_database(self.cloud, dbName)
            if manageAdminPassword or adminUserPassword is not None:
                self._set_password(namespace, adminUserPassword, manageAdminPassword, adminPasswordSecretKmsKeyId)
            self.state["namespaces"][namespaceName] = namespace
            self.state["tags"][namespace["namespaceArn"]] = list(tags or [])
            self.changed()
            return {"namespace": _shown(namespace)}

    def get_namespace(self, namespaceName: str) -> dict[str, Any]:
        """One namespace."""
        return {"namespace": _shown(self._find("namespaces", "namespace", namespaceName))}

    def list_namespaces(self, maxResults: int | None = None, nextToken: str | None = None) -> dict[str, Any]:
        """All namespaces (one at most)."""
        return {"namespaces": [_shown(item) for item in self.state["namespaces"].values()]}

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
        """Change what is sent."""
        with self.lock:
            namespace = self._find("namespaces", "namespace", namespaceName)
            if adminUsername and adminUsername != namespace["adminUsername"]:
                if adminUserPassword is None and not manageAdminPassword:
                    raise AwsError("ValidationException", "a new adminUsername needs a password")
                warehouse.drop_user(self.cloud, namespace["adminUsername"])
                namespace["adminUsername"] = adminUsername
            if adminUserPassword is not None or manageAdminPassword:
                self._set_password(namespace, adminUserPassword, bool(manageAdminPassword), adminPasswordSecretKmsKeyId)
            changes = {"defaultIamRoleArn": defaultIamRoleArn, "iamRoles": iamRoles, "kmsKeyId": kmsKeyId,
                       "logExports": logExports}  # fmt: skip
            namespace.update({key: value for key, value in changes.items() if value is not None})
            self.changed()
            return {"namespace": _shown(namespace)}

    def delete_namespace(self, namespaceName: str) -> dict[str, Any]:
        """Delete the namespace with its database, admin user and managed secret; not while it has a workgroup."""
        with self.lock:
            namespace = self._find("namespaces", "namespace", namespaceName)
            if any(item["namespaceName"] == namespaceName for item in self.state["workgroups"].values()):
                raise AwsError("ConflictException", f"There is a workgroup of the namespace {namespaceName}")
            warehouse.drop_database(self.cloud, namespace["dbName"])
            warehouse.drop_user(self.cloud, namespace["adminUsername"])
            self._delete_secret(namespace)
            del self.state["namespaces"][namespaceName]
            self.state["tags"].pop(namespace["namespaceArn"], None)
            self.changed()
            return {"namespace": {**_shown(namespace), "status": "DELETING"}}

    def _set_password(self, namespace: dict[str, Any], password: str | None, managed: bool, key: str | None) -> None:
        if managed and password is not None:
            raise AwsError("ValidationException", "adminUserPassword and manageAdminPassword exclude each other")
        if managed:
            password = "".join(secrets.choice(_PASSWORD_CHARACTERS) for _ in range(30)) + "aA1"
            self._put_secret(namespace, password, key)
        elif password is not None:
            if not _PASSWORD.match(password):
                raise AwsError(
                    "ValidationException",
                    "adminUserPassword must have 8 to 64 characters with an upper-case letter, a lower-case letter and "
                    "a digit",
                )
            self._delete_secret(namespace)
        warehouse.put_user(self.cloud, namespace["adminUsername"], str(password), superuser=True)

    def _put_secret(self, namespace: dict[str, Any], password: str, key: str | None) -> None:
        client = self.cloud.client("secretsmanager")
        text = json.dumps({"username": namespace["adminUsername"], "password": password})
        if "adminPasswordSecretArn" in namespace:
            client.put_secret_value(SecretId=namespace["adminPasswordSecretArn"], SecretString=text)
            return
        name = f"redshift!{namespace['namespaceName']}-{namespace['adminUsername']}"
        arguments = {"KmsKeyId": key} if key else {}
        namespace["adminPasswordSecretArn"] = client.create_secret(Name=name, SecretString=text, **arguments)["ARN"]
        if key:
            namespace["adminPasswordSecretKmsKeyId"] = key

    def _delete_secret(self, namespace: dict[str, Any]) -> None:
        arn = namespace.pop("adminPasswordSecretArn", None)
        if arn is None:
            return
        try:
            self.cloud.client("secretsmanager").delete_secret(SecretId=arn, ForceDeleteWithoutRecovery=True)
        except ClientError as error:
            if error.response["Error"]["Code"] != "ResourceNotFoundException":
                raise

    # Workgroups ----------------------------------------------------------------------------------------------------

    def create_workgroup(
        self,
        workgroupName: str,
        namespaceName: str,
        baseCapacity: int = 128,
        maxCapacity: int | None = None,
        configParameters: list[dict[str, str]] | None = None,
        enhancedVpcRouting: bool = False,
        ipAddressType: str | None = None,
        port: int | None = None,
        publiclyAccessible: bool = False,
        securityGroupIds: list[str] | None = None,
        subnetIds: list[str] | None = None,
        tags: list[dict[str, str]] | None = None,
    ) -> dict[str, Any]:
        """Give a namespace its endpoint: the process of this machine, whose port cannot be chosen here."""
        self._check_name("workgroupName", workgroupName)
        _check_parameters(configParameters or [])
        with self.lock:
            self._find("namespaces", "namespace", namespaceName)
            self._only_one("workgroups", "workgroup", workgroupName)
            server = self.cloud.server(warehouse.SERVER)
            identifier = str(uuid.uuid4())
            workgroup: dict[str, Any] = {
                "workgroupName": workgroupName,
                "workgroupId": identifier,
                "workgroupArn": self.cloud.arn("redshift-serverless", f"workgroup/{identifier}"),
                "namespaceName": namespaceName,
                "baseCapacity": baseCapacity,
                "configParameters": list(configParameters or []),
                "enhancedVpcRouting": enhancedVpcRouting,
                "publiclyAccessible": publiclyAccessible,
                "securityGroupIds": list(securityGroupIds or []),
                "subnetIds": list(subnetIds or []),
                "port": server.port,
                "status": "AVAILABLE",
                "creationDate": time.time(),
            }
            if maxCapacity is not None:
                workgroup["maxCapacity"] = maxCapacity
            if ipAddressType is not None:
                workgroup["ipAddressType"] = ipAddressType
            self.state["workgroups"][workgroupName] = workgroup
            self.state["tags"][workgroup["workgroupArn"]] = list(tags or [])
            self.changed()
            return {"workgroup": self._shown_workgroup(workgroup)}

    def get_workgroup(self, workgroupName: str) -> dict[str, Any]:
        """One workgroup with its endpoint."""
        return {"workgroup": self._shown_workgroup(self._find("workgroups", "workgroup", workgroupName))}

    def list_workgroups(
        self, maxResults: int | None = None, nextToken: str | None = None, ownerAccount: str | None = None
    ) -> dict[str, Any]:
        """All workgroups (one at most)."""
        return {"workgroups": [self._shown_workgroup(item) for item in self.state["workgroups"].values()]}

    def update_workgroup(
        self,
        workgroupName: str,
        baseCapacity: int | None = None,
        maxCapacity: int | None = None,
        configParameters: list[dict[str, str]] | None = None,
        enhancedVpcRouting: bool | None = None,
        publiclyAccessible: bool | None = None,
        securityGroupIds: list[str] | None = None,
        subnetIds: list[str] | None = None,
    ) -> dict[str, Any]:
        """Record what is sent."""
        _check_parameters(configParameters or [])
        with self.lock:
            workgroup = self._find("workgroups", "workgroup", workgroupName)
            changes = {
                "baseCapacity": baseCapacity,
                "maxCapacity": maxCapacity,
                "configParameters": configParameters,
                "enhancedVpcRouting": enhancedVpcRouting,
                "publiclyAccessible": publiclyAccessible,
                "securityGroupIds": securityGroupIds,
                "subnetIds": subnetIds,
            }
            workgroup.update({key: value for key, value in changes.items() if value is not None})
            self.changed()
            return {"workgroup": self._shown_workgroup(workgroup)}

    def delete_workgroup(self, workgroupName: str) -> dict[str, Any]:
        """Take the endpoint away; the data stays in the namespace."""
        with self.lock:
            workgroup = self._find("workgroups", "workgroup", workgroupName)
            del self.state["workgroups"][workgroupName]
            self.state["tags"].pop(workgroup["workgroupArn"], None)
            self.changed()
            return {"workgroup": {**self._shown_workgroup(workgroup), "status": "DELETING"}}

    def get_credentials(
        self, workgroupName: str, dbName: str | None = None, durationSeconds: int = 900
    ) -> dict[str, Any]:
        """A temporary password.

        The service is not told who asks, so that all callers are one database user, ``IAM:iam``.
        """
        self._find("workgroups", "workgroup", workgroupName)
        if not 900 <= durationSeconds <= 3600:
            raise AwsError("ValidationException", "durationSeconds must be between 900 and 3600")
        user, password = "IAM:iam", secrets.token_urlsafe(32)
        expiration = datetime.fromtimestamp(time.time() + durationSeconds, UTC)
        until = expiration.strftime("%Y-%m-%d %H:%M:%S")
        warehouse.put_user(self.cloud, user.lower(), password, superuser=True, valid_until=until)
        return {"dbUser": user, "dbPassword": password, "expiration": expiration, "nextRefreshTime": expiration}

    # Tags ----------------------------------------------------------------------------------------------------------

    def list_tags_for_resource(self, resourceArn: str) -> dict[str, Any]:
        """The tags of a namespace or workgroup."""
        return {"tags": self._tags(resourceArn)}

    def tag_resource(self, resourceArn: str, tags: list[dict[str, str]]) -> dict[str, Any]:
        """Add tags."""
        with self.lock:
            kept = {tag["key"]: tag for tag in self._tags(resourceArn)}
            kept.update({tag["key"]: tag for tag in tags})
            self.state["tags"][resourceArn] = list(kept.values())
            self.changed()
        return {}

    def untag_resource(self, resourceArn: str, tagKeys: list[str]) -> dict[str, Any]:
        """Remove tags."""
        with self.lock:
            self.state["tags"][resourceArn] = [t for t in self._tags(resourceArn) if t["key"] not in tagKeys]
            self.changed()
        return {}

    # ---------------------------------------------------------------------------------------------------------------

    def _tags(self, arn: str) -> list[dict[str, str]]:
        try:
            tags: list[dict[str, str]] = self.state["tags"][arn]
        except KeyError:
            raise AwsError("ResourceNotFoundException", f"no resource {arn}", 404) from None
        return tags

    def _find(self, group: str, kind: str, name: str) -> dict[str, Any]:
        try:
            found: dict[str, Any] = self.state[group][name]
        except KeyError:
            raise AwsError("ResourceNotFoundException", f"the {kind} {name} does not exist", 404) from None
        return found

    def _only_one(self, group: str, kind: str, name: str) -> None:
        existing = self.state[group]
        if name in existing:
            raise AwsError("ConflictException", f"the {kind} {name} already exists")
        if existing:
            raise AwsError(
                "ServiceQuotaExceededException",
                f"the local cloud runs one warehouse and so one {kind}, which is {next(iter(existing))}: delete it "
                f"before creating {name}",
            )

    @staticmethod
    def _check_name(parameter: str, name: str) -> None:
        if not _NAME.match(name):
            raise AwsError(
                "ValidationException",
                f"{parameter} {name!r} must have 3 to 64 lower-case letters, digits and hyphens",
            )

    def _shown_workgroup(self, workgroup: dict[str, Any]) -> dict[str, Any]:
        server = self.cloud.server(warehouse.SERVER)
        return {
            **_shown(workgroup),
            "port": server.port,
            "endpoint": {"address": server.host, "port": server.port, "vpcEndpoints": []},
        }


def _check_parameters(parameters: list[dict[str, str]]) -> None:
    for parameter in parameters:
        key, value = parameter["parameterKey"], parameter["parameterValue"]
        if value.lower() not in _PARAMETERS.get(key, set()):
            raise AwsError("ValidationException", f"the local cloud does not support the parameter {key} = {value!r}")


def _shown(item: Mapping[str, Any]) -> dict[str, Any]:
    return {**item, "creationDate": datetime.fromtimestamp(item["creationDate"], UTC)}
