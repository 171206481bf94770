"""A real PostgreSQL and an S3 in memory for the replication engine."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import psycopg2
import pytest
from moto import mock_aws

from localcloud.engines.replication.source import SourceSettings
from localcloud.servers.postgres import PostgresServer

BUCKET = "target"


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    folder: Path = tmp_path_factory.mktemp("dms-postgres")
    server = PostgresServer(folder)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def source(postgres: PostgresServer, request: pytest.FixtureRequest) -> SourceSettings:
    name = "t_" + str(abs(hash(request.node.nodeid)))
    endpoint = postgres.create_database(name)
    return SourceSettings(endpoint.host, endpoint.port, endpoint.database, endpoint.user, endpoint.password)


@pytest.fixture
def execute(source: SourceSettings) -> Callable[[str], None]:
    def run(statements: str) -> None:
        connection = psycopg2.connect(
            host=source.host, port=source.port, dbname=source.database, user=source.user, password=source.password
        )
        with connection, connection.cursor() as cursor:
            cursor.execute(statements)
        connection.close()

    return run


@pytest.fixture
def s3() -> Iterator[Any]:
    with mock_aws():
        client = boto3.client("s3", region_name="eu-west-1", aws_access_key_id="x", aws_secret_access_key="x")
        client.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
        yield client
