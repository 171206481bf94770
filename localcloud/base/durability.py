"""State that survives a kill: every change is on disk within a fraction of a second, a service at a time.

A service whose state is written quickly is saved before its request is answered. The others are saved by a timer, and
only those that changed; a file is replaced whole or not at all.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import os
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from localcloud.base import contract
from localcloud.base.service import Service

log = logging.getLogger("localcloud.state")

INTERVAL_SECONDS = 0.25
_SWEEP_SECONDS = 3.0
_CHEAP_SECONDS = 0.005

# Operations after which a MiniStack service is as it was before.
_READS = ("Describe", "List", "Get", "Head", "Search", "BatchGet", "Lookup", "Filter", "Simulate")


class ServiceStates:
    """The state of our services: one JSON file each in ``folder``."""

    def __init__(self, folder: Path, services: Mapping[str, Service]) -> None:
        self._folder = folder
        self._services = services
        self._dirty: set[str] = set()
        self._lock = threading.Lock()
        self._writing = threading.Lock()

    def load(self) -> None:
        """Give every service its saved state. Raises RuntimeError naming a file that cannot be read."""
        for scope, service in self._services.items():
            path = self._path(scope)
            if not path.exists():
                continue
            try:
                service.state.update(json.loads(path.read_text()))
            except ValueError as error:
                raise RuntimeError(f"the state of {scope} in {path} cannot be read: {error}") from error

    def changed(self, scope: str) -> None:
        """Note that a service has to be saved."""
        with self._lock:
            self._dirty.add(scope)

    def save(self) -> None:
        """Save what has changed since the last time."""
        with self._writing:  # so that an older state never takes the place of a newer one
            with self._lock:
                dirty, self._dirty = self._dirty, set()
            for scope in sorted(dirty):
                try:
                    write_atomically(self._path(scope), json.dumps(self._snapshot(scope)).encode())
                except Exception:
                    self.changed(scope)
                    log.exception("the state of %s could not be saved", scope)

    def _snapshot(self, scope: str) -> dict[str, Any]:
        for attempt in range(10):
            try:
                return self._services[scope].snapshot()
            except RuntimeError:  # a dictionary changed while it was read, by work that does not hold the lock
                if attempt == 9:
                    raise
                time.sleep(0.01)
        raise AssertionError("unreachable")

    def _path(self, scope: str) -> Path:
        return self._folder / f"{scope}.json"


class MiniStackStates:
    """The state of MiniStack's services, by its own persistence module, which writes it at a graceful stop only."""

    def __init__(self) -> None:
        self._sources: Callable[[], dict[str, Callable[[], Any]]] = contract.original(
            "app", "_build_persistence_save_dict"
        )
        self._dirty: set[str] = set()
        self._everything = False
        self._saved: dict[str, bytes] = {}
        self._cost: dict[str, float] = {}
        self._next_sweep = 0.0
        self._deploying = False
        self._writing: dict[str, asyncio.Lock] = {}

    def request_done(self, service: str, operation: str) -> None:
        """Note a request that was answered; those that only read change nothing."""
        if operation.startswith(_READS):
            return
        self._dirty.add(_state_key(service))
        # Services change others without a request (a stack its resources, a function its log group).
        self._everything = True
        if service == "cloudformation":
            self._deploying = True

    def touch(self, service: str) -> None:
        """Note that a service changed without a request to it."""
        self._dirty.add(_state_key(service))

    def cheap(self, service: str) -> bool:
        """Whether saving the service takes no time worth speaking of."""
        return self._cost.get(_state_key(service), 0.0) < _CHEAP_SECONDS

    def due(self) -> bool:
        """Whether the timer has something to save."""
        return bool(self._dirty) or self._sweep_is_due()

    async def save(self, only: str | None = None) -> None:
        """Save what changed; with ``only`` that service alone. Runs on the event loop: handlers are not at work."""
        sources = self._sources()
        if only is not None:
            keys = {_state_key(only)} & self._dirty
        elif self._sweep_is_due():
            self._deploying = _stack_in_progress()
            keys, self._everything = set(sources), self._deploying
            self._next_sweep = time.monotonic() + _SWEEP_SECONDS
        else:
            keys = set(self._dirty)
        for key in keys & set(sources):
            async with self._writing.setdefault(key, asyncio.Lock()):
                self._dirty.discard(key)
                try:
                    await self._save_one(key, sources[key])
                except Exception:
                    self._dirty.add(key)
                    log.exception("the state of %s could not be saved; it is tried again", key)
        self._dirty &= set(sources)

    def _sweep_is_due(self) -> bool:
        return self._deploying or (self._everything and time.monotonic() >= self._next_sweep)

    async def _save_one(self, key: str, get_state: Callable[[], Any]) -> None:
        from ministack.core import persistence

        began = time.perf_counter()
        state = get_state()
        if state is None:
            return
        wrapped = {"__ministack_format__": persistence._state_format_version(key), "payload": state}
        text = json.dumps(wrapped, default=persistence._json_default).encode()
        digest = hashlib.blake2b(text, digest_size=16).digest()
        if digest != self._saved.get(key):
            path = Path(persistence.STATE_DIR) / f"{key}.json"
            await asyncio.to_thread(write_atomically, path, text)
            self._saved[key] = digest
        self._cost[key] = time.perf_counter() - began


def _stack_in_progress() -> bool:
    """Whether CloudFormation is at work, which changes other services without a request to them."""
    from ministack.services import cloudformation

    stacks = list(cloudformation._stacks._data.values())
    return any(str(stack.get("StackStatus", "")).endswith("IN_PROGRESS") for stack in stacks)


def persist_sessions() -> None:
    """Let STS keep the sessions it gave out: a task must not lose its role because the gateway was restarted."""
    from ministack.services import sts

    def load(data: dict[str, Any]) -> None:
        sts._sessions.update(data.get("sessions", {}))

    contract.replace("services.sts", "get_state", lambda: {"sessions": dict(sts._sessions)})
    contract.replace("services.sts", "load_persisted_state", load)


def write_atomically(path: Path, data: bytes) -> None:
    """Replace the file whole or not at all; only its owner may read it."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    temporary = path.with_name(f".{path.name}.{threading.get_ident()}.tmp")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
    os.replace(temporary, path)


def _state_key(service: str) -> str:
    from ministack import app

    entry = app.SERVICE_REGISTRY.get(service, {})
    return str(entry.get("state_key", entry.get("module", service)))
