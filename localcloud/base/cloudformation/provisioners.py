"""CloudFormation on MiniStack's engine, where nothing in a template is ignored.

The types of our services are calls of their APIs (:mod:`localcloud.base.api_type`). MiniStack's own types stay where
they honour every property of the template: they are watched, and a property that one of them does not read fails the
resource by name, on create and on update. Types of services that nobody owns are unknown.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any, Protocol, TypeVar

from botocore.exceptions import ClientError

from localcloud.base import contract
from localcloud.base.api_type import ApiType, PropertyError
from localcloud.base.cloud import Cloud
from localcloud.base.cloudformation.property_tracking import TrackedObject, unread, untracked
from localcloud.base.cloudformation.stock_types import MENDED, OWN_NAMESPACES, REFUSED_TYPES
from localcloud.base.cloudformation.template_types import TYPES

log = logging.getLogger("localcloud.cloudformation")


Properties = Mapping[str, Any]
Result = tuple[str, dict[str, Any]]
T = TypeVar("T")


class ResourceType(Protocol):
    """What a resource type of ours is to the engine: :class:`ApiType`, or a class of its own."""

    @property
    def service(self) -> str: ...

    def create_resource(
        self, client: Any, logical_id: str, properties: Properties, stack_name: str
    ) -> tuple[str, dict[str, str]]: ...

    def needs_replacement(self, old: Properties, new: Properties) -> bool: ...

    def update_resource(self, client: Any, physical_id: str, old: Properties, new: Properties) -> dict[str, str]: ...

    def delete_resource(self, client: Any, physical_id: str) -> None: ...


class Provisioners:
    """Puts the types of our services, and the strict form of MiniStack's, into its engine."""

    def __init__(self, cloud: Cloud, types: Mapping[str, ApiType]) -> None:
        self._cloud = cloud
        self._types: dict[str, ResourceType] = dict(TYPES)
        self._types.update(types)

    def install(self) -> None:
        """Call once, before the first request. Raises ContractError."""
        handlers = contract.value("services.cloudformation.provisioners", "_RESOURCE_HANDLERS", dict)
        for name in list(handlers):
            if name.split("::")[1] not in OWN_NAMESPACES or name in REFUSED_TYPES:
                del handlers[name]
        for name, handler in handlers.items():
            if name not in self._types and not name.startswith(("AWS::CloudFormation::", "AWS::CDK::")):
                handlers[name] = self._strict(name, handler)
        for name, kind in self._types.items():
            handlers[name] = self._ours(name, kind)
        # Our handlers call the endpoint, and so must never run on the event loop that serves it.
        contract.replace("services.cloudformation.stacks", "_runs_on_worker_thread", lambda resource_type: True)

    # our types -----------------------------------------------------------------------------------------------------

    def _ours(self, name: str, kind: ResourceType) -> dict[str, Any]:
        def client() -> Any:
            return self._cloud.client(kind.service)

        def create(logical_id: str, properties: Properties, stack_name: str) -> Result:
            return _named(name, logical_id, lambda: kind.create_resource(client(), logical_id, properties, stack_name))

        def update(
            physical_id: str, old: Properties, new: Properties, stack_name: str, logical_id: str | None = None
        ) -> Result:
            logical = logical_id or physical_id
            if kind.needs_replacement(old, new):
                return create(logical, new, stack_name)  # the engine deletes the old one when the update is complete
            return _named(name, logical, lambda: (physical_id, kind.update_resource(client(), physical_id, old, new)))

        def delete(physical_id: str, properties: Properties) -> None:
            _named(name, physical_id, lambda: kind.delete_resource(client(), physical_id))

        return {"create": create, "update": update, "update_with_logical_id": True, "delete": delete}

    # MiniStack's types ---------------------------------------------------------------------------------------------

    def _strict(self, name: str, handler: Mapping[str, Any]) -> dict[str, Any]:
        stock_create, stock_update, stock_delete = handler["create"], handler.get("update"), handler.get("delete")
        mended = MENDED.get(name, {})
        if stock_delete is None:
            raise contract.ContractError(f"MiniStack deletes no {name}")

        def create(logical_id: str, properties: dict[str, Any], stack_name: str) -> Result:
            watched = TrackedObject(properties)
            physical_id, attributes = stock_create(logical_id, watched, stack_name)
            try:
                self._refuse(name, logical_id, watched, set(properties))
                self._mend(mended, physical_id, properties)
            except Exception:
                stock_delete(physical_id, properties)
                raise
            return physical_id, attributes

        def update(
            physical_id: str,
            old: dict[str, Any],
            new: dict[str, Any],
            stack_name: str,
            logical_id: str | None = None,
        ) -> Result:
            logical = logical_id or physical_id
            if stock_update is None:
                return create(logical, new, stack_name)
            more = (logical_id,) if handler.get("update_with_logical_id") else ()
            before, watched = TrackedObject(old), TrackedObject(new)
            updated, attributes = stock_update(physical_id, before, watched, stack_name, *more)
            changed = {key for key in {*old, *new} if old.get(key) != new.get(key)}
            try:
                removed = sorted(key for key in changed - set(new) if key not in before.read | watched.read)
                if removed and not (before.whole or watched.whole):
                    raise PropertyError(f"{name} {logical}: {', '.join(removed)} cannot be removed in place")
                self._refuse(name, logical, watched, changed & set(new))
                self._mend(mended, updated, {key: value for key, value in new.items() if key in changed})
            except Exception:
                if updated == physical_id:
                    stock_update(physical_id, new, old, stack_name, *more)
                raise
            return updated, attributes

        strict = {**handler, "create": create}
        strict["update"] = update
        strict["update_with_logical_id"] = True
        return strict

    def _refuse(self, name: str, logical_id: str, watched: TrackedObject, of_interest: set[str]) -> None:
        """Raise for what the provisioner left unread."""
        known = set(MENDED.get(name, {}))
        lost = [path for path in unread(watched) if path.split(".")[0].split("[")[0] in of_interest]
        lost = [path for path in lost if not any(path == k or path.startswith((f"{k}.", f"{k}[")) for k in known)]
        if lost:
            raise PropertyError(f"{name} {logical_id}: the local cloud does not support {', '.join(sorted(lost))}")

    def _mend(
        self, mended: Mapping[str, Callable[[Cloud, str, Any], None]], physical_id: str, given: Properties
    ) -> None:
        for key, apply in mended.items():
            if key in given:
                apply(self._cloud, physical_id, untracked(given[key]))


def _named(name: str, logical_id: str, work: Callable[[], T]) -> T:
    """Run ``work``; its errors name the resource."""
    try:
        return work()
    except PropertyError as error:
        raise PropertyError(f"{name} {logical_id}: {error}") from error
    except ClientError as error:
        answer = error.response["Error"]
        raise ValueError(
            f"{name} {logical_id}: {error.operation_name}: {answer.get('Code')}: {answer.get('Message')}"
        ) from error
