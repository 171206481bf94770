"""The identifiers of records as they may be used: normalised, without junk and without what too many records share."""

from __future__ import annotations

from sqlglot import exp

from cdap.identity.config import IdentityConfig
from cdap.identity.normalisation import normalised_sql, usable_sql
from cdap.sql import render


def identifiers_query(config: IdentityConfig) -> str:
    """A row a record: `record_key` and each identifier, null where it is absent, junk, or too many records share it."""
    names = config.identifiers
    normalised = exp.select("record_key").from_(exp.to_table(config.records))
    for name, field in names.items():
        normalised = normalised.select(normalised_sql(name, field).as_(name))
    usable = exp.select("record_key").from_(normalised.subquery("normalised"))
    for name, field in names.items():
        usable = usable.select(_null_unless(usable_sql(exp.column(name), field), exp.column(name), name))
    counted = exp.select("record_key", *names).from_(usable.subquery("usable"))
    for name in names:
        sharing = exp.Window(this=exp.Count(this=exp.Star()), partition_by=[exp.column(name)])
        counted = counted.select(sharing.as_(f"{name}_sharing"))
    guarded = exp.select("record_key").from_(counted.subquery("counted"))
    for name, field in names.items():
        few = exp.LTE(this=exp.column(f"{name}_sharing"), expression=exp.Literal.number(field.max_records))
        guarded = guarded.select(_null_unless(few, exp.column(name), name))
    return render(guarded)


def _null_unless(condition: exp.Expr, value: exp.Expr, alias: str) -> exp.Expr:
    return exp.case().when(condition, value).as_(alias)
