"""May this signed request to an endpoint of a service's own (a search domain, a graph) pass?

By its signature, the caller's identity policies and the resource's own access policy. Sources: "Identity and Access
Management in Amazon OpenSearch Service" (OpenSearch Service Developer Guide), "Policy evaluation logic" (IAM User
Guide): within an account an Allow of either kind of policy is enough, a Deny of either wins.
"""

from __future__ import annotations

import contextvars
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

from localcloud.base import contract

ANONYMOUS = "anonymous"

contract.SIGNATURES.update(
    {
        ("core.iam_evaluator", "pin_signed_request"): (
            "(method: str, raw_path: str, query_params: dict, raw_headers: list, handshake: bool = False) -> None"
        ),
        ("core.iam_evaluator", "pin_signed_body"): "(body: bytes) -> None",
        ("core.iam_evaluator", "authenticate"): (
            "(access_key_id: str, account_id: str) -> ministack.core.iam_evaluator.AuthError | "
            "ministack.core.iam_evaluator.ResolvedCredential | None"
        ),
        ("core.iam_evaluator", "resolve_principal"): (
            "(access_key_id: str, account_id: str, credential: ministack.core.iam_evaluator.ResolvedCredential | None "
            "= None) -> ministack.core.iam_evaluator.PrincipalInfo | ministack.core.iam_evaluator.AuthError"
        ),
        ("core.iam_evaluator", "evaluate"): (
            "(ctx: ministack.core.iam_evaluator.EvalContext, policies: "
            "list[list[ministack.core.iam_evaluator.ParsedStatement]], *limits: "
            "list[list[ministack.core.iam_evaluator.ParsedStatement]]) -> ministack.core.iam_evaluator.EvalResult"
        ),
        ("core.iam_evaluator", "evaluate_resource_policy"): (
            "(doc: str | dict | None, ctx: ministack.core.iam_evaluator.EvalContext, service: str | None = None, "
            "named_only: bool = False, direct_only: bool = False) -> ministack.core.iam_evaluator.EvalResult"
        ),
        ("core.iam_evaluator", "combine_resource_policy"): (
            "(identity: ministack.core.iam_evaluator.EvalResult, ctx: ministack.core.iam_evaluator.EvalContext, "
            "policy: str | dict | None, owner_account: str | None, required: bool = False, limits: tuple = ()) -> "
            "ministack.core.iam_evaluator.EvalResult"
        ),
    }
)


@dataclass(frozen=True)
class SignedRequest:
    """A request as it arrived: path and query undecoded, headers in their order, the body when it was read whole."""

    method: str
    raw_path: str
    query: str
    headers: Sequence[tuple[bytes, bytes]]
    body: bytes = b""


class EndpointAuthorization:
    """Evaluates requests against the IAM of the machine."""

    def __init__(self, account_id: str, region: str, scope: str) -> None:
        """`scope` is the service that requests are signed for.

        Raises ContractError when the installed MiniStack is not the one relied on.
        """
        self._account_id, self._region, self._service = account_id, region, scope
        evaluator = "core.iam_evaluator"
        self._pin_request = contract.original(evaluator, "pin_signed_request")
        self._pin_body = contract.original(evaluator, "pin_signed_body")
        self._authenticate = contract.original(evaluator, "authenticate")
        self._resolve_principal = contract.original(evaluator, "resolve_principal")
        self._evaluate = contract.original(evaluator, "evaluate")
        self._evaluate_resource_policy = contract.original(evaluator, "evaluate_resource_policy")
        self._combine = contract.original(evaluator, "combine_resource_policy")
        self._scope = contract.original("core.responses", "request_scope")

    def refusal(self, request: SignedRequest, action: str, resource: str, access_policy: str) -> str | None:
        """Why the request is refused, in AWS's words with the resource named; None when it may pass.

        `access_policy` is the domain's resource-based policy, JSON or empty.
        """
        # The evaluator keeps the request in context variables; a connection serves many requests in one context.
        return contextvars.copy_context().run(self._refusal, request, action, resource, access_policy)

    def _refusal(self, request: SignedRequest, action: str, resource: str, access_policy: str) -> str | None:
        query = parse_qs(request.query, keep_blank_values=True)
        with self._scope(self._account_id, self._region):
            credential_scope = _credential_scope(request.headers, query)
            if credential_scope is None:
                return self._anonymous_refusal(action, resource, access_policy)
            if len(credential_scope) != 5 or credential_scope[2:4] != [self._region, self._service]:
                return (
                    f"Credential should be scoped to region {self._region!r} and service {self._service!r}, got "
                    f"{'/'.join(credential_scope[1:])!r}"
                )
            self._pin_request(request.method, request.raw_path, query, list(request.headers))
            self._pin_body(request.body)
            checked = self._authenticate(credential_scope[0], self._account_id)
            if checked is None:
                return "The request's signature could not be checked: sign it with Signature Version 4"
            if hasattr(checked, "code"):
                return f"{checked.code}: {checked.message}"
            principal = self._resolve_principal(credential_scope[0], self._account_id, checked)
            if hasattr(principal, "code"):
                return f"{principal.code}: {principal.message}"
            if principal.policies is None:  # the account's root
                return None
            context = self._context(principal.arn, principal.type, principal.account, action, resource, principal.keys)
            decision = self._evaluate(context, principal.policies, *principal.limits)
            if access_policy:
                decision = self._combine(
                    decision, context, access_policy, self._account_id, limits=tuple(principal.limits)
                )
            return None if decision.decision == "Allow" else _denial(principal.arn, action, resource, decision)

    def _anonymous_refusal(self, action: str, resource: str, access_policy: str) -> str | None:
        """Unsigned requests pass only where the access policy names everybody."""
        context = self._context(ANONYMOUS, "Anonymous", "", action, resource, {})
        decision = self._evaluate_resource_policy(access_policy or None, context)
        return None if decision.decision == "Allow" else _denial(ANONYMOUS, action, resource, decision)

    def _context(self, arn: str, kind: str, account: str, action: str, resource: str, keys: dict[str, Any]) -> Any:
        from ministack.core.iam_evaluator import EvalContext

        return EvalContext(
            principal_arn=arn,
            principal_type=kind,
            principal_account=account,
            action=action,
            resource_arn=resource,
            region=self._region,
            service_context={"aws:tagkeys": None},
            principal_keys=keys,
        )


def _credential_scope(headers: Sequence[tuple[bytes, bytes]], query: dict[str, list[str]]) -> list[str] | None:
    """`[key, date, region, service, "aws4_request"]` of a request signed in its header or query; None if unsigned."""
    authorization = next((value for name, value in headers if name.lower() == b"authorization"), b"").decode("latin-1")
    if authorization.startswith("AWS4-HMAC-SHA256"):
        fields = dict(part.strip().partition("=")[::2] for part in authorization.split(" ", 1)[-1].split(","))
        return fields.get("Credential", "").split("/")
    if "X-Amz-Credential" in query:
        return query["X-Amz-Credential"][0].split("/")
    return None


def _denial(principal: str, action: str, resource: str, decision: Any) -> str:
    reason = (
        "with an explicit deny"
        if decision.decision == "Deny"
        else f"because no identity-based policy or access policy of the resource allows the {action} action"
    )
    return f"User: {principal} is not authorized to perform: {action} on resource: {resource} {reason}"
