"""The PostgreSQL server: real clients over TCP, passwords, logical decoding, and data that survive a kill."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg2
import psycopg2.extras
import pytest

from localcloud.servers.postgres import PostgresServer
from localcloud.servers.process import PortInUseError, ServerRunningError


@pytest.fixture
def server(tmp_path: Path) -> Iterator[PostgresServer]:
    server = PostgresServer(tmp_path / "postgres")
    server.start()
    yield server
    server.stop()


def rows(url: str, statement: str) -> list[tuple[object, ...]]:
    connection = psycopg2.connect(url)
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchall() if cursor.description else []
    finally:
        connection.close()


def test_it_listens_on_loopback_only_and_asks_for_a_password(server: PostgresServer) -> None:
    process = server.process.running()
    assert process is not None
    assert {c.laddr.ip for c in process.net_connections() if c.status == psutil.CONN_LISTEN} == {"127.0.0.1"}
    endpoint = server.endpoint
    wrong = f"postgresql://{endpoint.user}:wrong@{endpoint.host}:{endpoint.port}/postgres"
    with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
        psycopg2.connect(wrong)
    stored = rows(endpoint.url, "select rolpassword from pg_authid where rolname = 'postgres'")
    assert str(stored[0][0]).startswith("SCRAM-SHA-256$")
    assert (server.data_dir / "server.json").stat().st_mode & 0o777 == 0o600


def test_databases_and_users_are_made_once_and_keep_their_passwords(server: PostgresServer) -> None:
    first = server.create_database("sales data", 'o"wner')
    rows(first.url, "create table t (a int)")
    assert server.create_database("sales data", 'o"wner') == first
    assert rows(first.url, "select count(*) from t") == [(0,)]
    with pytest.raises(psycopg2.errors.InsufficientPrivilege):
        rows(first.url, "create role another")
    changed = server.create_user('o"wner', "secret")
    assert changed == "secret"
    with pytest.raises(psycopg2.OperationalError):
        rows(first.url, "select 1")


def test_logical_decoding_works_for_a_user_who_may_replicate(server: PostgresServer) -> None:
    password = server.create_user("replicator", replication=True)
    endpoint = server.endpoint
    connection = psycopg2.connect(
        host=endpoint.host, port=endpoint.port, user="replicator", password=password, dbname="postgres",
        connection_factory=psycopg2.extras.LogicalReplicationConnection,
    )  # fmt: skip
    with connection.cursor() as cursor:
        cursor.create_replication_slot("slot", output_plugin="pgoutput")
    connection.close()
    assert rows(endpoint.url, "select plugin from pg_replication_slots") == [("pgoutput",)]


def test_what_was_committed_survives_a_kill_and_an_immediate_start(server: PostgresServer) -> None:
    endpoint = server.endpoint
    rows(endpoint.url, "create table t (a int)")
    for _ in range(3):
        rows(endpoint.url, "insert into t select generate_series(1, 1000)")
        process = server.process.running()
        assert process is not None
        sessions = [psycopg2.connect(endpoint.url) for _ in range(3)]
        os.kill(process.pid, 9)
        process.wait(5)
        server.start()
        for session in sessions:
            session.close()
    assert server.endpoint == endpoint
    assert rows(endpoint.url, "select count(*) from t") == [(3000,)]


def test_stop_ends_every_process_of_it_with_sessions_open(server: PostgresServer) -> None:
    session = psycopg2.connect(server.endpoint.url)
    process = server.process.running()
    assert process is not None
    family = [process, *process.children(recursive=True)]
    assert len(family) > 3
    assert server.stop()
    assert not any(p.is_running() and p.status() != psutil.STATUS_ZOMBIE for p in family)
    session.close()


def test_a_second_start_and_a_taken_port_are_refused(server: PostgresServer, tmp_path: Path) -> None:
    with pytest.raises(ServerRunningError):
        server.start()
    other = PostgresServer(tmp_path / "other", port=server.endpoint.port)
    with pytest.raises(PortInUseError, match="postgres"):
        other.start()


def test_the_folder_can_be_closed_to_all_but_its_owner(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    server = PostgresServer(closed / "postgres", user="admin", password="p@ss/word")
    server.start()
    try:
        assert rows(server.endpoint.url, "select current_user") == [("admin",)]
        assert closed.stat().st_mode & 0o777 == 0o700
    finally:
        server.stop()
