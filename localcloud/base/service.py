"""What every AWS service of the local cloud is: a class, a snake_case method an operation.

Requests are parsed and answers written by the botocore model of the service (all of AWS's protocols), so that a
service deals in the parameter names and shapes of the API reference and in nothing of HTTP.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import logging
import re
import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import parse_qs, parse_qsl, unquote

from botocore import xform_name
from moto.core.exceptions import ServiceException
from moto.core.parse import PROTOCOL_PARSERS, RequestParserError
from moto.core.serialize import get_serializer_class
from moto.core.utils import get_service_model
from werkzeug.datastructures import Headers, MultiDict

from localcloud.base.errors import AwsError

if TYPE_CHECKING:
    from localcloud.base.api_type import ApiType
    from localcloud.base.cloud import Cloud

__all__ = ["AwsError", "Service"]

Response = tuple[int, dict[str, str], bytes]
_ACTION_TARGET = re.compile(r"^[\w.]+\.(\w+)$")


class Service:
    """One AWS service. Subclass it, name it, and write a method for each operation that it offers.

    A method takes the operation's parameters as keyword arguments under their botocore names (those that were not sent
    are absent) and returns the operation's output as a dict, or raises :class:`AwsError`. It runs on a worker thread,
    several at once; :attr:`lock` guards :attr:`state` where more than one step has to be whole. An operation without a
    method, and a parameter that its method does not name, are refused by name: nothing is ignored. A method must
    therefore not take ``**kwargs``.
    """

    name: ClassVar[str] = ""
    """botocore service id, e.g. ``redshift-serverless``."""
    scope: ClassVar[str] = ""
    """Name in the credential scope of SigV4 requests; the service id's ``signingName`` by default."""
    iam_prefix: ClassVar[str] = ""
    """Prefix of the service's IAM actions; the scope by default."""
    cloudformation: ClassVar[Mapping[str, ApiType]] = {}
    """The CloudFormation resource types that the service offers."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.state: dict[str, Any] = {}
        self.lock = threading.RLock()
        self.log = logging.getLogger(f"localcloud.{self.name}")
        self.model = get_service_model(self.name)
        self.protocol: str = self.model.metadata["protocol"]
        self._routes = self._rest_routes() if self.protocol.startswith("rest") else []
        for operation in self.operations():
            method = self._method(operation)
            if method and any(p.kind is p.VAR_KEYWORD for p in inspect.signature(method).parameters.values()):
                raise TypeError(f"{self.name}.{operation} takes **kwargs: it would ignore parameters silently")

    @classmethod
    def signing_scope(cls) -> str:
        """The name under which requests to this service are signed."""
        if cls.scope:
            return cls.scope
        metadata = get_service_model(cls.name).metadata
        return str(metadata.get("signingName") or metadata.get("endpointPrefix") or cls.name)

    def start(self) -> None:
        """Called once after the saved state was loaded; e.g. marks work that a kill interrupted as failed."""

    def stop(self) -> None:
        """Called once when the gateway stops gracefully, before the state is saved for the last time."""

    def resource_arns(self, operation: str, params: dict[str, Any]) -> list[str]:
        """The resources that IAM must allow ``operation`` on (all of them); ``["*"]`` where AWS knows no resource.

        Source: "Actions, resources, and condition keys" of the service in the Service Authorization Reference.
        """
        return ["*"]

    def changed(self) -> None:
        """Say that :attr:`state` changed: it is saved before the current request is answered, or at once elsewhere."""
        self.cloud.state_changed(self.signing_scope())

    def snapshot(self) -> dict[str, Any]:
        """A copy of the state as it is saved (JSON values only)."""
        with self.lock:
            copied: dict[str, Any] = json.loads(json.dumps(self.state))
            return copied

    def operations(self) -> list[str]:
        """The operations that the service's API has, supported or not."""
        return list(self.model.operation_names)

    def supported_operations(self) -> list[str]:
        """The operations that this class has a method for."""
        return [operation for operation in self.operations() if self._method(operation)]

    # MiniStack's handler signature --------------------------------------------------------------------------------

    async def handle_request(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes, query_params: Mapping[str, Any]
    ) -> Response:
        """Answer one HTTP request of the service's API: (status, headers, body)."""
        operation, uri = self._match(method, path, headers, body, query_params)
        if operation is None or operation not in self.model.operation_names:
            return _unknown_operation(self.protocol, self.name, operation)
        result: Any
        try:
            params = self.parse(operation, uri, method, path, headers, body, query_params)
            result = await asyncio.to_thread(self.call, operation, params)
        except ServiceException as error:
            result = error
        except RequestParserError as error:
            result = AwsError("SerializationException", str(error))
        except Exception as error:
            self.log.exception("%s failed", operation)
            result = AwsError(
                "InternalFailure", f"{self.name}.{operation} failed: {type(error).__name__}: {error}", 500
            )
        return self._serialize(operation, result)

    def call(self, operation: str, params: Mapping[str, Any]) -> dict[str, Any]:
        """Run one operation with parsed parameters, as the API does. Raises :class:`AwsError`."""
        function = self._method(operation)
        if function is None:
            raise AwsError(
                "NotImplementedException",
                f"{self.name}.{operation} is not supported by the local cloud (supported: "
                f"{', '.join(self.supported_operations()) or 'none'})",
                501,
            )
        sent = {key: value for key, value in params.items() if value is not None}
        unknown = sorted(set(sent) - set(inspect.signature(function).parameters))
        if unknown:
            raise AwsError(
                "NotImplementedException",
                f"{self.name}.{operation}: the local cloud does not support the parameter {', '.join(unknown)}",
                501,
            )
        missing = [
            key
            for key, p in inspect.signature(function).parameters.items()
            if p.default is p.empty and p.kind is not p.VAR_POSITIONAL and key not in sent
        ]
        if missing:
            raise AwsError("ValidationException", f"{self.name}.{operation}: {', '.join(missing)} must be given")
        return function(**sent) or {}

    def request_resources(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes, query_params: Mapping[str, Any]
    ) -> tuple[str | None, list[str]]:
        """The operation of an HTTP request (None: unknown) and the ARNs that IAM has to allow it on."""
        operation, uri = self._match(method, path, headers, body, query_params)
        if operation is None or operation not in self.model.operation_names:
            return None, ["*"]
        params = self.parse(operation, uri, method, path, headers, body, query_params)
        sent = {key: value for key, value in params.items() if value is not None}
        return operation, self.resource_arns(operation, sent)

    def parse(
        self,
        operation: str,
        uri: Mapping[str, str],
        method: str,
        path: str,
        headers: Mapping[str, str],
        body: bytes,
        query_params: Mapping[str, Any],
    ) -> dict[str, Any]:
        """The parameters of a request, by the operation's input shape."""
        pairs = [(k, v) for k, vs in query_params.items() for v in (vs if isinstance(vs, list) else [vs])]
        if self.protocol in ("query", "ec2"):
            pairs += parse_qsl(body.decode(), keep_blank_values=True)
        parser = PROTOCOL_PARSERS[self.protocol](self.model.operation_model(operation))
        parsed: dict[str, Any] = parser.parse(
            {
                "method": method,
                "values": MultiDict(pairs),
                "headers": Headers(list(headers.items())),
                "body": body,
                "url_path": path,
                "url_params": dict(uri),
            }
        )
        return parsed

    # ---------------------------------------------------------------------------------------------------------------

    def _method(self, operation: str) -> Callable[..., dict[str, Any] | None] | None:
        name = xform_name(operation)
        function = getattr(type(self), name, None)
        return None if function is None or getattr(Service, name, None) is function else getattr(self, name)

    def _rest_routes(self) -> list[tuple[str, re.Pattern[str], str]]:
        routes = []
        for operation in self.model.operation_names:
            http = self.model.operation_model(operation).http
            uri = http["requestUri"].split("?")[0].rstrip("/")
            names = re.sub(r"\{([^}]+?)(\+?)\}", _path_group, uri)
            routes.append((uri.count("{"), -len(uri), http["method"], re.compile(f"^{names}/?$"), operation))
        return [
            (method, pattern, operation) for _, _, method, pattern, operation in sorted(routes, key=lambda r: r[:2])
        ]

    def _match(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes, query_params: Mapping[str, Any]
    ) -> tuple[str | None, dict[str, str]]:
        target = _ACTION_TARGET.match(headers.get("x-amz-target", ""))
        if target:
            return target[1], {}
        for route_method, pattern, operation in self._routes:
            found = pattern.match(path) if route_method == method else None
            if found:
                return operation, {k.replace("__dash__", "-"): unquote(v) for k, v in found.groupdict().items()}
        if self.protocol in ("query", "ec2"):
            action = query_params.get("Action") or parse_qs(body.decode()).get("Action")
            return (action[0] if isinstance(action, list) else action), {}
        return None, {}

    def _serialize(self, operation: str, result: Any) -> Response:
        serializer = get_serializer_class(self.name, self.protocol)(
            operation_model=self.model.operation_model(operation)
        )
        response = serializer.serialize(result)
        body = response["body"]
        status = int(response["status_code"])
        if isinstance(result, AwsError) and result.status != 400:
            status = result.status
        return status, dict(response["headers"]), body.encode() if isinstance(body, str) else body


def _path_group(found: re.Match[str]) -> str:
    return f"(?P<{found[1].replace('-', '__dash__')}>{'.+' if found[2] else '[^/]+'})"


def _unknown_operation(protocol: str, service: str, operation: str | None) -> Response:
    message = f"{service} has no operation {operation or 'for this method and path'}"
    if protocol in ("query", "ec2", "rest-xml"):
        text = f"<ErrorResponse><Error><Code>InvalidAction</Code><Message>{message}</Message></Error></ErrorResponse>"
        return 400, {"Content-Type": "text/xml"}, text.encode()
    body = json.dumps({"__type": "UnknownOperationException", "message": message}).encode()
    return 404, {"Content-Type": "application/x-amz-json-1.1", "x-amzn-errortype": "UnknownOperationException"}, body
