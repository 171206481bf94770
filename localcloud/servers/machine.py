"""The servers of one local cloud, as one thing that is up or down.

The state folder holds all of it: `servers.json` (where each server listens and as whom to log in; ports and passwords
are chosen once), `machine.json` (account and region), `run/` (pid files), `logs/`, and each server's data.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import psutil

from localcloud.servers.gremlin import GremlinServer
from localcloud.servers.opensearch import OpenSearchServer
from localcloud.servers.postgres import SUPERUSER, PostgresServer
from localcloud.servers.process import (
    LOOPBACK,
    ServerError,
    ServerProcess,
    StartCancelledError,
    accepts_connections,
    end_processes,
    free_port,
    port_is_free,
    write_private,
)

GATEWAY, POSTGRES, WAREHOUSE = "gateway", "postgres", "warehouse"
OPENSEARCH, GREMLIN = "opensearch", "gremlin"
SERVERS = (POSTGRES, OPENSEARCH, GREMLIN, WAREHOUSE, GATEWAY)
"""The processes of a machine."""
ENDPOINTS = {"opensearch-domain": OPENSEARCH, "neptune-cluster": GREMLIN}
"""Where the gateway listens too, in front of a server."""
SCHEMES = {GATEWAY: "http", POSTGRES: "postgresql", WAREHOUSE: "postgresql", OPENSEARCH: "http"}
MARK = "LOCALCLOUD_RUN"
"""Environment variable with the state folder: what a server started is known by it, wherever it went."""

Report = Callable[[str, str, float], None]
"""Called with a server's name, `starting`, `up`, `failed` or `stopped`, and the seconds since its start began."""


class MachineRunningError(ServerError):
    """A machine of this state folder is up, or is being started or ended now."""


@dataclass(frozen=True)
class Address:
    """Where something listens and as whom to log in; one entry of `servers.json`."""

    host: str
    port: int
    scheme: str = ""
    user: str = ""
    password: str = ""
    database: str = ""

    @property
    def url(self) -> str:
        """The URL for a client, with the login when there is one."""
        login = f"{quote(self.user, safe='')}:{quote(self.password, safe='')}@" if self.user else ""
        return f"{self.scheme}://{login}{self.host}:{self.port}" + (f"/{self.database}" if self.database else "")


