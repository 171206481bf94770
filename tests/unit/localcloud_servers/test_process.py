"""A server process: started whole, found again, ended whole, and failures that say which, why and where the log is."""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from localcloud.servers.process import (
    PortInUseError,
    ServerError,
    ServerProcess,
    ServerRunningError,
    StartCancelledError,
    accepts_connections,
    free_port,
    write_private,
)

LISTEN = """
import socket, sys, time
server = socket.create_server(("127.0.0.1", int(sys.argv[1])))
while True:
    server.accept()[0].close()
"""
STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
# Its first thread ends and leaves a zombie behind which the other thread goes on.
SECOND_THREAD = """
import ctypes, threading
threading.Thread(target=lambda: exec(listen), daemon=False).start()
ctypes.CDLL(None).pthread_exit(None)
"""
WITH_CHILDREN = """
import subprocess, sys
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
subprocess.Popen([sys.executable, "-c", "import os, time; os.setsid(); time.sleep(600)"])
"""


@pytest.fixture
def server(tmp_path: Path) -> ServerProcess:
    return ServerProcess("echo", tmp_path / "run", tmp_path / "logs" / "echo.log")


def start(server: ServerProcess, script: str = LISTEN, timeout: float = 20) -> int:
    port = free_port()
    server.start(
        [sys.executable, "-c", script, str(port)], ready=lambda: accepts_connections(port), timeout=timeout, port=port
    )
    return port


def alive(process: psutil.Process) -> bool:
    """Whether it still does anything: one that ended and waits to be collected by its parent does not."""
    return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)


def test_a_server_is_found_and_ended(server: ServerProcess) -> None:
    port = start(server)
    process = server.running()
    assert process is not None
    assert os.getsid(process.pid) == process.pid
    assert server.stop()
    assert not accepts_connections(port)
    assert server.running() is None
    assert not server.stop()


def test_children_in_the_session_and_outside_of_it_end_with_the_server(server: ServerProcess) -> None:
    start(server, WITH_CHILDREN + LISTEN)
    process = server.running()
    assert process is not None
    children = process.children()
    assert len(children) == 2
    server.stop(timeout=5)
    assert not any(alive(child) for child in children)


def test_children_of_a_killed_server_are_ended_by_stop(server: ServerProcess) -> None:
    start(server, "\n".join(WITH_CHILDREN.splitlines()[:3]) + LISTEN)
    process = server.running()
    assert process is not None
    (child,) = process.children()
    process.kill()
    process.wait(5)
    assert child.is_running()
    server.stop()
    assert not alive(child)


def test_a_server_that_ignores_term_is_killed(server: ServerProcess) -> None:
    start(server, STUBBORN + LISTEN)
    began = time.monotonic()
    assert server.stop(timeout=0.5)
    assert time.monotonic() - began < 10
    assert server.running() is None


def test_a_server_whose_first_thread_has_ended_runs_and_is_ended(server: ServerProcess) -> None:
    port = start(server, f"listen = {LISTEN!r}\n{SECOND_THREAD}")
    process = server.running()
    assert process is not None
    assert process.status() == psutil.STATUS_ZOMBIE
    assert server.stop(timeout=1)
    assert not accepts_connections(port)
    assert server.running() is None


def test_a_server_that_ends_while_starting_is_explained(server: ServerProcess) -> None:
    with pytest.raises(ServerError) as failed:
        start(server, "import sys; print('no such disk'); sys.exit(7)")
    assert "echo ended while starting (exit code 7)" in str(failed.value)
    assert "no such disk" in str(failed.value)
    assert str(server.log_file) in str(failed.value)


def test_only_the_log_of_this_start_is_quoted(server: ServerProcess) -> None:
    server.log_file.parent.mkdir()
    server.log_file.write_text("an older failure\n")
    with pytest.raises(ServerError) as failed:
        start(server, "raise SystemExit(1)")
    assert "an older failure" not in str(failed.value)
    assert "nothing was logged" in str(failed.value)


def test_a_server_that_does_not_become_ready_is_ended_and_explained(server: ServerProcess) -> None:
    with pytest.raises(ServerError, match=r"echo was not ready after 1 s"):
        start(server, "import time; time.sleep(600)", timeout=1)
    assert server.running() is None


def test_a_signal_that_ended_a_start_is_named(server: ServerProcess) -> None:
    with pytest.raises(ServerError, match="ended by signal 9"):
        start(server, "import os; os.kill(os.getpid(), 9)")


def test_a_missing_program_is_named(server: ServerProcess) -> None:
    with pytest.raises(ServerError, match=r"echo could not be started.*no-such-program"):
        server.start(["/no-such-program"], ready=lambda: True, timeout=1)


def test_a_port_in_use_is_named_with_its_holder(server: ServerProcess) -> None:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        with pytest.raises(PortInUseError, match=rf"echo cannot listen on 127.0.0.1:{port}.*pid {os.getpid()}"):
            server.start([sys.executable], ready=lambda: True, timeout=1, port=port)


def test_a_second_start_says_that_it_runs(server: ServerProcess) -> None:
    start(server)
    try:
        with pytest.raises(ServerRunningError, match="running already"):
            start(server)
    finally:
        server.stop()


def test_a_start_can_be_given_up(server: ServerProcess) -> None:
    cancelled = threading.Event()
    threading.Timer(0.3, cancelled.set).start()
    with pytest.raises(StartCancelledError):
        server.start(
            [sys.executable, "-c", "import time; time.sleep(600)"],
            ready=lambda: False,
            timeout=60,
            cancelled=cancelled,
        )
    assert server.running() is None


def test_a_pid_that_another_program_has_now_is_not_the_server_and_is_left_alone(server: ServerProcess) -> None:
    other = psutil.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    try:
        record = {"name": "echo", "pid": other.pid, "create_time": other.create_time() - 100}
        write_private(server.pid_file, json.dumps(record))
        assert server.running() is None
        assert not server.stop()
        assert other.is_running()
        assert other.status() != psutil.STATUS_ZOMBIE
    finally:
        other.send_signal(signal.SIGKILL)
        other.wait(5)


def test_private_files_are_readable_by_their_owner_only_and_replaced_whole(tmp_path: Path) -> None:
    file = tmp_path / "new" / "secret"
    write_private(file, "one")
    write_private(file, "two")
    assert file.read_text() == "two"
    assert file.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in file.parent.iterdir()] == ["secret"]


def test_free_ports_are_below_the_ephemeral_range_and_avoid_those_taken() -> None:
    ports = {free_port() for _ in range(20)}
    assert all(20_000 <= port < 32_000 for port in ports)
    assert free_port(taken=list(ports)) not in ports
