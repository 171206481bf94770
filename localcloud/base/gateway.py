"""The one endpoint of the local cloud: ``python -m localcloud.base.gateway --state DIR --port N``."""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import resource
import signal
import socket
import sys
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from localcloud.base.api_type import ApiType
from localcloud.base.cloud import Cloud
from localcloud.base.control import PREFIX, Control
from localcloud.base.settings import GatewaySettings, load_root_credentials, load_token

log = logging.getLogger("localcloud.gateway")

# Paths that MiniStack answers for itself, without credentials (its reset wipes everything).
_FOREIGN_PATHS = ("/_ministack", "/_localstack", "/_aws", "/_alb", "/_moto", "/latest/", "/iceberg")


class Gateway:
    """One running endpoint: our services, MiniStack's, and the interface for the machine's own processes."""

    def __init__(self, settings: GatewaySettings) -> None:
        """Loads the saved state. Raises ContractError when the installed MiniStack is not the one relied on."""
        self.settings = settings
        paths = settings.paths
        for folder in (paths.state, paths.objects, paths.logs):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.root = load_root_credentials(paths)
        os.environ.update(settings.environment(self.root))
        self._build(load_token(paths))

    def _build(self, token: str) -> None:
        # MiniStack reads its environment when it is imported.
        from localcloud.base import contract
        from localcloud.base.cloudformation.provisioners import Provisioners
        from localcloud.base.durability import MiniStackStates, ServiceStates, persist_sessions
        from localcloud.base.identity import MiniStackIdentity
        from localcloud.base.mount import Mount
        from localcloud.base.object_bodies import ObjectBodies
        from localcloud.base.ownership import Ownership
        from localcloud.services import registry

        settings = self.settings
        self._ministack_states = MiniStackStates()
        identity = MiniStackIdentity(settings.region, lambda: self._ministack_states.touch("sts"))
        ownership = Ownership(registry.MINISTACK, registry.OURS)
        self.cloud = Cloud(
            account_id=settings.account_id,
            region=settings.region,
            endpoint_url=settings.endpoint_url,
            paths=settings.paths,
            root=self.root,
            identity=identity,
            state_changed=self._state_changed,
        )
        self.services = {scope: service(self.cloud) for scope, service in ownership.services.items()}
        self._states = ServiceStates(settings.paths.state / "services", self.services)
        self.control = Control(identity, settings.account_id, token, self._health)
        Mount(ownership, self.services, self.root, self._request_done).install()
        types: dict[str, ApiType] = {}
        for service in self.services.values():
            types.update(service.cloudformation)
        Provisioners(self.cloud, types).install()
        ObjectBodies(settings.paths.state / "spool").install()
        persist_sessions()
        self._app = contract.original("app", "app")
        self._states.load()
        self._stopping = asyncio.Event()

    # ASGI ----------------------------------------------------------------------------------------------------------

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            path = scope["path"]
            if path.startswith(PREFIX):
                await self.control.handle(scope, receive, send)
                return
            if path.startswith(_FOREIGN_PATHS) or path == "/health":
                await _not_found(send, path)
                return
            if scope["method"] == "PUT":
                self._note_object_body(scope)
        await self._app(scope, receive, send)

    def _note_object_body(self, scope: Any) -> None:
        from localcloud.base.mount import signing_scope
        from localcloud.base.object_bodies import request_body_is_an_object, spools_body

        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        query = parse_qs(scope.get("query_string", b"").decode("latin-1"), keep_blank_values=True)
        spools_body.set(request_body_is_an_object("PUT", signing_scope(headers, query), query))

    async def serve(self) -> None:
        """Serve until :meth:`stop`; saves the state before it returns. Raises OSError when the port is taken."""
        from hypercorn.asyncio import serve
        from hypercorn.config import Config

        config = Config()
        config.bind = [f"{self.settings.host}:{self.settings.port}"]
        config.keep_alive_timeout = 75
        config.graceful_timeout = 3
        config.loglevel = "WARNING"
        config.accesslog = None
        for service in self.services.values():
            await asyncio.to_thread(service.start)
        saver = asyncio.create_task(self._save_now_and_then())
        try:
            await serve(self, config, shutdown_trigger=self._stopping.wait)
        finally:
            saver.cancel()
            for service in self.services.values():
                await asyncio.to_thread(service.stop)
            self._states.save()

    def stop(self) -> None:
        """Ask :meth:`serve` to return."""
        self._stopping.set()

    # state ---------------------------------------------------------------------------------------------------------

    def _state_changed(self, scope: str) -> None:
        self._states.changed(scope)

    async def _request_done(self, scope: str, operation: str) -> None:
        if scope in self.services:
            await asyncio.to_thread(self._states.save)
            return
        self._ministack_states.request_done(scope, operation)
        if self._ministack_states.cheap(scope):
            await self._ministack_states.save(only=scope)

    async def _save_now_and_then(self) -> None:
        from localcloud.base.durability import INTERVAL_SECONDS

        while True:
            await asyncio.sleep(INTERVAL_SECONDS)
            try:
                await asyncio.to_thread(self._states.save)
                if self._ministack_states.due():
                    await self._ministack_states.save()
            except Exception:
                log.exception("the state could not be saved; it is tried again")

    def _health(self) -> dict[str, Any]:
        return {
            "status": "ok",
            "pid": os.getpid(),
            "region": self.settings.region,
            "account_id": self.settings.account_id,
            "services": sorted(self.services),
        }


async def _not_found(send: Any, path: str) -> None:
    body = json.dumps({"message": f"{path} does not exist"}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 404, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def main(arguments: list[str] | None = None) -> int:
    """Run a gateway until SIGTERM or SIGINT; exit code 0 after a graceful stop, 1 when it cannot start."""
    parser = argparse.ArgumentParser(prog="localcloud.base.gateway", description=__doc__)
    parser.add_argument("--state", type=Path, required=True, help="folder that holds everything")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--region", default="us-east-1")
    parser.add_argument("--account", default="000000000001", help="12 digits")
    parser.add_argument("--objects", type=Path, help="folder of the S3 objects (default: s3 in the state folder)")
    parser.add_argument("--logs", type=Path, help="folder of log files (default: logs in the state folder)")
    given = parser.parse_args(arguments)
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s [%(name)s] %(message)s")
    logging.getLogger("localcloud").setLevel(logging.INFO)
    settings = GatewaySettings(
        state=given.state.resolve(),
        port=given.port,
        host=given.host,
        region=given.region,
        account_id=given.account,
        objects=given.objects and given.objects.resolve(),
        logs=given.logs and given.logs.resolve(),
    )
    if _in_use(settings.host, settings.port):
        log.error("port %d of %s is in use", settings.port, settings.host)
        return 1
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # connections, and the parts of uploads
    asyncio.run(_run(settings))
    return 0


async def _run(settings: GatewaySettings) -> None:
    gateway = Gateway(settings)
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, gateway.stop)
    log.info("serving %s, state in %s", settings.endpoint_url, settings.state)
    await gateway.serve()
    log.info("stopped")


def _in_use(host: str, port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return True
    return False


if __name__ == "__main__":
    sys.exit(main())
