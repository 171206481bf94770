"""The ledger: which loads have landed, which state run took them, what the stages did (docs/architecture.md, Names).

Every function is one transaction, tried again while another transaction wins, and changes nothing when it is run
again for the same load or run.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from cdap.config import Source
from cdap.contracts import TableCheck
from cdap.loads import Load
from cdap.warehouse import Warehouse, retried_on_conflict

# Rows of one INSERT; the wire protocol takes 32,767 parameters a statement.
ROWS_A_STATEMENT = 500


# The days of a window by one statement: a history has thousands, and each bound value costs its way.
_DIGITS = " union all ".join(f"select {digit} as n" for digit in range(10))
_ENTER_DAYS = f"""
insert into ops.partition_loads (source, day, load_id, extracted_at, landed_at, run_id)
with digits as ({_DIGITS}),
offsets as (
    select a.n + 10 * b.n + 100 * c.n + 1000 * d.n + 10000 * e.n as days
    from digits as a, digits as b, digits as c, digits as d, digits as e
)
select
    cast(%s as varchar(63)), cast(dateadd(day, offsets.days, cast(%s as date)) as date), cast(%s as varchar(40)),
    cast(%s as timestamp), cast(%s as timestamp), cast(%s as varchar(250))
from offsets
left join ops.partition_loads as known
    on known.source = %s and known.load_id = %s
    and known.day = cast(dateadd(day, offsets.days, cast(%s as date)) as date)
where offsets.days <= %s and known.day is null
"""  # noqa: S608 - digits


@dataclass(frozen=True)
class LandedDay:
    """One row of `ops.partition_loads`: a load as it stands for one day. Instants are UTC."""

    source: str
    day: date
    load_id: str
    extracted_at: datetime
    claimed_by: str | None
    applied_at: datetime | None


@dataclass(frozen=True)
class StageRun:
    """What one stage of one DAG run did: rows, and `engine_seconds` of work outside Airflow."""

    dag_id: str
    run_id: str
    stage: str
    source: str | None = None
    day: date | None = None
    rows_in: int | None = None
    rows_out: int | None = None
    rows_quarantined: int | None = None
    engine_seconds: float | None = None


@retried_on_conflict
def record_load(
    warehouse: Warehouse,
    source: Source,
    load: Load,
    run_id: str,
    checks: Sequence[TableCheck],
    landed_at: datetime,
    *,
    again: bool = False,
) -> int:
    """Enters a load: a row for each day of its window, its tables' counts and reasons. Returns the days added.

    A load that is entered again with the same counts stays as it is, applied or not; with other counts, or when it is
    to be applied `again`, its days are pending again.
    """
    extracted, landed = _utc(load.extracted_at), _utc(landed_at)
    of = f"load {load.load_id} of {load.source}"
    with warehouse.transaction():
        known = warehouse.fetch_all(
            "select day from ops.partition_loads where source = %s and load_id = %s",
            (load.source, load.load_id),
            purpose=f"Looking for {of} in the ledger",
        )
        present = {_date(day) for (day,) in known}
        missing = [day for day in load.window.days() if day not in present]
        if missing:
            warehouse.execute(
                _ENTER_DAYS,
                (
                    load.source,
                    load.first_day,
                    load.load_id,
                    extracted,
                    landed,
                    run_id,
                    load.source,
                    load.load_id,
                    load.first_day,
                    (load.last_day - load.first_day).days,
                ),
                purpose=f"Entering {of} into the ledger",
            )
        key = (load.source, load.load_id)
        if present and (again or counts(warehouse, *key) != _counts_of(checks)):
            # The load was checked again and came out differently (its contract changed): to be applied again.
            warehouse.execute(
                "update ops.partition_loads set claimed_by = null, applied_at = null "
                "where source = %s and load_id = %s",
                key,
                purpose=f"Making {of} pending again",
            )
        for statement in (
            "delete from ops.load_tables where source = %s and load_id = %s",
            "delete from ops.quarantine_reasons where source = %s and load_id = %s",
        ):
            warehouse.execute(statement, key, purpose=f"Replacing the counts of {of}")
        _insert(
            warehouse,
            "insert into ops.load_tables (source, table_name, load_id, mode, first_day, last_day, rows_in, rows_out, "
            "rows_quarantined) values ",
            [
                (
                    load.source,
                    check.table,
                    load.load_id,
                    source.tables[check.table].load,
                    load.first_day,
                    load.last_day,
                    check.rows_in,
                    check.good,
                    check.bad,
                )
                for check in checks
            ],
            f"Entering the counts of {of}",
        )
        _insert(
            warehouse,
            "insert into ops.quarantine_reasons (source, table_name, load_id, day, reason, row_count) values ",
            [
                (load.source, check.table, load.load_id, load.last_day, reason, count)
                for check in checks
                for reason, count in check.reasons.items()
            ],
            f"Entering the quarantine's reasons of {of}",
        )
    return len(missing)


@retried_on_conflict
def claim(warehouse: Warehouse, run_id: str) -> list[LandedDay]:
    """Takes every row that no run has applied, and returns the rows that are this run's.

    Rows that a failed run had claimed are taken too: state runs go one at a time. A run that is cleared after it was
    applied gets its own rows again.
    """
    with warehouse.transaction():
        warehouse.execute(
            "update ops.partition_loads set claimed_by = %s where applied_at is null "
            "and (claimed_by is null or claimed_by <> %s)",
            (run_id, run_id),
            purpose=f"Claiming landed days for {run_id}",
        )
        rows = warehouse.fetch_all(
            f"{_SELECT} where claimed_by = %s order by source, day, load_id",
            (run_id,),
            purpose=f"Reading the days claimed by {run_id}",
        )
    return [_landed(row) for row in rows]


@retried_on_conflict
def mark_applied(warehouse: Warehouse, run_id: str, applied_at: datetime) -> int:
    """Marks the run's rows applied; returns how many were not yet."""
    with warehouse.transaction():
        return warehouse.execute(
            "update ops.partition_loads set applied_at = %s where claimed_by = %s and applied_at is null",
            (_utc(applied_at), run_id),
            purpose=f"Marking the days of {run_id} applied",
        )


