"""One crawl of S3 paths: lists, reads, groups."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from localcloud.engines.crawler.classify import Classified, classify_object
from localcloud.engines.crawler.grouping import CrawledObject, FoundTable, group_tables

PARALLEL_READS = 8


class CrawlStopped(Exception):
    """The crawler was told to stop."""


@dataclass(frozen=True)
class CrawlTarget:
    """An include path with its exclusions; `sample_size` is the number of files read in each leaf folder."""

    bucket: str
    prefix: str
    exclusions: tuple[str, ...] = ()
    sample_size: int | None = None


@dataclass(frozen=True)
class Grouping:
    combine_compatible: bool = False
    table_level: int | None = None


def parse_path(path: str) -> tuple[str, str]:
    """(bucket, prefix) of `s3://bucket/prefix`. Raises ValueError."""
    match = re.fullmatch(r"s3[an]?://([^/]+)/?(.*)", path)
    if match is None:
        raise ValueError(f"{path!r} is not a path of the form s3://bucket/folder")
    return match[1], match[2]


def crawl(s3: Any, target: CrawlTarget, grouping: Grouping, stop: threading.Event) -> list[FoundTable]:
    """The tables under one target. Raises CrawlStopped, UnreadableObject, and botocore's ClientError."""
    prefix = target.prefix if not target.prefix or target.prefix.endswith("/") else f"{target.prefix}/"
    listed = list(_listed(s3, target, prefix, stop))
    if not listed and target.prefix and not target.prefix.endswith("/"):
        # An include path may name one object.
        folder = target.prefix.rsplit("/", 1)[0] + "/" if "/" in target.prefix else ""
        listed = [
            o
            for o in _listed(s3, CrawlTarget(target.bucket, target.prefix), target.prefix, stop)
            if o[0] == target.prefix
        ]
        prefix = folder
    read = _sampled(listed, target.sample_size)

    def classify(found: tuple[str, int]) -> Classified:
        if stop.is_set():
            raise CrawlStopped
        return classify_object(s3, target.bucket, *found)

    with ThreadPoolExecutor(PARALLEL_READS, "crawler") as pool:
        classified = dict(zip((key for key, _ in read), pool.map(classify, read), strict=True))
    objects = []
    by_folder: dict[str, Classified] = {key.rsplit("/", 1)[0]: c for key, c in classified.items()}
    for key, size in listed:
        # A file that the sample left out is taken to be as its folder's others are.
        found = classified.get(key) or by_folder[key.rsplit("/", 1)[0]]
        objects.append(CrawledObject(key, size, found))
    return group_tables(
        objects, prefix, combine_compatible=grouping.combine_compatible, table_level=grouping.table_level
    )


def _listed(s3: Any, target: CrawlTarget, prefix: str, stop: threading.Event) -> Iterator[tuple[str, int]]:
    excluded = [_glob(e) for e in target.exclusions]
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=target.bucket, Prefix=prefix):
        if stop.is_set():
            raise CrawlStopped
        for entry in page.get("Contents", []):
            key, relative = entry["Key"], entry["Key"][len(prefix) :]
            hidden = any(step.startswith(("_", ".")) for step in relative.split("/") if "=" not in step)
            if entry["Size"] and not hidden and not any(e.fullmatch(relative) for e in excluded):
                yield key, int(entry["Size"])


def _sampled(listed: Sequence[tuple[str, int]], sample_size: int | None) -> list[tuple[str, int]]:
    if sample_size is None:
        return list(listed)
    taken: dict[str, int] = {}
    sample = []
    for key, size in listed:
        folder = key.rpartition("/")[0]
        taken[folder] = taken.get(folder, 0) + 1
        if taken[folder] <= sample_size:
            sample.append((key, size))
    return sample


def _glob(pattern: str) -> re.Pattern[str]:
    """An exclude pattern: * within a folder, ** across folders, ?, [a-z], {a,b} ("Include and exclude patterns")."""
    result, place = [], 0
    replacements: list[tuple[str, Callable[[str], str]]] = [
        (r"\*\*", lambda _: ".*"),
        (r"\*", lambda _: "[^/]*"),
        (r"\?", lambda _: "[^/]"),
        (r"\[!?[^\]]*\]", lambda m: m.replace("[!", "[^")),
        (r"\{[^}]*\}", lambda m: "(?:" + "|".join(_glob(p).pattern for p in m[1:-1].split(",")) + ")"),
        (r"\\.", lambda m: re.escape(m[1])),
    ]
    while place < len(pattern):
        for expression, replacement in replacements:
            match = re.compile(expression).match(pattern, place)
            if match:
                result.append(replacement(match[0]))
                place = match.end()
                break
        else:
            result.append(re.escape(pattern[place]))
            place += 1
    return re.compile("".join(result), re.DOTALL)
