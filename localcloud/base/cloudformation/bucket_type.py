"""``AWS::S3::Bucket``: every property through the S3 API, and a full bucket is not deleted."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from localcloud.base.api_type import PropertyError, not_found, to_api


@dataclass(frozen=True)
class _Configuration:
    """One property: the operations that set and remove it, and how its value becomes their parameter."""

    put: str
    parameter: str
    delete: str | None
    convert: Callable[[Any], Any] = lambda value: value
    rename: Mapping[str, str | None] | None = None
    removed: Any = None
    """Value that stands for the property's absence where there is no delete operation."""


def _encryption(value: Any) -> Any:
    rules = []
    for rule in value["ServerSideEncryptionConfiguration"]:
        given = dict(rule)
        if "ServerSideEncryptionByDefault" in given:
            given["ApplyServerSideEncryptionByDefault"] = given.pop("ServerSideEncryptionByDefault")
        rules.append(given)
    return {"Rules": rules}


def _lifecycle(value: Any) -> Any:
    return {**{key: item for key, item in value.items() if key != "Rules"}, "Rules": [_rule(r) for r in value["Rules"]]}


def _rule(rule: Mapping[str, Any]) -> dict[str, Any]:
    given = dict(rule)
    result: dict[str, Any] = {"ID": given.pop("Id", None) or secrets.token_hex(8), "Status": given.pop("Status")}
    result["Filter"] = _filter(given)
    days, date = given.pop("ExpirationInDays", None), given.pop("ExpirationDate", None)
    marker = given.pop("ExpiredObjectDeleteMarker", None)
    expiration = {"Days": days, "Date": date, "ExpiredObjectDeleteMarker": marker}
    if any(item is not None for item in expiration.values()):
        result["Expiration"] = {key: item for key, item in expiration.items() if item is not None}
    transitions = given.pop("Transitions", []) + [given.pop(k) for k in ("Transition",) if k in given]
    if transitions:
        result["Transitions"] = [
            _renamed(t, {"TransitionInDays": "Days", "TransitionDate": "Date"}) for t in transitions
        ]
    if "NoncurrentVersionExpirationInDays" in given:
        result["NoncurrentVersionExpiration"] = {"NoncurrentDays": given.pop("NoncurrentVersionExpirationInDays")}
    if "NoncurrentVersionTransitions" in given:
        result["NoncurrentVersionTransitions"] = [
            _renamed(t, {"TransitionInDays": "NoncurrentDays"}) for t in given.pop("NoncurrentVersionTransitions")
        ]
    return {**result, **given}


def _filter(given: dict[str, Any]) -> dict[str, Any]:
    parts: dict[str, Any] = {}
    if "Prefix" in given:
        parts["Prefix"] = given.pop("Prefix")
    for size in ("ObjectSizeGreaterThan", "ObjectSizeLessThan"):
        if size in given:
            parts[size] = int(given.pop(size))
    tags = given.pop("TagFilters", [])
    if len(parts) + len(tags) > 1:
        return {"And": {**parts, **({"Tags": tags} if tags else {})}}
    if tags:
        return {"Tag": tags[0]}
    return parts or {"Prefix": ""}


def _notifications(value: Any) -> Any:
    kinds = {
        "LambdaConfigurations": ("LambdaFunctionConfigurations", "Function", "LambdaFunctionArn"),
        "QueueConfigurations": ("QueueConfigurations", "Queue", "QueueArn"),
        "TopicConfigurations": ("TopicConfigurations", "Topic", "TopicArn"),
    }
    result: dict[str, Any] = {}
    for key, item in value.items():
        if key == "EventBridgeConfiguration":
            if str(item.get("EventBridgeEnabled", True)).lower() == "true":
                result["EventBridgeConfiguration"] = {}
        elif key in kinds:
            member, name, target = kinds[key]
            result[member] = [_notification(one, name, target) for one in item]
        else:
            raise PropertyError(f"NotificationConfiguration.{key} is not supported")
    return result


def _notification(one: Mapping[str, Any], name: str, target: str) -> dict[str, Any]:
    given = _renamed(one, {name: target})
    given["Events"] = [given.pop("Event")]
    if "Filter" in given:
        given["Filter"] = {"Key": {"FilterRules": given["Filter"]["S3Key"]["Rules"]}}
    return given