def counts(warehouse: Warehouse, source: str, load_id: str) -> dict[str, tuple[int, int, int]]:
    """Of a load, by table: rows extracted, good, quarantined. Empty for a load that the ledger does not have."""
    rows = warehouse.fetch_all(
        "select table_name, rows_in, rows_out, rows_quarantined from ops.load_tables "
        "where source = %s and load_id = %s",
        (source, load_id),
        purpose=f"Reading the counts of load {load_id} of {source}",
    )
    return {table: (int(rows_in), int(good), int(bad)) for table, rows_in, good, bad in rows}


def load(warehouse: Warehouse, source: str, load_id: str) -> Load | None:
    """A load as it was entered; None when the ledger does not have it."""
    rows = warehouse.fetch_all(
        "select min(day), max(day), max(extracted_at) from ops.partition_loads where source = %s and load_id = %s",
        (source, load_id),
        purpose=f"Reading load {load_id} of {source}",
    )
    first, last, extracted_at = rows[0]
    return None if first is None else Load(source, load_id, _date(first), _date(last), _aware(extracted_at))


def loads_with_quarantine(
    warehouse: Warehouse, source: str, table: str | None = None, load_id: str | None = None
) -> list[Load]:
    """The loads of a source that left records in quarantine, oldest first; of one table, or one load, when given."""
    rows = warehouse.fetch_all(
        "select distinct load_id from ops.quarantine_reasons where source = %s and (%s = '' or table_name = %s) "
        "and (%s = '' or load_id = %s) order by load_id",
        (source, table or "", table or "", load_id or "", load_id or ""),
        purpose=f"Reading which loads of {source} left records in quarantine",
    )
    found = (load(warehouse, source, name) for (name,) in rows)
    return [item for item in found if item is not None]


