"""Data Docs in S3: Great Expectations' pages of the last validations, written each run."""

from __future__ import annotations

import mimetypes
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

from boto3.exceptions import Boto3Error
from botocore.exceptions import BotoCoreError, ClientError

from cdap.errors import CdapError

# Where GX keeps them below a context's folder.
RESULTS = PurePosixPath("uncommitted/validations")
SITE = PurePosixPath("uncommitted/data_docs/local_site")
# A page takes a third of a second to make, and each run makes all pages again.
RUNS_SHOWN = 10


class DocsStore:
    """Results and pages under one prefix of the lake's bucket: `validations/` and `docs/`."""

    def __init__(self, s3: Any, bucket: str, prefix: str) -> None:
        self._s3 = s3
        self._bucket = bucket
        self._prefix = prefix.strip("/")

    @property
    def index(self) -> str:
        """The address of the site's first page."""
        return f"s3://{self._bucket}/{self._prefix}/docs/index.html"

    def restore(self, folder: Path) -> None:
        """Copies the results of the last runs below `folder`, so that the pages show the history.

        Raises CdapError when S3 refuses.
        """
        with _doing(f"Reading earlier validations under s3://{self._bucket}/{self._prefix}/"):
            results: dict[str, list[str]] = {}
            for key in self._keys("validations"):
                # <suite>/.../<run name>/<run time>/<batch>.json
                results.setdefault(PurePosixPath(key).parent.name, []).append(key)
            for run in sorted(results)[-(RUNS_SHOWN - 1) :]:
                for key in results[run]:
                    self._download(key, folder / RESULTS / key.removeprefix(f"{self._prefix}/validations/"))

    def publish(self, folder: Path) -> None:
        """Copies results and pages from below `folder`; the site's first page goes last.

        Raises CdapError when S3 refuses.
        """
        with _doing(f"Writing Data Docs under s3://{self._bucket}/{self._prefix}/"):
            self._upload(folder / RESULTS, "validations")
            self._upload(folder / SITE, "docs")

    def download(self, folder: Path) -> Path:
        """Copies the site below `folder` to be looked at; returns its first page. Raises CdapError without one."""
        with _doing(f"Reading Data Docs under s3://{self._bucket}/{self._prefix}/"):
            for key in self._keys("docs"):
                self._download(key, folder / key.removeprefix(f"{self._prefix}/docs/"))
        first = folder / "index.html"
        if not first.exists():
            raise CdapError(f"Reading {self.index}", "there are no Data Docs yet", "Run the state chain first")
        return first

    def _keys(self, part: str) -> Iterator[str]:
        pages = self._s3.get_paginator("list_objects_v2").paginate(
            Bucket=self._bucket, Prefix=f"{self._prefix}/{part}/"
        )
        for page in pages:
            yield from (item["Key"] for item in page.get("Contents", []))

    def _download(self, key: str, file: Path) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        self._s3.download_file(self._bucket, key, str(file))

    def _upload(self, folder: Path, part: str) -> None:
        files = sorted(
            (file for file in folder.rglob("*") if file.is_file() and not file.name.startswith(".")),
            key=lambda file: (file.name == "index.html", file),
        )
        for file in files:
            kind = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
            key = f"{self._prefix}/{part}/{file.relative_to(folder).as_posix()}"
            self._s3.upload_file(str(file), self._bucket, key, ExtraArgs={"ContentType": kind})


@contextmanager
def _doing(doing: str) -> Iterator[None]:
    """Makes what S3 refuses an error that says what was being done."""
    try:
        yield
    except (Boto3Error, BotoCoreError, ClientError) as error:
        raise CdapError(doing, str(error), "Allow it to this role, then clear the task") from error
