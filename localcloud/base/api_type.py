"""A CloudFormation resource type as calls of a service's own API.

The botocore shape of the operation does the casing and finds what has no place: such a property fails the stack.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ClientError

Properties = Mapping[str, Any]
Attributes = dict[str, str]


class PropertyError(ValueError):
    """A property of a CloudFormation resource that cannot be honoured; ``str()`` names it by its path."""


def to_api(shape: Any, value: Any, path: str, rename: Mapping[str, str | None]) -> Any:
    """``value`` of a CloudFormation property as the parameter ``shape`` of an API.

    ``rename`` maps a property's path (``S3Settings.BucketName``) or bare name to the API's name, or to None where the
    API has no such thing and the value needs none. Raises :class:`PropertyError` for a property with no place.
    """
    kind = shape.type_name
    if kind == "structure":
        return _structure_to_api(shape, value, path, rename)
    if kind == "list":
        if not isinstance(value, list):
            raise PropertyError(f"{path} must be a list")
        return [to_api(shape.member, item, f"{path}[{i}]", rename) for i, item in enumerate(value)]
    if kind == "map":
        if isinstance(value, list):  # CloudFormation writes tags as Key/Value pairs where the API has a map
            return {item["Key"]: item["Value"] for item in value}
        return {key: to_api(shape.value, item, f"{path}.{key}", rename) for key, item in value.items()}
    try:
        if kind in ("integer", "long"):
            return int(value)
        if kind in ("double", "float"):
            return float(value)
    except (TypeError, ValueError):
        raise PropertyError(f"{path} must be a number") from None
    if kind == "boolean":
        return value if isinstance(value, bool) else str(value).lower() == "true"
    if kind == "string":
        return json.dumps(value) if isinstance(value, dict | list) else str(value)
    return value


def _structure_to_api(shape: Any, value: Any, path: str, rename: Mapping[str, str | None]) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise PropertyError(f"{path or 'the resource'} must be an object")
    members = {_normalised(name): name for name in shape.members}
    result = {}
    for name, item in value.items():
        where = f"{path}.{name}" if path else name
        bare = ".".join(part.split("[")[0] for part in where.split("."))
        target = rename.get(bare, rename.get(name, name))
        if target is None:
            continue
        member = members.get(_normalised(target))
        if member is None:
            raise PropertyError(f"{where} is not supported (no such member in {shape.name})")
        result[member] = to_api(shape.members[member], item, where, rename)
    return result


def _normalised(name: str) -> str:
    return name.replace("_", "").lower()


def not_found(error: ClientError) -> bool:
    """Whether an API error says that the resource does not exist."""
    code = error.response.get("Error", {}).get("Code", "")
    return "NotFound" in code or "NoSuch" in code or "NonExistent" in code


@dataclass(frozen=True)
class ApiType:
    """How CloudFormation creates, updates and deletes one resource type through ``service``'s API.

    ``identity`` gives the parameters that name the resource in update, delete (and, with ``describe``, reads), from its
    physical id and properties. A changed property in ``replaced`` (or any, where there is no ``update``) makes a new
    resource and deletes the old one, as the type's page in the CloudFormation reference documents ("Update requires:
    Replacement"). ``attributes`` (Fn::GetAtt) and ``ready`` are computed from what ``describe`` answers, after create
    and after update alike.
    """

    service: str
    create: str
    ref: Callable[[Properties, Mapping[str, Any]], str]
    """Physical id (Ref) from the properties sent and the create operation's answer."""
    delete: str
    identity: Callable[[str], Mapping[str, Any]]
    """Parameters naming the resource, from its physical id."""
    update: str | None = None
    describe: str | None = None
    describe_arguments: Callable[[str], Mapping[str, Any]] | None = None
    """Parameters of ``describe`` where they are not ``identity``'s (e.g. ``Filters=[...]``)."""
    attributes: Mapping[str, Callable[[Mapping[str, Any]], Any]] = field(default_factory=dict)
    rename: Mapping[str, str | None] = field(default_factory=dict)
    defaults: Callable[[str, str], Mapping[str, Any]] | None = None
    """API parameters that CloudFormation makes up when absent (generated names), from stack name and logical id."""
    prepare: Callable[[Properties], Properties] | None = None
    replaced: frozenset[str] = frozenset()
    update_omits: frozenset[str] = frozenset()
    """Properties that the update operation does not take and that are sent only to create (e.g. Tags)."""
    update_sends_all: bool = False
    """Whether the update operation replaces the whole resource, so that unchanged properties have to be sent too."""
    update_within: str = ""
    """The member of the update operation's input that the properties are sent in, where they are not its own."""
    delete_arguments: Mapping[str, Any] = field(default_factory=dict)
    ready: Callable[[Mapping[str, Any]], bool] | None = None
    """Whether the described resource can be used; polled after create and update. May raise to fail the stack."""
    apart: Mapping[str, Callable[[Any, str, Any, Any], None]] = field(default_factory=dict)
    """Properties that operations of their own set, after create and update: called with the client, the physical id,
    the value before and the value now (None where there is none)."""
    timeout: float = 300.0
    """Seconds to wait for ``ready`` and for a deletion."""

    # called by the CloudFormation engine ---------------------------------------------------------------------------

    def create_resource(
        self, client: Any, logical_id: str, properties: Properties, stack_name: str
    ) -> tuple[str, Attributes]:
        """Create; returns physical id and attributes. Raises :class:`PropertyError` or botocore's ``ClientError``."""
        sent = self._parameters(client, self.create, properties, "")
        if self.defaults:
            sent = {**self.defaults(stack_name, logical_id), **sent}
        response = getattr(client, self.create)(**sent)
        physical_id = str(self.ref(sent, response))
        try:
            self._set_apart(client, physical_id, {}, properties)
            return physical_id, self._settled(client, physical_id)
        except Exception:
            # The engine knows of no resource whose creation failed: what was made has to go here.
            self.delete_resource(client, physical_id)
            raise

    def needs_replacement(self, old: Properties, new: Properties) -> bool:
        """Whether the change from ``old`` to ``new`` makes a new resource."""
        changed = {key for key in {*old, *new} if old.get(key) != new.get(key)}
        return bool(changed) and (self.update is None or bool(changed & self.replaced))

    def update_resource(self, client: Any, physical_id: str, old: Properties, new: Properties) -> Attributes:
        """Update in place what differs; returns the attributes. Raises as :meth:`create_resource` does."""
        changed = {key for key in {*old, *new} if old.get(key) != new.get(key)} - self.apart.keys()
        if changed and self.update is not None:
            removed = sorted(changed - set(new))
            if removed:
                raise PropertyError(f"{', '.join(removed)} cannot be removed in place")
            stuck = sorted(changed & self.update_omits)
            if stuck:
                raise PropertyError(f"{', '.join(stuck)} cannot be changed in place")
            sent_keys = set(new) - self.replaced - self.update_omits if self.update_sends_all else changed
            values: dict[str, Any] = {key: new[key] for key in sent_keys}
            if self.update_within:
                values = {self.update_within: values}
            sent = self._parameters(client, self.update, values, "")
            getattr(client, self.update)(**{**sent, **self.identity(physical_id)})
        self._set_apart(client, physical_id, old, new)
        return self._settled(client, physical_id)

    def delete_resource(self, client: Any, physical_id: str) -> None:
        """Delete, and wait until ``describe`` no longer finds it; one that is gone already is no error."""
        try:
            getattr(client, self.delete)(**{**self.delete_arguments, **self.identity(physical_id)})
        except ClientError as error:
            if not not_found(error):
                raise
            return
        if self.describe and self.ready:
            self._wait_deleted(client, physical_id)

    # ---------------------------------------------------------------------------------------------------------------

    def _set_apart(self, client: Any, physical_id: str, old: Properties, new: Properties) -> None:
        for name, set_to in self.apart.items():
            if old.get(name) != new.get(name):
                set_to(client, physical_id, old.get(name), new.get(name))

    def _parameters(self, client: Any, operation: str, properties: Properties, path: str) -> dict[str, Any]:
        properties = {name: value for name, value in properties.items() if name not in self.apart}
        if self.prepare:
            properties = self.prepare(properties)
        model = client.meta.service_model.operation_model(client.meta.method_to_api_mapping[operation])
        parameters: dict[str, Any] = to_api(model.input_shape, properties, path, self.rename)
        return parameters

    def _describe(self, client: Any, physical_id: str) -> Mapping[str, Any]:
        if self.describe is None:
            return {}
        arguments = (self.describe_arguments or self.identity)(physical_id)
        described: Mapping[str, Any] = getattr(client, self.describe)(**arguments)
        return described

    def _settled(self, client: Any, physical_id: str) -> Attributes:
        deadline = time.monotonic() + self.timeout
        while True:
            described = self._describe(client, physical_id)
            if self.ready is None or self.ready(described):
                return {name: str(read(described)) for name, read in self.attributes.items()}
            if time.monotonic() > deadline:
                raise TimeoutError(f"{physical_id} was not ready after {self.timeout:.0f} s")
            time.sleep(0.1)

    def _wait_deleted(self, client: Any, physical_id: str) -> None:
        deadline = time.monotonic() + self.timeout
        while time.monotonic() < deadline:
            try:
                described = self._describe(client, physical_id)
            except ClientError as error:
                if not_found(error):
                    return
                raise
            if not any(described[key] for key in described if key not in ("ResponseMetadata", "Marker", "nextToken")):
                return
            time.sleep(0.1)
        raise TimeoutError(f"{physical_id} was not deleted after {self.timeout:.0f} s")
