"""Queries in Trino's SQL as DuckDB's: names are looked up in the data catalog, functions are given Trino's meaning."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import sqlglot
from sqlglot import exp
from sqlglot.errors import ParseError, TokenError

from localcloud.engines.trino.errors import TrinoError

Relation = Callable[[str, str, bool], Any]
"""From database, name and whether the query asks for ``$path``: the DuckDB query of a table, or a view's Trino query.

A DuckDB query is marked by ``meta["translated"]``. Raises :class:`TrinoError`.
"""
CATALOGS = ("awsdatacatalog", "hive", "awsglue")
_MAXIMUM_DEPTH = 32


def parse(sql: str) -> Any:
    """The tree of one statement. Raises :class:`TrinoError` (SYNTAX_ERROR)."""
    try:
        found = [tree for tree in sqlglot.parse(sql, read="athena") if tree is not None]
    except (ParseError, TokenError) as error:
        raise _syntax_error(error) from error
    if len(found) != 1:
        raise TrinoError("SYNTAX_ERROR", "Only one sql statement is allowed." if found else "the query is empty")
    return found[0]


def _syntax_error(error: Exception) -> TrinoError:
    details = getattr(error, "errors", None)
    if not details:
        return TrinoError("SYNTAX_ERROR", str(error))
    first = details[0]
    where = f"line {first.get('line')}:{first.get('col')}"
    return TrinoError("SYNTAX_ERROR", f"{where}: mismatched input '{first.get('highlight')}'. {first['description']}")


def to_duckdb(tree: Any, database: str, relation: Relation) -> str:
    """The DuckDB text of a query, whose columns have the names that Trino gives them.

    Raises :class:`TrinoError` for what is not in the catalog or has no counterpart.
    """
    tree = _values_as_select(tree.copy())
    _name_columns(tree)
    _resolve(tree, database, relation, 0)
    rewritten = tree.transform(_rewrite)
    return str(rewritten.sql(dialect="duckdb"))


# Names -----------------------------------------------------------------------------------------------------------


def _values_as_select(tree: Any) -> Any:
    if not isinstance(tree, exp.Values):
        return tree
    width = len(tree.expressions[0].expressions) if isinstance(tree.expressions[0], exp.Tuple) else 1
    names = [exp.to_identifier(f"_col{index}", quoted=True) for index in range(width)]
    tree.set("alias", exp.TableAlias(this=exp.to_identifier("rows", quoted=True), columns=names))
    return exp.select("*").from_(tree)


def _name_columns(tree: Any) -> None:
    """Column names of the result: lower case, ``_col<n>`` for expressions without one."""
    first = tree
    while isinstance(first, exp.SetOperation | exp.Subquery):
        first = first.this
    if not isinstance(first, exp.Select):
        return
    named: list[Any] = []
    for index, projection in enumerate(first.expressions):
        if isinstance(projection, exp.Star) or (isinstance(projection, exp.Column) and projection.is_star):
            named.append(projection)
            continue
        name = projection.alias or (
            projection.name if isinstance(projection, exp.Column) else _field_name(projection) or f"_col{index}"
        )
        named.append(exp.alias_(projection.unalias(), name.lower(), quoted=True))
    first.set("expressions", named)


def _field_name(projection: Any) -> str:
    return str(projection.expression.name) if isinstance(projection, exp.Dot) else ""


def _resolve(tree: Any, database: str, relation: Relation, depth: int) -> None:
    if depth > _MAXIMUM_DEPTH:
        raise TrinoError("VIEW_IS_RECURSIVE", "a view refers to itself")
    asks_for_path = any(name.this in ("$path", "$file_size") for name in tree.find_all(exp.Identifier))
    for table in list(tree.find_all(exp.Table)):
        if not isinstance(table.this, exp.Identifier) or (not table.db and _is_cte(table)):
            continue
        if table.catalog and table.catalog.lower() not in CATALOGS:
            raise TrinoError("CATALOG_NOT_FOUND", f"Catalog '{table.catalog}' does not exist")
        where, name = (table.db or database).lower(), table.name.lower()
        found = relation(where, name, asks_for_path)
        if not found.meta.get("translated"):
            _resolve(found, where, relation, depth + 1)
        replacement = exp.Subquery(this=found, alias=table.args.get("alias"))
        if replacement.args.get("alias") is None:
            replacement.set("alias", exp.TableAlias(this=exp.to_identifier(name, quoted=True)))
        for key in ("joins", "laterals", "sample", "pivots"):
            if table.args.get(key):
                replacement.set(key, table.args[key])
        table.replace(replacement)
    for column in tree.find_all(exp.Column):
        if column.args.get("db"):
            column.set("db", None)
            column.set("catalog", None)


def _is_cte(table: Any) -> bool:
    name, node = table.name.lower(), table.parent
    while node is not None:
        with_ = node.args.get("with_")
        if with_ is not None and any(cte.alias.lower() == name for cte in with_.expressions):
            return True
        node = node.parent
    return False


# Functions -------------------------------------------------------------------------------------------------------


def _call(name: str, *arguments: Any) -> Any:
    return exp.Anonymous(this=name, expressions=[argument for argument in arguments if argument is not None])


def _rewrite(node: Any) -> Any:
    if node.meta.get("translated"):
        return node
    rule = _RULES.get(type(node))
    return rule(node) if rule else node


def _date_diff(node: Any) -> Any:
    unit = exp.Literal.string(str(node.args["unit"].name).lower())
    # sqlglot keeps the later moment first.
    return _call("trino_date_diff", unit, node.expression, node.this)


def _date_add(node: Any) -> Any:
    if not node.args.get("unit"):
        return node
    period = exp.Interval(this=exp.Paren(this=node.expression), unit=node.args["unit"])
    return _call("trino_date_add", node.this, period)


def _date_trunc(node: Any) -> Any:
    return _call("trino_date_trunc", exp.Literal.string(str(node.args["unit"].name).lower()), node.this)


def _regexp_extract(node: Any) -> Any:
    return _call("trino_regexp_extract", node.this, node.expression, node.args.get("group"))


def _split_part(node: Any) -> Any:
    return _call("trino_split_part", node.this, node.args["delimiter"], node.args["part_index"])


def _json_scalar(node: Any) -> Any:
    path = node.expression.sql(dialect="trino")
    return _call("trino_json_extract_scalar", node.this, exp.Literal.string(path.strip("'")))


def _unnest(node: Any) -> Any:
    """UNNEST of several arrays, or of a map: side by side, the shorter ones filled with null."""
    alias = node.args.get("alias")
    columns = list(alias.args.get("columns") or []) if alias else []
    arrays = list(node.expressions)
    ordinal = node.args.get("offset")
    if len(arrays) == 1 and len(columns) - (ordinal is True) < 2:
        return node
    parts: list[Any] = []
    for array in arrays:
        if len(arrays) == 1:
            parts += [_call("unnest", _call("map_keys", array)), _call("unnest", _call("map_values", array.copy()))]
        else:
            parts.append(_call("unnest", array))
    if ordinal:
        lengths = [_call("len", array.copy()) for array in arrays]
        longest = lengths[0] if len(lengths) == 1 else exp.Greatest(this=lengths[0], expressions=lengths[1:])
        parts.append(_call("unnest", _call("generate_series", exp.Literal.number(1), longest)))
    if isinstance(ordinal, exp.Identifier):
        # The last of the names, which sqlglot keeps apart.
        columns.append(ordinal)
    names = [column.name for column in columns] or [f"_col{index}" for index in range(len(parts))]
    if len(names) != len(parts):
        raise TrinoError(
            "MISMATCHED_COLUMN_ALIASES", f"UNNEST gives {len(parts)} columns, {len(names)} names were given"
        )
    select = exp.select(*[exp.alias_(part, name, quoted=True) for part, name in zip(parts, names, strict=True)])
    return exp.Lateral(
        this=exp.Subquery(this=select), alias=exp.TableAlias(this=alias.this if alias and alias.this else "unnested")
    )


def _extract(node: Any) -> Any:
    # Trino's days of the week are those of ISO, Monday 1 to Sunday 7.
    if str(node.this.name).lower() in ("dow", "day_of_week"):
        return _call("isodow", node.expression)
    return node


def _anonymous(node: Any) -> Any:
    if str(node.this).lower() == "map_agg" and len(node.expressions) == 2:
        key, value = node.expressions
        there = exp.Not(this=exp.Is(this=key.copy(), expression=exp.Null()))
        return _call("map", *(exp.Filter(this=_call("list", item), expression=exp.Where(this=there.copy()))
                              for item in (key, value)))  # fmt: skip
    return node


_RULES: dict[type, Callable[[Any], Any]] = {
    exp.DateDiff: _date_diff,
    exp.DateAdd: _date_add,
    exp.DateTrunc: _date_trunc,
    exp.TimestampTrunc: _date_trunc,
    exp.RegexpExtract: _regexp_extract,
    exp.SplitPart: _split_part,
    exp.JSONExtractScalar: _json_scalar,
    exp.Unnest: _unnest,
    exp.Extract: _extract,
    exp.Anonymous: _anonymous,
    exp.Div: lambda node: _call("trino_divide", node.this, node.expression),
    exp.Mod: lambda node: _call("trino_modulo", node.this, node.expression),
}
