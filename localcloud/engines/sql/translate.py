"""Redshift queries as DuckDB queries: names, functions, casts and operators of the syntax tree."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Protocol

from sqlglot import exp
from sqlglot.dialects.duckdb import DuckDB

from localcloud.engines.sql import arithmetic
from localcloud.engines.sql.errors import SqlError, unsupported
from localcloud.engines.sql.functions import translation as functions
from localcloud.engines.sql.naming import name_outputs

_SYSTEM_PREFIXES = ("pg_", "svv_", "svl_", "stl_", "stv_", "sys_", "svcs_")


class WarehouseTarget(DuckDB):
    """DuckDB's SQL, with the modifiers of functions that sqlglot knows only for its own function classes."""

    class Generator(DuckDB.Generator):  # type: ignore[valid-type, misc]
        def ignorenulls_sql(self, expression: exp.IgnoreNulls) -> str:
            return self._modified(expression, "IGNORE NULLS")

        def respectnulls_sql(self, expression: exp.RespectNulls) -> str:
            return self._modified(expression, "RESPECT NULLS")

        def _modified(self, expression: exp.Expression, words: str) -> str:
            inner = expression.this
            arguments = ", ".join(self.sql(argument) for argument in inner.expressions)
            return f"{inner.name}({arguments} {words})"


def to_sql(expression: Any) -> str:
    """The DuckDB text of a translated tree; every identifier is quoted."""
    return str(expression.sql(dialect=WarehouseTarget, identify=True, normalize_functions=False))


class Relations(Protocol):
    """What the translation asks about names."""

    def system_relation(self, schema: str | None, name: str) -> Any | None:
        """The table of the system catalog of that name, or None."""

    def replacement(self, table: Any) -> Any | None:
        """The query that stands for a late-binding view or an external table, translated; None for other relations."""

    def user_function(self, schema: str | None, name: str) -> str | None:
        """The DuckDB macro of a function of the user's, of the search path without a schema; or None."""

    def setting(self, name: str) -> str:
        """The value of a parameter of the session. Raises SqlError (42704)."""

    def types_of(self, query: str) -> list[str] | None:
        """The engine's types of a DuckDB query's columns; None when it cannot be bound. Changes nothing."""

    def end_session(self, pid: int) -> bool:
        """Interrupt a session and close its connection; whether there was one."""


@dataclass
class Scope:
    """What a translation knows of the session that it is for."""

    relations: Relations
    user: str
    values: dict[str, str] = field(default_factory=dict)
    """Functions without arguments and their values: ``current_database``, ``version``, ``pg_backend_pid``..."""


def bind(expression: Any, arguments: list[Any]) -> Any:
    """``expression`` with each ``$n`` replaced by the n-th of ``arguments`` (syntax trees of literals)."""

    def replace(node: Any) -> Any:
        if isinstance(node, exp.Parameter):
            index = int(node.name or node.this.name)
            if not 1 <= index <= len(arguments):
                raise SqlError("08P01", f"the statement has no parameter ${index}: {len(arguments)} were bound")
            return arguments[index - 1].copy()
        return node

    return expression.transform(replace)


def parameter_count(expression: Any) -> int:
    """The highest ``$n`` in a tree, 0 without parameters."""
    return max((int(node.name or node.this.name) for node in expression.find_all(exp.Parameter)), default=0)


def fold_names(expression: Any) -> Any:
    """Lower-case every identifier, quoted or not, as Redshift does by default."""
    for node in expression.find_all(exp.Identifier):
        node.set("this", node.this.lower())
    return expression


def translate(expression: Any, scope: Scope) -> Any:
    """A parsed Redshift query or DML statement as the tree of the DuckDB one. Raises SqlError."""
    fold_names(expression)
    name_outputs(expression)
    _resolve_tables(expression, scope)
    root = exp.Tuple(expressions=[expression])
    for node in reversed(list(root.dfs(prune=_is_translated))):
        if node is root or _is_translated(node):
            continue
        replaced = _rewrite(node, scope)
        if replaced is not node:
            node.replace(replaced)
    arithmetic.settle(root, lambda query: scope.relations.types_of(to_sql(query)))
    return root.expressions[0]


def _is_translated(node: Any) -> bool:
    return bool(node.meta.get("translated"))


