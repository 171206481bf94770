"""S3's objects as the files that hold them: the warehouse is part of the cloud that keeps them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlparse

from localcloud.engines.sql.errors import SqlError

_METADATA = ".meta.json"
_LISTED_ONE_BY_ONE = 20


@dataclass(frozen=True)
class Location:
    """A bucket and a key, or the prefix of keys."""

    bucket: str
    key: str

    @property
    def url(self) -> str:
        return f"s3://{self.bucket}/{self.key}"

    @property
    def arn(self) -> str:
        return f"arn:aws:s3:::{self.bucket}/{self.key}"


@dataclass(frozen=True)
class StoredObject:
    """An object and the file that holds its bytes."""

    location: Location
    path: str
    size: int


def parse_location(url: str) -> Location:
    """The location that an ``s3://bucket/key`` URL names. Raises SqlError (22023)."""
    parts = urlparse(url)
    if parts.scheme not in ("s3", "s3a", "s3n") or not parts.netloc:
        raise SqlError("22023", f"not an S3 location: {url!r}; expected s3://bucket/prefix")
    return Location(parts.netloc, url.split("://", 1)[1].partition("/")[2])


def listed_prefixes(locations: list[Location]) -> Iterator[tuple[str, str]]:
    """(bucket, prefix) of the listings that a scan of the locations makes, of which a role has to be allowed each.

    A table of thousands of partitions is asked for as a whole; its objects are checked one by one.
    """
    for bucket in sorted({location.bucket for location in locations}):
        prefixes = sorted({location.key for location in locations if location.bucket == bucket})
        if len(prefixes) > _LISTED_ONE_BY_ONE:
            prefixes = [os.path.commonpath(prefixes) + "/"]
        for prefix in prefixes:
            yield bucket, prefix


class ObjectFolder:
    """The folder ``<root>/<account>/<bucket>/<key>`` in which the cloud keeps objects."""

    def __init__(self, root: Path, account_id: str) -> None:
        self._root = root / account_id

    def listing(self, location: Location) -> list[StoredObject]:
        """The objects whose key begins with the location's, in order of key; hidden ones (``_x``, ``.x``) left out.

        Spectrum ignores files whose name begins with a period, an underscore or ``#`` ("Creating external tables").
        """
        bucket = self._root / location.bucket
        if not bucket.is_dir():
            raise SqlError("XX000", f"the S3 bucket {location.bucket!r} of {location.url} does not exist")
        folder, _, prefix = location.key.rpartition("/")
        found: list[StoredObject] = []
        base = bucket / folder if folder else bucket
        if base.is_dir():
            self._walk(str(base), f"{folder}/" if folder else "", prefix, location.bucket, found)
        found.sort(key=lambda item: item.location.key)
        return found

    def _walk(self, path: str, key: str, prefix: str, bucket: str, found: list[StoredObject]) -> None:
        with os.scandir(path) as entries:
            for entry in entries:
                name = entry.name
                if not name.startswith(prefix) or name[0] in "._#" or name.endswith(("~", _METADATA)):
                    continue
                if entry.is_dir():
                    self._walk(entry.path, f"{key}{name}/", "", bucket, found)
                    continue
                size = entry.stat().st_size
                if size:
                    found.append(StoredObject(Location(bucket, key + name), entry.path, size))

    def file(self, location: Location) -> StoredObject:
        """One object. Raises SqlError (XX000) when there is none."""
        path = self._root / location.bucket / location.key
        if not path.is_file():
            raise SqlError("XX000", f"The specified S3 object {location.url} does not exist")
        return StoredObject(location, str(path), path.stat().st_size)
