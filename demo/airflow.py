"""Apache Airflow on this machine: its four services as processes, with everything that they need given as arguments.

The DAGs, plugins and settings of the platform are folders and variables to this module; it knows none of them.
"""

from __future__ import annotations

import base64
import json
import os
import secrets
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import psycopg2

from demo.airflow_services import SERVICES
from localcloud.servers.process import (
    ServerError,
    ServerProcess,
    ServerRunningError,
    free_port,
    last_lines,
    port_is_free,
    require_free_port,
    write_private,
)

LOOPBACK = "127.0.0.1"
USER = "admin"
MIGRATION_TIMEOUT = 180
START_TIMEOUT = 120
HEALTH_INTERVAL = 0.25
# Every part of the stack that would otherwise report its use over the network.
NO_TELEMETRY = {
    "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
    "AIRFLOW__COSMOS__ENABLE_TELEMETRY": "False",
    "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
    "DO_NOT_TRACK": "1",
    "GX_ANALYTICS_ENABLED": "false",
    "SCARF_ANALYTICS": "false",
}


class AirflowError(ServerError):
    """Airflow could not be prepared or started; the message says which of its services, why and where its log is."""


@dataclass(frozen=True)
class AirflowEndpoint:
    """Where Airflow's UI and REST API are, and who may log in."""

    url: str
    user: str
    password: str
    logs: Path


@dataclass(frozen=True)
class Airflow:
    """Airflow in one folder: `start()` it, `stop()` it, ask for its `endpoint`.

    `home` is AIRFLOW_HOME and holds what must survive a restart: port, password, keys, logs. `database_url` is an
    SQLAlchemy URL of an existing, empty or earlier migrated PostgreSQL database (`postgresql://user:password@host/db`).
    `environment` is added to the environment of every service: AWS credentials and endpoint of the role that tasks run
    under, and settings of the DAGs. `parallelism` is the number of tasks that run at once.
    """

    home: Path
    database_url: str
    dags_dir: Path
    plugins_dir: Path | None = None
    python_path: Sequence[Path] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    parallelism: int = 4
    port: int | None = None

    def start(self, progress: Callable[[str], None] = lambda _: None) -> AirflowEndpoint:
        """Migrate the metadata database when it needs it, start the four services, return once all are healthy.

        Raises ServerRunningError when Airflow runs, PortInUseError, and AirflowError or ServerError for a service that
        did not become healthy; whatever had been started is stopped again then, and on Ctrl-C.
        """
        if running := self.process.running():
            raise ServerRunningError(f"Airflow runs already (pid {running.pid}, home {self.home})")
        settings = self._settings()
        require_free_port(settings.port, "airflow api-server")
        environment = self._environment(settings)
        if settings.migrated is None or self._migrated() != settings.migrated:
            progress("preparing Airflow's metadata database")
            self._migrate(environment)
            settings = replace(settings, migrated=self._migrated())
            settings.save(self._settings_file)
        progress("starting Airflow")
        health = _Health(f"http://{LOOPBACK}:{settings.port}")
        logs = self.home / "logs"
        try:
            self.process.start(
                [sys.executable, "-m", "demo.airflow_services", logs],
                ready=health.good,
                timeout=START_TIMEOUT,
                environment=environment,
            )
        except ServerError as error:
            raise AirflowError(f"{error}\nThe services' own logs are {logs}/{{{','.join(SERVICES)}}}.log") from error
        return self._endpoint(settings)

    def stop(self) -> bool:
        """Stop the services and every task that they run; True when they ran. No process is left."""
        return self.process.stop(timeout=10)

    @property
    def running(self) -> bool:
        """Whether Airflow runs."""
        return self.process.running() is not None

    @property
    def endpoint(self) -> AirflowEndpoint:
        """Where Airflow is; raises AirflowError when it was never started from this home."""
        if not self._settings_file.exists():
            raise AirflowError(f"Airflow was never started in {self.home}: start it first")
        return self._endpoint(_Settings.load(self._settings_file))

    @property
    def _settings_file(self) -> Path:
        return self.home / "settings.json"

    def _endpoint(self, settings: _Settings) -> AirflowEndpoint:
        return AirflowEndpoint(f"http://{LOOPBACK}:{settings.port}", USER, settings.password, self.home / "logs")

    @property
    def process(self) -> ServerProcess:
        """The process that Airflow's services are children of."""
        return ServerProcess(name="airflow", run_dir=self.home / "run", log_file=self.home / "logs" / "airflow.log")

    def _settings(self) -> _Settings:
        """What was chosen at the first start; a port that another program took since is chosen again."""
        if self._settings_file.exists():
            settings = _Settings.load(self._settings_file)
            if self.port not in (None, settings.port):
                settings = replace(settings, port=self.port)
            elif self.port is None and not port_is_free(settings.port):
                settings = replace(settings, port=free_port())
        else:
            settings = _Settings(port=self.port or free_port())
        settings.save(self._settings_file)
        # The simple auth manager keeps its users' passwords in a file and makes one for a user that has none there.
        write_private(self._passwords_file, json.dumps({USER: settings.password}))
        return settings

    @property
    def _passwords_file(self) -> Path:
        return self.home / "passwords.json"

    def _environment(self, settings: _Settings) -> dict[str, str]:
        inherited = {key: value for key, value in os.environ.items() if not key.startswith("AIRFLOW_")}
        binaries = str(Path(sys.executable).parent)
        paths = [*(str(path) for path in self.python_path), *filter(None, [inherited.get("PYTHONPATH")])]
        url = f"http://{LOOPBACK}:{settings.port}"
        return {
            **inherited,
            **NO_TELEMETRY,
            "PATH": os.pathsep.join([binaries, inherited.get("PATH", os.defpath)]),
            "PYTHONPATH": os.pathsep.join(paths),
            # Not what lies in the folder that this was started from.
            "PYTHONSAFEPATH": "1",
            "AIRFLOW_HOME": str(self.home),
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": _driver_url(self.database_url),
            "AIRFLOW__DATABASE__LOAD_DEFAULT_CONNECTIONS": "False",
            "AIRFLOW__CORE__DAGS_FOLDER": str(self.dags_dir),
            "AIRFLOW__CORE__PLUGINS_FOLDER": str(self.plugins_dir or self.home / "plugins"),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
            "AIRFLOW__CORE__PARALLELISM": str(self.parallelism),
            "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
            "AIRFLOW__CORE__FERNET_KEY": settings.fernet_key,
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{url}/execution/",
            "AIRFLOW__CORE__AUTH_MANAGER": (
                "airflow.api_fastapi.auth.managers.simple.simple_auth_manager.SimpleAuthManager"
            ),
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": f"{USER}:admin",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(self._passwords_file),
            "AIRFLOW__API__HOST": LOOPBACK,
            "AIRFLOW__API__PORT": str(settings.port),
            "AIRFLOW__API__BASE_URL": url,
            "AIRFLOW__API__WORKERS": "1",
            "AIRFLOW__API__SECRET_KEY": settings.secret_key,
            "AIRFLOW__API_AUTH__JWT_SECRET": settings.jwt_secret,
            "AIRFLOW_CONN_AWS_DEFAULT": "aws://",
            "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(self.home / "logs" / "tasks"),
            "AIRFLOW__DAG_PROCESSOR__PARSING_PROCESSES": "1",
            "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "30",
            "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "60",
            **self.environment,
        }

    def _migrated(self) -> str | None:
        """The revision of the metadata database's schema; None when it has none."""
        try:
            with psycopg2.connect(self.database_url) as connection, connection.cursor() as cursor:
                cursor.execute("select to_regclass('alembic_version')")
                row = cursor.fetchone()
                if row is None or row[0] is None:
                    return None
                cursor.execute("select version_num from alembic_version")
                row = cursor.fetchone()
                return f"{version('apache-airflow')}/{row[0]}" if row else None
        except psycopg2.OperationalError as error:
            raise AirflowError(f"Airflow's metadata database cannot be reached: {error}".strip()) from error

    def _migrate(self, environment: Mapping[str, str]) -> None:
        log_file = self.home / "logs" / "migrate.log"
        log_file.parent.mkdir(parents=True, exist_ok=True)
        with log_file.open("wb") as log:
            try:
                subprocess.run(
                    [_airflow(), "db", "migrate"],
                    check=True,
                    env=dict(environment),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    timeout=MIGRATION_TIMEOUT,
                )
            except (subprocess.CalledProcessError, subprocess.TimeoutExpired, OSError) as error:
                tail = "\n".join(f"    {line}" for line in last_lines(log_file))
                raise AirflowError(
                    f"Airflow's metadata database could not be migrated: {error}; log {log_file}, last lines:\n{tail}"
                ) from error


