"""Quarantined records are mended by a person and put back into the load that they came with.

A record in quarantine has an id, `_record`, which depends on what came and nothing else. A mended record with that id
lies under `mended/` and takes the place of the original each time the load is checked, so that the counts stay: rows
extracted = good + quarantined. The original stays where it was landed.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from cdap import ingestion, ledger
from cdap.config import Source
from cdap.errors import CdapError
from cdap.loads import Load, mended_folder, quarantine_folder
from cdap.parameters import Parameters
from cdap.warehouse import Warehouse

ID, REASON = "_record", "_reason"
OF = ("_source", "_table", "_load")


@dataclass(frozen=True)
class Record:
    """One record: which it is, and its columns as they came or as they were mended."""

    table: str
    load_id: str
    id: str
    values: Mapping[str, Any]


@dataclass(frozen=True)
class Replayed:
    """What came of the mended records of one table's load. `open` are the reasons of what is in quarantine still."""

    table: str
    load_id: str
    mended: int
    quarantined_before: int
    quarantined: int
    open: Mapping[str, int]


def quarantined(
    s3: Any, names: Parameters, source: Source, loads: Iterable[Load], table: str | None = None
) -> Iterator[dict[str, Any]]:
    """The records of the loads that are in quarantine, as they lie there: the columns as they came, then `_reason`,
    `_source`, `_table`, `_load`, `_file` and `_record`."""
    for load in loads:
        for name in [table] if table is not None else source.tables:
            folder = quarantine_folder(source.name, name, load.last_day, load.load_id)
            yield from _json_lines(s3, names.lake_bucket, folder)


def read_mended(file: Path) -> list[Record]:
    """Mended records, a JSON object a line as `cdap quarantine export` writes them.

    A value that is null or left out is null. Raises CdapError naming the line of what is wrong.
    """
    doing = f"Reading mended records from {file}"
    records: dict[tuple[str, str, str], Record] = {}
    try:
        # Not `splitlines`, which also breaks at line separators inside of values.
        lines = file.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise CdapError(doing, str(error), "Give a readable UTF-8 file") from error
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            values = json.loads(line, parse_float=str)
        except json.JSONDecodeError as error:
            raise CdapError(doing, f"line {number} is not JSON: {error}", "Write one JSON object a line") from error
        missing = [name for name in (ID, "_table", "_load") if not isinstance(values, dict) or not values.get(name)]
        if missing:
            raise CdapError(
                doing, f"line {number} has no {', '.join(missing)}", "Keep these fields as the export wrote them"
            )
        record = Record(
            values["_table"], values["_load"], values[ID], {k: v for k, v in values.items() if not k.startswith("_")}
        )
        if (key := (record.table, record.load_id, record.id)) in records:
            raise CdapError(doing, f"line {number} mends {record.id} again", "Mend each record once")
        records[key] = record
    return list(records.values())


def mended_tables(s3: Any, bucket: str, source: Source, load: Load) -> set[str]:
    """The tables of a load of which records have been mended."""
    return {table for table in source.tables if any(_keys(s3, bucket, mended_folder(source.name, table, load.load_id)))}


def put_back(
    s3: Any,
    glue: Any,
    warehouse: Warehouse,
    names: Parameters,
    source: Source,
    records: Collection[Record],
    run_id: str,
    now: datetime,
) -> list[Replayed]:
    """Puts mended records back into their loads: checks the loads again, publishes them, makes them pending.

    Putting the same records back again, also after a kill, ends in the same. A record that breaks the contract still
    stays in quarantine with its new reason; one that is not of the types of its source's columns, with its old one.

    Raises CdapError, before anything is written, for a load that is not in the ledger, a table or column that the
    source does not have, and a record that is not in quarantine and was not mended before.
    """
    by_load: defaultdict[str, defaultdict[str, list[Record]]] = defaultdict(lambda: defaultdict(list))
    for record in records:
        by_load[record.load_id][record.table].append(record)
    loads = {load_id: _load(warehouse, source, load_id) for load_id in by_load}
    before = {load_id: ledger.counts(warehouse, source.name, load_id) for load_id in by_load}
    for load_id, tables in by_load.items():
        for table, mended in tables.items():
            _refuse_unknown(s3, names, source, loads[load_id], table, mended)
    replayed = []
    for load_id, tables in sorted(by_load.items()):
        load = loads[load_id]
        for table, mended in tables.items():
            _write(s3, names.lake_bucket, source, load, table, mended, now)
        findings = ingestion.examine(s3, glue, names, source, load)
        extracted = {table: rows_in for table, (rows_in, _, _) in before[load_id].items()}
        checks = ingestion.check(
            warehouse,
            names,
            source,
            load,
            {finding.table: finding.columns for finding in findings},
            extracted,
            mended=mended_tables(s3, names.lake_bucket, source, load),
        )
        ingestion.publish(glue, warehouse, names, source, load, checks, run_id, now, again=True)
        replayed += [
            Replayed(
                check.table,
                load_id,
                len(tables[check.table]),
                before[load_id][check.table][2],
                check.bad,
                check.reasons,
            )
            for check in checks
            if check.table in tables
        ]
    return replayed


