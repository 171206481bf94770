"""Models by version: the file in the lake, and in the warehouse which one is current."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cdap.identity.config import IdentityConfig
from cdap.identity.protocol import SqlSession

if TYPE_CHECKING:
    from cdap.linkage.model import Model


@dataclass(frozen=True)
class Release:
    """A model that is or was current: its version, the records it was trained on, the digest of what it compares."""

    model: str
    records: int
    compared_by: str

    def serves(self, config: IdentityConfig, records: int) -> bool:
        """Whether records are scored by it: it compares what is to be compared, and they have not outgrown it."""
        return self.compared_by == config.compared_by and records <= config.retrain_when_grown * self.records


class ModelStore:
    """`s3://<lake>/identity/models/<version>.json`; versions are digests of what they hold, so none is ever changed."""

    def __init__(self, s3: Any, bucket: str) -> None:
        self._s3 = s3
        self._bucket = bucket

    def current(self, warehouse: SqlSession) -> Release | None:
        """The model by which records are compared; None before the first was trained."""
        rows = warehouse.fetch_all(
            'select model, records, compared_by from "identity".models where known_to is null',
            purpose="Reading which identity model is current",
        )
        return Release(str(rows[0][0]), int(rows[0][1]), str(rows[0][2])) if rows else None

    def fetch(self, release: Release, file: Path) -> None:
        """Writes the model to a file."""
        file.write_bytes(self._s3.get_object(Bucket=self._bucket, Key=_key(release.model))["Body"].read())

    def release(
        self, warehouse: SqlSession, model: Model, config: IdentityConfig, records: int, run_id: str, as_of: str
    ) -> Release:
        """Keeps the model and makes it the current one, from `as_of` (UTC) on, in the transaction that is open.

        A model without a row, that of a run that was killed, is one that nobody uses.
        """
        text = json.dumps(model.to_json(), sort_keys=True)
        made = Release(hashlib.sha256(text.encode()).hexdigest()[:12], records, config.compared_by)
        if self.current(warehouse) == made:
            return made
        self._s3.put_object(
            Bucket=self._bucket, Key=_key(made.model), Body=text.encode(), ContentType="application/json"
        )
        warehouse.execute(
            'update "identity".models set known_to = cast(%s as timestamp) where known_to is null',
            [as_of],
            purpose="Ending the identity model of before",
        )
        warehouse.execute(
            'insert into "identity".models (model, records, compared_by, run_id, known_from, known_to) '
            "values (%s, %s, %s, %s, cast(%s as timestamp), null)",
            [made.model, made.records, made.compared_by, run_id, as_of],
            purpose="Releasing an identity model",
        )
        return made


def _key(version: str) -> str:
    return f"identity/models/{version}.json"
