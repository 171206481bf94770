"""What a crawler's definition asks for; what it cannot do is refused by name."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from localcloud.base.service import AwsError
from localcloud.engines.crawler.crawl import CrawlTarget, Grouping, parse_path

_UPDATE = ("UPDATE_IN_DATABASE", "LOG")
_DELETE = ("DEPRECATE_IN_DATABASE", "DELETE_FROM_DATABASE", "LOG")


@dataclass(frozen=True)
class CrawlerSettings:
    role: str
    database: str
    targets: tuple[CrawlTarget, ...]
    table_prefix: str
    update_behavior: str
    delete_behavior: str
    merge_new_columns: bool
    partitions_inherit: bool
    grouping: Grouping


def _invalid(message: str) -> AwsError:
    return AwsError("InvalidInputException", message)


def _unsupported(message: str) -> AwsError:
    return AwsError("NotImplementedException", f"{message} is not supported by the local cloud", 501)


def check_crawler(crawler: Mapping[str, Any]) -> CrawlerSettings:
    """The settings of a crawler. Raises AwsError naming what is wrong or not supported."""
    if crawler.get("Schedule"):
        raise _unsupported("Crawler: Schedule")
    if crawler.get("Classifiers"):
        raise _unsupported("Crawler: Classifiers (custom classifiers)")
    if crawler.get("CrawlerSecurityConfiguration"):
        raise _unsupported("Crawler: CrawlerSecurityConfiguration")
    if crawler.get("LakeFormationConfiguration", {}).get("UseLakeFormationCredentials"):
        raise _unsupported("Crawler: LakeFormationConfiguration.UseLakeFormationCredentials")
    if crawler.get("LineageConfiguration", {}).get("CrawlerLineageSettings", "DISABLE") != "DISABLE":
        raise _unsupported("Crawler: LineageConfiguration.CrawlerLineageSettings ENABLE")
    recrawl = crawler.get("RecrawlPolicy", {}).get("RecrawlBehavior", "CRAWL_EVERYTHING")
    if recrawl != "CRAWL_EVERYTHING":
        raise _unsupported(f"Crawler: RecrawlPolicy.RecrawlBehavior {recrawl}")
    policy = crawler.get("SchemaChangePolicy", {})
    update, delete = policy.get("UpdateBehavior", _UPDATE[0]), policy.get("DeleteBehavior", _DELETE[0])
    if update not in _UPDATE or delete not in _DELETE:
        raise _invalid(f"SchemaChangePolicy: UpdateBehavior is one of {_UPDATE}, DeleteBehavior one of {_DELETE}")
    merge, inherit, grouping = _configuration(crawler.get("Configuration"))
    return CrawlerSettings(
        role=str(crawler["Role"]),
        database=str(crawler.get("DatabaseName") or "").lower(),
        targets=_targets(crawler["Targets"]),
        table_prefix=str(crawler.get("TablePrefix") or ""),
        update_behavior=update,
        delete_behavior=delete,
        merge_new_columns=merge,
        partitions_inherit=inherit,
        grouping=grouping,
    )


def _targets(given: Mapping[str, Any]) -> tuple[CrawlTarget, ...]:
    for kind, targets in given.items():
        if kind != "S3Targets" and targets:
            raise _unsupported(f"Crawler: Targets.{kind}")
    targets = []
    for target in given.get("S3Targets") or []:
        for name in ("ConnectionName", "EventQueueArn", "DlqEventQueueArn"):
            if target.get(name):
                raise _unsupported(f"Crawler: S3Targets.{name}")
        path = str(target.get("Path") or "")
        try:
            # The API takes `bucket/folder` too, as the console shows it.
            bucket, prefix = parse_path(path if "://" in path else f"s3://{path}")
        except ValueError as error:
            raise _invalid(f"Crawler: S3Targets.Path {error}") from error
        size = target.get("SampleSize")
        if size is not None and not 1 <= size <= 249:
            raise _invalid(f"Crawler: S3Targets.SampleSize is {size}; it must be between 1 and 249")
        targets.append(CrawlTarget(bucket, prefix, tuple(target.get("Exclusions") or ()), size))
    if not targets:
        raise _invalid("Crawler: Targets needs at least one of S3Targets")
    return tuple(targets)


def _configuration(text: str | None) -> tuple[bool, bool, Grouping]:
    """(merge new columns, partitions inherit from the table, grouping) of the Configuration JSON, version 1.0."""
    if not text:
        return False, False, Grouping()
    try:
        document = json.loads(text)
        version = float(document["Version"])
    except (ValueError, TypeError, KeyError) as error:
        raise _invalid(f"Crawler: Configuration must be JSON with a Version: {error}") from error
    if version != 1.0:
        raise _invalid(f"Crawler: Configuration Version {document['Version']} is not 1.0")
    known = {
        ("CrawlerOutput", "Tables", "AddOrUpdateBehavior"): ("MergeNewColumns",),
        ("CrawlerOutput", "Partitions", "AddOrUpdateBehavior"): ("InheritFromTable",),
        ("Grouping", "TableGroupingPolicy"): ("CombineCompatibleSchemas",),
        ("Grouping", "TableLevelConfiguration"): None,
        ("CreatePartitionIndex",): None,
        ("Version",): None,
    }
    flat = dict(_flattened(document))
    for path, value in flat.items():
        if path not in known:
            raise _unsupported(f"Crawler: Configuration {'.'.join(path)}")
        allowed = known[path]
        if allowed is not None and value not in allowed:
            raise _invalid(f"Crawler: Configuration {'.'.join(path)} is {value!r}; it may be {', '.join(allowed)}")
    level = flat.get(("Grouping", "TableLevelConfiguration"))
    if level is not None and (not isinstance(level, int) or level < 1):
        raise _invalid(
            f"Crawler: Configuration Grouping.TableLevelConfiguration is {level!r}; it must be a positive number"
        )
    return (
        ("CrawlerOutput", "Tables", "AddOrUpdateBehavior") in flat,
        ("CrawlerOutput", "Partitions", "AddOrUpdateBehavior") in flat,
        Grouping(("Grouping", "TableGroupingPolicy") in flat, level),
    )


def _flattened(document: Mapping[str, Any], path: tuple[str, ...] = ()) -> list[tuple[tuple[str, ...], Any]]:
    result: list[tuple[tuple[str, ...], Any]] = []
    for name, value in document.items():
        here = (*path, name)
        result += _flattened(value, here) if isinstance(value, dict) else [(here, value)]
    return result
