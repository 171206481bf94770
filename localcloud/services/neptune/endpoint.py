"""The endpoint of a cluster: Gremlin over WebSocket and HTTP, bulk loads, each request checked first.

Source: "Using different IAM policies for controlling access to Neptune" and "Accessing the Neptune graph with Gremlin"
of the Amazon Neptune User Guide.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import aiohttp
from aiohttp import web

from localcloud.base.endpoint import Endpoint
from localcloud.base.signed_requests import EndpointAuthorization, SignedRequest
from localcloud.servers.gremlin import script_request
from localcloud.services.neptune.loader import Loader, LoadRefusedError

log = logging.getLogger("localcloud.neptune.endpoint")

READ, WRITE, DELETE = (f"neptune-db:{verb}DataViaQuery" for verb in ("Read", "Write", "Delete"))
STATUS = "neptune-db:GetEngineStatus"
START_LOAD, LOAD_STATUS, LIST_LOADS, CANCEL_LOAD = (
    f"neptune-db:{action}" for action in ("StartLoaderJob", "GetLoaderJobStatus", "ListLoaderJobs", "CancelLoaderJob")
)
_STEPS = {WRITE: (b"addV", b"addE", b"mergeV", b"mergeE", b"property"), DELETE: (b"drop",)}
"""The steps that change a graph. Their names are plain text in Gremlin's bytecode, binary or JSON, and in scripts."""


@dataclass(frozen=True)
class ServedCluster:
    """The cluster that exists now: its data's ARN, whether signatures are asked for, its description and its roles."""

    resource_arn: str
    signed: bool
    engine_version: str
    roles: tuple[str, ...] = ()


class ClusterEndpoint(Endpoint):
    """Serves the endpoint of the machine's cluster; `cluster` gives the one that exists now, or None."""

    def __init__(
        self,
        host: str,
        port: int,
        server_url: str,
        authorization: EndpointAuthorization,
        cluster: Callable[[], ServedCluster | None],
        loader: Loader,
    ) -> None:
        super().__init__(host, port, "neptune-endpoint")
        self._server_url = server_url
        self._authorization = authorization
        self._cluster = cluster
        self._loader = loader

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        cluster = self._cluster()
        if cluster is None:
            return _failure(404, "ResourceNotFoundException", "no Neptune cluster exists here")
        path = request.path.rstrip("/")
        body = await request.read()
        if path == "/status" and request.method == "GET":
            return self._refused(cluster, request, body, STATUS) or web.json_response(_status(cluster))
        if path == "/loader" or path.startswith("/loader/"):
            return await self._load(cluster, request, body, path.removeprefix("/loader").strip("/"))
        if path != "/gremlin":
            return _failure(404, "UnsupportedOperationException", f"{request.method} {request.path} is not served")
        if request.headers.get("Upgrade", "").lower() == "websocket":
            return await self._bridge(cluster, request)
        return await self._query(cluster, request, body)

    def _refused(
        self, cluster: ServedCluster, request: web.BaseRequest, body: bytes, action: str
    ) -> web.Response | None:
        reason = self._refusal(cluster, request, body, action)
        return None if reason is None else _failure(403, "AccessDeniedException", reason)

    def _refusal(self, cluster: ServedCluster, request: web.BaseRequest, body: bytes, action: str) -> str | None:
        if not cluster.signed:
            return None
        raw_path, _, query = request.raw_path.partition("?")
        signed = SignedRequest(request.method, raw_path, query, request.raw_headers, body)
        return self._authorization.refusal(signed, action, f"{cluster.resource_arn}/*", "")

    # HTTP ------------------------------------------------------------------------------------------------------------

    async def _query(self, cluster: ServedCluster, request: web.BaseRequest, body: bytes) -> web.StreamResponse:
        text = body if request.method == "POST" else request.query_string.encode()
        for action in (READ, *_changes(text)):
            if refused := self._refused(cluster, request, body, action):
                return refused
        try:
            asked = json.loads(body) if request.method == "POST" else {"gremlin": request.query.get("gremlin", "")}
            sent = json.dumps({**asked, **script_request(str(asked["gremlin"]))}).encode()
        except (ValueError, TypeError, KeyError):
            return _failure(400, "BadRequestException", 'the body must be JSON with the member "gremlin"')
        try:
            # A connection that served HTTP would be used again for a WebSocket, which the server then refuses.
            headers = {"Connection": "close", "Content-Type": "application/json"}
            async with self.session.post(f"{self._server_url}/gremlin", data=sent, headers=headers) as answer:
                content = await answer.read()
                kind = answer.headers.get("Content-Type", "application/json").partition(";")[0]
                return web.Response(status=answer.status, body=content, content_type=kind)
        except aiohttp.ClientConnectionError as error:
            return self._unreachable(error)

    # Bulk loads ------------------------------------------------------------------------------------------------------

    async def _load(
        self, cluster: ServedCluster, request: web.BaseRequest, body: bytes, load_id: str
    ) -> web.StreamResponse:
        load_id = load_id or request.query.get("loadId", "")
        needed = {"POST": START_LOAD, "GET": LOAD_STATUS if load_id else LIST_LOADS, "DELETE": CANCEL_LOAD}
        if request.method not in needed:
            return _failure(405, "BadRequestException", f"{request.method} /loader is not served")
        if refused := self._refused(cluster, request, body, needed[request.method]):
            return refused
        try:
            if request.method == "POST":
                asked = json.loads(body or b"null")
                started = await asyncio.to_thread(self._loader.start, asked, list(cluster.roles))
                return _answer({"loadId": started})
            if request.method == "DELETE":
                return _answer() if self._loader.cancel(load_id) else _unknown_load(load_id)
            return self._loads(request, load_id)
        except LoadRefusedError as error:
            return _failure(400, error.code, str(error))
        except ValueError as error:
            return _failure(400, "BadRequestException", f"a parameter cannot be read: {error}")

    def _loads(self, request: web.BaseRequest, load_id: str) -> web.StreamResponse:
        flags = {name: value.upper() == "TRUE" for name, value in request.query.items()}
        if not load_id:
            limit = min(int(request.query.get("limit", "100")), 100)
            return _answer({"loadIds": self._loader.ids(limit, flags.get("includeQueuedLoads", True))})
        told = self._loader.status(
            load_id,
            details=flags.get("details", False),
            errors=flags.get("errors", False),
            page=int(request.query.get("page", "1")),
            errors_per_page=int(request.query.get("errorsPerPage", "10")),
        )
        return _unknown_load(load_id) if told is None else _answer(told)

    def _unreachable(self, error: Exception) -> web.Response:
        log.error("the Gremlin Server at %s cannot be reached: %s", self._server_url, error)
        return _failure(503, "InternalFailureException", f"the cluster's graph cannot be reached: {error}")

    # WebSocket -------------------------------------------------------------------------------------------------------

    async def _bridge(self, cluster: ServedCluster, request: web.BaseRequest) -> web.StreamResponse:
        if refused := self._refused(cluster, request, b"", READ):
            return refused
        reasons = {action: self._refusal(cluster, request, b"", action) for action in _STEPS}
        try:
            behind = await self.session.ws_connect(f"{self._server_url}/gremlin", max_msg_size=0, autoping=True)
        except (aiohttp.ClientError, OSError) as error:
            return self._unreachable(error)
        front = web.WebSocketResponse(max_msg_size=0)
        await front.prepare(request)
        to_server = asyncio.create_task(_forward(front, behind, reasons))
        to_client = asyncio.create_task(_pass_on(behind, front))
        await asyncio.wait((to_server, to_client), return_when=asyncio.FIRST_COMPLETED)
        for task in (to_server, to_client):
            task.cancel()
        await asyncio.gather(to_server, to_client, return_exceptions=True)
        await behind.close()
        await front.close()
        return front


