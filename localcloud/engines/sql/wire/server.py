"""The endpoint: a thread a connection."""

from __future__ import annotations

import logging
import socket
import threading

from localcloud.engines.sql.warehouse import Warehouse
from localcloud.engines.sql.wire.connection import Connection

log = logging.getLogger("localcloud.warehouse")


class Server:
    """Listens on ``host`` and ``port`` (0: a free one) and serves sessions of ``warehouse``."""

    def __init__(self, warehouse: Warehouse, host: str = "127.0.0.1", port: int = 0) -> None:
        self._warehouse = warehouse
        self._socket = socket.create_server((host, port), backlog=128)
        self.host, self.port = self._socket.getsockname()[:2]
        self._stopped = threading.Event()

    def serve(self) -> None:
        """Accept connections until :meth:`stop`."""
        while not self._stopped.is_set():
            try:
                client, _ = self._socket.accept()
            except OSError:
                break
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            client.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            threading.Thread(target=Connection(self._warehouse, client).serve, daemon=True).start()

    def start(self) -> None:
        """Serve on a thread of its own."""
        threading.Thread(target=self.serve, name="warehouse-accept", daemon=True).start()

    def stop(self) -> None:
        """Accept no more connections."""
        self._stopped.set()
        self._socket.close()
