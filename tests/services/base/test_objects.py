"""S3 as boto3 and the engines use it: conditions, listings, multipart, versions, and bodies that stay on disk."""

from __future__ import annotations

import hashlib
import os
import re
import signal
import threading
import uuid
from pathlib import Path
from typing import Any

import boto3
import httpx
import pytest
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import ClientError

MIB = 1 << 20


@pytest.fixture
def s3(gateway: Any) -> Any:
    return gateway.client("s3")


def new_bucket(gateway: Any, versioned: bool = False) -> str:
    name = f"objects-{uuid.uuid4().hex[:8]}"
    s3 = gateway.client("s3")
    s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": gateway.region})
    if versioned:
        s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    return name


@pytest.fixture
def bucket(gateway: Any) -> str:
    return new_bucket(gateway)


def content(size: int, seed: int = 0) -> bytes:
    block = hashlib.sha256(str(seed).encode()).digest() * 32
    return (block * (size // len(block) + 1))[:size]


def body(answer: Any) -> bytes:
    return bytes(answer["Body"].read())


@pytest.mark.parametrize("size", [0, 1, MIB - 1, MIB, 3 * MIB + 17])
def test_an_object_comes_back_as_it_was_put(s3: Any, bucket: str, size: int) -> None:
    data = content(size)
    put = s3.put_object(Bucket=bucket, Key="a/b", Body=data, Metadata={"k": "v"}, ContentType="text/x")
    assert put["ETag"] == f'"{hashlib.md5(data, usedforsecurity=False).hexdigest()}"'
    got = s3.get_object(Bucket=bucket, Key="a/b")
    assert body(got) == data
    assert (got["ContentLength"], got["Metadata"], got["ContentType"]) == (size, {"k": "v"}, "text/x")
    head = s3.head_object(Bucket=bucket, Key="a/b")
    assert (head["ContentLength"], head["ETag"]) == (size, put["ETag"])


@pytest.mark.parametrize("size", [1000, 3 * MIB])
@pytest.mark.parametrize("algorithm", ["CRC32", "SHA1", "SHA256"])
def test_checksums_are_kept_and_wrong_ones_refused(s3: Any, bucket: str, size: int, algorithm: str) -> None:
    data = content(size)
    put = s3.put_object(Bucket=bucket, Key="k", Body=data, ChecksumAlgorithm=algorithm)
    name = f"Checksum{algorithm}"
    got = s3.get_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")
    assert got[name] == (put.get(name) or s3.head_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")[name])
    assert body(got) == data
    with pytest.raises(ClientError, match="BadDigest"):
        s3.put_object(Bucket=bucket, Key="k", Body=content(size, 1), **{name: got[name]})
    assert body(s3.get_object(Bucket=bucket, Key="k")) == data


@pytest.mark.parametrize("size", [1000, 3 * MIB + 5])
def test_aws_chunked_bodies_with_trailing_checksums_are_decoded(gateway: Any, bucket: str, size: int) -> None:
    import base64
    import zlib

    data = content(size)
    checksum = base64.b64encode(zlib.crc32(data).to_bytes(4, "big")).decode()
    url = gateway.client("s3").generate_presigned_url("put_object", Params={"Bucket": bucket, "Key": "chunked"})
    frames = [data[i : i + 65536] for i in range(0, size, 65536)]
    headers = {
        "content-encoding": "aws-chunked",
        "x-amz-content-sha256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
        "x-amz-decoded-content-length": str(size),
        "x-amz-trailer": "x-amz-checksum-crc32",
    }

    def framed(value: str) -> bytes:
        encoded = b"".join(b"%x\r\n%s\r\n" % (len(frame), frame) for frame in frames)
        return encoded + b"0\r\nx-amz-checksum-crc32:" + value.encode() + b"\r\n\r\n"

    answer = httpx.put(url, content=framed(checksum), headers=headers)
    assert answer.status_code == 200, answer.text
    s3 = gateway.client("s3")
    got = s3.get_object(Bucket=bucket, Key="chunked", ChecksumMode="ENABLED")
    assert (body(got), got["ChecksumCRC32"]) == (data, checksum)
    assert "aws-chunked" not in got.get("ContentEncoding", "")
    assert httpx.put(url, content=framed("AAAAAA=="), headers=headers).status_code == 400
    assert httpx.put(url, content=framed(checksum)[:-30], headers=headers).status_code == 400
    assert body(s3.get_object(Bucket=bucket, Key="chunked")) == data


@pytest.mark.parametrize("size", [1000, 3 * MIB])
def test_ranges(s3: Any, bucket: str, size: int) -> None:
    data = content(size)
    s3.put_object(Bucket=bucket, Key="r", Body=data)
    for asked, want in {"bytes=0-9": data[:10], "bytes=500-": data[500:], "bytes=-7": data[-7:]}.items():
        got = s3.get_object(Bucket=bucket, Key="r", Range=asked)
        assert body(got) == want
        assert got["ResponseMetadata"]["HTTPStatusCode"] == 206
        assert got["ContentRange"].endswith(f"/{size}")
    with pytest.raises(ClientError, match="InvalidRange"):
        s3.get_object(Bucket=bucket, Key="r", Range=f"bytes={size}-")


@pytest.mark.parametrize("size", [10, 2 * MIB])
def test_conditional_writes(s3: Any, bucket: str, size: int) -> None:
    first = s3.put_object(Bucket=bucket, Key="once", Body=content(size), IfNoneMatch="*")
    with pytest.raises(ClientError, match="PreconditionFailed"):
        s3.put_object(Bucket=bucket, Key="once", Body=content(size, 1), IfNoneMatch="*")
    with pytest.raises(ClientError, match="PreconditionFailed"):
        s3.put_object(Bucket=bucket, Key="once", Body=content(size, 1), IfMatch='"wrong"')
    s3.put_object(Bucket=bucket, Key="once", Body=content(size, 2), IfMatch=first["ETag"])
    assert body(s3.get_object(Bucket=bucket, Key="once")) == content(size, 2)


def test_only_one_of_many_conditional_writers_wins(gateway: Any, bucket: str) -> None:
    results: list[str] = []

    def write(number: int) -> None:
        try:
            gateway.client("s3").put_object(Bucket=bucket, Key="race", Body=content(2 * MIB, number), IfNoneMatch="*")
            results.append("won")
        except ClientError as error:
            results.append(error.response["Error"]["Code"])

    threads = [threading.Thread(target=write, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == ["PreconditionFailed"] * 3 + ["won"]


def test_listings_have_delimiters_and_pages(s3: Any, bucket: str) -> None:
    keys = [f"raw/dt={day}/part-{i}" for day in range(4) for i in range(5)] + ["raw/top", "other"]
    for key in keys:
        s3.put_object(Bucket=bucket, Key=key, Body=b"x")
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, PaginationConfig={"PageSize": 3})
    assert [o["Key"] for page in pages for o in page["Contents"]] == sorted(keys)
    pages = s3.get_paginator("list_objects_v2").paginate(
        Bucket=bucket, Prefix="raw/", Delimiter="/", PaginationConfig={"PageSize": 2}
    )
    found = list(pages)
    assert [p["Prefix"] for page in found for p in page.get("CommonPrefixes", [])] == [f"raw/dt={d}/" for d in range(4)]
    assert [o["Key"] for page in found for o in page.get("Contents", [])] == ["raw/top"]
    listed = s3.list_objects_v2(Bucket=bucket, Prefix="raw/dt=1/", StartAfter="raw/dt=1/part-2")
    assert [o["Key"] for o in listed["Contents"]] == ["raw/dt=1/part-3", "raw/dt=1/part-4"]


@pytest.mark.parametrize("key", ["a b+c&d=é/ü~!*'()", "a//b", "a/", "..", "x" * 300, "dt=2026-11-24/%20"])
def test_keys_of_every_kind(s3: Any, bucket: str, key: str) -> None:
    s3.put_object(Bucket=bucket, Key=key, Body=b"x")
    assert [o["Key"] for o in s3.list_objects_v2(Bucket=bucket)["Contents"]] == [key]
    assert body(s3.get_object(Bucket=bucket, Key=key)) == b"x"
    s3.delete_object(Bucket=bucket, Key=key)
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0


@pytest.mark.parametrize("size", [100, 3 * MIB])
def test_a_copy_stands_by_itself(s3: Any, bucket: str, size: int) -> None:
    s3.put_object(Bucket=bucket, Key="from", Body=content(size), Metadata={"k": "v"})
    s3.copy_object(Bucket=bucket, Key="to", CopySource={"Bucket": bucket, "Key": "from"})
    s3.put_object(Bucket=bucket, Key="from", Body=content(size, 1))
    got = s3.get_object(Bucket=bucket, Key="to")
    assert (body(got), got["Metadata"]) == (content(size), {"k": "v"})
    s3.delete_object(Bucket=bucket, Key="from")
    assert body(s3.get_object(Bucket=bucket, Key="to")) == content(size)


def test_multipart_uploads(s3: Any, bucket: str, tmp_path: Path) -> None:
    data = content(17 * MIB + 3)
    (tmp_path / "file").write_bytes(data)
    transfer = TransferConfig(multipart_threshold=5 * MIB, multipart_chunksize=5 * MIB, max_concurrency=3)
    s3.upload_file(str(tmp_path / "file"), bucket, "big", Config=transfer)
    head = s3.head_object(Bucket=bucket, Key="big")
    assert head["ContentLength"] == len(data)
    assert head["ETag"].endswith('-4"')
    s3.download_file(bucket, "big", str(tmp_path / "back"), Config=transfer)
    assert (tmp_path / "back").read_bytes() == data
    part = s3.get_object(Bucket=bucket, Key="big", PartNumber=2)
    assert body(part) == data[5 * MIB : 10 * MIB]


def test_an_aborted_or_unknown_upload_leaves_nothing(s3: Any, gateway: Any, bucket: str) -> None:
    upload = s3.create_multipart_upload(Bucket=bucket, Key="never")["UploadId"]
    s3.upload_part(Bucket=bucket, Key="never", UploadId=upload, PartNumber=1, Body=content(5 * MIB))
    s3.abort_multipart_upload(Bucket=bucket, Key="never", UploadId=upload)
    with pytest.raises(ClientError, match="NoSuchUpload"):
        s3.upload_part(Bucket=bucket, Key="never", UploadId=upload, PartNumber=2, Body=content(2 * MIB))
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0


@pytest.mark.parametrize("size", [100, 2 * MIB])
def test_versions_are_kept_read_and_restored(gateway: Any, s3: Any, size: int) -> None:
    bucket = new_bucket(gateway, versioned=True)
    ids = [s3.put_object(Bucket=bucket, Key="v", Body=content(size, i))["VersionId"] for i in range(3)]
    for i, version in enumerate(ids):
        assert body(s3.get_object(Bucket=bucket, Key="v", VersionId=version)) == content(size, i)
    marker = s3.delete_object(Bucket=bucket, Key="v")["VersionId"]
    with pytest.raises(ClientError, match="NoSuchKey"):
        s3.get_object(Bucket=bucket, Key="v")
    assert body(s3.get_object(Bucket=bucket, Key="v", VersionId=ids[2])) == content(size, 2)
    s3.delete_object(Bucket=bucket, Key="v", VersionId=marker)
    assert body(s3.get_object(Bucket=bucket, Key="v")) == content(size, 2)
    s3.delete_object(Bucket=bucket, Key="v", VersionId=ids[2])
    assert body(s3.get_object(Bucket=bucket, Key="v")) == content(size, 1)
    listed = s3.list_object_versions(Bucket=bucket)["Versions"]
    assert [(v["VersionId"], v["IsLatest"]) for v in listed] == [(ids[1], True), (ids[0], False)]


def test_objects_are_plain_files_for_the_engines(s3: Any, gateway: Any, bucket: str) -> None:
    for key, size in (("raw/dt=1/small", 10), ("raw/dt=1/large", 2 * MIB)):
        s3.put_object(Bucket=bucket, Key=key, Body=content(size))
        assert (gateway.state / "s3" / gateway.account_id / bucket / key).read_bytes() == content(size)


def memory(pid: int) -> int:
    """Bytes of the process that are not the page cache's."""
    return int(re.search(r"RssAnon:\s+(\d+)", Path(f"/proc/{pid}/status").read_text()).group(1)) * 1024  # type: ignore[union-attr]


class Peak(threading.Thread):
    """Watches the memory of a process."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.pid, self.peak, self.done = pid, 0, threading.Event()

    def run(self) -> None:
        while not self.done.wait(0.01):
            self.peak = max(self.peak, memory(self.pid))


def spool(gateway: Any) -> set[str]:
    """What is arriving, or is held by a request of another test that has not been collected yet."""
    return set(os.listdir(gateway.state / "spool"))


def test_large_objects_are_not_held_in_memory(gateway: Any, s3: Any, bucket: str, tmp_path: Path) -> None:
    path, size = tmp_path / "large", 300 * MIB
    spooled = spool(gateway)
    with path.open("wb") as file:
        for i in range(300):
            file.write(content(MIB, i))
    digest = hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()
    before, watch = memory(gateway.process.pid), Peak(gateway.process.pid)
    watch.start()
    with path.open("rb") as file:
        put = s3.put_object(Bucket=bucket, Key="one", Body=file)
    assert put["ETag"] == f'"{digest}"'
    s3.upload_file(str(path), bucket, "parts", Config=TransferConfig(multipart_chunksize=16 * MIB, max_concurrency=2))
    s3.copy_object(Bucket=bucket, Key="copy", CopySource={"Bucket": bucket, "Key": "parts"})
    for key in ("one", "copy"):
        found = hashlib.md5(usedforsecurity=False)
        for piece in s3.get_object(Bucket=bucket, Key=key)["Body"].iter_chunks(MIB):
            found.update(piece)
        assert found.hexdigest() == digest
    ranged = s3.get_object(Bucket=bucket, Key="parts", Range=f"bytes={10 * MIB}-{size - 1}")
    assert sum(len(piece) for piece in ranged["Body"].iter_chunks(MIB)) == size - 10 * MIB
    watch.done.set()
    watch.join()
    assert watch.peak - before < 64 * MIB, f"{(watch.peak - before) / MIB:.0f} MiB"
    for key in ("one", "parts", "copy"):
        s3.delete_object(Bucket=bucket, Key=key)
    assert not spool(gateway) - spooled


def test_versions_and_uploads_survive_a_kill(own_gateway: Any) -> None:
    own_gateway.start()
    s3, bucket = own_gateway.client("s3"), new_bucket(own_gateway, versioned=True)
    ids = [s3.put_object(Bucket=bucket, Key="v", Body=content(2 * MIB, i))["VersionId"] for i in range(2)]
    s3.put_object(Bucket=bucket, Key="gone", Body=b"x")
    s3.delete_object(Bucket=bucket, Key="gone")
    own_gateway.stop(signal.SIGKILL)
    own_gateway.start()
    assert body(s3.get_object(Bucket=bucket, Key="v")) == content(2 * MIB, 1)
    assert body(s3.get_object(Bucket=bucket, Key="v", VersionId=ids[0])) == content(2 * MIB, 0)
    assert [o["Key"] for o in s3.list_objects_v2(Bucket=bucket)["Contents"]] == ["v"]


def test_signed_chunks_of_other_sdks_are_checked(gateway: Any, bucket: str) -> None:
    """The default of boto3 over http signs the payload: a body that was changed on its way is refused."""
    root, spooled = gateway.root, spool(gateway)
    session = boto3.session.Session(root.access_key_id, root.secret_access_key, region_name=gateway.region)
    client = session.client("s3", endpoint_url=gateway.endpoint, config=Config(s3={"addressing_style": "path"}))
    client.meta.events.register("before-send.s3.PutObject", lambda request, **_: setattr(request, "body", b"changed!"))
    with pytest.raises(ClientError):
        client.put_object(Bucket=bucket, Key="k", Body=b"original")
    assert not spool(gateway) - spooled
