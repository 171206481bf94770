"""Results in S3, and their rows page by page."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import duckdb

from localcloud.engines.sql.spectrum.objects import Location
from localcloud.engines.trino.outcome import Outcome

_PAGE = 1000


def names(outcome: Outcome, prefix: str, execution_id: str) -> tuple[str, str | None]:
    """The keys of a query's result and of its metadata (None without one), under the prefix of its location."""
    if outcome.written:
        return f"{prefix}{execution_id}-manifest.csv", None
    if outcome.substatement == "SELECT":
        return f"{prefix}{execution_id}.csv", f"{prefix}{execution_id}.csv.metadata"
    return f"{prefix}{execution_id}.txt", f"{prefix}{execution_id}.txt.metadata"


def encryption(configuration: dict[str, Any] | None) -> dict[str, str]:
    """The arguments of PutObject for an EncryptionConfiguration."""
    option = (configuration or {}).get("EncryptionOption")
    if option == "SSE_S3":
        return {"ServerSideEncryption": "AES256"}
    if option == "SSE_KMS":
        return {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": str((configuration or {}).get("KmsKey"))}
    return {}


def put(s3: Any, outcome: Outcome, bucket: str, keys: tuple[str, str | None], arguments: dict[str, str]) -> None:
    """Write a query's result, and what its columns are, as objects."""
    result, metadata = keys
    if outcome.written:
        body = "".join(f"{url}\n" for url in outcome.written).encode()
        s3.put_object(Bucket=bucket, Key=result, Body=body, **arguments)
    elif outcome.file is not None:
        s3.upload_file(str(outcome.file), bucket, result, ExtraArgs=arguments)
    if metadata is not None:
        body = json.dumps({"ColumnInfo": outcome.columns}).encode()
        s3.put_object(Bucket=bucket, Key=metadata, Body=body, **arguments)


def page(path: str, execution: dict[str, Any], token: str | None, size: int | None) -> tuple[list[Any], str | None]:
    """Rows of a result as the API gives them (the header is the first row of a query's), and the next page's token."""
    start, count = int(token or 0), min(size or _PAGE, _PAGE)
    columns = execution["Columns"]
    if execution["SubstatementType"] == "SELECT":
        rows = _csv_rows(path, len(columns), start, count + 1)
    else:
        lines = Path(path).read_text(encoding="utf-8").split("\n")[:-1]
        rows = [tuple(line.split("\t", max(len(columns) - 1, 0))) for line in lines[start : start + count + 1]]
    shown = [{"Data": [{} if value is None else {"VarCharValue": value} for value in row]} for row in rows[:count]]
    return shown, (str(start + count) if len(rows) > count else None)


def _csv_rows(path: str, width: int, start: int, count: int) -> list[tuple[str | None, ...]]:
    types = "{" + ", ".join(f"'c{index}': 'VARCHAR'" for index in range(width)) + "}"
    with duckdb.connect(":memory:") as connection:
        return connection.execute(
            f"select * from read_csv(?, header = false, auto_detect = false, delim = ',', quote = '\"', "  # noqa: S608
            f"escape = '\"', nullstr = '', allow_quoted_nulls = false, columns = {types}, max_line_size = 33554432, "
            f"parallel = false) limit {int(count)} offset {int(start)}",
            [path],
        ).fetchall()


def location(url: str) -> Location:
    """Bucket and prefix of an output location."""
    bucket, _, key = url.removeprefix("s3://").partition("/")
    return Location(bucket, key if not key or key.endswith("/") else key + "/")
