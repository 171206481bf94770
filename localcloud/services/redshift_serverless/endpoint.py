"""The control plane's own session with the warehouse: databases and users as the API asks for them."""

from __future__ import annotations

from contextlib import closing

import psycopg2
from psycopg2 import sql
from psycopg2.extensions import connection as Connection

from localcloud.base.cloud import Cloud, ServerEndpoint
from localcloud.base.errors import AwsError
from localcloud.engines.sql.warehouse import DEFAULT_DATABASE, SYSTEM_USER

SERVER = "warehouse"
"""Name of the machine's server that speaks Redshift's protocol."""


class WarehouseAdministration:
    """Creates databases and users in the warehouse process."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud

    @property
    def address(self) -> ServerEndpoint:
        """Where clients reach the warehouse. Raises AwsError when the machine runs none."""
        return self._cloud.server(SERVER)

    def create_database(self, name: str) -> None:
        """Create a database that is not there yet."""
        with closing(self._connect()) as session, session.cursor() as cursor:
            cursor.execute("select count(*) from pg_database where datname = %s", (name,))
            row = cursor.fetchone()
            if row is None or row[0] == 0:
                cursor.execute(sql.SQL("create database {}").format(sql.Identifier(name)))

    def drop_database(self, name: str) -> None:
        """Delete a database and all that is in it; its sessions must have ended."""
        with closing(self._connect()) as session, session.cursor() as cursor:
            cursor.execute(sql.SQL("drop database {}").format(sql.Identifier(name)))

    def set_admin(self, user: str, password: str) -> None:
        """Make `user` a superuser with this password, whether it is there or not."""
        with closing(self._connect()) as session, session.cursor() as cursor:
            cursor.execute("select count(*) from pg_user where usename = %s", (user,))
            row = cursor.fetchone()
            verb = sql.SQL("alter user" if row and row[0] else "create user")
            cursor.execute(
                sql.SQL("{} {} password {} createuser createdb").format(
                    verb, sql.Identifier(user), sql.Literal(password)
                )
            )

    def drop_user(self, user: str) -> None:
        """Delete a user."""
        with closing(self._connect()) as session, session.cursor() as cursor:
            cursor.execute(sql.SQL("drop user {}").format(sql.Identifier(user)))

    def _connect(self) -> Connection:
        address = self.address
        try:
            session: Connection = psycopg2.connect(
                host=address.host,
                port=address.port,
                dbname=DEFAULT_DATABASE,
                user=SYSTEM_USER,
                password=self._cloud.paths.token.read_text().strip(),
                sslmode="disable",
                connect_timeout=10,
            )
        except psycopg2.OperationalError as error:
            raise AwsError(
                "InternalServerException",
                f"the warehouse at {address.host}:{address.port} does not answer its control plane: {error}",
                500,
            ) from error
        session.autocommit = True
        return session