def _load(warehouse: Warehouse, source: Source, load_id: str) -> Load:
    load = ledger.load(warehouse, source.name, load_id)
    if load is None:
        raise CdapError(
            f"Putting records back into load {load_id} of {source.name}",
            "the ledger has no such load",
            "Export the records again: `cdap quarantine export`",
        )
    return load


def _refuse_unknown(
    s3: Any, names: Parameters, source: Source, load: Load, table: str, mended: Collection[Record]
) -> None:
    doing = f"Putting {len(mended)} records back into {source.name}.{table}, load {load.load_id}"
    if table not in source.tables:
        raise CdapError(doing, "the source has no such table", f"Its tables are {', '.join(source.tables)}")
    known: dict[str, set[str]] = {}
    folders = [
        quarantine_folder(source.name, table, load.last_day, load.load_id),
        mended_folder(source.name, table, load.load_id),
    ]
    for folder in folders:
        for line in _json_lines(s3, names.lake_bucket, folder):
            known.setdefault(line[ID], set()).update(line)
    strangers = sorted(record.id for record in mended if record.id not in known)
    if strangers:
        raise CdapError(
            doing,
            f"{len(strangers)} are not in quarantine: {', '.join(strangers[:5])}",
            "Export the records again: the load may have been checked by another contract since",
        )
    columns = set().union(*known.values()) | set(source.tables[table].columns)
    extra = sorted({name for record in mended for name in record.values if name not in columns})
    if extra:
        raise CdapError(doing, f"there is no column {', '.join(extra)}", "Keep the columns as the export wrote them")


def _write(
    s3: Any, bucket: str, source: Source, load: Load, table: str, mended: Iterable[Record], now: datetime
) -> None:
    folder = mended_folder(source.name, table, load.load_id)
    ordered = sorted(mended, key=lambda record: record.id)
    digest = hashlib.sha256(json.dumps([[r.id, dict(r.values)] for r in ordered], default=str).encode()).hexdigest()
    # Names sort by time: of several versions of a record the last one counts. The same ones again are not written.
    if max(_keys(s3, bucket, folder), default="").endswith(f"-{digest[:16]}.json"):
        return
    key = f"{folder}{now:%Y%m%dT%H%M%S%f}-{digest[:16]}.json"
    lines = [
        json.dumps({**_texts(record.values), ID: record.id, "_file": f"s3://{bucket}/{key}"}, ensure_ascii=False)
        for record in ordered
    ]
    s3.put_object(Bucket=bucket, Key=key, Body="\n".join([*lines, ""]).encode())


def _texts(values: Mapping[str, Any]) -> dict[str, str]:
    """Every value as text: the check casts it to what the source's column is."""
    return {
        name: value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        for name, value in values.items()
        if value is not None
    }


def _json_lines(s3: Any, bucket: str, folder: str) -> Iterator[dict[str, Any]]:
    for key in _keys(s3, bucket, folder):
        for line in s3.get_object(Bucket=bucket, Key=key)["Body"].iter_lines():
            if line:
                # A decimal stays the digits that it was.
                yield json.loads(line, parse_float=str)


def _keys(s3: Any, bucket: str, folder: str) -> Iterator[str]:
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=folder):
        yield from (item["Key"] for item in page.get("Contents", []))
