"""The page of evidence of each run, in the lake."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from cdap.errors import CdapError

FOLDER = "identity/evidence"


class EvidencePages:
    """`s3://<lake>/identity/evidence/<hash of the run id>.html`, and the newest as `latest.html`."""

    def __init__(self, s3: Any, bucket: str) -> None:
        self._s3 = s3
        self._bucket = bucket

    def publish(self, page: str, run_id: str) -> None:
        """Writes the page of a run in place of that of an earlier attempt."""
        for name in (hashlib.sha256(run_id.encode()).hexdigest()[:16], "latest"):
            self._s3.put_object(
                Bucket=self._bucket, Key=f"{FOLDER}/{name}.html", Body=page.encode(), ContentType="text/html"
            )

    def download(self, file: Path) -> None:
        """Writes the newest page to a file. Raises CdapError when there is none, or it may not be read."""
        key = f"{FOLDER}/latest.html"
        try:
            file.write_bytes(self._s3.get_object(Bucket=self._bucket, Key=key)["Body"].read())
        except ClientError as error:
            raise CdapError(
                f"Reading s3://{self._bucket}/{key}", str(error), "Run build_profiles; its identity stage writes it"
            ) from error
