"""A workgroup of the local warehouse for a suite to work in."""

from __future__ import annotations

import json
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from localcloud.base.cloud import Credentials, make_client
from localcloud.servers.machine import Machine

REGION = "eu-central-1"


@dataclass(frozen=True)
class Login:
    """Where a database of the warehouse is and who administers it."""

    host: str
    port: int
    database: str
    user: str
    password: str = field(repr=False)


@contextmanager
def warehouse_machine() -> Iterator[Machine]:
    """A local cloud with little beside the warehouse; it is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="conformance-") as temporary:
        machine = Machine(Path(temporary) / "state")
        try:
            machine.up(region=REGION, without=frozenset({"opensearch", "postgres", "gremlin"}))
            yield machine
        finally:
            machine.down()


def make_workgroup(machine: Machine, database: str, user: str) -> Login:
    """A namespace with the database and an admin, and its workgroup, made as any client makes them."""
    root = Credentials(**json.loads((machine.state / "root.json").read_text()))
    serverless = make_client("redshift-serverless", machine.addresses()["gateway"].url, REGION, root)
    password = f"A1{secrets.token_hex(12)}"
    serverless.create_namespace(
        namespaceName="conformance", dbName=database, adminUsername=user, adminUserPassword=password
    )
    made = serverless.create_workgroup(workgroupName="conformance", namespaceName="conformance")["workgroup"]
    return Login(made["endpoint"]["address"], made["endpoint"]["port"], database, user, password)
