"""A database, a bucket and queries on them, as a client of Athena sees them."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass
from typing import Any

import pytest


@dataclass
class Athena:
    """One test's bucket and database."""

    client: Any
    s3: Any
    glue: Any
    bucket: str
    database: str

    def start(self, sql: str, **more: Any) -> str:
        location = {"OutputLocation": f"s3://{self.bucket}/results/"}
        started: str = self.client.start_query_execution(
            QueryString=sql, QueryExecutionContext={"Database": self.database}, ResultConfiguration=location, **more
        )["QueryExecutionId"]
        return started

    def look(self, identifier: str) -> dict[str, Any]:
        found: dict[str, Any] = self.client.get_query_execution(QueryExecutionId=identifier)["QueryExecution"]
        return found

    def wait(self, identifier: str) -> dict[str, Any]:
        deadline = time.monotonic() + 60
        while True:
            found = self.look(identifier)
            if found["Status"]["State"] not in ("QUEUED", "RUNNING"):
                return found
            assert time.monotonic() < deadline, found
            time.sleep(0.02)

    def run(self, sql: str, **more: Any) -> dict[str, Any]:
        """Run a query that must succeed; its execution."""
        found = self.wait(self.start(sql, **more))
        assert found["Status"]["State"] == "SUCCEEDED", found["Status"]
        return found

    def fail(self, sql: str, **more: Any) -> str:
        """Run a query that must fail; why it did."""
        found = self.wait(self.start(sql, **more))
        assert found["Status"]["State"] == "FAILED", found["Status"]
        reason: str = found["Status"]["StateChangeReason"]
        assert found["Status"]["AthenaError"]["ErrorMessage"] == reason
        return reason

    def rows(self, sql: str, **more: Any) -> list[list[str | None]]:
        """The rows of a query, the header first, page by page."""
        return self.results(self.run(sql, **more)["QueryExecutionId"])

    def results(self, identifier: str, size: int = 1000) -> list[list[str | None]]:
        pages = self.client.get_paginator("get_query_results").paginate(
            QueryExecutionId=identifier, PaginationConfig={"PageSize": size}
        )
        return [
            [cell.get("VarCharValue") for cell in row["Data"]] for page in pages for row in page["ResultSet"]["Rows"]
        ]

    def put(self, key: str, body: str) -> None:
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=body.encode())

    def keys(self, prefix: str) -> list[str]:
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix)
        return [item["Key"] for page in pages for item in page.get("Contents", [])]

    def url(self, prefix: str) -> str:
        return f"s3://{self.bucket}/{prefix}"


@pytest.fixture
def athena(gateway: Any) -> Athena:
    name = "a" + secrets.token_hex(4)
    s3, glue = gateway.client("s3"), gateway.client("glue")
    s3.create_bucket(Bucket=f"athena-{name}", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    glue.create_database(DatabaseInput={"Name": name})
    return Athena(gateway.client("athena"), s3, glue, f"athena-{name}", name)
