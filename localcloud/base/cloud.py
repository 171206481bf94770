"""What a service may use of the machine it runs in."""

from __future__ import annotations

import contextvars
import functools
import json
import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import boto3
from botocore.config import Config
from pydantic import BaseModel, ConfigDict

from localcloud.base.errors import AwsError

log = logging.getLogger("localcloud.cloud")

caller_key: contextvars.ContextVar[str | None] = contextvars.ContextVar("caller_key", default=None)
"""The access key that the current request was signed with; background work started by the request has it too."""


class ServerEndpoint(BaseModel):
    """Where one of the machine's servers listens, and as whom to log in."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: str
    port: int
    scheme: str = ""
    user: str = ""
    password: str = ""
    database: str = ""


@dataclass(frozen=True)
class Paths:
    """Folders of one local cloud. ``objects`` holds ``<account>/<bucket>/<key>``, one plain file an object."""

    state: Path
    objects: Path
    logs: Path

    @property
    def servers(self) -> Path:
        """JSON file ``{name: ServerEndpoint}``, written by what starts the machine's servers."""
        return self.state / "servers.json"

    @property
    def token(self) -> Path:
        """File (mode 0600) with the token that the machine's own processes show to the gateway."""
        return self.state / "token"

    @property
    def root_credentials(self) -> Path:
        """JSON file (mode 0600) with the keys of the account's root, made at first start."""
        return self.state / "root.json"


@dataclass(frozen=True)
class Credentials:
    """Keys of a principal; ``token`` and ``expiration`` (ISO 8601, UTC) only for a role."""

    access_key_id: str
    secret_access_key: str
    token: str | None = None
    expiration: str | None = None


class Identity(Protocol):
    """The IAM and STS of the machine, as services use them."""

    def role_credentials(
        self, role_arn: str, service_principal: str, session_name: str, seconds: int = 3600
    ) -> Credentials: ...

    def authorize(
        self, role_arn: str, action: str, resources: list[str], context: Mapping[str, str] | None = None
    ) -> None: ...

    def authorize_key(
        self, access_key_id: str, action: str, resources: list[str], context: Mapping[str, str] | None = None
    ) -> None: ...

    def authorize_service(
        self, service_principal: str, action: str, resource: str, context: Mapping[str, str] | None = None
    ) -> None: ...


class Cloud:
    """The account, region, roles, servers and folders that a service works with."""

    def __init__(
        self,
        *,
        account_id: str,
        region: str,
        endpoint_url: str,
        paths: Paths,
        root: Credentials,
        identity: Identity,
        state_changed: Callable[[str], None],
    ) -> None:
        self.account_id = account_id
        self.region = region
        self.endpoint_url = endpoint_url
        self.paths = paths
        self.root = root
        self.state_changed = state_changed
        """Called with the signing scope of a service whose state changed."""
        self._identity = identity

    def arn(self, service: str, resource: str) -> str:
        """The ARN of a resource of this account and region, e.g. ``arn("dms", "task:ABC")``."""
        return f"arn:aws:{service}:{self.region}:{self.account_id}:{resource}"

    def client(
        self, service: str, role_arn: str | None = None, service_principal: str | None = None, session_name: str = ""
    ) -> Any:
        """A boto3 client on the gateway: as root, or as ``role_arn`` assumed by ``service_principal``.

        ``service_principal`` is e.g. ``dms.amazonaws.com`` and required with a role. Raises :class:`AwsError` when the
        role does not exist or does not trust the principal. Role credentials last an hour: ask again for longer work.
        """
        if role_arn is None:
            return self._root_client(service)
        if service_principal is None:
            raise ValueError(f"client({service!r}, {role_arn!r}) needs the service principal that assumes the role")
        credentials = self.role_credentials(role_arn, service_principal, session_name)
        return make_client(service, self.endpoint_url, self.region, credentials)

    def role_credentials(
        self, role_arn: str, service_principal: str, session_name: str = "", seconds: int = 3600
    ) -> Credentials:
        """Temporary credentials of a role, as a service of AWS gets them; good for ``seconds``.

        Raises :class:`AwsError` (AccessDenied) naming role and principal when the role does not exist or when its trust
        policy does not let ``service_principal`` assume it.
        """
        return self._identity.role_credentials(role_arn, service_principal, session_name or service_principal, seconds)

    def authorize(
        self, role_arn: str, action: str, resources: list[str], context: Mapping[str, str] | None = None
    ) -> None:
        """Check that the policies of a role allow ``action`` on every one of ``resources``.

        Raises :class:`AwsError` (AccessDenied) naming action, resource and role.
        """
        self._identity.authorize(role_arn, action, resources, context)

    def authorize_caller(self, action: str, resources: list[str], context: Mapping[str, str] | None = None) -> None:
        """Check that whoever made the current request may do ``action``, for services that work with its rights.

        Raises :class:`AwsError` (AccessDenied) naming principal, action and resource.
        """
        key = caller_key.get()
        if key is None:
            raise AwsError("AccessDenied", f"nobody asked for {action} on {', '.join(resources)}", 403)
        self._identity.authorize_key(key, action, resources, context)

    def authorize_service(
        self, service_principal: str, action: str, resource: str, context: Mapping[str, str] | None = None
    ) -> None:
        """Check that the resource's own policy lets a service of AWS that comes without a role do ``action`` on it.

        Raises :class:`AwsError` (AccessDenied) naming principal, action and resource.
        """
        self._identity.authorize_service(service_principal, action, resource, context)

    def run(self, function: Callable[[], None], name: str = "") -> threading.Thread:
        """Run ``function`` on a background thread with the account and region of the current request."""
        context = contextvars.copy_context()

        def body() -> None:
            try:
                context.run(function)
            except Exception:
                log.exception("background work %s failed", name or function)

        thread = threading.Thread(target=body, name=name or "localcloud-work", daemon=True)
        thread.start()
        return thread

    @property
    def servers(self) -> Mapping[str, ServerEndpoint]:
        """The machine's servers by name, as their starter last wrote them."""
        path = self.paths.servers
        if not path.exists():
            return {}
        return {name: ServerEndpoint.model_validate(value) for name, value in json.loads(path.read_text()).items()}

    def server(self, name: str) -> ServerEndpoint:
        """One of the machine's servers. Raises :class:`AwsError` when it is not there."""
        try:
            return self.servers[name]
        except KeyError:
            raise AwsError(
                "ServiceUnavailableException",
                f"the local cloud runs no server named {name!r} (servers.json in its state folder names "
                f"{', '.join(self.servers) or 'none'})",
                503,
            ) from None

    @functools.cache  # noqa: B019 a Cloud lives as long as its process
    def _root_client(self, service: str) -> Any:
        return make_client(service, self.endpoint_url, self.region, self.root)


def make_client(service: str, endpoint_url: str, region: str, credentials: Credentials) -> Any:
    """A boto3 client of one service with given keys, independent of the environment and of AWS profiles."""
    session: Any = boto3.session.Session(
        aws_access_key_id=credentials.access_key_id,
        aws_secret_access_key=credentials.secret_access_key,
        aws_session_token=credentials.token,
        region_name=region,
    )
    options: dict[str, Any] = {"ignore_configured_endpoint_urls": True}  # not in the stubs of botocore
    config = Config(
        **options,
        retries={"max_attempts": 2, "mode": "standard"},
        s3={"addressing_style": "path"},
        max_pool_connections=32,
        read_timeout=300,
    )
    return session.client(service, endpoint_url=endpoint_url, config=config)
