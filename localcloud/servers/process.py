"""One way to run a server: a process of its own session, with a pid file, a log file, a readiness check and a sure end.

A server is found again by its pid file, which holds the instant at which the kernel created the process: a pid alone
may have been given to another program since. Ending a server means that it and everything it started are gone.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import secrets
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

LOOPBACK = "127.0.0.1"
# Below the kernel's ephemeral range (32768 and up by default): no outgoing connection takes such a port between two
# starts, so a server gets back the port that its clients were told.
FREE_PORTS = range(20_000, 32_000)
LAST_LOG_LINES = 15


class ServerError(RuntimeError):
    """A server could not be started, found or ended; the message says which, why and where its log is."""


class PortInUseError(ServerError):
    """The port that a server was to listen on is taken."""


class ServerRunningError(ServerError):
    """The server that was to be started is running."""


class StartCancelledError(ServerError):
    """The start was given up because the caller asked for it."""


def write_private(path: Path, text: str) -> None:
    """Replace a file that only its owner may read; a reader sees the old text or the new, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    temporary.replace(path)


def port_is_free(port: int, host: str = LOOPBACK) -> bool:
    """Whether a server could listen on the port now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def free_port(taken: Sequence[int] = ()) -> int:
    """A port of FREE_PORTS on which nothing listens and that is not in `taken`.

    Raises ServerError when none of many tries is free.
    """
    for _ in range(500):
        port = random.choice(FREE_PORTS)  # noqa: S311 - no secret: spread, so that two starts rarely meet
        if port not in taken and port_is_free(port):
            return port
    raise ServerError(f"no free port found between {FREE_PORTS.start} and {FREE_PORTS.stop - 1} on {LOOPBACK}")


def port_holder(port: int) -> str | None:
    """Who listens on a TCP port, as `program (pid 123)`; None when it cannot be seen from this user."""
    try:
        connections = psutil.net_connections(kind="tcp")
    except psutil.AccessDenied:
        return None
    for connection in connections:
        if connection.status == psutil.CONN_LISTEN and connection.laddr.port == port and connection.pid:
            try:
                return f"{psutil.Process(connection.pid).name()} (pid {connection.pid})"
            except psutil.NoSuchProcess:
                return None
    return None


def require_free_port(port: int, name: str) -> None:
    """Raises PortInUseError, naming the server, the port and its holder, when nothing could listen on the port."""
    if not port_is_free(port):
        holder = port_holder(port) or "a process that this user may not see"
        raise PortInUseError(f"{name} cannot listen on {LOOPBACK}:{port}: {holder} uses it; end that or choose a port")


def accepts_connections(port: int, host: str = LOOPBACK) -> bool:
    """Whether something accepts TCP connections on the port."""
    try:
        with socket.create_connection((host, port), timeout=1):
            return True
    except OSError:
        return False


def last_lines(log_file: Path, offset: int = 0, count: int = LAST_LOG_LINES) -> list[str]:
    """The last lines of a log file written from byte `offset` on."""
    if not log_file.exists():
        return []
    with log_file.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(offset, size - 64_000))
        return file.read().decode("utf-8", "replace").splitlines()[-count:]


@dataclass(frozen=True)
class ServerProcess:
    """A named server whose pid file is `<run_dir>/<name>.json` and whose output goes to `log_file`."""

    name: str
    run_dir: Path
    log_file: Path
    stop_signal: signal.Signals = signal.SIGTERM

    @property
    def pid_file(self) -> Path:
        return self.run_dir / f"{self.name}.json"

    def running(self) -> psutil.Process | None:
        """The server's process, or None when it does not run (also when its pid has become another program's)."""
        try:
            record = json.loads(self.pid_file.read_text(encoding="utf-8"))
            process = psutil.Process(int(record["pid"]))
            ours = abs(process.create_time() - float(record["create_time"])) < 0.05
        except (FileNotFoundError, psutil.NoSuchProcess):
            return None
        except (ValueError, KeyError) as error:
            raise ServerError(f"{self.name}: the pid file {self.pid_file} cannot be read: {error}") from error
        return process if ours and _alive(process) else None

    def start(
        self,
        command: Sequence[str | Path],
        *,
        ready: Callable[[], bool],
        timeout: float,
        port: int | None = None,
        environment: Mapping[str, str] | None = None,
        working_dir: Path | None = None,
        cancelled: threading.Event | None = None,
    ) -> None:
        """Start the server and return once `ready()` is true; what does not become ready is ended again.

        `timeout` is in seconds. `environment` replaces the inherited one when given. Setting `cancelled` gives up.
        Raises ServerRunningError, PortInUseError, StartCancelledError, and ServerError for a server that ended or was
        not ready in time, with its exit code and last log lines.
        """
        if running := self.running():
            raise ServerRunningError(f"{self.name} is running already (pid {running.pid})")
        if port is not None:
            require_free_port(port, self.name)
        self.log_file.parent.mkdir(parents=True, exist_ok=True)
        offset = self.log_file.stat().st_size if self.log_file.exists() else 0
        with self.log_file.open("ab") as log:
            try:
                child = subprocess.Popen(
                    [str(part) for part in command],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    env=None if environment is None else dict(environment),
                    cwd=working_dir,
                    start_new_session=True,
                )
            except OSError as error:
                raise ServerError(f"{self.name} could not be started: {error} (command: {command[0]})") from error
        try:
            self._record(child)
            self._await_ready(child, ready, timeout, cancelled, offset)
        except BaseException:
            self.stop(timeout=3)
            raise

    def _record(self, child: subprocess.Popen[bytes]) -> None:
        try:
            created = psutil.Process(child.pid).create_time()
        except psutil.NoSuchProcess:  # it has ended already; _await_ready tells why
            return
        write_private(self.pid_file, json.dumps({"name": self.name, "pid": child.pid, "create_time": created}))

    def _await_ready(
        self,
        child: subprocess.Popen[bytes],
        ready: Callable[[], bool],
        timeout: float,
        cancelled: threading.Event | None,
        offset: int,
    ) -> None:
        deadline = time.monotonic() + timeout
        while True:
            code = child.poll()
            if code is not None:
                how = f"ended by signal {-code}" if code < 0 else f"exit code {code}"
                raise ServerError(self._failure(f"ended while starting ({how})", offset))
            if ready():
                return
            if cancelled is not None and cancelled.is_set():
                raise StartCancelledError(f"{self.name}: start given up")
            if time.monotonic() > deadline:
                raise ServerError(self._failure(f"was not ready after {timeout:.0f} s", offset))
            time.sleep(0.05)

    def _failure(self, what: str, offset: int) -> str:
        lines = last_lines(self.log_file, offset)
        tail = "\n".join(f"    {line}" for line in lines) if lines else "    (nothing was logged)"
        return f"{self.name} {what}; its log is {self.log_file}, last lines:\n{tail}"

    def stop(self, timeout: float = 15) -> bool:
        """End the server and all that it started; True when it ran.

        Sends `stop_signal`, waits `timeout` seconds, then kills the whole session, and checks that all are gone.
        Raises ServerError when something still runs.
        """
        process = self.running()
        if process is None:
            end_processes(self._session_of_record(), self.name)
            self.pid_file.unlink(missing_ok=True)
            return False
        family = self._family(process)
        with contextlib.suppress(psutil.NoSuchProcess):
            process.send_signal(self.stop_signal)
        _reap(process.pid)
        _wait_gone([process], timeout)
        end_processes([*family, *self._session(process.pid)], self.name)
        self.pid_file.unlink(missing_ok=True)
        return True

    def _family(self, process: psutil.Process) -> list[psutil.Process]:
        try:
            return [process, *process.children(recursive=True)]
        except psutil.NoSuchProcess:
            return [process]

    def _session_of_record(self) -> list[psutil.Process]:
        """What the server left in its session when it was killed: the leader is gone, its children are not."""
        try:
            record = json.loads(self.pid_file.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return []
        pid, created = int(record["pid"]), float(record["create_time"])
        # A killed child of this very process is there until its exit status is collected.
        _reap(pid)
        # A session's id is not given again while a member lives, so these are the server's, unless all ended and a
        # later program made a session of the same number: then its members are younger than that program's leader.
        if psutil.pid_exists(pid):
            return []
        return [member for member in self._session(pid) if member.create_time() >= created]

    def _session(self, session_id: int) -> list[psutil.Process]:
        members = []
        for candidate in psutil.process_iter():
            try:
                if os.getsid(candidate.pid) == session_id:
                    members.append(candidate)
            except (ProcessLookupError, PermissionError, psutil.NoSuchProcess):
                continue
        return members


def end_processes(processes: Sequence[psutil.Process], name: str, grace: float = 2) -> None:
    """Wait `grace` seconds for processes to end by themselves (a parent's end takes most along), then kill the rest.

    Raises ServerError naming the server and the pids when one still runs after that.
    """
    left = _wait_gone(processes, grace)
    for process in left:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    left = _wait_gone(left, 5)
    if left:
        pids = ", ".join(str(process.pid) for process in left)
        raise ServerError(f"{name} could not be ended: still running after a kill: pid {pids}")


def _reap(pid: int) -> None:
    """Collect the exit status of a process that this one started, so that it is not left a zombie."""
    try:
        os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return


def _wait_gone(processes: Sequence[psutil.Process], timeout: float) -> list[psutil.Process]:
    """Those of `processes` that still run after `timeout` seconds; zombies count as gone."""
    deadline = time.monotonic() + timeout
    left = list(processes)
    while True:
        for process in left:
            _reap(process.pid)
        left = [process for process in left if _alive(process)]
        if not left or time.monotonic() > deadline:
            return left
        time.sleep(0.03)


def _alive(process: psutil.Process) -> bool:
    try:
        if process.status() == psutil.STATUS_ZOMBIE:
            # The first thread has ended; while another has not, the process keeps its ports.
            return bool(process.num_threads() > 1)
        return bool(process.is_running())
    except psutil.NoSuchProcess:
        return False
