"""Checks a load against its table's contract, in the warehouse: good rows typed to the lake, bad ones to quarantine.

The statements are built with sqlglot from the contract and the columns that came (docs/architecture.md, One source's
day). No row passes through the worker.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from sqlglot import exp

from cdap.catalog import EXTRACTED_AT, Columns
from cdap.config import Column, Source, Table
from cdap.config.column_types import DECIMAL, glue_type, is_numeric, redshift_type
from cdap.errors import ReconciliationError
from cdap.loads import Load, clean_folder, quarantine_folder
from cdap.sql import CdapRedshift, identifier, literal, render
from cdap.warehouse import Warehouse

NO_REASON = ""


@dataclass(frozen=True)
class CheckStatements:
    """The statements that check one table's load, in the order they run in one session.

    `judge` makes a temporary table with the raw columns of each row and the reason why it is bad, empty when it is
    good: the lake is read once. `counts` gives (day of the row, reason, rows).
    """

    discard: str
    judge: str
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
    source: Source, table: str, raw_columns: Columns, load: Load, bucket: str, role_arn: str, raw_schema: str = "raw"
) -> CheckStatements:
    """The statements for one table. `raw_columns` are the names and Glue types of the load's own files.

    Reasons are `missing:<column>`, `type:`, `range:`, `enum:`, `length:`, `pattern:`, `window:`, joined by `;`, or
    `duplicate:<key columns>` for a row that breaks nothing else but has the key of another one: the newest by
    `changed_at` stays, ties by the values of the columns.
    """
    contract = source.tables[table]
    judged = exp.to_identifier(f"cdap_check_{source.lake_table(table)}", quoted=True)
    rows = _Rows(source, contract, dict(raw_columns), load)
    judge = exp.Create(
        this=exp.Table(this=judged),
        kind="TABLE",
        properties=exp.Properties(expressions=[exp.TemporaryProperty()]),
        expression=rows.judged(exp.table_(source.lake_table(table), db=raw_schema, quoted=True)),
    )
    counts = (
        exp.select(_column("_day"), _column("_reason"), exp.alias_(exp.Count(this=exp.Star()), "row_count"))
        .from_(exp.Table(this=judged))
        .group_by(_column("_day"), _column("_reason"))
    )
    good = rows.good(judged)
    bad = rows.bad(judged, table)
    return CheckStatements(
        discard=f"DROP TABLE IF EXISTS {identifier(judged.this)}",
        judge=render(judge),
        counts=render(counts),
        unload_good=_unload(good, bucket, clean_folder(source.name, table, load.load_id), role_arn, "PARQUET", "dt"),
        unload_bad=_unload(
            bad, bucket, quarantine_folder(source.name, table, load.last_day, load.load_id), role_arn, "JSON"
        ),
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
) -> TableCheck:
    """Checks one table of a load and reconciles it; safe to run again, what an earlier attempt wrote is replaced.

    `extracted` is how many rows the extraction says it wrote. `raw_columns` is empty when it wrote no file, and then
    nothing is asked of the warehouse. Raises ReconciliationError when rows do not add up, WarehouseError when a
    statement is refused.
    """
    if not raw_columns:
        reconcile(source.name, table, load, extracted=extracted, rows_in=0, good=0, bad=0)
        return TableCheck(table, 0, 0, 0)
    run = check_statements(source, table, raw_columns, load, bucket, role_arn)
    of = f"of {source.name}.{table}, load {load.load_id}"
    warehouse.execute(run.discard, purpose=f"Discarding an earlier check {of}")
    warehouse.execute(run.judge, purpose=f"Checking the rows {of}")
    rows_in, good_days, reasons = 0, set(), dict[str, int]()
    for day, reason, count in warehouse.fetch_all(run.counts, purpose=f"Counting the rows {of}"):
        rows_in += int(count)
        if reason == NO_REASON:
            good_days.add(str(day))
        else:
            reasons[str(reason)] = reasons.get(str(reason), 0) + int(count)
    good = _unloaded(warehouse, run.unload_good, f"Writing the good rows {of}")
    bad = _unloaded(warehouse, run.unload_bad, f"Writing the quarantined rows {of}")
    warehouse.execute(run.discard, purpose=f"Discarding the check {of}")
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


class _Rows:
    """The expressions over one table's raw rows."""

    def __init__(self, source: Source, contract: Table, types: dict[str, str], load: Load) -> None:
        self.source = source
        self.contract = contract
        self.types = types
        self.load = load

    def judged(self, raw: exp.Table) -> exp.Select:
        """Every raw row of the load's partition with `_file`, `_day` and `_reason`."""
        partition = exp.and_(
            exp.EQ(this=_column("dt"), expression=_string(self.load.last_day.isoformat())),
            exp.EQ(this=_column("load"), expression=_string(self.load.load_id)),
        )
        came = [_column(name) for name in self.types]
        ruled = (
            exp.select(
                exp.alias_(_column("$path"), "_file", quoted=True),
                *came,
                exp.alias_(self._rules(), "_rules", quoted=True),
            )
            .from_(raw)
            .where(partition)
        )
        breaks_nothing = exp.EQ(this=_column("_rules"), expression=_string(NO_REASON))
        # Rows that break a rule are ranked apart, so that a bad row never takes a good one's place.
        copies = exp.Window(
            this=exp.RowNumber(),
            partition_by=[
                *(_column(name) for name in self.contract.key),
                exp.Case().when(breaks_nothing, _number(1)).else_(_number(0)),
            ],
            order=exp.Order(expressions=list(self._precedence())),
        )
        ranked = exp.select(_column("_file"), *came, _column("_rules"), exp.alias_(copies, "_copy", quoted=True)).from_(
            "ruled"
        )
        reason = (
            exp.Case()
            .when(exp.NEQ(this=_column("_rules"), expression=_string(NO_REASON)), _trim_end(_column("_rules")))
            .when(
                exp.GT(this=_column("_copy"), expression=_number(1)),
                _string(f"duplicate:{','.join(self.contract.key)}"),
            )
            .else_(_string(NO_REASON))
        )
        return (
            exp.select(
                _column("_file"),
                *came,
                exp.alias_(self._day(), "_day", quoted=True),
                exp.alias_(reason, "_reason", quoted=True),
            )
            .with_("ruled", as_=ruled)
            .with_("ranked", as_=ranked)
            .from_("ranked")
        )

    def good(self, judged: exp.Identifier) -> exp.Select:
        """The rows without a reason: the contract's columns, typed; `_extracted_at`; and the partition `dt`."""
        extracted_at = _timestamp(self.load.extracted_at.astimezone(UTC).replace(tzinfo=None))
        return (
            exp.select(
                *(
                    exp.alias_(_cast(self._in_utc(name, column), column.type), name, quoted=True)
                    for name, column in self.contract.columns.items()
                ),
                exp.alias_(extracted_at, EXTRACTED_AT, quoted=True),
                exp.alias_(_column("_day"), "dt", quoted=True),
            )
            .from_(exp.Table(this=judged))
            .where(exp.EQ(this=_column("_reason"), expression=_string(NO_REASON)))
        )

    def bad(self, judged: exp.Identifier, table: str) -> exp.Select:
        """The rows with a reason, every raw column as it came."""
        return (
            exp.select(
                *(_column(name) for name in self.types),
                _column("_reason"),
                exp.alias_(_string(self.source.name), "_source", quoted=True),
                exp.alias_(_string(table), "_table", quoted=True),
                exp.alias_(_string(self.load.load_id), "_load", quoted=True),
                _column("_file"),
            )
            .from_(exp.Table(this=judged))
            .where(exp.NEQ(this=_column("_reason"), expression=_string(NO_REASON)))
        )

    def _rules(self) -> exp.Expr:
        judged = [self._rule(name, column) for name, column in self.contract.columns.items() if name in self.types]
        joined: exp.Expr = judged[0]
        for case in judged[1:]:
            joined = exp.DPipe(this=joined, expression=case)
        return joined

    def _rule(self, name: str, column: Column) -> exp.Case:
        """The first rule that a value breaks, as `<rule>:<column>;`, else nothing."""
        case = exp.Case()
        missing = exp.Is(this=_column(name), expression=exp.Null())
        case = case.when(missing, _string(f"missing:{name};" if column.required else NO_REASON))
        for rule, broken in self._breaks(name, column):
            case = case.when(broken, _string(f"{rule}:{name};"))
        return case.else_(_string(NO_REASON))

    def _breaks(self, name: str, column: Column) -> Iterator[tuple[str, exp.Expr]]:
        value = self._typed(name, column)
        if self.types[name] != glue_type(column.type):
            yield "type", self._not_of_type(name, column)
        if column.min is not None:
            yield "range", exp.LT(this=value, expression=_value(column.min, column.type))
        if column.max is not None:
            yield "range", exp.GT(this=value, expression=_value(column.max, column.type))
        if column.enum is not None:
            yield "enum", exp.Not(this=exp.In(this=value, expressions=[_string(item) for item in column.enum]))
        if column.max_length is not None:
            yield "length", exp.GT(this=exp.Length(this=value), expression=_number(column.max_length))
        if column.pattern is not None:
            yield "pattern", exp.Not(this=exp.RegexpLike(this=value, expression=_string(column.pattern)))
        if name == self.contract.window_column:
            begin, end = self._window(column)
            yield (
                "window",
                exp.or_(exp.LT(this=value, expression=begin), exp.GTE(this=value, expression=end)),
            )

    def _typed(self, name: str, column: Column) -> exp.Expr:
        """The value as the contract's type, null where it cannot be."""
        came, wanted = self.types[name], column.type
        if came == glue_type(wanted):
            return _column(name)
        if wanted == "string":
            return _cast(_column(name), wanted)
        return exp.TryCast(this=_column(name), to=_data_type(wanted))

    def _not_of_type(self, name: str, column: Column) -> exp.Expr:
        """No value of the type, or one that the cast would change: a rounded amount, a timestamp's lost time."""
        typed = self._typed(name, column)
        failed: exp.Expr = exp.Is(this=typed, expression=exp.Null())
        came = self.types[name]
        reference: exp.Expr | None = None
        if is_numeric(column.type) and column.type != "double":
            reference = _column(name)
            if came == "string":
                match = DECIMAL.fullmatch(column.type)
                whole = int(match[1]) - int(match[2]) if match else 19
                reference = exp.TryCast(this=reference, to=_data_type(f"decimal(38,{min(18, 38 - whole)})"))
        elif column.type == "date" and came in ("timestamp", "string"):
            reference = exp.TryCast(this=_column(name), to=_data_type("timestamp"))
        if reference is None:
            return failed
        return exp.or_(failed, exp.NEQ(this=typed, expression=reference))

    def _in_utc(self, name: str, column: Column) -> exp.Expr:
        if name not in self.types:
            return exp.Null()
        value = self._typed(name, column)
        if column.type == "timestamp" and self.source.timezone != "UTC":
            # An hour that clocks pass twice is taken as Redshift's CONVERT_TIMEZONE takes it.
            return _convert_timezone(value, self.source.timezone, "UTC")
        return value

    def _day(self) -> exp.Expr:
        """The day a row belongs to, `YYYY-MM-DD` in the source's time zone."""
        # A changed record leaves its old day, so it is filed under the load's, however long the window.
        if self.contract.load != "append":
            return _string(self.load.last_day.isoformat())
        name = self.contract.window_column_name
        column = self.contract.columns[name]
        value = self._typed(name, column)
        if column.type == "timestamptz" and self.source.timezone != "UTC":
            value = _convert_timezone(value, "UTC", self.source.timezone)
        return exp.Anonymous(this="TO_CHAR", expressions=[_cast(value, "date"), _string("YYYY-MM-DD")])

    def _window(self, column: Column) -> tuple[exp.Expr, exp.Expr]:
        begin, end = self.load.window.wall_clock()
        if column.type == "timestamptz":
            begin, end = (
                moment.astimezone(UTC).replace(tzinfo=None) for moment in self.load.window.instants(self.source.zone)
            )
        if column.type == "date":
            return _value(begin.date(), "date"), _value(end.date(), "date")
        return _timestamp(begin), _timestamp(end)

    def _precedence(self) -> Iterator[exp.Ordered]:
        changed_at = self.contract.newest_by
        if changed_at is not None and changed_at in self.types:
            newest = self._typed(changed_at, self.contract.columns[changed_at])
            yield exp.Ordered(this=newest, desc=True, nulls_first=False)
        for name in [*self.types, "_file"]:
            yield exp.Ordered(this=_column(name), desc=False, nulls_first=False)


