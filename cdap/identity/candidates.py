"""From records to links: which values may be used, and which pairs the rules link."""

from __future__ import annotations

from sqlglot import exp

from cdap.identity.config import IdentityConfig, LinkRule
from cdap.identity.normalisation import normalised_sql, usable_sql
from cdap.sql import render

# Temporary tables of one resolution.
RECORDS = "resolve_records"
LINKS = "resolve_links"


def _null_unless(condition: exp.Expr, value: exp.Expr, alias: str) -> exp.Expr:
    return exp.case().when(condition, value).as_(alias)


def create_temporary(table: str, query: exp.Query) -> str:
    """The statement that fills a temporary table from a query."""
    return render(
        exp.Create(
            this=exp.to_table(table),
            kind="TABLE",
            expression=query,
            properties=exp.Properties(expressions=[exp.TemporaryProperty()]),
        )
    )


def records_statement(config: IdentityConfig) -> str:
    """Fills RECORDS: `node` (1.. in the order of the keys), `record_key`, `first_seen_at` and the fields.

    A field is normalised text, null where it is absent, junk, or an identifier's value that too many records share.
    """
    fields = config.fields
    normalised = exp.select("record_key", "first_seen_at").from_(exp.to_table(config.records))
    for name, field in fields.items():
        normalised = normalised.select(normalised_sql(name, field).as_(name))
    usable = exp.select("record_key", "first_seen_at").from_(normalised.subquery("normalised"))
    for name, field in fields.items():
        usable = usable.select(_null_unless(usable_sql(exp.column(name), field), exp.column(name), name))
    counted = exp.select("record_key", "first_seen_at", *fields).from_(usable.subquery("usable"))
    for name in config.identifiers:
        sharing = exp.Window(this=exp.Count(this=exp.Star()), partition_by=[exp.column(name)])
        counted = counted.select(sharing.as_(f"{name}_sharing"))
    node = exp.Window(this=exp.RowNumber(), order=exp.Order(expressions=[exp.Ordered(this=exp.column("record_key"))]))
    guarded = exp.select(node.as_("node"), "record_key", "first_seen_at").from_(counted.subquery("counted"))
    for name in fields:
        identifier = config.identifiers.get(name)
        if identifier is None:
            guarded = guarded.select(name)
        else:
            few = exp.LTE(this=exp.column(f"{name}_sharing"), expression=exp.Literal.number(identifier.max_records))
            guarded = guarded.select(_null_unless(few, exp.column(name), name))
    return create_temporary(RECORDS, guarded)


def shared_values_statement(config: IdentityConfig) -> str:
    """Counts, a row an identifier: its name, records with a value, records whose value is usable.

    The difference is what the guards set aside: junk, and values that too many records share.
    """
    present = exp.select().from_(exp.to_table(config.records))
    used = exp.select().from_(exp.to_table(RECORDS))
    counts: list[exp.Query] = []
    for name, identifier in config.identifiers.items():
        column = exp.column(identifier.column or name)
        counts.append(
            exp.select(
                exp.Literal.string(name).as_("identifier"),
                present.copy().select(exp.Count(this=column)).subquery().as_("present"),
                used.copy().select(exp.Count(this=exp.column(name))).subquery().as_("used"),
            )
        )
    return render(_union_all(counts))


def links_statement(config: IdentityConfig) -> str:
    """Fills LINKS: `node_a` < `node_b`, `priority` (1 is the strongest rule), `rule`, `used` (true)."""
    return create_temporary(
        LINKS, _union_all([_rule_query(rule, priority) for priority, rule in enumerate(config.rules, start=1)])
    )


def _rule_query(rule: LinkRule, priority: int) -> exp.Query:
    present = exp.and_(*(exp.column(field).is_(exp.null()).not_() for field in rule.match))
    side: exp.Query = exp.select("node", *rule.match, *rule.compatible).from_(exp.to_table(RECORDS)).where(present)
    if rule.max_records is not None:
        sharing = exp.Window(this=exp.Count(this=exp.Star()), partition_by=[exp.column(field) for field in rule.match])
        side = (
            exp.select("node", *rule.match, *rule.compatible)
            .from_(side.select(sharing.as_("sharing")).subquery("counted"))
            .where(exp.LTE(this=exp.column("sharing"), expression=exp.Literal.number(rule.max_records)))
        )
    conditions: list[exp.Expr] = [
        exp.EQ(this=exp.column(field, table="a"), expression=exp.column(field, table="b")) for field in rule.match
    ]
    conditions.append(exp.LT(this=exp.column("node", table="a"), expression=exp.column("node", table="b")))
    for field in rule.compatible:
        left, right = exp.column(field, table="a"), exp.column(field, table="b")
        conditions.append(
            exp.paren(exp.or_(exp.EQ(this=left, expression=right), left.is_(exp.null()), right.is_(exp.null())))
        )
    return (
        exp.select(
            exp.column("node", table="a").as_("node_a"),
            exp.column("node", table="b").as_("node_b"),
            exp.Literal.number(priority).as_("priority"),
            exp.cast(exp.Literal.string(rule.name), "varchar(128)").as_("rule"),
            exp.true().as_("used"),
        )
        .from_(side.subquery("a"))
        .join(side.copy().subquery("b"), on=exp.and_(*conditions))
    )


def conflicts_query(config: IdentityConfig, components: str) -> exp.Query | None:
    """Components that hold two values of an exclusive field (`component`); None when no field is exclusive."""
    found: list[exp.Query] = []
    for field in config.exclusive_fields:
        values = exp.Count(this=exp.Distinct(expressions=[exp.column(field, table="records")]))
        found.append(
            exp.select(exp.column("component", table="components"))
            .from_(exp.to_table(components).as_("components"))
            .join(
                exp.to_table(RECORDS).as_("records"),
                on=exp.EQ(this=exp.column("node", table="records"), expression=exp.column("node", table="components")),
            )
            .group_by(exp.column("component", table="components"))
            .having(exp.GT(this=values, expression=exp.Literal.number(1)))
        )
    if not found:
        return None
    return exp.select("component").distinct().from_(_union_all(found).subquery("found"))


def _union_all(queries: list[exp.Query]) -> exp.Query:
    first, *rest = queries
    for query in rest:
        first = exp.union(first, query, distinct=False)
    return first
