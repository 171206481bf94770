"""The configuration of a domain: what the API takes, what it makes of it, and what has no engine here.

Options that only size, place or encrypt the machines of a domain are recorded and described: they change no answer of
an index. Options that would change who gets in or what is delivered where, and have no engine here, are refused.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from localcloud.base.errors import AwsError

ENGINE_VERSION = "OpenSearch_2.19"
DEFAULTS: dict[str, Any] = {
    "ClusterConfig": {
        "InstanceType": "m5.large.search",
        "InstanceCount": 1,
        "DedicatedMasterEnabled": False,
        "ZoneAwarenessEnabled": False,
        "WarmEnabled": False,
        "ColdStorageOptions": {"Enabled": False},
        "MultiAZWithStandbyEnabled": False,
    },
    "EBSOptions": {"EBSEnabled": False},
    "EncryptionAtRestOptions": {"Enabled": False},
    "NodeToNodeEncryptionOptions": {"Enabled": False},
    "DomainEndpointOptions": {
        "EnforceHTTPS": False,
        "TLSSecurityPolicy": "Policy-Min-TLS-1-2-2019-07",
        "CustomEndpointEnabled": False,
    },
    "AdvancedSecurityOptions": {"Enabled": False, "InternalUserDatabaseEnabled": False},
    "CognitoOptions": {"Enabled": False},
    "SnapshotOptions": {},
    "AdvancedOptions": {
        "override_main_response_version": "false",
        "rest.action.multi.allow_explicit_index": "true",
    },
    "LogPublishingOptions": {},
    "IPAddressType": "ipv4",
}


def checked_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options that were sent, without those that were not. Raises AwsError for what is refused or wrong."""
    sent = {name: value for name, value in options.items() if value is not None}
    for name, value in sent.items():
        check = _CHECKS.get(name)
        if check is not None:
            check(value)
    return sent


def merged(current: Mapping[str, Any], sent: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration after a change: members that were not sent keep their values."""
    result = dict(current)
    for name, value in sent.items():
        before = result.get(name)
        whole = name in ("LogPublishingOptions", "AccessPolicies") or not isinstance(value, Mapping)
        result[name] = value if whole or not isinstance(before, Mapping) else {**before, **value}
    return result


def _unsupported(what: str) -> AwsError:
    return AwsError("ValidationException", f"the local cloud does not support {what} of OpenSearch domains")


def _engine_version(value: str) -> None:
    if value != ENGINE_VERSION:
        raise AwsError("ValidationException", f"EngineVersion must be {ENGINE_VERSION} here, got {value}")


def _access_policies(value: str) -> None:
    if not value:
        return
    try:
        policy = json.loads(value)
        statements = policy["Statement"]
        statements = statements if isinstance(statements, list) else [statements]
        complete = all({"Effect", "Principal"} <= set(statement) for statement in statements)
    except (ValueError, KeyError, TypeError) as error:
        raise AwsError("ValidationException", f"AccessPolicies is not a policy document: {error!r}") from error
    if not complete:
        raise AwsError("ValidationException", "every statement of AccessPolicies needs Effect and Principal")


def _disabled(what: str) -> Callable[[Mapping[str, Any]], None]:
    def check(value: Mapping[str, Any]) -> None:
        if value.get("Enabled"):
            raise _unsupported(what)

    return check


def _cluster_config(value: Mapping[str, Any]) -> None:
    if value.get("WarmEnabled") or value.get("ColdStorageOptions", {}).get("Enabled"):
        raise _unsupported("warm and cold storage")
    if int(value.get("InstanceCount", 1)) < 1:
        raise AwsError("ValidationException", "InstanceCount must be at least 1")


def _endpoint_options(value: Mapping[str, Any]) -> None:
    if value.get("CustomEndpointEnabled"):
        raise _unsupported("custom endpoints")


def _advanced_options(value: Mapping[str, str]) -> None:
    for key, setting in value.items():
        if DEFAULTS["AdvancedOptions"].get(key) != setting:
            raise _unsupported(f"the advanced option {key}={setting}")


def _log_publishing(value: Mapping[str, Mapping[str, Any]]) -> None:
    if any(log.get("Enabled", True) for log in value.values()):
        raise _unsupported("the publishing of logs to CloudWatch")


_CHECKS: Mapping[str, Callable[[Any], None]] = {
    "EngineVersion": _engine_version,
    "AccessPolicies": _access_policies,
    "ClusterConfig": _cluster_config,
    "DomainEndpointOptions": _endpoint_options,
    "AdvancedOptions": _advanced_options,
    "LogPublishingOptions": _log_publishing,
    "AdvancedSecurityOptions": _disabled("fine-grained access control (AdvancedSecurityOptions)"),
    "CognitoOptions": _disabled("sign-in by Cognito"),
}