def _renamed(value: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    return {names.get(key, key): item for key, item in value.items()}


_CORS = {"CorsRules": "CORSRules", "ExposedHeaders": "ExposeHeaders", "Id": "ID", "MaxAge": "MaxAgeSeconds"}
_LOGGING = {"DestinationBucketName": "TargetBucket", "LogFilePrefix": "TargetPrefix"}

_CONFIGURATIONS: Mapping[str, _Configuration] = {
    "OwnershipControls": _Configuration(
        "put_bucket_ownership_controls", "OwnershipControls", "delete_bucket_ownership_controls"
    ),
    "VersioningConfiguration": _Configuration(
        "put_bucket_versioning", "VersioningConfiguration", None, removed={"Status": "Suspended"}
    ),
    "BucketEncryption": _Configuration(
        "put_bucket_encryption", "ServerSideEncryptionConfiguration", "delete_bucket_encryption", _encryption
    ),
    "LifecycleConfiguration": _Configuration(
        "put_bucket_lifecycle_configuration", "LifecycleConfiguration", "delete_bucket_lifecycle", _lifecycle
    ),
    "PublicAccessBlockConfiguration": _Configuration(
        "put_public_access_block", "PublicAccessBlockConfiguration", "delete_public_access_block"
    ),
    "CorsConfiguration": _Configuration("put_bucket_cors", "CORSConfiguration", "delete_bucket_cors", rename=_CORS),
    "LoggingConfiguration": _Configuration(
        "put_bucket_logging", "BucketLoggingStatus", None, lambda value: {"LoggingEnabled": value}, _LOGGING, {}
    ),
    "NotificationConfiguration": _Configuration(
        "put_bucket_notification_configuration", "NotificationConfiguration", None, _notifications, removed={}
    ),
    "Tags": _Configuration("put_bucket_tagging", "Tagging", "delete_bucket_tagging", lambda value: {"TagSet": value}),
}


class BucketType:
    """A bucket through the S3 API."""

    service = "s3"

    def create_resource(
        self, client: Any, logical_id: str, properties: Mapping[str, Any], stack_name: str
    ) -> tuple[str, dict[str, str]]:
        """Create with all its configurations; a failed one takes the bucket away again."""
        arguments = self._arguments(client, properties)
        name = properties.get("BucketName") or f"{stack_name}-{logical_id}-{secrets.token_hex(6)}".lower()[-63:]
        create: dict[str, Any] = {"Bucket": name}
        if client.meta.region_name != "us-east-1":
            create["CreateBucketConfiguration"] = {"LocationConstraint": client.meta.region_name}
        client.create_bucket(**create)
        try:
            for operation, given in arguments:
                getattr(client, operation)(Bucket=name, **given)
        except Exception:
            client.delete_bucket(Bucket=name)
            raise
        return name, self._attributes(name)

    def needs_replacement(self, old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
        """Only the name is fixed."""
        return old.get("BucketName") != new.get("BucketName")

    def update_resource(
        self, client: Any, physical_id: str, old: Mapping[str, Any], new: Mapping[str, Any]
    ) -> dict[str, str]:
        """Put what changed, remove what is gone."""
        changed = {key: value for key, value in new.items() if old.get(key) != value}
        for operation, given in self._arguments(client, changed):
            getattr(client, operation)(Bucket=physical_id, **given)
        for key in sorted(set(old) - set(new)):
            configuration = _CONFIGURATIONS[key]
            if configuration.delete:
                getattr(client, configuration.delete)(Bucket=physical_id)
            else:
                put = {configuration.parameter: configuration.removed}
                getattr(client, configuration.put)(Bucket=physical_id, **put)
        return self._attributes(physical_id)

    def delete_resource(self, client: Any, physical_id: str) -> None:
        """Delete an empty bucket; a full one is an error, as in AWS."""
        try:
            client.delete_bucket(Bucket=physical_id)
        except ClientError as error:
            if not not_found(error):
                raise

    def _arguments(self, client: Any, properties: Mapping[str, Any]) -> list[tuple[str, dict[str, Any]]]:
        """The calls that honour the properties. Raises PropertyError for one with no place, at any depth."""
        unknown = sorted(set(properties) - set(_CONFIGURATIONS) - {"BucketName"})
        if unknown:
            raise PropertyError(f"{', '.join(unknown)} is not supported")
        calls = []
        for key, configuration in _CONFIGURATIONS.items():
            if key not in properties:
                continue
            operation = client.meta.method_to_api_mapping[configuration.put]
            shape = client.meta.service_model.operation_model(operation).input_shape.members[configuration.parameter]
            try:
                value = to_api(shape, configuration.convert(properties[key]), key, configuration.rename or {})
            except (KeyError, TypeError, AttributeError) as error:
                raise PropertyError(f"{key} is malformed: {type(error).__name__}: {error}") from error
            calls.append((configuration.put, {configuration.parameter: value}))
        return calls

    def _attributes(self, name: str) -> dict[str, str]:
        from ministack.services.cloudformation import provisioners

        attributes: dict[str, str] = provisioners._s3_attrs(name)
        return attributes
