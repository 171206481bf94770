"""The enterprise's own systems: a PostgreSQL server with the database `shop`, and a CRM."""

from __future__ import annotations

import json
import os
from pathlib import Path

import psycopg2
from psycopg2 import sql

from demo import shop
from demo.crm.server import CrmServer
from localcloud.servers.postgres import PostgresEndpoint, PostgresServer

DATABASE = "shop"
OWNER = "shop"
READER = "dms_reader"
"""The user under whom others replicate from the shop: it may read the schema `public` and nothing else."""


class Enterprise:
    """The enterprise under one state folder (the variable DEMO_STATE, else `.demo` in the working folder)."""

    def __init__(self, state: Path | None = None) -> None:
        self.state = (state or Path(os.environ.get("DEMO_STATE", ".demo"))).absolute()
        self.server = PostgresServer(self.state / "postgres", name="shop")
        self.crm = CrmServer(self.state / "crm")

    @property
    def running(self) -> bool:
        return self.server.process.running() is not None

    def start(self) -> PostgresEndpoint:
        """Starts what does not run and makes the database, its tables and its users; returns the owner's endpoint.

        Raises ServerRunningError when all of it runs, ServerError (and its kinds) when a server cannot be started.
        """
        if self.crm.process.running() is None:
            self.crm.start()
        self.server.start()
        endpoint = self.server.create_database(DATABASE, OWNER)
        reader_password = self.server.create_user(READER, replication=True)
        with shop.transaction(endpoint.url) as connection:
            shop.create_tables(connection)
            with connection.cursor() as cursor:
                reader = sql.Identifier(READER)
                cursor.execute(sql.SQL("grant connect on database {} to {}").format(sql.Identifier(DATABASE), reader))
                cursor.execute(sql.SQL("grant usage on schema public to {}").format(reader))
                cursor.execute(sql.SQL("grant select on all tables in schema public to {}").format(reader))
                cursor.execute(
                    sql.SQL("alter default privileges in schema public grant select on tables to {}").format(reader)
                )
        # Says at once, not at the first extraction, when the reader's rights are wrong.
        reading = psycopg2.connect(self._as(endpoint, READER, reader_password).url)
        try:
            with reading.cursor() as cursor:
                cursor.execute("select 1 from public.customers limit 1")
        finally:
            reading.close()
        return endpoint

    def stop(self) -> bool:
        """Stops the servers; True when one of them ran."""
        return any([self.server.stop(), self.crm.stop()])

    def endpoint(self) -> PostgresEndpoint:
        """Where the shop is, with its owner's password. Raises ShopError unless it runs."""
        self._require_running()
        return self.server.create_database(DATABASE, OWNER)

    def reader(self) -> PostgresEndpoint:
        """The same for the user who only reads. Raises ShopError unless it runs."""
        self._require_running()
        return self._as(self.endpoint(), READER, self.server.create_user(READER, replication=True))

    def secret(self) -> str:
        """The reader's connection as AWS keeps it in a secret: JSON of host, port, username and password."""
        reader = self.reader()
        return json.dumps(
            {"host": reader.host, "port": reader.port, "username": reader.user, "password": reader.password}
        )

    def crm_secret(self) -> str:
        """The CRM's connected application as AppFlow reads it from a secret, with the refresh token beside it."""
        login = self.crm.store.login()
        return json.dumps(
            {
                "clientId": login["client_id"],
                "clientSecret": login["client_secret"],
                "refreshToken": login["refresh_token"],
            }
        )

    def _require_running(self) -> None:
        if not self.running:
            raise shop.ShopError(f"the enterprise of {self.state} does not run; start it with `demo up`")

    @staticmethod
    def _as(endpoint: PostgresEndpoint, user: str, password: str) -> PostgresEndpoint:
        return PostgresEndpoint(endpoint.host, endpoint.port, user, password, endpoint.database)
