"""Roles as services assume them, on the IAM and STS of the machine."""

from __future__ import annotations

import json
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from localcloud.base import contract
from localcloud.base.cloud import Credentials
from localcloud.base.errors import AwsError

_SESSION_SECONDS = 3600
_ROLE_ARN = "arn:aws:iam::{account}:role/"


class MiniStackIdentity:
    """Assumes roles for services and asks the IAM evaluator, as :class:`localcloud.base.cloud.Identity`."""

    def __init__(self, region: str, session_made: Callable[[], None]) -> None:
        """``session_made`` is called after a session was given out, which has to be kept."""
        self._region = region
        self._session_made = session_made
        self._register = contract.original("services.sts", "register_session")
        self._enforce = contract.original("core.iam_evaluator", "enforce")
        self._service_matches = contract.original("core.iam_evaluator", "_service_principal_matches")
        self._conditions_met = contract.original("core.iam_evaluator", "_conditions_met")
        self._resource_policy = contract.original("core.iam_evaluator", "_resource_policy")
        self._evaluate_resource_policy = contract.original("core.iam_evaluator", "evaluate_resource_policy")
        self._evaluation_keys: dict[str, tuple[str, float]] = {}
        self._lock = threading.Lock()

    def role(self, role_arn: str) -> dict[str, Any]:
        """The stored role. Raises AccessDenied naming it when there is none, as AWS does for a service's role."""
        from ministack.services import iam

        account, name = _parse_role_arn(role_arn)
        role = iam._roles.get_scoped(account, None, name)
        if role is None or role.get("Arn") != role_arn:
            raise AwsError("AccessDenied", f"The role {role_arn} does not exist", 403)
        found: dict[str, Any] = role
        return found

    def role_by_name(self, account: str, name: str) -> str:
        """The ARN of a role (roles may have a path). Raises AccessDenied naming it when there is none."""
        from ministack.services import iam

        role = iam._roles.get_scoped(account, None, name)
        if role is None:
            raise AwsError("AccessDenied", f"The role {name} does not exist in account {account}", 403)
        return str(role["Arn"])

    def role_credentials(
        self, role_arn: str, service_principal: str, session_name: str, seconds: int = _SESSION_SECONDS
    ) -> Credentials:
        """A session of the role for ``service_principal``, for ``seconds``. Raises AccessDenied naming both."""
        role = self.role(role_arn)
        if not self._trusts(role, role_arn, service_principal):
            raise AwsError(
                "AccessDenied",
                f"{service_principal} is not authorized to perform: sts:AssumeRole on resource: {role_arn} because the "
                "role's trust policy does not allow it",
                403,
            )
        return self._session(role, role_arn, session_name, seconds)

    def authorize(
        self, role_arn: str, action: str, resources: list[str], context: Mapping[str, str] | None = None
    ) -> None:
        """Evaluate the role's policies (and the resources' own) under the condition keys of ``context``.

        Raises AccessDenied naming action, resource, role.
        """
        self._enforce_key(self._evaluation_key(self.role(role_arn), role_arn), role_arn, action, resources, context)

    def authorize_key(
        self, access_key_id: str, action: str, resources: list[str], context: Mapping[str, str] | None = None
    ) -> None:
        """Evaluate the policies of an access key's principal, as :meth:`authorize` does for a role."""
        self._enforce_key(access_key_id, None, action, resources, context)

    def _enforce_key(
        self, key: str, name: str | None, action: str, resources: list[str], context: Mapping[str, str] | None
    ) -> None:
        from ministack import app

        service = action.partition(":")[0]
        # A question of this machine's own processes is as secure as a request: see the same patch for requests.
        app.pin_request_origin("127.0.0.1", True)
        for resource in resources or ["*"]:
            denied = self._enforce(
                key, action, service, self._region, resource_arn=resource, service_context=dict(context or {})
            )
            if denied is None:
                continue
            explicit = getattr(denied, "decision", "") == "Deny"
            reason = (
                "with an explicit deny" if explicit else f"because no identity-based policy allows the {action} action"
            )
            raise AwsError(
                "AccessDenied",
                f"User: {name or denied.principal_arn} is not authorized to perform: {action} on resource: {resource} "
                f"{reason}",
                403,
            )

    def authorize_service(
        self, service_principal: str, action: str, resource: str, context: Mapping[str, str] | None = None
    ) -> None:
        """Evaluate the resource's own policy for a service that comes without a role.

        Raises AccessDenied naming principal, action, resource.
        """
        from ministack.core.iam_evaluator import EvalContext
        from ministack.core.responses import get_account_id

        account = get_account_id()
        policy = self._resource_policy(action.partition(":")[0], resource)
        keys = {"aws:sourceaccount": account, "aws:principalisawsservice": "true", "aws:securetransport": "true"}
        request = EvalContext(
            principal_arn=service_principal,
            principal_type="AWSService",
            principal_account=account,
            action=action,
            resource_arn=resource,
            region=self._region,
            service_context={**keys, **{key.lower(): value for key, value in (context or {}).items()}},
        )
        document = policy[0] if policy else None
        if self._evaluate_resource_policy(document, request, service_principal).decision != "Allow":
            raise AwsError(
                "AccessDenied",
                f"{service_principal} is not authorized to perform: {action} on resource: {resource} because no "
                "resource-based policy allows it",
                403,
            )

    # ---------------------------------------------------------------------------------------------------------------

    def _trusts(self, role: dict[str, Any], role_arn: str, service_principal: str) -> bool:
        from ministack.core.iam_evaluator import EvalContext

        account, _ = _parse_role_arn(role_arn)
        context = EvalContext(
            principal_arn=service_principal,
            principal_type="AWSService",
            principal_account=account,
            action="sts:AssumeRole",
            resource_arn=role_arn,
            region=self._region,
            service_context={"aws:sourceaccount": account, "aws:principalisawsservice": "true"},
        )
        document = role.get("AssumeRolePolicyDocument") or "{}"
        policy = json.loads(document) if isinstance(document, str) else document
        statements = policy.get("Statement", [])
        allowed = False
        for statement in statements if isinstance(statements, list) else [statements]:
            actions = statement.get("Action", [])
            actions = [actions] if isinstance(actions, str) else actions
            named = any(action.lower() in ("sts:assumerole", "sts:*", "*") for action in actions)
            if not named or not self._service_matches(statement.get("Principal", {}), service_principal):
                continue
            if not self._conditions_met(statement.get("Condition", {}), context):
                continue
            if statement.get("Effect") == "Deny":
                return False
            allowed = True
        return allowed

    def _session(self, role: dict[str, Any], role_arn: str, session_name: str, seconds: int) -> Credentials:
        from ministack.services import iam

        account, name = _parse_role_arn(role_arn)
        expiration = time.time() + seconds
        credentials = Credentials(
            access_key_id=iam._gen_session_access_key(),
            secret_access_key=iam._gen_secret(),
            token=iam._gen_session_token(),
            expiration=datetime.fromtimestamp(expiration, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        )
        self._register(
            credentials.access_key_id,
            {
                "Arn": f"arn:aws:sts::{account}:assumed-role/{name}/{session_name}",
                "UserId": f"{role.get('RoleId', '')}:{session_name}",
                "SecretAccessKey": credentials.secret_access_key,
                "SessionToken": credentials.token,
                "Expiration": expiration,
                "AccountId": account,
                "PrincipalType": "AssumedRole",
                "SessionTags": [],
                "SessionPolicies": None,
            },
        )
        self._session_made()
        return credentials

    def _evaluation_key(self, role: dict[str, Any], role_arn: str) -> str:
        """The key of a session that only the evaluator sees (nobody is given its secret)."""
        with self._lock:
            key, expiration = self._evaluation_keys.get(role_arn, ("", 0.0))
            if expiration < time.time() + 60:
                name = f"authorize-{secrets.token_hex(4)}"
                key = self._session(role, role_arn, name, _SESSION_SECONDS).access_key_id
                self._evaluation_keys[role_arn] = (key, time.time() + _SESSION_SECONDS)
            return key


def _parse_role_arn(role_arn: str) -> tuple[str, str]:
    parts = role_arn.split(":", 5)
    if len(parts) != 6 or parts[2] != "iam" or not parts[5].startswith("role/"):
        raise AwsError("ValidationException", f"{role_arn!r} is not the ARN of a role")
    return parts[4], parts[5].rsplit("/", 1)[-1]