def _resolve_tables(expression: Any, scope: Scope) -> None:
    for table in list(expression.find_all(exp.Table)):
        if isinstance(table.this, exp.Anonymous):
            _table_function(table, scope)
            continue
        if not isinstance(table.this, exp.Identifier) or (not table.db and is_cte(table)):
            continue
        name, schema = table.name, table.db or None
        if "/" in name or name.endswith((".csv", ".parquet", ".json", ".db")):
            raise SqlError("42P01", f'relation "{name}" does not exist')
        system = scope.relations.system_relation(schema, name)
        if system is not None:
            _replace_table(table, system)
            continue
        if schema is None and name.startswith(_SYSTEM_PREFIXES) and not _is_target(table):
            raise SqlError("42P01", f'relation "{name}" does not exist')
        query = scope.relations.replacement(table)
        if query is not None:
            if _is_target(table):
                raise SqlError("0A000", f'"{name}" is a view or an external table: it cannot be changed')
            query.meta["translated"] = True
            _replace_table(table, exp.Subquery(this=query))
    for column in expression.find_all(exp.Column):
        if column.args.get("db"):
            column.set("db", None)
            column.set("catalog", None)


def _is_target(table: Any) -> bool:
    parent = table.parent
    if isinstance(parent, exp.Schema):
        table, parent = parent, parent.parent
    return isinstance(parent, exp.Insert | exp.Update | exp.Delete | exp.Merge) and parent.this is table


def _replace_table(table: Any, replacement: Any) -> None:
    alias = table.args.get("alias")
    replacement.set("alias", alias.copy() if alias else exp.TableAlias(this=exp.to_identifier(table.name)))
    for key in ("joins", "pivots", "laterals", "sample"):
        if table.args.get(key):
            replacement.set(key, table.args[key])
    table.replace(replacement)


def _table_function(table: Any, scope: Scope) -> None:
    name = table.this.name.lower()
    system = scope.relations.system_relation("pg_catalog", f"{name}()")
    if system is not None:
        alias = table.args.get("alias")
        if alias:
            columns = [exp.to_identifier(c.name) for c in alias.args.get("columns") or ()]
            alias.set("columns", columns)
        _replace_table(table, system)
        return
    if name in ("current_database", "current_schema"):
        value = exp.alias_(exp.Literal.string(scope.values[name]), name, quoted=True)
        if not table.args.get("alias"):
            table.set("alias", exp.TableAlias(this=exp.to_identifier(name, quoted=True)))
        _replace_table(table, exp.Subquery(this=exp.select(value)))
        return
    if name != "generate_series":
        raise SqlError("42883", f"function {name} does not exist as a relation")
    alias = table.args.get("alias")
    if alias is None:
        table.set("alias", exp.TableAlias(this=exp.to_identifier(name), columns=[exp.to_identifier(name)]))
    elif not alias.args.get("columns"):
        alias.set("columns", [exp.to_identifier(alias.name)])


def is_cte(table: Any) -> bool:
    """Whether the unqualified name of a table means a common table expression that is in sight."""
    node = table
    came_from: Any = None
    while node is not None:
        with_ = node.args.get("with_")
        if with_ is not None:
            names = with_.expressions
            if came_from is not None and came_from.parent is with_ and not with_.args.get("recursive"):
                names = names[: names.index(came_from)]
            if any(cte.alias.lower() == table.name for cte in names):
                return True
        if isinstance(node, exp.CTE):
            came_from = node
        node = node.parent
    return False


def _rewrite(node: Any, scope: Scope) -> Any:
    rule = _NODES.get(type(node))
    return rule(node, scope) if rule else node


def _function(node: Any, scope: Scope) -> Any:
    name = (node.name if isinstance(node.this, exp.Identifier) else str(node.this)).lower()
    if name.startswith("redshift_system."):
        return node
    if not node.expressions and name in scope.values:
        return exp.Literal.string(scope.values[name])
    if name in ("pg_terminate_backend", "pg_cancel_backend"):
        return _end_session(name, node, scope)
    if name == "current_setting" and len(node.expressions) == 1:
        return exp.Literal.string(scope.relations.setting(_literal_text(name, node.expressions[0])))
    if name in _PRIVILEGES and len(node.expressions) in (2, 3):
        grantee = [] if len(node.expressions) == 3 else [exp.Literal.string(scope.user)]
        macro = f'"{scope.values["current_database"]}".pg_internal.{name}'
        return functions.call(macro, *grantee, *node.expressions)
    if isinstance(node.parent, exp.Table) and name == "generate_series":
        return functions.call(name, *node.expressions)
    translated = functions.translate(name, list(node.expressions))
    if translated is not None:
        return translated
    own = scope.relations.user_function(_schema_of(node), name)
    if own is not None:
        return functions.call(own, *node.expressions)
    raise SqlError(
        "42883",
        f"function {name} does not exist",
        hint="Either Redshift has no such function or this warehouse does not support it.",
    )


