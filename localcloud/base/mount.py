"""MiniStack as the front: our services beside its own, one owner each, IAM enforced for all of them."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from localcloud.base import contract
from localcloud.base.cloud import Credentials, caller_key
from localcloud.base.object_bodies import sends_from_disk
from localcloud.base.ownership import Ownership
from localcloud.base.service import Service

log = logging.getLogger("localcloud.gateway")

_SCOPE = re.compile(r"(?:Credential=|^)[^/,]+/\d{8}/[^/,]*/([^/,]+)/aws4_request")
_SCOPE_SIGV4A = re.compile(r"Credential=[^/,]+/\d{8}/([^/,]+)/aws4_request")

# What MiniStack's router calls some services by, where it is not the scope that their requests are signed for.
_ROUTED_AS = {"dynamodbstreams": "dynamodb"}

# Served without an IAM action by design of AWS: the Cognito operations that anyone may call.
_WITHOUT_ACTION = frozenset({"cognito-idp", "cognito-identity"})


def signing_scope(headers: Mapping[str, str], query_params: Mapping[str, Any]) -> str | None:
    """The service that a request is signed for (header or presigned), or None when it is not signed."""
    credential = query_params.get("X-Amz-Credential", "")
    credential = credential[0] if isinstance(credential, list) else credential
    for text in (headers.get("authorization", ""), credential):
        found = _SCOPE.search(text) or _SCOPE_SIGV4A.search(text)
        if found:
            return found[1]
    return None


class Mount:
    """Installs the table of services, and the rules for who may call what, into MiniStack."""

    def __init__(
        self,
        ownership: Ownership,
        services: Mapping[str, Service],
        root: Credentials,
        request_done: Callable[[str, str], Awaitable[None]],
    ) -> None:
        """``request_done(service, operation)`` is awaited after every request that was let through."""
        self._ownership = ownership
        self._services = services
        self._root = root
        self._request_done = request_done

    def install(self) -> None:
        """Replace what has to be replaced. Call once, before the first request. Raises ContractError."""
        self._install_services()
        self._install_root_keys()
        self._install_actions()
        self._install_dispatch()

    # services ------------------------------------------------------------------------------------------------------

    def _install_services(self) -> None:
        from ministack import app
        from ministack.core import iam_actions, router

        for scope, service in self._services.items():
            router.SERVICE_PATTERNS[scope] = {}
            app.SERVICE_HANDLERS[scope] = self._every_resource(scope, service)
            iam_actions._SERVICE_PROTOCOL[scope] = _denial_protocol(service.protocol)
            iam_actions.SERVICE_TO_IAM_NAMESPACE[scope] = service.iam_prefix or scope
        detect = contract.original("app", "detect_service")

        def detect_service(method: str, path: str, headers: dict[str, str], query_params: dict[str, Any]) -> str:
            scope = signing_scope(headers, query_params)
            if scope is not None and scope in self._services:
                return scope
            return str(detect(method, path, headers, query_params))

        contract.replace("app", "detect_service", detect_service)

    def _every_resource(self, scope: str, service: Service) -> Any:
        """The service's handler behind a check of the request's second and further resources."""

        async def handle(method: str, path: str, headers: dict[str, str], body: bytes, query: dict[str, Any]) -> Any:
            from ministack.core.iam_evaluator import enforce
            from ministack.core.responses import get_region
            from ministack.core.router import extract_access_key_id

            operation, resources = service.request_resources(method, path, headers, body, query)
            region = get_region()
            if region != service.cloud.region:
                return self._error(scope, headers, "InvalidRegion", f"this local cloud is {service.cloud.region}")
            action = f"{service.iam_prefix or scope}:{operation}"
            key = extract_access_key_id(headers, query)
            caller_key.set(key)
            for resource in resources[1:]:
                denied = enforce(key, action, scope, region, resource_arn=resource)
                if denied is not None:
                    return self._denial(scope, action, denied, resource, headers)
            return await service.handle_request(method, path, headers, body, query)

        return handle

    # keys ----------------------------------------------------------------------------------------------------------

    def _install_root_keys(self) -> None:
        """One root key, whose signature is checked too: MiniStack knows more of them and trusts them unsigned."""
        root = self._root.access_key_id
        contract.replace("core.iam_evaluator", "is_root_access_key", lambda access_key_id: access_key_id == root)
        contract.replace("core.iam_evaluator", "_is_root_key", lambda access_key_id: False)
        matches = contract.original("core.iam_evaluator", "_principal_matches")

        def principal_matches(principal: Any, caller_arn: str) -> bool:
            # A service principal is a service: MiniStack lets the account's root pass for one.
            if isinstance(principal, dict) and "Service" in principal:
                principal = {key: value for key, value in principal.items() if key != "Service"}
            return bool(matches(principal, caller_arn))

        contract.replace("core.iam_evaluator", "_principal_matches", principal_matches)
        pin = contract.original("app", "pin_request_origin")
        # The endpoint is plain http on loopback; policies that demand aws:SecureTransport must see it as secure.
        contract.replace("app", "pin_request_origin", lambda source_ip, secure_transport: pin(source_ip, True))

    # actions and resources -----------------------------------------------------------------------------------------

    def _install_actions(self) -> None:
        action_of = contract.original("core.iam_actions", "extract_iam_action")
        arn_of = contract.original("core.iam_actions", "extract_resource_arn")
        denial = contract.original("core.iam_actions", "access_denied_response")

        def extract_iam_action(
            service: str, method: str, path: str, headers: Any, body: bytes, query: Any
        ) -> str | None:
            ours = self._services.get(service)
            if ours is not None:
                operation, _ = ours.request_resources(method, path, headers, body, query)
                return f"{ours.iam_prefix or service}:{operation or 'UnknownOperation'}"
            found = action_of(service, method, path, headers, body, query)
            if found is None and service not in _WITHOUT_ACTION:
                return f"{service}:UnknownOperation"  # what has no mapping to an action is refused, not allowed
            return None if found is None else str(found)

        def extract_resource_arn(
            service: str, method: str, path: str, headers: Any, body: bytes, query: Any, region: str, account_id: str
        ) -> str:
            ours = self._services.get(service)
            if ours is not None:
                arn = ours.request_resources(method, path, headers, body, query)[1][0]
            else:
                arn = str(arn_of(service, method, path, headers, body, query, region, account_id))
            if service == "kms" and ":alias/" in arn:
                arn = _key_of_alias(arn)
            if service == "ssm" and arn == "*":
                arn = _parameters_asked_for(body, region, account_id)
            return arn

        def access_denied_response(
            service: str,
            action: str,
            principal_arn: str,
            request_id: str,
            *,
            error_code: str = "",
            message: str = "",
            headers: dict[str, str] | None = None,
            resource_arn: str = "*",
            explicit_deny: bool = False,
            resource_policy_arn: str = "",
        ) -> Any:
            if not error_code and not message and not (explicit_deny and resource_policy_arn):
                message = denial_message(principal_arn, action, resource_arn, explicit_deny)
            return denial(
                service, action, principal_arn, request_id, error_code=error_code, message=message, headers=headers,
                resource_arn=resource_arn, explicit_deny=explicit_deny, resource_policy_arn=resource_policy_arn,
            )  # fmt: skip

        contract.replace("core.iam_actions", "extract_iam_action", extract_iam_action)
        contract.replace("core.iam_actions", "extract_resource_arn", extract_resource_arn)
        contract.replace("core.iam_actions", "access_denied_response", access_denied_response)

    # dispatch ------------------------------------------------------------------------------------------------------

    def _install_dispatch(self) -> None:
        from ministack import app
        from ministack.core import iam_actions

        dispatch = contract.original("app", "_dispatch_service_request")

        async def owned(
            method: str, path: str, headers: dict[str, str], body: bytes, query_params: dict[str, Any], request_id: str
        ) -> Any:
            params = app._routing_params(method, path, headers, body, query_params)
            service = app.detect_service(method, path, headers, params)
            scope = signing_scope(headers, query_params)
            routed = _ROUTED_AS.get(service, service)
            refused = self._ownership.refusal(scope or routed, None)
            operation = ""
            if refused is None:
                action = iam_actions.extract_iam_action(service, method, path, headers, body, params)
                operation = action.partition(":")[2] if action else ""
                refused = self._ownership.refusal(routed, operation)
            if refused is not None:
                return self._error(scope or service, headers, "NotImplementedException", refused, 501)
            sends_from_disk.set(service == "s3" and method == "GET")
            answer = await dispatch(method, path, headers, body, query_params, request_id)
            await self._request_done(service, operation)
            return answer

        contract.replace("app", "_dispatch_service_request", owned)

    def _denial(self, scope: str, action: str, denied: Any, resource: str, headers: dict[str, str]) -> Any:
        from ministack.core.iam_actions import access_denied_response

        return access_denied_response(
            scope, action, denied.principal_arn, "", headers=headers, resource_arn=resource,
            explicit_deny=denied.decision == "Deny", resource_policy_arn=denied.resource_policy_arn,
        )  # fmt: skip

    def _error(self, scope: str, headers: dict[str, str], code: str, message: str, status: int = 400) -> Any:
        from ministack.core import iam_actions

        protocol = iam_actions._SERVICE_PROTOCOL
        if scope not in protocol and "x-www-form-urlencoded" in headers.get("content-type", ""):
            protocol = {**protocol, scope: "query-xml"}
            iam_actions._SERVICE_PROTOCOL[scope] = "query-xml"
        _, reply_headers, body = iam_actions.access_denied_response(
            scope, "", "", "", error_code=code, message=message, headers=headers
        )
        return status, reply_headers, body


def denial_message(principal_arn: str, action: str, resource_arn: str, explicit: bool) -> str:
    """The words of AWS for a denial ("Troubleshoot access denied error messages", IAM User Guide)."""
    reason = (
        "with an explicit deny in an identity-based policy"
        if explicit
        else f"because no identity-based policy allows the {action} action"
    )
    return f"User: {principal_arn} is not authorized to perform: {action} on resource: {resource_arn} {reason}"


def _denial_protocol(protocol: str) -> str:
    return {"query": "query-xml", "ec2": "ec2-xml", "rest-xml": "rest-xml"}.get(protocol, "json")


def _key_of_alias(arn: str) -> str:
    """The key that an alias stands for: KMS evaluates policies against the key ("Aliases", KMS Developer Guide)."""
    from ministack.services import kms

    key_id = kms._aliases.get(arn)
    return f"{arn.rsplit(':', 1)[0]}:key/{key_id}" if key_id else arn


def _parameters_asked_for(body: bytes, region: str, account_id: str) -> str:
    """The parameter of requests that name a path or several: "Actions, resources, and condition keys for AWS Systems
    Manager" knows a parameter for each of these operations. Of several names the first is checked."""
    try:
        asked = json.loads(body or b"{}")
    except ValueError:
        return "*"
    names = asked.get("Names") or [asked.get("Path")]
    name = str(names[0] or "")
    return f"arn:aws:ssm:{region}:{account_id}:parameter/{name.lstrip('/')}" if name else "*"