class _Health:
    """What Airflow's health page says of its services.

    A heartbeat counts when it is younger than this object: an earlier start's would pass for half a minute.
    """

    def __init__(self, url: str) -> None:
        self._url = f"{url}/api/v2/monitor/health"
        self._began = datetime.now(UTC)
        self._asked = 0.0

    def good(self) -> bool:
        """Whether all services are well; asks a few times a second at most, False in between."""
        if time.monotonic() - self._asked < HEALTH_INTERVAL:
            return False
        self._asked = time.monotonic()
        try:
            with urllib.request.urlopen(self._url, timeout=2) as response:  # noqa: S310 - our own http URL
                answer = json.load(response)
        except OSError:
            return False
        return all(self._beats(answer, name.replace("-", "_")) for name in SERVICES if name != "api-server")

    def _beats(self, answer: dict[str, dict[str, str | None]], component: str) -> bool:
        health = answer.get(component, {})
        heartbeat = health.get(f"latest_{component}_heartbeat")
        return health.get("status") == "healthy" and heartbeat is not None and _instant(heartbeat) > self._began


@dataclass(frozen=True)
class _Settings:
    """What is chosen once for a home and kept."""

    port: int
    migrated: str | None = None
    password: str = field(default_factory=lambda: secrets.token_urlsafe(12))
    secret_key: str = field(default_factory=lambda: secrets.token_urlsafe(32))
    jwt_secret: str = field(default_factory=lambda: secrets.token_urlsafe(48))
    fernet_key: str = field(default_factory=lambda: base64.urlsafe_b64encode(secrets.token_bytes(32)).decode())

    @classmethod
    def load(cls, path: Path) -> _Settings:
        try:
            return cls(**json.loads(path.read_text(encoding="utf-8")))
        except (ValueError, TypeError) as error:
            raise AirflowError(f"{path} cannot be read: {error}; remove the folder to begin anew") from error

    def save(self, path: Path) -> None:
        write_private(path, json.dumps(asdict(self)))


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _airflow() -> Path:
    """The `airflow` command of this environment."""
    return Path(sys.executable).with_name("airflow")


def _driver_url(url: str) -> str:
    """The URL as Airflow wants it, with the driver that is installed; psycopg2 takes it without."""
    return url.replace("postgresql://", "postgresql+psycopg2://", 1)