class Machine:
    """The local cloud whose state lies in `state`."""

    def __init__(self, state: Path) -> None:
        self.state = state.expanduser().absolute()
        self.run_dir = self.state / "run"
        self.logs_dir = self.state / "logs"

    # what is known ---------------------------------------------------------------------------------------------------

    def addresses(self) -> dict[str, Address]:
        """Where the servers listen, by name; empty before the first start."""
        file = self.state / "servers.json"
        if not file.exists():
            return {}
        return {name: Address(**value) for name, value in json.loads(file.read_text(encoding="utf-8")).items()}

    def account(self) -> tuple[str, str]:
        """Account and region. Raises ServerError before the first start."""
        file = self.state / "machine.json"
        if not file.exists():
            raise ServerError(f"there is no local cloud in {self.state}: start one with `localcloud up`")
        kept = json.loads(file.read_text(encoding="utf-8"))
        return str(kept["account_id"]), str(kept["region"])

    def process(self, name: str) -> ServerProcess:
        """The process of a server."""
        if name == POSTGRES:
            return self._postgres(0).process
        return ServerProcess(name, self.run_dir, self.log_file(name))

    def log_file(self, name: str) -> Path:
        """The log of a server."""
        return self.logs_dir / f"{name}.log"

    def running(self) -> list[str]:
        """The names of the servers that run."""
        return [name for name in SERVERS if self.process(name).running()]

    def status(self) -> list[dict[str, Any]]:
        """Every address of the machine: name, where, login, pid of its process, health, log."""
        rows = []
        for name, address in self.addresses().items():
            owner = GATEWAY if name in ENDPOINTS else name
            process = self.process(owner).running()
            row = {"name": name, **asdict(address), "url": address.url, "pid": process.pid if process else None}
            rows.append({**row, "health": self._health(name, address, process), "log": str(self.log_file(owner))})
        return rows

    def postgres(self) -> PostgresServer:
        """The machine's PostgreSQL. Raises ServerError before the first start."""
        address = self.addresses().get(POSTGRES)
        if address is None:
            raise ServerError(f"there is no local cloud in {self.state}: start one with `localcloud up`")
        return self._postgres(address.port)

    # up and down -----------------------------------------------------------------------------------------------------

    def up(
        self,
        *,
        account_id: str | None = None,
        region: str | None = None,
        gateway_port: int | None = None,
        new_ports: bool = False,
        without: frozenset[str] = frozenset(),
        report: Report = lambda name, state, seconds: None,
        cancelled: threading.Event | None = None,
    ) -> None:
        """Start all servers side by side; returns once all are healthy, else ends what it started and raises.

        Of a machine that is partly up, after one of its servers was killed, those that are missing are started where
        they were. `new_ports` chooses anew the ports that are taken. Setting `cancelled` gives up. Raises
        MachineRunningError, PortInUseError, StartCancelledError, ServerError, ArtifactError.
        """
        with self._exclusive("starting"):
            running = self.running()
            missing = [name for name in SERVERS if name not in without and name not in running]
            if running and not missing:
                raise MachineRunningError(
                    f"the local cloud in {self.state} is up already ({', '.join(running)}): "
                    "`localcloud status` shows it, `localcloud down` ends it"
                )
            self._settle_account(account_id, region)
            addresses = self._settle_addresses(
                None if GATEWAY in running else gateway_port, new_ports and not running, without
            )
            token = self.state / "token"
            if not token.exists():  # made here, for the gateway and the warehouse both read it when they start
                write_private(token, secrets.token_urlsafe(32))
            starts = {name: start for name, start in self._starts(addresses).items() if name in missing}
            _start_all(starts, report, cancelled or threading.Event(), self._stop)

    def down(self, *, wipe: bool = False, report: Report = lambda name, state, seconds: None) -> list[str]:
        """End all servers and everything they started; returns the names of those that ran.

        `wipe` removes the state folder. Raises ServerError when a process cannot be ended.
        """
        if not self.state.exists():
            return []
        with self._exclusive("ending"):
            began = time.monotonic()
            stopped = []
            # The gateway first: it saves its state, and its services use the other servers.
            for group in ((GATEWAY,), (WAREHOUSE, OPENSEARCH, GREMLIN, POSTGRES)):
                with ThreadPoolExecutor(len(group)) as pool:
                    for name, ran in zip(group, pool.map(self._stop, group), strict=True):
                        if ran:
                            stopped.append(name)
                            report(name, "stopped", time.monotonic() - began)
            end_processes(self.processes(), "what the servers had started")
            if wipe:
                self._wipe()
            return stopped

    def processes(self) -> list[psutil.Process]:
        """Every process that belongs to this machine, by the mark in its environment."""
        found = []
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                if process.pid != os.getpid() and process.environ().get(MARK) == str(self.state):
                    found.append(process)
        return found

    # -----------------------------------------------------------------------------------------------------------------

    def _settle_account(self, account_id: str | None, region: str | None) -> None:
        file = self.state / "machine.json"
        if not file.exists():
            chosen = {"account_id": account_id or "000000000001", "region": region or "us-east-1"}
            write_private(file, json.dumps(chosen))
            return
        kept = self.account()
        for what, asked, is_now in zip(("account", "region"), (account_id, region), kept, strict=True):
            if asked is not None and asked != is_now:
                raise ServerError(
                    f"the local cloud in {self.state} has {what} {is_now}, and {asked} was asked for: "
                    "use another --state, or `localcloud down --wipe` first"
                )

    def _settle_addresses(
        self, gateway_port: int | None, new_ports: bool, without: frozenset[str]
    ) -> Mapping[str, Address]:
        """The addresses kept, completed and written: the gateway reads the file when it starts."""
        addresses = self.addresses()
        wanted = [name for name in (*SERVERS, *ENDPOINTS) if ENDPOINTS.get(name, name) not in without]
        for name in wanted:
            kept = addresses.get(name)
            if kept is None or (new_ports and not port_is_free(kept.port)):
                taken = [address.port for address in addresses.values()]
                address = Address(LOOPBACK, free_port(taken), SCHEMES.get(name, "http"))
                if name == POSTGRES:
                    password = kept.password if kept else secrets.token_urlsafe(18)
                    address = Address(LOOPBACK, address.port, address.scheme, SUPERUSER, password, "postgres")
                addresses[name] = address
        if gateway_port is not None:
            addresses[GATEWAY] = Address(LOOPBACK, gateway_port, SCHEMES[GATEWAY])
        addresses = {name: address for name, address in addresses.items() if name in wanted}
        write_private(self.state / "servers.json", json.dumps({n: asdict(a) for n, a in addresses.items()}, indent=2))
        return addresses

    def _starts(self, addresses: Mapping[str, Address]) -> dict[str, Callable[[threading.Event], None]]:
        def port(name: str) -> int:
            return addresses[name].port

        return {
            GATEWAY: lambda cancelled: self._start_gateway(port(GATEWAY), cancelled),
            POSTGRES: lambda cancelled: void(self._postgres(port(POSTGRES)).start(cancelled=cancelled)),
            OPENSEARCH: lambda cancelled: self._opensearch(port(OPENSEARCH)).start(cancelled=cancelled),
            GREMLIN: lambda cancelled: self._gremlin(port(GREMLIN)).start(cancelled=cancelled),
            WAREHOUSE: lambda cancelled: self._start_warehouse(port(WAREHOUSE), port(GATEWAY), cancelled),
        }

    def _start_gateway(self, port: int, cancelled: threading.Event) -> None:
        account_id, region = self.account()
        arguments: list[str | Path] = ["--state", self.state, "--logs", self.logs_dir, "--port", str(port)]
        self.process(GATEWAY).start(
            [sys.executable, "-m", "localcloud.base.gateway", *arguments, "--account", account_id, "--region", region],
            ready=lambda: _answers(f"http://{LOOPBACK}:{port}/_localcloud/health"),
            timeout=60,
            port=port,
            environment=self._environment(),
            working_dir=self.state,
            cancelled=cancelled,
        )

    def _start_warehouse(self, port: int, gateway_port: int, cancelled: threading.Event) -> None:
        arguments: list[str | Path] = ["--state", self.state, "--port", str(port)]
        arguments += ["--gateway", f"http://{LOOPBACK}:{gateway_port}", "--token-file", self.state / "token"]
        self.process(WAREHOUSE).start(
            [sys.executable, "-m", "localcloud.servers.warehouse_main", *arguments],
            ready=lambda: accepts_connections(port),
            timeout=60,
            port=port,
            environment=self._environment(),
            working_dir=self.state,
            cancelled=cancelled,
        )

    def _postgres(self, port: int) -> PostgresServer:
        kept = self.addresses().get(POSTGRES)
        return PostgresServer(
            self.state / "postgres",
            port or None,
            password=kept.password if kept else None,
            run_dir=self.run_dir,
            log_file=self.log_file(POSTGRES),
            environment=self._environment(),
        )

    def _opensearch(self, port: int) -> OpenSearchServer:
        return OpenSearchServer(
            self.state / "opensearch",
            port,
            run_dir=self.run_dir,
            log_file=self.log_file(OPENSEARCH),
            environment=self._environment(),
        )

    def _gremlin(self, port: int) -> GremlinServer:
        return GremlinServer(
            self.state / "gremlin",
            port,
            run_dir=self.run_dir,
            log_file=self.log_file(GREMLIN),
            environment=self._environment(),
        )

    def _stop(self, name: str) -> bool:
        return self.process(name).stop()

    def _environment(self) -> dict[str, str]:
        """The servers' environment: the user's, without settings of AWS that are meant for another cloud."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        return {**kept, MARK: str(self.state), "PYTHONUNBUFFERED": "1"}

    def _health(self, name: str, address: Address, process: psutil.Process | None) -> str:
        if process is None:
            return "down"
        if name == GATEWAY:
            healthy = _answers(f"{address.url}/_localcloud/health")
        elif name == OPENSEARCH:
            healthy = self._opensearch(address.port).healthy()
        elif name == GREMLIN:
            healthy = self._gremlin(address.port).healthy()
        else:
            healthy = accepts_connections(address.port)
        return "up" if healthy else "unhealthy"

    @contextmanager
    def _exclusive(self, doing: str) -> Iterator[None]:
        """Hold the machine's lock: only one process starts or ends it at a time. A kill releases it."""
        self.state.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = self.state / "lock"
        with lock.open("a+", encoding="utf-8") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                file.seek(0)
                raise MachineRunningError(
                    f"the local cloud in {self.state} is just being started or ended ({file.read().strip()})"
                ) from None
            file.truncate(0)
            file.write(f"{doing}, pid {os.getpid()}\n")
            file.flush()
            yield

    def _wipe(self) -> None:
        if not (self.state / "machine.json").exists():
            raise ServerError(f"{self.state} is not removed: it holds no local cloud (no machine.json)")
        shutil.rmtree(self.state)


