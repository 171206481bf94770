"""Results of division, AVG and SUM in the types that Redshift gives them.

The engine divides decimals as floating point, averages whole numbers to fractions and sums them to 128 bits. What
Redshift does depends on the operands' types ("Computations with numeric values", "AVG function", "SUM function"), which
the engine itself is asked for, by binding the operands over the FROM clause that they stand in.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from sqlglot import exp

TypesOf = Callable[[Any], list[str] | None]
"""The engine's types of the columns of a query; None when it cannot be bound."""

_DECIMAL = re.compile(r"DECIMAL\((\d+),\s*(\d+)\)")
_WHOLE = {"TINYINT": 5, "SMALLINT": 5, "INTEGER": 10, "BIGINT": 19, "HUGEINT": 38}


def settle(root: Any, types_of: TypesOf) -> None:
    """Give every division, AVG and SUM under ``root``, a translated tree, Redshift's type."""
    for select in list(_selects(root)):
        while nodes := [node for node in _open_nodes(select) if not _has_open_descendant(node)]:
            _settle_nodes(select, nodes, types_of)


def _selects(node: Any) -> Iterator[Any]:
    """The SELECTs, those of common table expressions and subqueries before the ones that read them."""
    if node.meta.get("translated"):
        return
    with_ = node.args.get("with_")
    if with_ is not None:
        yield from _selects(with_)
    for child in node.iter_expressions():
        if child is not with_:
            yield from _selects(child)
    if isinstance(node, exp.Select):
        yield node


def _is_open(node: Any) -> bool:
    if node.meta.get("settled"):
        return False
    if isinstance(node, exp.Div):
        return True
    return isinstance(node, exp.Anonymous) and node.name.lower() in ("avg", "sum") and len(node.expressions) == 1


def _within(select: Any) -> Iterator[Any]:
    """The nodes of a SELECT without those of the queries inside of it."""
    pending = [child for child in select.iter_expressions() if not isinstance(child, exp.With)]
    while pending:
        node = pending.pop()
        if isinstance(node, exp.Query):
            continue
        yield node
        pending += list(node.iter_expressions())


def _open_nodes(select: Any) -> list[Any]:
    return [node for node in _within(select) if _is_open(node)]


def _has_open_descendant(node: Any) -> bool:
    return any(inner is not node and _is_open(inner) for inner in node.walk())


def _operands(node: Any) -> list[Any]:
    if isinstance(node, exp.Div):
        return [node.this, node.expression]
    argument = node.expressions[0]
    return list(argument.expressions) if isinstance(argument, exp.Distinct) else [argument]


def _settle_nodes(select: Any, nodes: list[Any], types_of: TypesOf) -> None:
    operands = [operand for node in nodes for operand in _operands(node)]
    types = _types(select, operands, types_of)
    for node in nodes:
        count = len(_operands(node))
        mine, types = types[:count], types[count:]
        node.meta["settled"] = True
        if isinstance(node, exp.Div):
            _settle_division(node, mine)
        else:
            _settle_aggregate(node, mine[0])


def _types(select: Any, operands: list[Any], types_of: TypesOf) -> list[str | None]:
    together = types_of(_probe(select, operands))
    if together is not None:
        return list(together)
    found: list[str | None] = []
    aliases = {p.alias: p.this for p in select.expressions if isinstance(p, exp.Alias)}
    for operand in operands:
        alone = types_of(_probe(select, [operand])) or types_of(_probe(select, [_without_aliases(operand, aliases)]))
        found.append(alone[0] if alone else None)
    return found


def _without_aliases(operand: Any, aliases: dict[str, Any]) -> Any:
    """An operand that names earlier output columns, with what stands behind those names."""

    def replace(node: Any) -> Any:
        if isinstance(node, exp.Column) and not node.table and node.name in aliases:
            return exp.Paren(this=aliases[node.name].copy())
        return node

    return operand.copy().transform(replace)


def _probe(select: Any, operands: list[Any]) -> Any:
    """A query of the operands over the FROM clause of ``select``."""
    probe = exp.Select(
        expressions=[
            exp.alias_(exp.Paren(this=operand.copy()), f"o{index}", quoted=True)
            for index, operand in enumerate(operands)
        ]
    )
    for part in ("from_", "joins", "laterals", "windows"):
        value = select.args.get(part)
        if value:
            probe.set(part, [v.copy() for v in value] if isinstance(value, list) else value.copy())
    visible = _visible_ctes(select)
    if visible:
        recursive = any(cte.parent.args.get("recursive") for cte in visible)
        probe.set("with_", exp.With(expressions=[cte.copy() for cte in visible], recursive=recursive))
    return probe


def _visible_ctes(select: Any) -> list[Any]:
    found: dict[str, Any] = {}
    node, came_from = select, None
    while node is not None:
        with_ = node.args.get("with_")
        if with_ is not None:
            expressions = list(with_.expressions)
            if came_from is not None and came_from.parent is with_:
                expressions = expressions[: expressions.index(came_from)]
            found = {**{cte.alias: cte for cte in expressions if cte.alias not in found}, **found}
        if isinstance(node, exp.CTE):
            came_from = node
        node = node.parent
    return list(found.values())


def _cast(value: Any, kind: str) -> Any:
    return exp.Cast(this=value, to=exp.DataType.build(kind, dialect="duckdb"))


def _settle_division(node: Any, types: list[str | None]) -> None:
    left, right = (_precision(kind) for kind in types)
    if left is None or right is None:
        return
    if all(kind in _WHOLE for kind in types):
        return  # the session divides whole numbers to whole numbers
    precision, scale = division_type(left, right)
    divided = node.copy()
    divided.set("this", _cast(exp.Paren(this=node.this.copy()), "DOUBLE"))
    divided.set("expression", _cast(exp.Paren(this=node.expression.copy()), "DOUBLE"))
    node.replace(_cast(exp.Paren(this=divided), f"DECIMAL({precision},{scale})"))


def _precision(kind: str | None) -> tuple[int, int] | None:
    if kind is None:
        return None
    if kind in _WHOLE:
        return _WHOLE[kind], 0
    found = _DECIMAL.fullmatch(kind)
    return (int(found[1]), int(found[2])) if found else None


def division_type(left: tuple[int, int], right: tuple[int, int]) -> tuple[int, int]:
    """Precision and scale of a quotient of decimals ("Computations with numeric values": division)."""
    scale = max(4, left[1] + right[0] - right[1] + 1)
    precision = left[0] - left[1] + right[1] + scale
    if precision > 38:
        # Digits before the point are kept; the scale gives way, but not below four.
        scale = max(min(scale, 38 - (precision - scale)), 4)
        precision = 38
    return precision, scale


def _settle_aggregate(node: Any, kind: str | None) -> None:
    if kind is None:
        return
    outer = node
    while isinstance(outer.parent, exp.Window | exp.Filter) and outer.parent.this is outer:
        outer = outer.parent
    decimal = _DECIMAL.fullmatch(kind)
    if node.name.lower() == "sum":
        target = "BIGINT" if kind in ("TINYINT", "SMALLINT", "INTEGER") else "DECIMAL(38,0)" if kind in _WHOLE else None
        if target:
            outer.replace(_cast(outer.copy(), target))
    elif kind in _WHOLE:
        whole = exp.Anonymous(this="trunc", expressions=[outer.copy()])
        outer.replace(_cast(whole, "BIGINT"))
    elif decimal:
        outer.replace(_cast(outer.copy(), f"DECIMAL(38,{decimal[2]})"))
