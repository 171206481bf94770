"""CloudFormation types of MiniStack's services that it lacks or does not do as AWS does, as calls of their APIs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from localcloud.base.api_type import ApiType, PropertyError
from localcloud.base.cloudformation.bucket_type import BucketType
from localcloud.base.cloudformation.secret_type import SecretType

_RULE_FIELDS = frozenset({"IpProtocol", "FromPort", "ToPort"})


class SecurityGroupRuleType:
    """``AWS::EC2::SecurityGroupIngress`` and ``...Egress``: one rule of a group; every property replaces it."""

    service = "ec2"

    def __init__(self, direction: str) -> None:
        self._direction = direction
        self._peer = "SourceSecurityGroupId" if direction == "ingress" else "DestinationSecurityGroupId"

    def create_resource(
        self, client: Any, logical_id: str, properties: Mapping[str, Any], stack_name: str
    ) -> tuple[str, dict[str, str]]:
        authorize = getattr(client, f"authorize_security_group_{self._direction}")
        answer = authorize(GroupId=properties["GroupId"], IpPermissions=[self._permission(properties)])
        rule = str(answer["SecurityGroupRules"][0]["SecurityGroupRuleId"])
        return rule, {"Id": rule}

    def needs_replacement(self, old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
        return dict(old) != dict(new)

    def update_resource(
        self, client: Any, physical_id: str, old: Mapping[str, Any], new: Mapping[str, Any]
    ) -> dict[str, str]:
        return {"Id": physical_id}

    def delete_resource(self, client: Any, physical_id: str) -> None:
        rules = client.describe_security_group_rules(SecurityGroupRuleIds=[physical_id])["SecurityGroupRules"]
        if rules:
            revoke = getattr(client, f"revoke_security_group_{self._direction}")
            revoke(GroupId=rules[0]["GroupId"], SecurityGroupRuleIds=[physical_id])

    def _permission(self, properties: Mapping[str, Any]) -> dict[str, Any]:
        permission: dict[str, Any] = {"IpProtocol": str(properties["IpProtocol"])}
        for port in ("FromPort", "ToPort"):
            if port in properties:
                permission[port] = int(properties[port])
        described = {"Description": properties["Description"]} if "Description" in properties else {}
        peers = {
            "CidrIp": ("IpRanges", "CidrIp"),
            "CidrIpv6": ("Ipv6Ranges", "CidrIpv6"),
            self._peer: ("UserIdGroupPairs", "GroupId"),
            "SourcePrefixListId" if self._direction == "ingress" else "DestinationPrefixListId": (
                "PrefixListIds",
                "PrefixListId",
            ),
        }
        unknown = sorted(set(properties) - set(peers) - _RULE_FIELDS - {"GroupId", "Description"})
        if unknown:
            raise PropertyError(f"{', '.join(unknown)} is not supported")
        for name, (member, key) in peers.items():
            if name in properties:
                permission[member] = [{key: properties[name], **described}]
        return permission


TYPES: Mapping[str, Any] = {
    "AWS::EC2::SecurityGroupEgress": SecurityGroupRuleType("egress"),
    "AWS::EC2::SecurityGroupIngress": SecurityGroupRuleType("ingress"),
    "AWS::S3::Bucket": BucketType(),
    "AWS::SecretsManager::ResourcePolicy": ApiType(
        service="secretsmanager",
        create="put_resource_policy",
        update="put_resource_policy",
        delete="delete_resource_policy",
        ref=lambda properties, answer: str(answer["ARN"]),
        identity=lambda arn: {"SecretId": arn},
        replaced=frozenset({"SecretId"}),
    ),
    "AWS::SecretsManager::Secret": SecretType(),
}
