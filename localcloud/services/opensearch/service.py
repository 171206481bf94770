"""The OpenSearch Service API over the real OpenSearch node of the machine.

There is one node, so there is one domain: a second one is refused. The domain's endpoint is 127.0.0.1 with a port, by
plain http: nothing leaves the machine, so `EnforceHTTPS` is recorded and counts as fulfilled, as `aws:SecureTransport`
does elsewhere in the local cloud.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from typing import Any, ClassVar

import httpx
from botocore.exceptions import ClientError

from localcloud.base.api_type import ApiType
from localcloud.base.cloud import Cloud
from localcloud.base.errors import AwsError
from localcloud.base.service import Service
from localcloud.base.signed_requests import EndpointAuthorization
from localcloud.services.opensearch import node
from localcloud.services.opensearch.options import DEFAULTS, ENGINE_VERSION, checked_options, merged
from localcloud.services.opensearch.proxy import DomainEndpoint

NODE_SERVER = "opensearch"
"""Name of the machine's server that is the node."""
ENDPOINT_SERVER = "opensearch-domain"
"""Name of the address at which the domain's endpoint listens."""
_DOMAIN_NAME = re.compile(r"^[a-z][a-z0-9-]{2,27}$")


def _endpoint(described: Mapping[str, Any]) -> str:
    status = described["DomainStatus"]
    return str(status.get("Endpoint") or status.get("Endpoints", {}).get("vpc", ""))


def _generated_name(stack_name: str, logical_id: str) -> dict[str, str]:
    name = re.sub(r"[^a-z0-9-]", "", f"{stack_name}-{logical_id}".lower())
    return {"DomainName": name[:28].rstrip("-")}


