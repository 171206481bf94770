"""Whom a statement of the Data API runs as, where, and the connections that outlive it."""

from __future__ import annotations

import json
import threading
import time
import uuid
from dataclasses import dataclass, field
from typing import Any

import psycopg2
from botocore.exceptions import ClientError

from localcloud.base.cloud import Cloud
from localcloud.base.errors import AwsError
from localcloud.services.redshift_serverless import warehouse

_LONGEST = 24 * 3600


@dataclass(frozen=True)
class Target:
    """The warehouse, database and user that a request names, as the API's parameters do."""

    WorkgroupName: str | None = None
    ClusterIdentifier: str | None = None
    Database: str | None = None
    DbUser: str | None = None
    SecretArn: str | None = None

    def checked(self) -> Target:
        """The same. Raises AwsError for what the API does not take."""
        if (self.WorkgroupName is None) == (self.ClusterIdentifier is None):
            raise AwsError("ValidationException", "either WorkgroupName or ClusterIdentifier must be given")
        if self.Database is None:
            raise AwsError("ValidationException", "Database must be given")
        if self.ClusterIdentifier is not None and (self.DbUser is None) == (self.SecretArn is None):
            raise AwsError("ValidationException", "either DbUser or SecretArn must be given with ClusterIdentifier")
        if self.WorkgroupName is not None and self.DbUser is not None:
            raise AwsError("ValidationException", "DbUser is for clusters: a workgroup's user is the caller")
        return self

    def login(self, cloud: Cloud) -> tuple[str, str]:
        """User and password. Raises AwsError when the warehouse, secret or user is not there."""
        try:
            if self.WorkgroupName is not None:
                serverless = cloud.client("redshift-serverless")
                serverless.get_workgroup(workgroupName=self.WorkgroupName)
                if self.SecretArn is None:
                    given = serverless.get_credentials(workgroupName=self.WorkgroupName)
                    return given["dbUser"].lower(), given["dbPassword"]
            else:
                redshift = cloud.client("redshift")
                redshift.describe_clusters(ClusterIdentifier=self.ClusterIdentifier)
                if self.SecretArn is None:
                    given = redshift.get_cluster_credentials(
                        ClusterIdentifier=self.ClusterIdentifier, DbUser=self.DbUser
                    )
                    return given["DbUser"], given["DbPassword"]
            text = cloud.client("secretsmanager").get_secret_value(SecretId=self.SecretArn)["SecretString"]
            kept = json.loads(text)
            return str(kept["username"]), str(kept["password"])
        except ClientError as error:
            details = error.response["Error"]
            raise AwsError("ValidationException", f"{details['Code']}: {details['Message']}") from error
        except (ValueError, KeyError):
            raise AwsError(
                "ValidationException", f"the secret {self.SecretArn} must be JSON with username and password"
            ) from None


@dataclass
class DataSession:
    """A connection that is kept for later statements. `connection` is there from its first statement on."""

    target: Target
    keep_alive: int
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    connection: Any = None
    busy: bool = True
    until: float = 0.0


class DataSessions:
    """The sessions by id. Each runs one statement at a time and ends when it was idle for as long as it asked for."""

    def __init__(self) -> None:
        self._sessions: dict[str, DataSession] = {}
        self._lock = threading.Lock()

    def begin(self, target: Target, keep_alive: int) -> DataSession:
        """A new session, taken by who begins it."""
        if not 0 <= keep_alive <= _LONGEST:
            raise AwsError("ValidationException", f"SessionKeepAliveSeconds must be between 0 and {_LONGEST}")
        session = DataSession(target, keep_alive)
        with self._lock:
            self._end_idle()
            self._sessions[session.id] = session
        return session

    def take(self, identifier: str, keep_alive: int | None) -> DataSession:
        """A session that is free. Raises AwsError for one that is busy or gone."""
        with self._lock:
            self._end_idle()
            session = self._sessions.get(identifier)
            if session is None:
                raise AwsError("ValidationException", f"Session {identifier} is not available: it has ended")
            if session.busy:
                raise AwsError("ActiveSessionsExceededException", f"Session {identifier} runs a statement")
            session.busy = True
            if keep_alive is not None:
                session.keep_alive = keep_alive
            return session

    def connect(self, session: DataSession, cloud: Cloud, user: str, password: str) -> Any:
        """The session's connection, made at its first statement. Raises psycopg2.OperationalError."""
        if session.connection is None:
            database = str(session.target.Database)
            session.connection = warehouse.connect(cloud, database, user, password)
        return session.connection

    def release(self, session: DataSession) -> None:
        """After a statement: kept, or ended when the connection is lost or is not to be kept."""
        with self._lock:
            session.busy = False
            session.until = time.monotonic() + session.keep_alive
            if session.connection is None or session.connection.closed or session.keep_alive == 0:
                self._end(session)

    def close(self) -> None:
        """End all."""
        with self._lock:
            for session in list(self._sessions.values()):
                self._end(session)

    def _end_idle(self) -> None:
        now = time.monotonic()
        for session in [item for item in self._sessions.values() if not item.busy and item.until < now]:
            self._end(session)

    def _end(self, session: DataSession) -> None:
        self._sessions.pop(session.id, None)
        if session.connection is not None:
            session.connection.close()


def query(cloud: Cloud, target: Target, sql: str, values: tuple[Any, ...]) -> list[tuple[Any, ...]]:
    """The rows of one query on a connection of its own. Raises AwsError."""
    user, password = target.checked().login(cloud)
    try:
        connection = warehouse.connect(cloud, str(target.Database), user, password)
    except psycopg2.OperationalError as error:
        raise AwsError("ValidationException", f"cannot connect: {error}".strip()) from error
    try:
        with connection.cursor() as cursor:
            cursor.execute(sql, values)
            return list(cursor.fetchall())
    except psycopg2.Error as error:
        raise AwsError("QueryExecutionException", str(error).strip()) from error
    finally:
        connection.close()
