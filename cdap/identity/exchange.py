"""A folder of the lake by which a task and the warehouse hand tables to one another: Parquet by UNLOAD and COPY."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, Protocol

from cdap.identity.protocol import SqlSession
from cdap.parameters import Parameters
from cdap.sql import literal


class Exchange(Protocol):
    """How tables come from the warehouse and go to it."""

    def unload(self, warehouse: SqlSession, query: str, folder: Path, *, purpose: str) -> None:
        """Writes the query's rows to Parquet files in the folder, none when there is no row."""

    def load(self, warehouse: SqlSession, table: str, file: Path, *, purpose: str) -> None:
        """Adds the rows of a Parquet file to a table with the same columns in the same order."""

    def clear(self) -> None:
        """Takes away what lies between the two."""


class LakeExchange:
    """`s3://<lake>/identity/exchange/<hash of the run id>/`; it holds personal data for as long as a task runs."""

    def __init__(self, s3: Any, parameters: Parameters, run_id: str) -> None:
        self._s3 = s3
        self._bucket = parameters.lake_bucket
        self._role = parameters.warehouse.role_arn
        self._folder = f"identity/exchange/{hashlib.sha256(run_id.encode()).hexdigest()[:16]}/"

    def unload(self, warehouse: SqlSession, query: str, folder: Path, *, purpose: str) -> None:
        prefix = f"{self._folder}from/"
        # sqlglot does not model UNLOAD. CLEANPATH: what an earlier attempt of the run left is taken away first.
        warehouse.execute(
            f"unload ({literal(query)}) to {literal(f's3://{self._bucket}/{prefix}')} "
            f"iam_role {literal(self._role)} format as parquet cleanpath",
            purpose=purpose,
        )
        for number, key in enumerate(self._keys(prefix)):
            self._s3.download_file(self._bucket, key, str(folder / f"{number:04d}.parquet"))

    def load(self, warehouse: SqlSession, table: str, file: Path, *, purpose: str) -> None:
        key = f"{self._folder}to/{table}.parquet"
        self._s3.upload_file(str(file), self._bucket, key)
        warehouse.execute(
            f"copy {table} from {literal(f's3://{self._bucket}/{key}')} "
            f"iam_role {literal(self._role)} format as parquet",
            purpose=purpose,
        )

    def clear(self) -> None:
        for key in self._keys(self._folder):
            self._s3.delete_object(Bucket=self._bucket, Key=key)

    def _keys(self, prefix: str) -> list[str]:
        pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=prefix)
        return sorted(item["Key"] for page in pages for item in page.get("Contents", []))