def void(result: object) -> None:
    """Drop a result."""


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=5, trust_env=False).status_code == 200
    except httpx.TransportError:
        return False


def _start_all(
    starts: Mapping[str, Callable[[threading.Event], None]],
    report: Report,
    cancelled: threading.Event,
    stop: Callable[[str], object],
) -> None:
    """Run all starts side by side. When one fails, or the caller is interrupted, all of them are ended again."""
    began = time.monotonic()
    give_up = threading.Event()
    with ThreadPoolExecutor(len(starts)) as pool:
        futures: dict[Future[None], str] = {}
        try:
            for name, start in starts.items():
                report(name, "starting", 0.0)
                futures[pool.submit(start, give_up)] = name
            waiting = set(futures)
            while waiting:
                # Short waits: a signal is seen between them.
                done, waiting = wait(waiting, timeout=0.2, return_when=FIRST_COMPLETED)
                for future in done:
                    failed = future.exception() is not None
                    report(futures[future], "failed" if failed else "up", time.monotonic() - began)
                    future.result()
                if cancelled.is_set():
                    raise StartCancelledError("the start of the local cloud was given up; what had started was ended")
        except BaseException:
            give_up.set()
            wait(futures)
            for future, name in futures.items():
                if future.exception() is None:
                    stop(name)
            raise
