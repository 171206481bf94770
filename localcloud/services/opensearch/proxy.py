"""The endpoint of a domain: a reverse proxy that checks every request before the real node sees it whole.

Bodies are streamed in both directions. Where the signature covers a hash that the client sent, signature and policies
are checked before the first byte is passed on, and the last piece of the body is held back until the hash has been
compared: the node acts on no request whose body is not the signed one.
"""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import AsyncIterator, Callable
from typing import Any
from urllib.parse import unquote

import aiohttp
from aiohttp import web
from multidict import CIMultiDict
from yarl import URL

from localcloud.base.endpoint import Endpoint
from localcloud.base.signed_requests import EndpointAuthorization, SignedRequest

log = logging.getLogger("localcloud.opensearch.endpoint")

ACTIONS = {
    "GET": "es:ESHttpGet",
    "HEAD": "es:ESHttpHead",
    "POST": "es:ESHttpPost",
    "PUT": "es:ESHttpPut",
    "DELETE": "es:ESHttpDelete",
    "PATCH": "es:ESHttpPatch",
}
MAX_BODY = 100 * 1024 * 1024
"""Bytes of the largest request ("Network quotas" of the larger instances, OpenSearch Service Developer Guide)."""
PIECE = 256 * 1024
_SHA256 = re.compile(rb"^[0-9a-f]{64}$")
_HOP_BY_HOP = frozenset(
    {"connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "te", "trailer", "transfer-encoding"}
    | {"upgrade", "expect", "host", "authorization"}
)


class DomainEndpoint(Endpoint):
    """Serves the endpoint of one domain on a thread of its own.

    `domain` gives (ARN, access policy) of the domain that exists now, or None.
    """

    def __init__(
        self,
        host: str,
        port: int,
        node_url: str,
        authorization: EndpointAuthorization,
        domain: Callable[[], tuple[str, str] | None],
    ) -> None:
        super().__init__(host, port, "opensearch-endpoint")
        self._node_url = node_url
        self._authorization = authorization
        self._domain = domain

    # one request ---------------------------------------------------------------------------------------------------

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        domain = self._domain()
        if domain is None:
            return _message(404, "no OpenSearch domain exists here: create one with the OpenSearch Service API")
        action = ACTIONS.get(request.method)
        if action is None:
            return _message(405, f"the method {request.method} is not supported")
        if (request.content_length or 0) > MAX_BODY:
            return _message(413, f"a request has at most {MAX_BODY} bytes, this one {request.content_length}")
        arn, access_policy = domain
        raw_path, _, query = request.raw_path.partition("?")
        resource = f"{arn}/{unquote(raw_path).lstrip('/')}"
        signed_hash = request.headers.get("x-amz-content-sha256", "").encode()
        streamed = bool(_SHA256.match(signed_hash))
        body = b"" if streamed else await _read(request)
        if body is None:
            return _message(413, f"a request has at most {MAX_BODY} bytes")
        refusal = self._authorization.refusal(
            SignedRequest(request.method, raw_path, query, request.raw_headers, body), action, resource, access_policy
        )
        if refusal is not None:
            return _message(403, refusal)
        if not streamed:
            return await self._forward(request, raw_path, query, body or None)
        checked = _CheckedBody(request, signed_hash.decode())
        if request.body_exists:
            return await self._forward(request, raw_path, query, checked.pieces())
        if not checked.empty_matches():
            return _message(403, _CheckedBody.MISMATCH)
        return await self._forward(request, raw_path, query, None)

    async def _forward(
        self, request: web.BaseRequest, raw_path: str, query: str, body: bytes | AsyncIterator[bytes] | None
    ) -> web.StreamResponse:
        # A presigned URL carries its signature among the parameters, which the node does not know.
        parameters = "&".join(part for part in query.split("&") if not part.lower().startswith("x-amz-"))
        url = URL(f"{self._node_url}{raw_path}" + (f"?{parameters}" if parameters else ""), encoded=True)
        headers = _end_to_end(request.headers)
        try:
            async with self.session.request(
                request.method, url, headers=headers, data=body, allow_redirects=False
            ) as answer:
                response = web.StreamResponse(status=answer.status, reason=answer.reason)
                response.headers.update(_end_to_end(answer.headers))
                await response.prepare(request)
                if request.method != "HEAD":
                    async for piece in answer.content.iter_chunked(PIECE):
                        await response.write(piece)
                await response.write_eof()
                return response
        except BodyMismatchError as error:
            return _message(403, str(error))
        except aiohttp.ClientConnectionError as error:
            mismatch = _cause(error)
            if mismatch is not None:
                return _message(403, str(mismatch))
            log.error("the OpenSearch node at %s cannot be reached: %s", self._node_url, error)
            return _message(503, f"the OpenSearch node of the domain cannot be reached: {error}")


class BodyMismatchError(Exception):
    """The body is not the one that was signed."""


class _CheckedBody:
    """The pieces of a request's body, the last of them only once the hash of all is the signed one."""

    MISMATCH = (
        "SignatureDoesNotMatch: the body of the request is not the one whose hash was signed (x-amz-content-sha256)"
    )

    def __init__(self, request: web.BaseRequest, sha256: str) -> None:
        self._request = request
        self._expected = sha256
        self._digest = hashlib.sha256()

    async def pieces(self) -> AsyncIterator[bytes]:
        held = b""
        async for piece in self._request.content.iter_chunked(PIECE):
            self._digest.update(piece)
            if held:
                yield held
            held = piece
        if self._digest.hexdigest() != self._expected:
            raise BodyMismatchError(self.MISMATCH)
        if held:
            yield held

    def empty_matches(self) -> bool:
        return self._digest.hexdigest() == self._expected


def _cause(error: BaseException | None) -> BodyMismatchError | None:
    while error is not None:
        if isinstance(error, BodyMismatchError):
            return error
        error = error.__cause__ or error.__context__
    return None


async def _read(request: web.BaseRequest) -> bytes | None:
    """The whole body; None when it is too large."""
    body = bytearray()
    async for piece in request.content.iter_chunked(PIECE):
        body += piece
        if len(body) > MAX_BODY:
            return None
    return bytes(body)


def _end_to_end(headers: Any) -> CIMultiDict[str]:
    """Headers without those that concern one connection, or AWS alone."""
    named = {name.strip().lower() for name in headers.get("Connection", "").split(",")}
    kept: CIMultiDict[str] = CIMultiDict()
    for name, value in headers.items():
        lower = name.lower()
        if lower not in _HOP_BY_HOP and lower not in named and not lower.startswith("x-amz-"):
            kept.add(name, value)
    return kept


def _message(status: int, text: str) -> web.Response:
    """An error in the form of the service's endpoints."""
    return web.json_response({"Message": text}, status=status)