_PRIVILEGES = ("has_table_privilege", "has_schema_privilege", "has_database_privilege")


def _literal_text(function: str, argument: Any) -> str:
    if not (isinstance(argument, exp.Literal) and argument.is_string):
        raise unsupported(f"{function} of something that is not a literal")
    return str(argument.this)


def _schema_of(function: Any) -> str | None:
    """The schema of ``schema.function(...)`` or ``database.schema.function(...)``."""
    dot = function.parent
    if not isinstance(dot, exp.Dot) or dot.expression is not function:
        return None
    return str((dot.this.expression if isinstance(dot.this, exp.Dot) else dot.this).name).lower()


def _end_session(name: str, node: Any, scope: Scope) -> Any:
    argument = node.expressions[0] if len(node.expressions) == 1 else None
    if not isinstance(argument, exp.Literal) or not argument.name.isdigit():
        raise unsupported(f"{name} of another argument than a number")
    return exp.convert(int(scope.relations.end_session(int(argument.name))))


def _dot(node: Any, scope: Scope) -> Any:
    # pg_catalog.f(...): the schema says nothing more.
    function = node.expression
    if isinstance(function, exp.Anonymous | exp.Literal | exp.Cast | exp.Case | exp.Func):
        return function
    return node


def _within_group(node: Any, scope: Scope) -> Any:
    inner, order = node.this, node.expression
    name = str(inner.this).lower() if isinstance(inner, exp.Anonymous) else ""
    if name == "string_agg":
        first, *rest = inner.expressions
        return functions.call(name, first, *rest[:-1], exp.Order(this=rest[-1], expressions=order.expressions))
    if name in ("percentile_cont", "percentile_disc"):
        ordered = order.expressions[0]
        fraction = inner.expressions[0]
        if ordered.args.get("desc"):
            fraction = exp.Sub(this=exp.Literal.number(1), expression=exp.Paren(this=fraction))
        target = "quantile_cont" if name == "percentile_cont" else "quantile_disc"
        return functions.call(target, ordered.this, fraction)
    raise unsupported(f"{name} WITHIN GROUP")


def _window(node: Any, scope: Scope) -> Any:
    inner = node.this
    if isinstance(inner, exp.Anonymous) and str(inner.this).lower() == "ratio_to_report":
        argument = inner.expressions[0]
        total = node.copy()
        total.set("this", functions.call("sum", argument.copy()))
        numerator = exp.Cast(this=exp.Paren(this=argument), to=exp.DataType.build("DOUBLE"))
        return exp.Div(this=numerator, expression=total)
    return node


def _extract(node: Any, scope: Scope) -> Any:
    return functions.extract(node.this, node.expression)


def _substring(node: Any, scope: Scope) -> Any:
    arguments = [node.this, node.args.get("start") or exp.Literal.number(1)]
    if node.args.get("length") is not None:
        arguments.append(node.args["length"])
    return functions.macro("substring", *arguments)


def _now_without_zone(node: Any, scope: Scope) -> Any:
    return functions.translate("getdate", [])


def _user(node: Any, scope: Scope) -> Any:
    return exp.Literal.string(scope.user)


