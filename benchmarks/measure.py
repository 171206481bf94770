"""Runs ways of one step alternately and prints their speed as ratios, with the peak memory of each."""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import psutil
from rich.console import Console
from rich.table import Table

SAMPLE_INTERVAL = 0.02


@dataclass
class Way:
    """One way of doing the step: `run` does it once and returns how many items it did; `servers` are the pids of the
    servers whose memory is the way's too; `before` is called before each round and not measured."""

    name: str
    run: Callable[[], int]
    servers: Sequence[int] = ()
    before: Callable[[], object] = lambda: None
    seconds: list[float] = field(default_factory=list)
    items: int = 0
    peak_bytes: int = 0

    @property
    def rate(self) -> float:
        """Items a second, by the median round."""
        return self.items / statistics.median(self.seconds)


def compare(title: str, unit: str, ways: Sequence[Way], *, rounds: int = 5) -> None:
    """Runs the ways `rounds` times in turn, after one round that does not count, and prints a table.

    The ratio is each way's rate over the first one's, the spread its slowest round over its fastest. Peak memory is the
    highest resident set seen during a way's rounds, of this process, the way's servers and all their children together.
    """
    for number in range(rounds + 1):
        for way in ways:
            way.before()
            with _PeakMemory(way.servers) as memory:
                began = time.perf_counter()
                way.items = way.run()
                seconds = time.perf_counter() - began
            if number:
                way.seconds.append(seconds)
                way.peak_bytes = max(way.peak_bytes, memory.peak_bytes)
    table = Table("way", f"{unit}/s", "ratio", "spread", "peak memory", title=title)
    for column in table.columns[1:]:
        column.justify = "right"
    for way in ways:
        table.add_row(
            way.name,
            f"{way.rate:,.0f}",
            f"{way.rate / ways[0].rate:.2f}",
            f"{max(way.seconds) / min(way.seconds):.2f}",
            f"{way.peak_bytes / 2**20:,.0f} MiB",
        )
    Console().print(table)


class _PeakMemory:
    """Samples the resident set of this process, the servers and all their children while it is entered."""

    def __init__(self, servers: Sequence[int]) -> None:
        self.peak_bytes = 0
        self._roots = [psutil.Process(), *(psutil.Process(pid) for pid in servers)]
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)

    def __enter__(self) -> _PeakMemory:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _sample(self) -> None:
        while True:
            processes = {p.pid: p for root in self._roots for p in (root, *root.children(recursive=True))}
            self.peak_bytes = max(self.peak_bytes, sum(_resident(process) for process in processes.values()))
            if self._stop.wait(SAMPLE_INTERVAL):
                return


def _resident(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.NoSuchProcess:  # a child that ended between the listing and the look
        return 0