def _column(name: str) -> exp.Column:
    return exp.column(exp.to_identifier(name, quoted=True))


def _string(value: str) -> exp.Literal:
    return exp.Literal.string(value)


def _number(value: int | Decimal) -> exp.Expr:
    return exp.Literal.number(str(value))


def _data_type(column_type: str) -> exp.DataType:
    return exp.DataType.build(redshift_type(column_type), dialect=CdapRedshift)


def _cast(value: exp.Expr, column_type: str) -> exp.Cast:
    return exp.Cast(this=value, to=_data_type(column_type))


def _timestamp(moment: datetime) -> exp.Cast:
    return _cast(_string(moment.isoformat(sep=" ", timespec="microseconds")), "timestamp")


def _value(bound: Any, column_type: str) -> exp.Expr:
    if isinstance(bound, datetime):
        return _timestamp(bound.astimezone(UTC).replace(tzinfo=None) if bound.tzinfo is not None else bound)
    if isinstance(bound, date):
        return _cast(_string(bound.isoformat()), "date")
    return _cast(_number(bound), column_type) if column_type == "double" else _number(bound)


def _convert_timezone(value: exp.Expr, origin: str, target: str) -> exp.Expr:
    return exp.ConvertTimezone(source_tz=_string(origin), target_tz=_string(target), timestamp=value)


def _trim_end(value: exp.Expr) -> exp.Expr:
    return exp.Trim(this=value, expression=_string(";"), position="TRAILING")
