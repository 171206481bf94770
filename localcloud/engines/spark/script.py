"""One run of a script in a process of its own, and the end of all that it started."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

from localcloud.engines.spark.runtime import LAUNCHER

Write = Callable[[str], None]
"""Called with each line of a stream, from a thread of that stream's."""
_GRACE = 5.0


class ScriptProcess:
    """A script that runs in `folder`, which has to stay until it has ended."""

    def __init__(
        self,
        python: Path,
        script: Path,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        folder: Path,
        out: Write,
        err: Write,
    ) -> None:
        """Starts it with an interpreter. Raises OSError."""
        self._reason_file = folder / ".reason"
        self._ended = False
        self._process = subprocess.Popen(
            [str(python), str(LAUNCHER), str(script), str(self._reason_file), *arguments],
            cwd=folder,
            env={**environment, "PYSPARK_PYTHON": str(python)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        self._readers = [
            threading.Thread(target=_pass_on, args=(stream, write), daemon=True)
            for stream, write in ((self._process.stdout, out), (self._process.stderr, err))
        ]
        for reader in self._readers:
            reader.start()

    def wait(self, timeout: float) -> int | None:
        """The exit code, negative for a signal, once it has ended and all of its output was passed on; else None."""
        try:
            code = self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            return None
        self._end_group()
        for reader in self._readers:
            reader.join()
        self._ended = True
        return code

    def end(self) -> None:
        """End it and everything it started: by a request, and by force after a few seconds."""
        if self._ended:
            return
        self._signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_GRACE)
        self._end_group()
        self.wait(_GRACE)

    def reason(self, code: int) -> str:
        """Why it failed, in one line."""
        if self._reason_file.exists():
            return self._reason_file.read_text(encoding="utf-8")
        return f"the script ended by signal {-code}" if code < 0 else f"the script ended with exit code {code}"

    def _end_group(self) -> None:
        # What it started (Spark's Java) holds its output open; without this its readers would wait for that.
        self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)


def _pass_on(stream: IO[bytes] | None, write: Write) -> None:
    assert stream is not None
    with stream:
        for line in stream:
            write(line.decode("utf-8", "replace").rstrip("\r\n"))
