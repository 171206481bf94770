"""The warehouse process: the Redshift endpoint of the local cloud.

    python -m localcloud.servers.warehouse_main --state DIR --port N --gateway URL --token-file F

It accepts connections once it is ready. Databases are kept in ``DIR/warehouse``. The user ``rdsdb``, with the machine's
token for a password, is the control plane's.
"""

from __future__ import annotations

import argparse
import json
import logging
import signal
import sys
import threading
from pathlib import Path

from localcloud.base.client import GatewayClient
from localcloud.engines.sql.spectrum.lake import Lake
from localcloud.engines.sql.warehouse import SYSTEM_USER, Warehouse
from localcloud.engines.sql.wire.server import Server

log = logging.getLogger("localcloud.warehouse")


def main(arguments: list[str] | None = None) -> int:
    """Run until SIGTERM or SIGINT; 0 after an orderly stop."""
    parser = argparse.ArgumentParser(prog="localcloud-warehouse", description="Redshift's SQL endpoint on DuckDB")
    parser.add_argument("--state", type=Path, required=True, help="state folder of the local cloud")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--gateway", required=True, help="URL of the AWS APIs")
    parser.add_argument("--token-file", type=Path, required=True, help="file with the machine's token")
    parser.add_argument("--account", help="account id (default: what machine.json in the state folder says)")
    parser.add_argument("--region", help="region (default: what machine.json in the state folder says)")
    parser.add_argument("--objects", type=Path, help="folder of S3's objects (default: s3 in the state folder)")
    parser.add_argument("--memory-limit", default="4GB", help="memory that queries may take before they spill to disk")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s", stream=sys.stderr)
    machine = options.state / "machine.json"
    known = json.loads(machine.read_text()) if machine.exists() else {}
    token = options.token_file.read_text().strip()
    lake = Lake(
        endpoint=options.gateway,
        gateway=GatewayClient(options.gateway, token),
        objects=options.objects or options.state / "s3",
        account_id=options.account or known.get("account_id", "000000000001"),
        region=options.region or known.get("region", "us-east-1"),
    )
    warehouse = Warehouse(options.state / "warehouse", lake=lake, memory_limit=options.memory_limit)
    warehouse.set_password(SYSTEM_USER, token, superuser=True, create_database=True)
    server = Server(warehouse, options.host, options.port)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    server.start()
    log.info("listening on %s:%s, databases %s", server.host, server.port, ", ".join(warehouse.databases()))
    stop.wait()
    server.stop()
    warehouse.close()
    log.info("stopped")
    return 0


if __name__ == "__main__":
    sys.exit(main())
