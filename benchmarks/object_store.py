"""S3 of the local cloud beside that of its base as it comes, MiniStack: small objects, ranges of a large one."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import httpx
from botocore.config import Config
from tenacity import Retrying, stop_after_delay, wait_fixed

from benchmarks.cloud import REGION, local_cloud
from benchmarks.measure import Way, compare
from localcloud.servers.process import free_port

BUCKET = "benchmark"
SMALL, SMALL_BYTES = 300, 4_096
LARGE_MIB, RANGE_MIB = 256, 8


def main() -> None:
    """Start both and compare."""
    with (
        local_cloud(without=frozenset({"opensearch", "postgres", "warehouse", "gremlin"})) as cloud,
        stock_ministack() as (url, pid),
    ):
        ours = cloud.client("s3")
        stock = boto3.client(
            "s3", endpoint_url=url, region_name=REGION, aws_access_key_id="test", aws_secret_access_key="test",  # noqa: S106
            config=Config(s3={"addressing_style": "path"}),
        )  # fmt: skip
        for client in (ours, stock):
            client.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
        for title, unit, run in (
            ("small objects put", "objects", put_small),
            ("a large object put and read in ranges", "MiB", read_large),
        ):
            ways = [
                Way("MiniStack as it comes", lambda run=run: run(stock), [pid]),
                Way("local cloud", lambda run=run: run(ours), cloud.pids()),
            ]
            compare(title, unit, ways, rounds=3)


@contextmanager
def stock_ministack() -> Iterator[tuple[str, int]]:
    """The base as it comes, in a process of its own: (address, pid)."""
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="benchmark-") as folder:
        environment = {
            **os.environ, "GATEWAY_PORT": str(port), "BIND_HOST": "127.0.0.1", "PERSIST_STATE": "1", "S3_PERSIST": "1",
            "STATE_DIR": f"{folder}/state", "S3_DATA_DIR": f"{folder}/objects", "IOT_MTLS_ENABLED": "0",
            "SFTP_ENABLED": "0",
        }  # fmt: skip
        command = [sys.executable, "-c", "import ministack.app; ministack.app.main()"]
        with Path(folder, "log").open("wb") as log:
            process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        try:
            url = f"http://127.0.0.1:{port}"
            for attempt in Retrying(stop=stop_after_delay(60), wait=wait_fixed(0.1)):
                with attempt:
                    httpx.get(url, trust_env=False)
            yield url, process.pid
        finally:
            process.terminate()
            process.wait()


def put_small(client: Any) -> int:
    """Objects of a few kilobytes, one after another."""
    body = b"x" * SMALL_BYTES
    for number in range(SMALL):
        client.put_object(Bucket=BUCKET, Key=f"small/{number}", Body=body)
    return SMALL


def read_large(client: Any) -> int:
    """A multipart upload of a large object, then all of it in ranges."""
    part = bytes(RANGE_MIB * 2**20)
    upload = client.create_multipart_upload(Bucket=BUCKET, Key="large")["UploadId"]
    parts = []
    for number in range(1, LARGE_MIB // RANGE_MIB + 1):
        answer = client.upload_part(Bucket=BUCKET, Key="large", UploadId=upload, PartNumber=number, Body=part)
        parts.append({"ETag": answer["ETag"], "PartNumber": number})
    client.complete_multipart_upload(Bucket=BUCKET, Key="large", UploadId=upload, MultipartUpload={"Parts": parts})
    for start in range(0, LARGE_MIB * 2**20, len(part)):
        span = f"bytes={start}-{start + len(part) - 1}"
        body = client.get_object(Bucket=BUCKET, Key="large", Range=span)["Body"].read()
        assert len(body) == len(part)
    return LARGE_MIB


if __name__ == "__main__":
    main()
