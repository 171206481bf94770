"""The gateway's own HTTP interface under ``/_localcloud/``: health, credentials of roles, permission checks."""

from __future__ import annotations

import asyncio
import hmac
import json
from collections.abc import Callable
from typing import Any

from localcloud.base.cloud import Credentials
from localcloud.base.errors import AwsError
from localcloud.base.identity import MiniStackIdentity
from localcloud.base.role_tokens import role_token

PREFIX = "/_localcloud/"

# The service that gives containers of Fargate their role ("Amazon ECS task IAM role", ECS Developer Guide).
_CONTAINER_PRINCIPAL = "ecs-tasks.amazonaws.com"
_MAX_BODY = 1 << 20


class Control:
    """Answers the requests of this machine's own processes; all but health demand the machine's token."""

    def __init__(
        self, identity: MiniStackIdentity, account_id: str, token: str, health: Callable[[], dict[str, Any]]
    ) -> None:
        self._identity = identity
        self._account_id = account_id
        self._token = token
        self._health = health

    async def handle(self, scope: Any, receive: Any, send: Any) -> None:
        """One ASGI request whose path begins with :data:`PREFIX`."""
        method, path = scope["method"], scope["path"][len(PREFIX) :]
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        body = await _read(receive)
        status, answer = await asyncio.to_thread(self._answer, method, path, headers, body)
        await _send(send, status, answer)

    def _answer(self, method: str, path: str, headers: dict[str, str], body: bytes) -> tuple[int, dict[str, Any]]:
        if (method, path) == ("GET", "health"):
            return 200, self._health()
        authorization = headers.get("authorization", "")
        role = path.removeprefix("credentials/") if method == "GET" and path.startswith("credentials/") else None
        if not self._authorized(authorization, self._token if role is None else role_token(self._token, role)):
            return 401, {"code": "Unauthorized", "message": f"the Authorization header must hold the token for {path}"}
        try:
            if role is not None:
                return 200, self._container_credentials(role)
            if method == "POST" and path == "service-credentials":
                asked = json.loads(body)
                credentials = self._identity.role_credentials(
                    asked["role_arn"], asked["service_principal"], asked.get("session_name") or "localcloud"
                )
                return 200, _as_ecs(credentials, asked["role_arn"])
            if method == "POST" and path == "authorize":
                asked = json.loads(body)
                self._identity.authorize(
                    asked["role_arn"], asked["action"], list(asked["resources"]), asked.get("context")
                )
                return 200, {"decision": "Allow"}
        except AwsError as error:
            return error.status, {"code": error.code, "message": error.message}
        except (KeyError, TypeError, ValueError) as error:
            return 400, {"code": "ValidationException", "message": f"{path}: {type(error).__name__}: {error}"}
        return 404, {"code": "NotFound", "message": f"{method} {PREFIX}{path} does not exist"}

    @staticmethod
    def _authorized(authorization: str, token: str) -> bool:
        return hmac.compare_digest(authorization.removeprefix("Bearer ").encode(), token.encode())

    def _container_credentials(self, role_name: str) -> dict[str, Any]:
        role_arn = self._identity.role_by_name(self._account_id, role_name)
        credentials = self._identity.role_credentials(role_arn, _CONTAINER_PRINCIPAL, f"task-{role_name}"[:64])
        return _as_ecs(credentials, role_arn)


def _as_ecs(credentials: Credentials, role_arn: str) -> dict[str, Any]:
    return {
        "AccessKeyId": credentials.access_key_id,
        "SecretAccessKey": credentials.secret_access_key,
        "Token": credentials.token,
        "Expiration": credentials.expiration,
        "RoleArn": role_arn,
    }


async def _read(receive: Any) -> bytes:
    body = b""
    while True:
        message = await receive()
        body += bytes(message.get("body", b""))
        if not message.get("more_body") or len(body) > _MAX_BODY:
            return body


async def _send(send: Any, status: int, answer: dict[str, Any]) -> None:
    body = json.dumps(answer).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
