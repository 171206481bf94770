"""A real OpenSearch node, S3 of the local cloud, and marts in DuckDB that unload as Redshift does."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pytest
import sqlglot
from opensearchpy import OpenSearch
from sqlglot.tokens import TokenType

from cdap.parameters import Parameters
from cdap.profiles.document import DOCUMENT, Kind
from cdap.sql import CdapRedshift
from localcloud.servers.opensearch import OpenSearchServer
from tests.services.conftest import RunningGateway, free_port
from tests.unit.identity.conftest import DuckDbSession

BUCKET = "cdap-lake-of-profiles"
TYPES = {
    Kind.DATE: "date",
    Kind.TIMESTAMP: "timestamp",
    Kind.INTEGER: "bigint",
    Kind.SCORE: "bigint",
    Kind.MONEY: "decimal(18,2)",
    Kind.BOOLEAN: "boolean",
}


class MartSession(DuckDbSession):
    """Has marts.customer_profile and ops.published_profiles; UNLOAD ... FORMAT JSON writes to S3."""

    def __init__(self, s3: Any) -> None:
        super().__init__()
        self.s3 = s3
        columns = ", ".join(f"{name} {TYPES.get(kind, 'varchar')}" for name, kind in DOCUMENT.items())
        self.connection.execute(
            f"""create schema marts;
            create table marts.customer_profile ({columns}, as_of_day date, profile_hash varchar);
            create schema ops;
            create table ops.published_profiles (
                customer_id varchar not null, profile_hash varchar not null, index_name varchar not null,
                published_at timestamp not null)"""
        )

    def execute(self, sql: str, parameters: Sequence[Any] = (), *, purpose: str = "") -> int:
        if not sql.lower().startswith("unload"):
            return super().execute(sql, parameters, purpose=purpose)
        # sqlglot takes UNLOAD for a command whose rest it does not read.
        tokens = sqlglot.tokenize(sql[len("unload") :], read=CdapRedshift)
        query, target, role = (token.text for token in tokens if token.token_type == TokenType.STRING)
        assert role == "the-role_arn" and {"json", "cleanpath"} <= {token.text.lower() for token in tokens}
        cursor = self._run(query, ())
        names = [column[0] for column in cursor.description]
        lines = [json.dumps(dict(zip(names, row, strict=True)), default=_as_unload_writes) for row in cursor.fetchall()]
        key = target.removeprefix(f"s3://{BUCKET}/")
        for item in self.s3.list_objects_v2(Bucket=BUCKET, Prefix=key).get("Contents", []):
            self.s3.delete_object(Bucket=BUCKET, Key=item["Key"])
        for part, start in enumerate(range(0, len(lines), 700)):
            body = "\n".join(lines[start : start + 700]) + "\n"
            self.s3.put_object(Bucket=BUCKET, Key=f"{key}{part:04d}_part_00.json", Body=body.encode())
        return len(lines)

    def put(self, customer_id: str, **values: Any) -> None:
        """A profile, new or changed; its hash is that of its values."""
        self.connection.execute("delete from marts.customer_profile where customer_id = ?", [customer_id])
        row = {
            "customer_id": customer_id,
            "record_count": 1,
            "order_count": 0,
            "total_amount": Decimal("0.00"),
            **values,
        }
        row["profile_hash"] = str(sorted((name, str(value)) for name, value in row.items()))
        self.connection.execute(
            f"insert into marts.customer_profile ({', '.join(row)}) values ({', '.join('?' * len(row))})",  # noqa: S608
            list(row.values()),
        )

    def remove(self, customer_id: str) -> None:
        self.connection.execute("delete from marts.customer_profile where customer_id = ?", [customer_id])

    def published(self) -> list[tuple[Any, ...]]:
        return self.connection.execute(
            "select customer_id, profile_hash = '', index_name from ops.published_profiles order by customer_id"
        ).fetchall()


def _as_unload_writes(value: Any) -> Any:
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, datetime):
        return value.isoformat(sep=" ")
    if isinstance(value, date):
        return value.isoformat()
    raise TypeError(type(value))


@pytest.fixture(scope="session")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenSearch]:
    server = OpenSearchServer(tmp_path_factory.mktemp("opensearch"), free_port(), heap_mb=512)
    server.start()
    yield OpenSearch(hosts=[server.url], timeout=60)
    server.stop()


@pytest.fixture
def search(node: OpenSearch) -> OpenSearch:
    """An empty node."""
    node.indices.delete(index="profiles-*", ignore_unavailable=True)
    return node


@pytest.fixture(scope="session")
def lake(gateway: RunningGateway) -> Any:
    s3 = gateway.client("s3")
    s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": gateway.region})
    return s3


@pytest.fixture
def marts(lake: Any) -> MartSession:
    return MartSession(lake)


@pytest.fixture
def names() -> Parameters:
    warehouse = ("host", "database", "workgroup", "secret_arn", "sslmode", "role_arn")
    return Parameters(
        {"/cdap/lake/bucket": BUCKET, "/cdap/warehouse/port": "5439"}
        | {f"/cdap/warehouse/{name}": f"the-{name}" for name in warehouse}
    )