class OpenSearchService(Service):
    """`opensearch` of boto3: domains and their configuration, tags, versions."""

    name: ClassVar[str] = "opensearch"
    cloudformation: ClassVar[Mapping[str, ApiType]] = {
        "AWS::OpenSearchService::Domain": ApiType(
            service="opensearch",
            create="create_domain",
            update="update_domain_config",
            describe="describe_domain",
            delete="delete_domain",
            ref=lambda sent, answer: answer["DomainStatus"]["DomainName"],
            identity=lambda physical_id: {"DomainName": physical_id},
            rename={"Tags": "TagList"},
            defaults=_generated_name,
            replaced=frozenset({"DomainName"}),
            update_omits=frozenset({"Tags", "EngineVersion"}),
            attributes={
                "Arn": lambda described: described["DomainStatus"]["ARN"],
                "DomainArn": lambda described: described["DomainStatus"]["ARN"],
                "DomainEndpoint": _endpoint,
                "Id": lambda described: described["DomainStatus"]["DomainId"],
            },
            ready=lambda described: not described["DomainStatus"]["Processing"],
        )
    }

    def __init__(self, cloud: Cloud) -> None:
        super().__init__(cloud)
        self.state = {"domains": {}, "tags": {}}
        self._endpoint: DomainEndpoint | None = None

    def start(self) -> None:
        """Listen at the domain's endpoint, when the machine has a node."""
        servers = self.cloud.servers
        if NODE_SERVER not in servers or ENDPOINT_SERVER not in servers:
            self.log.info("this machine runs no OpenSearch node: domains cannot be created")
            return
        node_server, address = servers[NODE_SERVER], servers[ENDPOINT_SERVER]
        self._endpoint = DomainEndpoint(
            address.host,
            address.port,
            f"http://{node_server.host}:{node_server.port}",
            EndpointAuthorization(self.cloud.account_id, self.cloud.region, "es"),
            self._served_domain,
        )
        self._endpoint.start()

    def stop(self) -> None:
        """Stop listening."""
        if self._endpoint is not None:
            self._endpoint.stop()

    def resource_arns(self, operation: str, params: dict[str, Any]) -> list[str]:
        """Source: "Actions, resources, and condition keys for Amazon OpenSearch Service"."""
        if "ARN" in params:
            return [str(params["ARN"])]
        if "DomainNames" in params:
            return [self._arn(name) for name in params["DomainNames"]] or ["*"]
        return [self._arn(params["DomainName"])] if "DomainName" in params else ["*"]

    # domains -------------------------------------------------------------------------------------------------------

    def create_domain(
        self,
        DomainName: str,
        EngineVersion: str | None = None,
        ClusterConfig: dict[str, Any] | None = None,
        EBSOptions: dict[str, Any] | None = None,
        AccessPolicies: str | None = None,
        SnapshotOptions: dict[str, Any] | None = None,
        VPCOptions: dict[str, Any] | None = None,
        CognitoOptions: dict[str, Any] | None = None,
        EncryptionAtRestOptions: dict[str, Any] | None = None,
        NodeToNodeEncryptionOptions: dict[str, Any] | None = None,
        AdvancedOptions: dict[str, str] | None = None,
        LogPublishingOptions: dict[str, Any] | None = None,
        DomainEndpointOptions: dict[str, Any] | None = None,
        AdvancedSecurityOptions: dict[str, Any] | None = None,
        IPAddressType: str | None = None,
        TagList: list[dict[str, str]] | None = None,
    ) -> dict[str, Any]:
        """Give the machine's node to a new domain."""
        if not _DOMAIN_NAME.match(DomainName):
            raise AwsError(
                "ValidationException",
                f"DomainName {DomainName!r} must have 3 to 28 lowercase letters, digits and hyphens and begin with a "
                "letter",
            )
        sent = checked_options(
            {
                "EngineVersion": EngineVersion,
                "ClusterConfig": ClusterConfig,
                "EBSOptions": EBSOptions,
                "AccessPolicies": AccessPolicies,
                "SnapshotOptions": SnapshotOptions,
                "CognitoOptions": CognitoOptions,
                "EncryptionAtRestOptions": self._encryption(EncryptionAtRestOptions),
                "NodeToNodeEncryptionOptions": NodeToNodeEncryptionOptions,
                "AdvancedOptions": AdvancedOptions,
                "LogPublishingOptions": LogPublishingOptions,
                "DomainEndpointOptions": DomainEndpointOptions,
                "AdvancedSecurityOptions": AdvancedSecurityOptions,
                "IPAddressType": IPAddressType,
                "VPCOptions": self._vpc(VPCOptions),
            }
        )
        with self.lock:
            domains = self.state["domains"]
            if DomainName in domains:
                raise AwsError("ResourceAlreadyExistsException", f"Domain {DomainName} already exists", 409)
            if domains:
                raise AwsError(
                    "LimitExceededException",
                    f"the local cloud runs one OpenSearch node and so one domain, which is {next(iter(domains))}: "
                    f"delete it before creating {DomainName}",
                    409,
                )
            self._require_node()
            now = time.time()
            domains[DomainName] = {
                "options": merged({**DEFAULTS, "EngineVersion": ENGINE_VERSION, "AccessPolicies": ""}, sent),
                "created": now,
                "updated": now,
                "version": 1,
            }
            self.state["tags"][DomainName] = list(TagList or [])
            self.changed()
            return {"DomainStatus": self._status(DomainName)}

    def update_domain_config(
        self,
        DomainName: str,
        ClusterConfig: dict[str, Any] | None = None,
        EBSOptions: dict[str, Any] | None = None,
        AccessPolicies: str | None = None,
        SnapshotOptions: dict[str, Any] | None = None,
        VPCOptions: dict[str, Any] | None = None,
        CognitoOptions: dict[str, Any] | None = None,
        EncryptionAtRestOptions: dict[str, Any] | None = None,
        NodeToNodeEncryptionOptions: dict[str, Any] | None = None,
        AdvancedOptions: dict[str, str] | None = None,
        LogPublishingOptions: dict[str, Any] | None = None,
        DomainEndpointOptions: dict[str, Any] | None = None,
        AdvancedSecurityOptions: dict[str, Any] | None = None,
        IPAddressType: str | None = None,
    ) -> dict[str, Any]:
        """Change what is sent and keep the rest; access policies hold for the next request."""
        sent = checked_options(
            {
                "ClusterConfig": ClusterConfig,
                "EBSOptions": EBSOptions,
                "AccessPolicies": AccessPolicies,
                "SnapshotOptions": SnapshotOptions,
                "VPCOptions": self._vpc(VPCOptions),
                "CognitoOptions": CognitoOptions,
                "EncryptionAtRestOptions": self._encryption(EncryptionAtRestOptions),
                "NodeToNodeEncryptionOptions": NodeToNodeEncryptionOptions,
                "AdvancedOptions": AdvancedOptions,
                "LogPublishingOptions": LogPublishingOptions,
                "DomainEndpointOptions": DomainEndpointOptions,
                "AdvancedSecurityOptions": AdvancedSecurityOptions,
                "IPAddressType": IPAddressType,
            }
        )
        with self.lock:
            domain = self._domain(DomainName)
            if ("VPCOptions" in sent) != ("VPCOptions" in domain["options"]) and "VPCOptions" in sent:
                raise AwsError("ValidationException", "a domain with a public endpoint cannot be moved into a VPC")
            domain["options"] = merged(domain["options"], sent)
            domain["updated"] = time.time()
            domain["version"] += 1
            self.changed()
            return {"DomainConfig": self._config(DomainName)}

    def delete_domain(self, DomainName: str) -> dict[str, Any]:
        """Delete the domain with all of its data, as the service does."""
        with self.lock:
            self._domain(DomainName)
            status = {**self._status(DomainName), "Deleted": True, "Processing": True}
            node.erase(self._node_url())
            del self.state["domains"][DomainName]
            self.state["tags"].pop(DomainName, None)
            self.changed()
            return {"DomainStatus": status}

    def describe_domain(self, DomainName: str) -> dict[str, Any]:
        """Status and configuration of one domain."""
        with self.lock:
            return {"DomainStatus": self._status(DomainName)}

    def describe_domains(self, DomainNames: list[str]) -> dict[str, Any]:
        """Status of those of the named domains that exist."""
        with self.lock:
            return {"DomainStatusList": [self._status(name) for name in DomainNames if name in self.state["domains"]]}

    def describe_domain_config(self, DomainName: str) -> dict[str, Any]:
        """The configuration, each option with its own status."""
        with self.lock:
            return {"DomainConfig": self._config(DomainName)}

    def list_domain_names(self, EngineType: str | None = None) -> dict[str, Any]:
        """The names of the account's domains."""
        names = [] if EngineType not in (None, "OpenSearch") else list(self.state["domains"])
        return {"DomainNames": [{"DomainName": name, "EngineType": "OpenSearch"} for name in names]}

    def list_versions(self) -> dict[str, Any]:
        """The one engine version that runs here."""
        return {"Versions": [ENGINE_VERSION]}

    # tags ----------------------------------------------------------------------------------------------------------

    def add_tags(self, ARN: str, TagList: list[dict[str, str]]) -> None:
        """Set tags of a domain."""
        with self.lock:
            tags = {tag["Key"]: tag for tag in [*self._tags(ARN), *TagList]}
            self.state["tags"][self._name(ARN)] = list(tags.values())
            self.changed()

    def list_tags(self, ARN: str) -> dict[str, Any]:
        """The tags of a domain."""
        return {"TagList": self._tags(ARN)}

    def remove_tags(self, ARN: str, TagKeys: list[str]) -> None:
        """Remove tags of a domain."""
        with self.lock:
            self.state["tags"][self._name(ARN)] = [tag for tag in self._tags(ARN) if tag["Key"] not in TagKeys]
            self.changed()

    # ---------------------------------------------------------------------------------------------------------------

    def _arn(self, domain: str) -> str:
        return self.cloud.arn("es", f"domain/{domain}")

    def _name(self, arn: str) -> str:
        name = arn.rpartition("/")[2]
        if name not in self.state["domains"] or self._arn(name) != arn:
            raise AwsError("ResourceNotFoundException", f"Domain not found: {arn}", 409)
        return name

    def _tags(self, arn: str) -> list[dict[str, str]]:
        tags: list[dict[str, str]] = self.state["tags"].get(self._name(arn), [])
        return tags

    def _domain(self, name: str) -> dict[str, Any]:
        try:
            domain: dict[str, Any] = self.state["domains"][name]
        except KeyError:
            raise AwsError("ResourceNotFoundException", f"Domain not found: {name}", 409) from None
        return domain

    def _served_domain(self) -> tuple[str, str] | None:
        for name, domain in list(self.state["domains"].items()):
            return self._arn(name), str(domain["options"].get("AccessPolicies", ""))
        return None

    def _node_url(self) -> str:
        server = self.cloud.server(NODE_SERVER)
        return f"http://{server.host}:{server.port}"

    def _require_node(self) -> None:
        url = self._node_url()
        try:
            version = node.version(url)
        except httpx.HTTPError as error:
            raise AwsError(
                "InternalException", f"the machine's OpenSearch node at {url} does not answer: {error}", 500
            ) from error
        if not f"OpenSearch_{version}.".startswith(f"{ENGINE_VERSION}."):
            raise AwsError("InternalException", f"the node at {url} is version {version}, not {ENGINE_VERSION}", 500)

    def _vpc(self, options: dict[str, Any] | None) -> dict[str, Any] | None:
        """VPC options as they are described: with the VPC and the zones of the subnets, which must exist."""
        if not options or not options.get("SubnetIds"):
            return None
        ec2 = self.cloud.client("ec2")
        groups = options.get("SecurityGroupIds", [])
        try:
            subnets = ec2.describe_subnets(SubnetIds=options["SubnetIds"])["Subnets"]
            if groups:
                ec2.describe_security_groups(GroupIds=groups)
        except ClientError as error:
            raise AwsError("ValidationException", f"VPCOptions: {error.response['Error']['Message']}") from error
        vpcs = {subnet["VpcId"] for subnet in subnets}
        if len(vpcs) != 1:
            raise AwsError("ValidationException", f"VPCOptions: the subnets must be of one VPC, not of {len(vpcs)}")
        return {
            "VPCId": vpcs.pop(),
            "SubnetIds": options["SubnetIds"],
            "AvailabilityZones": [subnet["AvailabilityZone"] for subnet in subnets],
            "SecurityGroupIds": groups,
        }

    def _encryption(self, options: dict[str, Any] | None) -> dict[str, Any] | None:
        """Encryption options, whose key must exist."""
        if options and options.get("Enabled") and options.get("KmsKeyId"):
            try:
                self.cloud.client("kms").describe_key(KeyId=options["KmsKeyId"])
            except ClientError as error:
                raise AwsError(
                    "ValidationException", f"EncryptionAtRestOptions.KmsKeyId: {error.response['Error']['Message']}"
                ) from error
        return options

    def _status(self, name: str) -> dict[str, Any]:
        domain = self._domain(name)
        options = domain["options"]
        address = self.cloud.server(ENDPOINT_SERVER)
        endpoint = f"{address.host}:{address.port}"
        place: dict[str, Any] = {"Endpoints": {"vpc": endpoint}} if "VPCOptions" in options else {"Endpoint": endpoint}
        return {
            "DomainId": f"{self.cloud.account_id}/{name}",
            "DomainName": name,
            "ARN": self._arn(name),
            "Created": True,
            "Deleted": False,
            "Processing": False,
            "UpgradeProcessing": False,
            "DomainProcessingStatus": "Active",
            **place,
            **options,
        }

    def _config(self, name: str) -> dict[str, Any]:
        domain = self._domain(name)
        status = {
            "CreationDate": domain["created"],
            "UpdateDate": domain["updated"],
            "UpdateVersion": domain["version"],
            "State": "Active",
            "PendingDeletion": False,
        }
        return {option: {"Options": value, "Status": status} for option, value in domain["options"].items()}
