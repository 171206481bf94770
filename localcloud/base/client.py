"""The gateway as the machine's own processes (engines, servers) use it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httpx

from localcloud.base.cloud import Credentials
from localcloud.base.errors import AwsError


class GatewayClient:
    """Asks the gateway at ``endpoint`` with the machine's ``token`` (the file ``token`` of its state folder)."""

    def __init__(self, endpoint: str, token: str) -> None:
        self._http = httpx.Client(base_url=endpoint, headers={"Authorization": token}, timeout=60, trust_env=False)

    def service_credentials(self, role_arn: str, principal: str, session_name: str = "") -> Credentials:
        """Temporary keys of a role, assumed by the service ``principal`` (e.g. ``redshift.amazonaws.com``).

        Raises :class:`AwsError` (AccessDenied) naming role and principal when the trust policy does not allow it.
        """
        answer = self._post(
            "service-credentials",
            {"role_arn": role_arn, "service_principal": principal, "session_name": session_name},
        )
        return Credentials(answer["AccessKeyId"], answer["SecretAccessKey"], answer["Token"], answer["Expiration"])

    def authorize(
        self, role_arn: str, action: str, resources: list[str], context: Mapping[str, str] | None = None
    ) -> None:
        """Check that the role may do ``action`` on every one of ``resources``, under condition keys such as s3:prefix.

        Raises :class:`AwsError` (AccessDenied) naming action, resource and role.
        """
        asked = {"role_arn": role_arn, "action": action, "resources": resources, "context": dict(context or {})}
        self._post("authorize", asked)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def _post(self, name: str, asked: dict[str, Any]) -> dict[str, Any]:
        response = self._http.post(f"/_localcloud/{name}", json=asked)
        answer: dict[str, Any] = response.json()
        if response.status_code != 200:
            raise AwsError(answer["code"], answer["message"], response.status_code)
        return answer