def _cast(node: Any, scope: Scope) -> Any:
    kind = node.args["to"]
    if not isinstance(kind, exp.DataType):
        return node
    name = kind.this.value if hasattr(kind.this, "value") else str(kind.this)
    sizes = [int(size.name) for size in kind.expressions if size.name.isdigit()]
    if name in ("VARCHAR", "NVARCHAR", "TEXT", "CHAR", "NCHAR", "BPCHAR", "NAME"):
        node.set("to", exp.DataType.build("VARCHAR"))
        if sizes:
            return functions.macro(
                "padded" if name in ("CHAR", "NCHAR") else "bounded", node.copy(), exp.Literal.number(sizes[0])
            )
        return node
    if name == "DECIMAL" and not sizes:
        node.set("to", exp.DataType.build("DECIMAL(18,0)"))
    elif name == "FLOAT" and (not sizes or sizes[0] > 24) and not kind.meta.get("real"):
        node.set("to", exp.DataType.build("DOUBLE"))
    elif name in ("SUPER", "JSON"):
        return functions.call("to_json", node.this)
    elif name in ("VARBINARY", "BINARY") or kind.sql().lower() == "varbyte":
        return functions.call("encode", exp.Cast(this=node.this, to=exp.DataType.build("VARCHAR")))
    elif name in ("DATE", "TIMESTAMP", "TIMESTAMPTZ") and isinstance(node.this, exp.Literal):
        return _datetime_literal(node, name)
    elif name == "USERDEFINED" or "reg" in kind.sql().lower():
        return _cast_to_name(node, kind.sql().lower())
    return node


def _cast_to_name(node: Any, name: str) -> Any:
    if name == "regclass":
        return functions.call("pg_internal.regclass_oid", node.this)
    if name in ("regproc", "regtype", "aclitem"):
        node.set("to", exp.DataType.build("VARCHAR"))
        return node
    if name == "oid":
        node.set("to", exp.DataType.build("BIGINT"))
        return node
    raise SqlError("42704", f'type "{name}" does not exist')


_COMPACT = re.compile(r"(\d{4})(\d{2})(\d{2})")
_MONTH_FIRST = re.compile(r"(\d{1,2})/(\d{1,2})/(\d{4})(?=$|\s)")
_WITH_OFFSET = re.compile(
    r"(\d{4}-\d{1,2}-\d{1,2}[ t]\d{1,2}:\d{2}(?::\d{2}(?:\.\d+)?)?)\s*(?:[+-]\d{1,2}(?::?\d{2})?|z|utc)"
)


def _datetime_literal(node: Any, name: str) -> Any:
    text = str(node.this.this).strip().lower()
    if text in ("now", "today"):
        now = functions.translate("getdate", [])
        return exp.Cast(this=now, to=exp.DataType.build(name if text == "now" else "DATE"))
    node.set("this", exp.Literal.string(datetime_text(str(node.this.this), name)))
    return node


def datetime_text(text: str, name: str) -> str:
    """A date or time as Redshift reads it (``20230901``, ``9/1/2023``, an offset that a TIMESTAMP drops), in ISO."""
    bare = text.strip().lower()
    if found := _COMPACT.fullmatch(bare):
        return "-".join(found.groups())
    if found := _MONTH_FIRST.match(bare):
        month, day, year = found.groups()
        return f"{year}-{month:0>2}-{day:0>2}{bare[found.end() :]}"
    if name == "TIMESTAMP" and (found := _WITH_OFFSET.fullmatch(bare)):
        return found[1].replace("t", " ")
    return text


def _like(node: Any, scope: Scope) -> Any:
    # Redshift's LIKE takes the backslash for its escape character unless told otherwise.
    pattern = node.expression
    if isinstance(node.parent, exp.Escape) or not (isinstance(pattern, exp.Literal) and "\\" in str(pattern.this)):
        return node
    return exp.Escape(this=node.copy(), expression=exp.Literal.string("\\"))


def _similar_to(node: Any, scope: Scope) -> Any:
    pattern = node.expression
    if not isinstance(pattern, exp.Literal):
        raise unsupported("SIMILAR TO with a pattern that is not a literal")
    regex = re.sub(r"(?<!\\)%", ".*", re.sub(r"(?<!\\)_", ".", str(pattern.this)))
    return functions.call("regexp_full_match", node.this, exp.Literal.string(regex))


_NODES: dict[type, Any] = {
    exp.Anonymous: _function,
    exp.Dot: _dot,
    exp.WithinGroup: _within_group,
    exp.Window: _window,
    exp.Extract: _extract,
    exp.Substring: _substring,
    exp.CurrentTimestamp: _now_without_zone,
    exp.CurrentUser: _user,
    exp.SessionUser: _user,
    exp.Cast: _cast,
    exp.TryCast: _cast,
    exp.Like: _like,
    exp.ILike: _like,
    exp.SimilarTo: _similar_to,
}
