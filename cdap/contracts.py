"""Checks a load against its table's contract, in the warehouse: good rows typed to the lake, bad ones to quarantine.

The statements are built with sqlglot from the contract and the columns that came (docs/architecture.md, One source's
day). No row passes through the worker.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from sqlglot import exp

from cdap.catalog import Columns
from cdap.config import Source
from cdap.contract_sql import FILE, NO_REASON, RECORD, Rows
from cdap.errors import ReconciliationError
from cdap.loads import Load, clean_folder, mended_folder, quarantine_folder
from cdap.sql import CdapRedshift, identifier, literal, render
from cdap.warehouse import Warehouse


@dataclass(frozen=True)
class CheckStatements:
    """The statements that check one table's load, in the order they run in one session.

    `judge` makes a temporary table with the raw columns of each row and the reason why it is bad, empty when it is
    good: the lake is read once. Where records of the load have been mended that takes several statements. `counts`
    gives (day of the row, reason, rows).
    """

    discard: list[str]
    judge: list[str]
    counts: str
    unload_good: str
    unload_bad: str


@dataclass(frozen=True)
class TableCheck:
    """What a table's check came to, in rows. `days` are those that good rows belong to, as `YYYY-MM-DD`."""

    table: str
    rows_in: int
    good: int
    bad: int
    reasons: dict[str, int] = field(default_factory=dict)
    days: list[str] = field(default_factory=list)


def check_statements(
    source: Source,
    table: str,
    raw_columns: Columns,
    load: Load,
    bucket: str,
    role_arn: str,
    raw_schema: str = "raw",
    *,
    mended: bool = False,
) -> CheckStatements:
    """The statements for one table. `raw_columns` are the names and Glue types of the load's own files.

    Reasons are `missing:<column>`, `type:`, `encoding:`, `json:`, `range:`, `enum:`, `length:`, `pattern:`, `window:`,
    `unexpected:`, joined by `;`, or `duplicate:<key columns>` for a row that breaks nothing else but has the key of
    another one: the newest by `changed_at` stays, ties by the values of the columns.

    With `mended`, what lies in the load's mended folder takes the place of the rows that it mends (`cdap.mending`).
    """
    contract = source.tables[table]
    rows = Rows(source, contract, dict(raw_columns), load)
    judged, alone, patched = (
        exp.to_identifier(f"{name}_{source.lake_table(table)}", quoted=True)
        for name in ("cdap_check", "cdap_alone", "cdap_mended")
    )
    landed = rows.landed(exp.table_(source.lake_table(table), db=raw_schema, quoted=True))
    if mended:
        folder = literal(f"s3://{bucket}/{mended_folder(source.name, table, load.load_id)}")
        judge = [
            _temporary(alone, rows.judged(landed)),
            _text_table(patched, [FILE, RECORD, *(name for name, _ in raw_columns)]),
            # sqlglot does not model COPY's options. Keys of a record that the table does not have are left out.
            f"COPY {identifier(patched.this)} FROM {folder} IAM_ROLE {literal(role_arn)} FORMAT AS JSON 'auto'",
            _temporary(judged, rows.judged(rows.with_mended(alone, patched))),
        ]
    else:
        judge = [_temporary(judged, rows.judged(landed))]
    counts = (
        exp.select(
            *(exp.column(name, quoted=True) for name in ("_day", "_reason")),
            exp.alias_(exp.Count(this=exp.Star()), "row_count"),
        )
        .from_(exp.Table(this=judged))
        .group_by(*(exp.column(name, quoted=True) for name in ("_day", "_reason")))
    )
    return CheckStatements(
        discard=[f"DROP TABLE IF EXISTS {identifier(name.this)}" for name in (judged, alone, patched)],
        judge=judge,
        counts=render(counts),
        unload_good=_unload(
            rows.good(judged), bucket, clean_folder(source.name, table, load.load_id), role_arn, "PARQUET", "dt"
        ),
        unload_bad=_unload(
            rows.bad(judged, table),
            bucket,
            quarantine_folder(source.name, table, load.last_day, load.load_id),
            role_arn,
            "JSON",
        ),
    )


def _temporary(name: exp.Identifier, query: exp.Query) -> str:
    return render(
        exp.Create(
            this=exp.Table(this=name),
            kind="TABLE",
            properties=exp.Properties(expressions=[exp.TemporaryProperty()]),
            expression=query,
        )
    )


