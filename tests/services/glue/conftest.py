"""A database, a bucket and a crawler's role for tests of Glue on a running local cloud."""

from __future__ import annotations

import json
import secrets
import time
from dataclasses import dataclass
from typing import Any

import pytest


@dataclass
class Lake:
    """One test's bucket and database."""

    glue: Any
    s3: Any
    iam: Any
    bucket: str
    database: str
    role: str
    client: Any

    def put(self, key: str, body: bytes | str) -> None:
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=body if isinstance(body, bytes) else body.encode())

    def crawler(self, prefix: str, **settings: Any) -> str:
        name = "crawler-" + secrets.token_hex(4)
        target = {"Path": f"s3://{self.bucket}/{prefix}", **settings.pop("target", {})}
        if "Configuration" in settings:
            settings["Configuration"] = json.dumps({"Version": 1.0, **settings["Configuration"]})
        self.glue.create_crawler(
            Name=name, Role=self.role, DatabaseName=self.database, Targets={"S3Targets": [target]}, **settings
        )
        return name

    def run(self, name: str) -> dict[str, Any]:
        self.glue.start_crawler(Name=name)
        deadline = time.monotonic() + 60
        while True:
            crawler: dict[str, Any] = self.glue.get_crawler(Name=name)["Crawler"]
            if crawler["State"] == "READY":
                last: dict[str, Any] = crawler["LastCrawl"]
                return last
            assert time.monotonic() < deadline
            time.sleep(0.05)

    def crawl(self, prefix: str, **settings: Any) -> dict[str, dict[str, Any]]:
        last = self.run(self.crawler(prefix, **settings))
        assert last["Status"] == "SUCCEEDED", last
        return self.tables()

    def tables(self) -> dict[str, dict[str, Any]]:
        pages = self.glue.get_paginator("get_tables").paginate(DatabaseName=self.database)
        return {t["Name"]: t for p in pages for t in p["TableList"]}

    def partitions(self, table: str, **more: Any) -> list[dict[str, Any]]:
        pages = self.glue.get_paginator("get_partitions").paginate(DatabaseName=self.database, TableName=table, **more)
        return [p for answer in pages for p in answer["Partitions"]]


def columns(table: dict[str, Any]) -> dict[str, str]:
    return {c["Name"]: c["Type"] for c in table["StorageDescriptor"]["Columns"]}


@pytest.fixture
def lake(gateway: Any) -> Lake:
    name = "g" + secrets.token_hex(4)
    iam, s3, glue = gateway.client("iam"), gateway.client("s3"), gateway.client("glue")
    trust = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": {"Service": "glue.amazonaws.com"}, "Action": "sts:AssumeRole"}],
    }
    role = iam.create_role(RoleName=f"{name}-crawler", AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
    bucket = f"lake-{name}"
    iam.put_role_policy(
        RoleName=f"{name}-crawler",
        PolicyName="allow",
        PolicyDocument=json.dumps(
            {
                "Version": "2012-10-17",
                "Statement": [
                    {"Effect": "Allow", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{bucket}/*"},
                    {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": f"arn:aws:s3:::{bucket}"},
                    {
                        "Effect": "Allow",
                        "Action": "glue:*",
                        "Resource": [
                            f"arn:aws:glue:eu-central-1:{gateway.account_id}:catalog",
                            f"arn:aws:glue:eu-central-1:{gateway.account_id}:database/{name}",
                            f"arn:aws:glue:eu-central-1:{gateway.account_id}:table/{name}/*",
                        ],
                    },
                ],
            }
        ),
    )
    s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    glue.create_database(DatabaseInput={"Name": name})
    return Lake(glue, s3, iam, bucket, name, role, gateway.client)
