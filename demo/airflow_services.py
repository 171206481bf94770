"""Airflow's services as the children of one process: `python -m demo.airflow_services LOG_DIR`.

Each of Airflow's commands spends most of its start on importing Airflow and its plugins. Here that is done once and
the services are forked from it: a start costs a third of the processor time, and they share the memory. Nothing has
been connected or started before the fork; what follows in each child is `airflow <service>` itself.

Ends all of them when it is told to end (SIGTERM, Ctrl-C) or when one of them ends; then with a status that is not 0.
"""

from __future__ import annotations

import gc
import os
import signal
import sys
from pathlib import Path
from types import FrameType

# Task logs are read from the one log folder; the ports that would serve them to other machines stay closed.
SERVICES = {
    "api-server": [],
    "scheduler": ["--skip-serve-logs"],
    "dag-processor": [],
    "triggerer": ["--skip-serve-logs"],
}
SECONDS_TO_END = 6


def main(log_dir: Path) -> int:
    """Run the services until they are to end; returns the exit status."""
    import_once()
    children = {start(name, flags, log_dir / f"{name}.log"): name for name, flags in SERVICES.items()}
    ending = False

    def end(_signal: int, _frame: FrameType | None) -> None:
        nonlocal ending
        ending = True
        signal_all(children, signal.SIGTERM)

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    failed = False
    while children:
        pid, status = os.wait()
        name = children.pop(pid, None)
        if name is None or ending:
            continue
        failed = ending = True
        print(
            f"{name} ended by itself, {describe(status)}; its log is {log_dir / name}.log; ending the others",
            file=sys.stderr,
            flush=True,
        )
        signal_all(children, signal.SIGTERM)
        # A service that waits for its tasks would keep the others' failure from being seen.
        signal.signal(signal.SIGALRM, lambda *_: signal_all(children, signal.SIGKILL))
        signal.alarm(SECONDS_TO_END)
    return 1 if failed else 0


def import_once() -> None:
    """Import what every service and every task would import for itself."""
    from airflow.plugins_manager import ensure_plugins_loaded

    ensure_plugins_loaded()
    # What is here now lives as long as the process: a collection in a child must not touch and so copy its pages.
    gc.freeze()


def start(name: str, flags: list[str], log: Path) -> int:
    """Fork a service; returns its process id."""
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid:
        return pid
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    os.close(descriptor)
    sys.argv = ["airflow", name, *flags]
    status = 1
    try:
        from airflow.__main__ import main as airflow

        airflow()
        status = 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else (0 if end.code is None else 1)
    except BaseException:  # the child must not go on into the parent's code, whatever happened
        sys.excepthook(*sys.exc_info())
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def signal_all(children: dict[int, str], number: signal.Signals) -> None:
    """Send a signal to every child that still runs."""
    for pid in list(children):
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue


def describe(status: int) -> str:
    """How a child ended."""
    code = os.waitstatus_to_exitcode(status)
    return f"by signal {-code}" if code < 0 else f"with exit code {code}"


if __name__ == "__main__":
    raise SystemExit(main(Path(sys.argv[1])))
