"""Salesforce's REST interface over the store, as far as clients that copy objects use it.

OAuth 2.0 tokens that expire, `query` and `queryAll` with paging, `describe`, `limits`, request limits. Source of paths,
fields and error codes: Salesforce REST API Developer Guide.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from aiohttp import web

from demo.crm.schema import OBJECTS, describe
from demo.crm.soql import Query, SoqlError, parse
from demo.crm.store import Store, condition

API = "/services/data/{version:v[0-9]+[.]0}"
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class Settings:
    """What an administrator would set. Tokens live `token_seconds`; `daily_requests` calls are answered a day (UTC)."""

    token_seconds: float = 7200
    daily_requests: int = 100_000
    batch_size: int = 2000


@dataclass
class Salesforce:
    """The service; `application()` is what aiohttp runs."""

    store: Store
    settings: Settings = field(default_factory=Settings)
    _tokens: dict[str, float] = field(default_factory=dict)
    _calls: tuple[str, int] = ("", 0)

    def application(self) -> web.Application:
        """Routes and the check of token and limits in front of them."""
        application = web.Application(middlewares=[self._guard])
        application.router.add_post("/services/oauth2/token", self._token)
        application.router.add_get(f"{API}/query", self._query)
        application.router.add_get(f"{API}/queryAll", self._query)
        application.router.add_get(f"{API}/query/{{locator}}", self._more)
        application.router.add_get(f"{API}/sobjects", self._objects)
        application.router.add_get(f"{API}/sobjects/{{name}}/describe", self._describe)
        application.router.add_get(f"{API}/limits", self._limits)
        application.router.add_get("/health", self._health)
        return application

    # Who may ask, and how often --------------------------------------------------------------------------------------

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if not request.path.startswith("/services/data/"):
            return await handler(request)
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if self._tokens.get(token, 0) < time.monotonic():
            return _errors(401, "INVALID_SESSION_ID", "Session expired or invalid")
        today = f"{datetime.now(UTC):%Y-%m-%d}"
        day, calls = self._calls
        calls = calls + 1 if day == today else 1
        self._calls = (today, calls)
        if calls > self.settings.daily_requests:
            return _errors(403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.")
        try:
            response = await handler(request)
        except SoqlError as error:
            response = _errors(400, error.code, str(error))
        response.headers["Sforce-Limit-Info"] = f"api-usage={calls}/{self.settings.daily_requests}"
        return response

    async def _token(self, request: web.Request) -> web.Response:
        form = await request.post()
        login = await asyncio.to_thread(self.store.login)
        known = all(
            secrets.compare_digest(str(form.get(name, "")).encode(), login[name].encode())
            for name in ("client_id", "client_secret")
        )
        grant = form.get("grant_type")
        if not known:
            return _oauth_error("invalid_client", "invalid client credentials")
        if grant == "refresh_token":
            if not secrets.compare_digest(str(form.get("refresh_token", "")).encode(), login["refresh_token"].encode()):
                return _oauth_error("invalid_grant", "expired access/refresh token")
        elif grant != "client_credentials":
            return _oauth_error("unsupported_grant_type", "grant type not supported")
        now = time.monotonic()
        self._tokens = {token: until for token, until in self._tokens.items() if until > now}
        token = f"00D5e!{secrets.token_urlsafe(48)}"
        self._tokens[token] = now + self.settings.token_seconds
        return web.json_response(
            {
                "access_token": token,
                "instance_url": f"{request.scheme}://{request.host}",
                "token_type": "Bearer",
                "issued_at": str(int(time.time() * 1000)),
                "scope": "api refresh_token",
            }
        )

    # Records ---------------------------------------------------------------------------------------------------------

    async def _query(self, request: web.Request) -> web.Response:
        text = request.query.get("q", "")
        deleted = request.path.endswith("queryAll")
        size = _batch_size(request, self.settings.batch_size)
        return web.json_response(
            await asyncio.to_thread(self._first, text, deleted, size, request.match_info["version"])
        )

    async def _more(self, request: web.Request) -> web.Response:
        locator, _, start = request.match_info["locator"].rpartition("-")
        size = _batch_size(request, self.settings.batch_size)
        page = await asyncio.to_thread(self._page, locator, int(start or 0), size, request.match_info["version"])
        if page is None:
            return _errors(404, "INVALID_QUERY_LOCATOR", "invalid query locator")
        return web.json_response(page)

    def _first(self, text: str, deleted: bool, size: int, version: str) -> dict[str, object]:
        """The first page. The ids of a longer result are noted, so that its pages are of one instant's selection."""
        query = parse(text)
        where = condition(query, deleted=deleted)
        with self.store.transaction() as connection:
            limit = -1 if query.limit is None else query.limit
            selection = f'from "{query.object}" where {where}'
            if query.count:
                (total,) = connection.execute(f"select count(*) {selection}", query.values).fetchone()
                return {"totalSize": total, "done": True, "records": []}
            locator = f"01g{secrets.token_hex(7)}"
            connection.execute(
                f"insert into locators select ?, row_number() over (order by {query.order}) - 1, Id from "  # noqa: S608
                f"(select * {selection} order by {query.order} limit ? offset ?)",
                (locator, *query.values, limit, query.offset),
            )
            (total,) = connection.execute("select count(*) from locators where locator = ?", (locator,)).fetchone()
            connection.execute("insert into locator_queries values (?, ?, ?, ?)", (locator, text, deleted, total))
        page = self._page(locator, 0, size, version)
        assert page is not None
        return page

    def _page(self, locator: str, start: int, size: int, version: str) -> dict[str, object] | None:
        with self.store.transaction() as connection:
            found = connection.execute(
                "select soql, total from locator_queries where locator = ?", (locator,)
            ).fetchone()
            if found is None:
                return None
            text, total = found
            query = parse(text)
            columns = ", ".join(f'r."{name}"' for name in query.fields)
            rows = connection.execute(
                f'select {columns}, r.extra from locators l join "{query.object}" r on r."Id" = l.id '  # noqa: S608
                "where l.locator = ? and l.position >= ? and l.position < ? order by l.position",
                (locator, start, start + size),
            ).fetchall()
            done = start + size >= total
            if done:  # the last page was asked for: nothing more comes of this query
                connection.execute("delete from locators where locator = ?", (locator,))
                connection.execute("delete from locator_queries where locator = ?", (locator,))
        page: dict[str, object] = {"totalSize": total, "done": done}
        if not done:
            page["nextRecordsUrl"] = f"/services/data/{version}/query/{locator}-{start + size}"
        page["records"] = [_record(query, row, version) for row in rows]
        return page

    async def _objects(self, request: web.Request) -> web.Response:
        return web.json_response({"sobjects": [{"name": name, "queryable": True} for name in OBJECTS]})

    async def _describe(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        if name not in OBJECTS:
            return _errors(404, "NOT_FOUND", "The requested resource does not exist")
        return web.json_response(describe(name))

    async def _limits(self, request: web.Request) -> web.Response:
        remaining = max(self.settings.daily_requests - self._calls[1], 0)
        return web.json_response({"DailyApiRequests": {"Max": self.settings.daily_requests, "Remaining": remaining}})

    async def _health(self, request: web.Request) -> web.Response:
        return web.json_response({"status": "ok"})


def _record(query: Query, row: tuple[object, ...], version: str) -> dict[str, object]:
    *values, extra = row
    record: dict[str, object] = {"attributes": {"type": query.object}}
    for name, value in zip(query.fields, values, strict=True):
        boolean = OBJECTS[query.object][name].type == "boolean" and value in (0, 1)
        record[name] = bool(value) if boolean else value
        if name == "Id":
            record["attributes"] = {
                "type": query.object, "url": f"/services/data/{version}/sobjects/{query.object}/{value}"
            }  # fmt: skip
    return {**record, **json.loads(str(extra))} if extra else record


def _batch_size(request: web.Request, largest: int) -> int:
    """`Sforce-Query-Options: batchSize=500`, from 200 on; to Salesforce it is a hint, here it is kept."""
    option = request.headers.get("Sforce-Query-Options", "")
    if option.startswith("batchSize=") and option[10:].isdigit():
        return min(max(int(option[10:]), 200), largest)
    return largest


def _errors(status: int, code: str, message: str) -> web.Response:
    return web.json_response([{"message": message, "errorCode": code}], status=status)


def _oauth_error(code: str, description: str) -> web.Response:
    return web.json_response({"error": code, "error_description": description}, status=400)
