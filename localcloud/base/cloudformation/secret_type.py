"""``AWS::SecretsManager::Secret``: Ref is the ARN, and a generated value follows every rule of the template."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from localcloud.base.api_type import PropertyError, to_api

_KNOWN = frozenset({"Name", "Description", "KmsKeyId", "SecretString", "GenerateSecretString", "Tags"})


class SecretType:
    """A secret through Secrets Manager's own API."""

    service = "secretsmanager"

    def create_resource(
        self, client: Any, logical_id: str, properties: Mapping[str, Any], stack_name: str
    ) -> tuple[str, dict[str, str]]:
        """Create; the physical id is the ARN. Raises PropertyError for what is not supported."""
        _check(properties)
        given = {key: properties[key] for key in ("Description", "KmsKeyId", "Tags") if key in properties}
        value = _value(client, properties)
        if value is not None:
            given["SecretString"] = value
        answer = client.create_secret(Name=properties.get("Name") or f"{stack_name}-{logical_id}", **given)
        return answer["ARN"], {"Id": answer["ARN"]}

    def needs_replacement(self, old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
        """Only the name is fixed."""
        return old.get("Name") != new.get("Name")

    def update_resource(
        self, client: Any, physical_id: str, old: Mapping[str, Any], new: Mapping[str, Any]
    ) -> dict[str, str]:
        """Update in place; a changed value or rule of generation makes a new version of the secret."""
        _check(new)
        changed = {key for key in {*old, *new} if old.get(key) != new.get(key)}
        given: dict[str, Any] = {}
        if "Description" in changed:
            given["Description"] = new.get("Description", "")
        if "KmsKeyId" in changed:
            given["KmsKeyId"] = new.get("KmsKeyId", "alias/aws/secretsmanager")
        if changed & {"SecretString", "GenerateSecretString"}:
            value = _value(client, new)
            if value is not None:
                given["SecretString"] = value
        if given:
            client.update_secret(SecretId=physical_id, **given)
        if "Tags" in changed:
            gone = {tag["Key"] for tag in old.get("Tags", [])} - {tag["Key"] for tag in new.get("Tags", [])}
            if gone:
                client.untag_resource(SecretId=physical_id, TagKeys=sorted(gone))
            if new.get("Tags"):
                client.tag_resource(SecretId=physical_id, Tags=new["Tags"])
        return {"Id": physical_id}

    def delete_resource(self, client: Any, physical_id: str) -> None:
        """Delete at once, so that the name can be used again."""
        client.delete_secret(SecretId=physical_id, ForceDeleteWithoutRecovery=True)


def _check(properties: Mapping[str, Any]) -> None:
    unknown = sorted(set(properties) - _KNOWN)
    if unknown:
        raise PropertyError(f"{', '.join(unknown)} is not supported")
    if "SecretString" in properties and "GenerateSecretString" in properties:
        raise PropertyError("SecretString and GenerateSecretString exclude each other")


def _value(client: Any, properties: Mapping[str, Any]) -> str | None:
    """The secret's value; with neither property CloudFormation generates a password by default rules."""
    if "SecretString" in properties:
        return str(properties["SecretString"])
    if "GenerateSecretString" not in properties:
        return None
    rules = dict(properties["GenerateSecretString"])
    template, key = rules.pop("SecretStringTemplate", None), rules.pop("GenerateStringKey", None)
    shape = client.meta.service_model.operation_model("GetRandomPassword").input_shape
    arguments = to_api(shape, rules, "GenerateSecretString", {})
    password = str(client.get_random_password(**arguments)["RandomPassword"])
    if template is None and key is None:
        return password
    if template is None or key is None:
        raise PropertyError("GenerateSecretString needs SecretStringTemplate and GenerateStringKey together")
    return json.dumps({**json.loads(template), key: password})
