"""The CRM's service as a process of its own."""

from __future__ import annotations

import sys
from pathlib import Path

from demo.crm.store import Store
from localcloud.servers.process import LOOPBACK, ServerProcess, accepts_connections, free_port, port_is_free


class CrmServer:
    """The service over the store in one folder; its port is chosen at the first start and kept while it is free."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.absolute()
        self.store = Store(self.folder)
        self.process = ServerProcess("crm", self.folder, self.folder / "logs" / "crm.log")

    @property
    def url(self) -> str:
        """Where it is, or was when it last ran."""
        return f"http://{LOOPBACK}:{self._port_file.read_text(encoding='utf-8').strip()}"

    def start(self) -> None:
        """Raises ServerError (and its kinds) as ServerProcess.start does."""
        port = self._port()
        self.process.start(
            [sys.executable, "-m", "demo.crm", self.folder, "--port", str(port)],
            ready=lambda: accepts_connections(port),
            timeout=30,
            port=port,
        )

    def stop(self) -> bool:
        """True when it ran."""
        return self.process.stop()

    @property
    def _port_file(self) -> Path:
        return self.folder / "port"

    def _port(self) -> int:
        kept = int(self._port_file.read_text(encoding="utf-8")) if self._port_file.exists() else None
        if kept is None or (self.process.running() is None and not port_is_free(kept)):
            kept = free_port()
            self.folder.mkdir(parents=True, exist_ok=True)
            self._port_file.write_text(str(kept), encoding="utf-8")
        return kept