def loads_of(warehouse: Warehouse, run_id: str) -> list[tuple[str, str]]:
    """The loads, (source, load id), of the days that a state run has claimed."""
    rows = warehouse.fetch_all(
        "select distinct source, load_id from ops.partition_loads where claimed_by = %s order by source, load_id",
        (run_id,),
        purpose=f"Reading the loads of {run_id}",
    )
    return [(str(source), str(load_id)) for source, load_id in rows]


def earliest_day(warehouse: Warehouse, source: str) -> date | None:
    """The first day of a source that any load covers; None when nothing has landed."""
    rows = warehouse.fetch_all(
        "select min(day) from ops.partition_loads where source = %s",
        (source,),
        purpose=f"Reading since when {source} has landed",
    )
    return None if rows[0][0] is None else _date(rows[0][0])


def pending(warehouse: Warehouse) -> list[LandedDay]:
    """Rows that no state run has applied, claimed or not."""
    rows = warehouse.fetch_all(
        f"{_SELECT} where applied_at is null order by source, day, load_id",
        purpose="Reading which landed days are pending",
    )
    return [_landed(row) for row in rows]


@retried_on_conflict
def record_stage(warehouse: Warehouse, stage: StageRun, finished_at: datetime) -> None:
    """Enters what a stage did, in place of what an earlier attempt of the same run entered."""
    of = f"{stage.dag_id}.{stage.stage} of {stage.run_id}"
    with warehouse.transaction():
        warehouse.execute(
            "delete from ops.stage_runs where dag_id = %s and run_id = %s and stage = %s",
            (stage.dag_id, stage.run_id, stage.stage),
            purpose=f"Replacing the figures of {of}",
        )
        _insert(
            warehouse,
            "insert into ops.stage_runs (dag_id, run_id, stage, source, day, rows_in, rows_out, rows_quarantined, "
            "engine_seconds, finished_at) values ",
            [
                (
                    stage.dag_id,
                    stage.run_id,
                    stage.stage,
                    stage.source,
                    stage.day,
                    stage.rows_in,
                    stage.rows_out,
                    stage.rows_quarantined,
                    stage.engine_seconds,
                    _utc(finished_at),
                )
            ],
            f"Entering the figures of {of}",
        )


_SELECT = "select source, day, load_id, extracted_at, claimed_by, applied_at from ops.partition_loads"


def _counts_of(checks: Sequence[TableCheck]) -> dict[str, tuple[int, int, int]]:
    return {check.table: (check.rows_in, check.good, check.bad) for check in checks}


def _insert(warehouse: Warehouse, head: str, rows: Sequence[tuple[Any, ...]], purpose: str) -> None:
    for batch in _batches(rows):
        marks = "(" + ", ".join(["%s"] * len(batch[0])) + ")"
        values = [value for row in batch for value in row]
        warehouse.execute(head + ", ".join([marks] * len(batch)), values, purpose=purpose)


def _batches(rows: Sequence[tuple[Any, ...]]) -> Iterable[Sequence[tuple[Any, ...]]]:
    for begin in range(0, len(rows), ROWS_A_STATEMENT):
        yield rows[begin : begin + ROWS_A_STATEMENT]


def _landed(row: tuple[Any, ...]) -> LandedDay:
    source, day, load_id, extracted_at, claimed_by, applied_at = row
    return LandedDay(source, _date(day), load_id, _aware(extracted_at), claimed_by, applied_at and _aware(applied_at))


def _date(value: Any) -> date:
    return value.date() if isinstance(value, datetime) else value


def _aware(value: datetime) -> datetime:
    return value.replace(tzinfo=UTC)


def _utc(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise ValueError("the ledger takes instants: give a datetime with a time zone")
    return moment.astimezone(UTC).replace(tzinfo=None)