def _text_table(name: exp.Identifier, columns: list[str]) -> str:
    definitions = [
        exp.ColumnDef(
            this=exp.to_identifier(column, quoted=True),
            kind=exp.DataType.build("varchar(65535)", dialect=CdapRedshift),
        )
        for column in columns
    ]
    return render(
        exp.Create(
            this=exp.Schema(this=exp.Table(this=name), expressions=definitions),
            kind="TABLE",
            properties=exp.Properties(expressions=[exp.TemporaryProperty()]),
        )
    )


def check_table(
    warehouse: Warehouse,
    source: Source,
    table: str,
    raw_columns: Columns,
    load: Load,
    extracted: int,
    *,
    bucket: str,
    role_arn: str,
    mended: bool = False,
) -> TableCheck:
    """Checks one table of a load and reconciles it; safe to run again, what an earlier attempt wrote is replaced.

    `extracted` is how many rows the extraction says it wrote. `raw_columns` is empty when it wrote no file, and then
    nothing is asked of the warehouse. `mended` says that records of the load have been mended. Raises
    ReconciliationError when rows do not add up, WarehouseError when a statement is refused.
    """
    if not raw_columns:
        reconcile(source.name, table, load, extracted=extracted, rows_in=0, good=0, bad=0)
        return TableCheck(table, 0, 0, 0)
    run = check_statements(source, table, raw_columns, load, bucket, role_arn, mended=mended)
    of = f"of {source.name}.{table}, load {load.load_id}"
    for statement in run.discard:
        warehouse.execute(statement, purpose=f"Discarding an earlier check {of}")
    for statement in run.judge:
        warehouse.execute(statement, purpose=f"Checking the rows {of}")
    rows_in, good_days, reasons = 0, set(), dict[str, int]()
    for day, reason, count in warehouse.fetch_all(run.counts, purpose=f"Counting the rows {of}"):
        rows_in += int(count)
        if reason == NO_REASON:
            good_days.add(str(day))
        else:
            reasons[str(reason)] = reasons.get(str(reason), 0) + int(count)
    good = _unloaded(warehouse, run.unload_good, f"Writing the good rows {of}")
    bad = _unloaded(warehouse, run.unload_bad, f"Writing the quarantined rows {of}")
    for statement in run.discard:
        warehouse.execute(statement, purpose=f"Discarding the check {of}")
    reconcile(source.name, table, load, extracted=extracted, rows_in=rows_in, good=good, bad=bad)
    return TableCheck(table, rows_in, good, bad, dict(sorted(reasons.items())), sorted(good_days))


def reconcile(source: str, table: str, load: Load, *, extracted: int, rows_in: int, good: int, bad: int) -> None:
    """Raises ReconciliationError unless extracted = rows read = good + bad (rows written to lake and quarantine)."""
    if extracted == rows_in == good + bad:
        return
    raise ReconciliationError(
        f"Reconciling {source}.{table}, partition dt={load.last_day} load={load.load_id}",
        f"{extracted} rows extracted, {rows_in} read from the lake, {good} good and {bad} quarantined written "
        f"({good + bad} together)",
        "Clear the task that lands this source, so that it extracts again",
    )


def _unloaded(warehouse: Warehouse, statement: str, purpose: str) -> int:
    warehouse.execute(statement, purpose=purpose)
    # AWS: PG_LAST_UNLOAD_COUNT, the rows of the session's last UNLOAD; what was written, not what was meant to be.
    return int(warehouse.fetch_all("select pg_last_unload_count()", purpose=f"{purpose}: how many")[0][0])


def _unload(query: exp.Expr, bucket: str, folder: str, role_arn: str, form: str, partition: str = "") -> str:
    # sqlglot does not model UNLOAD. CLEANPATH makes a retry safe: it takes away what an earlier attempt left in the
    # folders that get files (AWS: UNLOAD). It excludes ALLOWOVERWRITE.
    parts = [
        f"UNLOAD ({literal(render(query))})",
        f"TO {literal(f's3://{bucket}/{folder}')}",
        f"IAM_ROLE {literal(role_arn)}",
        f"FORMAT AS {form}",
    ]
    if partition:
        parts.append(f"PARTITION BY ({identifier(partition)})")
    return " ".join([*parts, "CLEANPATH"])
