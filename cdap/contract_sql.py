"""The expressions by which a table's rows are judged: what is broken, of which day a row is, how it is typed.

Built with sqlglot from the contract and the columns that came; `cdap.contracts` makes statements of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from sqlglot import exp

from cdap.catalog import EXTRACTED_AT
from cdap.config import Column, Source, Table
from cdap.config.column_types import DECIMAL, glue_type, is_numeric, redshift_type
from cdap.loads import Load
from cdap.sql import CdapRedshift

NO_REASON = ""
FILE, RECORD = "_file", "_record"
# What a byte that is not of the text's encoding became on its way (Unicode, U+FFFD).
REPLACEMENT = "\ufffd"


class Rows:
    """The expressions over one table's raw rows. `types` are the names and Glue types of the columns that came."""

    def __init__(self, source: Source, contract: Table, types: dict[str, str], load: Load) -> None:
        self.source = source
        self.contract = contract
        self.types = types
        self.load = load

    def landed(self, raw: exp.Table) -> exp.Select:
        """The load's own rows: the columns that came, `_file`, and no `_record` yet."""
        partition = exp.and_(
            exp.EQ(this=_column("dt"), expression=_string(self.load.last_day.isoformat())),
            exp.EQ(this=_column("load"), expression=_string(self.load.load_id)),
        )
        return (
            exp.select(
                exp.alias_(_column("$path"), FILE, quoted=True),
                *self._came(),
                exp.alias_(_text(exp.Null()), RECORD, quoted=True),
            )
            .from_(raw)
            .where(partition)
        )

    def with_mended(self, judged: exp.Identifier, mended: exp.Identifier) -> exp.Query:
        """The load's own rows, bad ones replaced by what has been mended.

        `judged` are the load's rows as they stand by themselves, `mended` the mended records as text. Of several
        mended versions the last counts. One that is not of the columns' types, or of no bad row, counts for nothing.
        """
        bad = self._identified(judged).subquery("bad")
        versions = exp.Window(
            this=exp.RowNumber(),
            partition_by=[_column(RECORD)],
            order=exp.Order(expressions=[exp.Ordered(this=_column(FILE), desc=True)]),
        )
        usable = exp.and_(
            *(
                exp.or_(
                    exp.Is(this=_column(name), expression=exp.Null()),
                    exp.Not(this=exp.Is(this=self._as_came(name), expression=exp.Null())),
                )
                for name in self.types
            ),
            exp.In(this=_column(RECORD), query=exp.select(_column(RECORD)).from_(bad).subquery()),
        )
        last = (
            exp.select("*", exp.alias_(versions, "_version", quoted=True))
            .from_(exp.Table(this=mended))
            .where(usable)
            .subquery("versions")
        )
        answers = (
            exp.select(
                _column(FILE),
                *(exp.alias_(self._as_came(name), name, quoted=True) for name in self.types),
                _column(RECORD),
            )
            .from_(last)
            .where(exp.EQ(this=_column("_version"), expression=_number(1)))
        )
        answered = exp.select(_column(RECORD)).from_(answers.subquery("answers"))
        kept = (
            exp.select(_column(FILE), *self._came(), _column(RECORD))
            .from_(bad)
            .where(exp.Not(this=exp.In(this=_column(RECORD), query=answered.subquery())))
        )
        good = (
            exp.select(_column(FILE), *self._came(), _column(RECORD))
            .from_(exp.Table(this=judged))
            .where(exp.EQ(this=_column("_reason"), expression=_string(NO_REASON)))
        )
        return exp.union(exp.union(good, kept, distinct=False), answers, distinct=False)

    def judged(self, rows: exp.Query) -> exp.Select:
        """Every row of `rows` with `_day` and `_reason`."""
        ruled = exp.select(
            _column(FILE), *self._came(), _column(RECORD), exp.alias_(self._rules(), "_rules", quoted=True)
        ).from_(rows.subquery("came"))
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
        ranked = exp.select(
            _column(FILE), *self._came(), _column(RECORD), _column("_rules"), exp.alias_(copies, "_copy", quoted=True)
        ).from_("ruled")
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
                _column(FILE),
                *self._came(),
                _column(RECORD),
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
        """The rows with a reason, every raw column as it came, and `_record`, by which one is told from the others."""
        return exp.select(
            *self._came(),
            _column("_reason"),
            exp.alias_(_string(self.source.name), "_source", quoted=True),
            exp.alias_(_string(table), "_table", quoted=True),
            exp.alias_(_string(self.load.load_id), "_load", quoted=True),
            _column(FILE),
            _column(RECORD),
        ).from_(self._identified(judged).subquery("bad"))

    def _identified(self, judged: exp.Identifier) -> exp.Select:
        """The rows with a reason and `_record`: a hash of what came, and a number among rows that are the same."""
        digest = _digest([_digest([self._came_as_text(name)]) for name in self.types])
        among_equals = exp.Window(
            this=exp.RowNumber(),
            partition_by=[digest.copy()],
            order=exp.Order(expressions=[exp.Ordered(this=_column(FILE))]),
        )
        computed = exp.DPipe(this=exp.DPipe(this=digest, expression=_string("-")), expression=_text(among_equals))
        return (
            exp.select(
                _column(FILE),
                *self._came(),
                _column("_reason"),
                exp.alias_(exp.Coalesce(this=_column(RECORD), expressions=[computed]), RECORD, quoted=True),
            )
            .from_(exp.Table(this=judged))
            .where(exp.NEQ(this=_column("_reason"), expression=_string(NO_REASON)))
        )

    def _came(self) -> list[exp.Column]:
        return [_column(name) for name in self.types]

    def _came_as_text(self, name: str) -> exp.Expr:
        value: exp.Expr = _column(name)
        if self.types[name] == "boolean":
            # Redshift does not cast a boolean to text.
            value = exp.Case().when(value, _string("true")).when(exp.Not(this=_column(name)), _string("false"))
        elif self.types[name] != "string":
            value = _text(value)
        return exp.Coalesce(this=value, expressions=[_string("\\N")])

    def _as_came(self, name: str) -> exp.Expr:
        """A mended value, which is text, as the type that the source's column has; null where it cannot be."""
        if self.types[name] == "string":
            return _column(name)
        return exp.TryCast(this=_column(name), to=exp.DataType.build(self.types[name], dialect=CdapRedshift))

    def _rules(self) -> exp.Expr:
        judged = [self._rule(name, column) for name, column in self.contract.columns.items() if name in self.types]
        if self.contract.extra_columns == "quarantine":
            judged += [
                exp.Case()
                .when(exp.Is(this=_column(name), expression=exp.Null()), _string(NO_REASON))
                .else_(_string(f"unexpected:{name};"))
                for name in self.types
                if name not in self.contract.columns
            ]
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
        if self.types[name] == "string":
            found = exp.StrPosition(this=_column(name), substr=_string(REPLACEMENT))
            yield "encoding", exp.GT(this=found, expression=_number(0))
        if column.format == "json":
            kinds = ("IS_VALID_JSON", "IS_VALID_JSON_ARRAY")
            valid = exp.or_(*(exp.Anonymous(this=kind, expressions=[_column(name)]) for kind in kinds))
            yield "json", exp.not_(valid)
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
        for name in [*self.types, FILE]:
            yield exp.Ordered(this=_column(name), desc=False, nulls_first=False)


def _column(name: str) -> exp.Column:
    return exp.column(exp.to_identifier(name, quoted=True))


def _string(value: str) -> exp.Literal:
    return exp.Literal.string(value)


def _number(value: int | Decimal) -> exp.Expr:
    return exp.Literal.number(str(value))


def _text(value: exp.Expr) -> exp.Cast:
    return exp.Cast(this=value, to=exp.DataType.build("varchar(65535)", dialect=CdapRedshift))


def _digest(parts: list[exp.Expr]) -> exp.Expr:
    joined = parts[0]
    for part in parts[1:]:
        joined = exp.DPipe(this=joined, expression=part)
    return exp.MD5(this=joined)


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