async def _forward(front: web.WebSocketResponse, behind: Any, reasons: dict[str, str | None]) -> None:
    async for message in front:
        data = message.data if isinstance(message.data, bytes) else str(message.data).encode()
        # A script may name its steps in ways that only its engine sees: who may not do everything sends none.
        needed = list(_STEPS) if _is_script(data) else _changes(data)
        refusals = [reasons[action] for action in needed if reasons[action]]
        if refusals:
            await front.close(code=aiohttp.WSCloseCode.POLICY_VIOLATION, message=str(refusals[0]).encode()[:120])
            return
        if message.type == aiohttp.WSMsgType.BINARY:
            await behind.send_bytes(data)
        elif message.type == aiohttp.WSMsgType.TEXT:
            await behind.send_str(message.data)


async def _pass_on(behind: Any, front: web.WebSocketResponse) -> None:
    async for message in behind:
        if message.type == aiohttp.WSMsgType.BINARY:
            await front.send_bytes(message.data)
        elif message.type == aiohttp.WSMsgType.TEXT:
            await front.send_str(message.data)


def _is_script(message: bytes) -> bool:
    """Whether a WebSocket message asks to evaluate text, in Gremlin's binary or JSON form; else it is a traversal."""
    return b"\x00\x00\x00\x04eval" in message or re.search(rb'"op"\s*:\s*"eval"', message) is not None


def _changes(query: bytes) -> list[str]:
    """The actions beyond reading that a query may need: a step's name anywhere in it counts."""
    return [action for action, steps in _STEPS.items() if any(step in query for step in steps)]


def _status(cluster: ServedCluster) -> dict[str, Any]:
    return {"status": "healthy", "dbEngineVersion": cluster.engine_version, "role": "writer",
            "gremlin": {"version": "tinkerpop-3.7.3"}}  # fmt: skip


def _answer(payload: dict[str, Any] | None = None) -> web.Response:
    return web.json_response({"status": "200 OK", **({} if payload is None else {"payload": payload})})


def _unknown_load(load_id: str) -> web.Response:
    return _failure(404, "BulkLoadIdNotFoundException", f"no load has the id {load_id}")


def _failure(status: int, code: str, message: str) -> web.Response:
    told = {"requestId": str(uuid.uuid4()), "code": code, "detailedMessage": message}
    return web.json_response(told, status=status, headers={"x-amzn-ErrorType": code})
