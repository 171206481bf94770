"""Table mappings of a DMS task: which tables, which rows, under which names.

Source: AWS DMS User Guide, "Specifying table selection and transformations rules using JSON" and
"Using source filters".
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

FILTER_OPERATORS = {
    "eq": 1,
    "noteq": 1,
    "gte": 1,
    "ste": 1,
    "between": 2,
    "notbetween": 2,
    "null": 0,
    "notnull": 0,
}
NEGATIVE_OPERATORS = {"noteq", "notbetween", "notnull"}
RENAMING_ACTIONS = {
    "rename",
    "add-prefix",
    "add-suffix",
    "remove-prefix",
    "remove-suffix",
    "replace-prefix",
    "replace-suffix",
    "convert-lowercase",
    "convert-uppercase",
}
COLUMN_ACTIONS = {"include-column", "remove-column"}


class MappingError(ValueError):
    """The table mappings ask for something that is not valid, or that this engine does not do."""


@dataclass(frozen=True)
class FilterCondition:
    operator: str
    values: tuple[str, ...]


@dataclass(frozen=True)
class ColumnFilter:
    """Conditions on one column; they are alternatives (OR)."""

    column: str
    conditions: tuple[FilterCondition, ...]


@dataclass(frozen=True)
class SelectionRule:
    rule_id: str
    schema: str
    table: str
    action: str
    filters: tuple[ColumnFilter, ...]
    load_order: int

    def matches(self, schema: str, table: str) -> bool:
        return like(self.schema, schema) and like(self.table, table)


@dataclass(frozen=True)
class TransformationRule:
    rule_id: str
    target: str
    action: str
    schema: str
    table: str
    column: str
    value: str
    old_value: str

    def matches_table(self, schema: str, table: str) -> bool:
        return like(self.schema, schema) and (self.target == "schema" or like(self.table, table))

    def matches(self, schema: str, table: str, column: str) -> bool:
        return self.matches_table(schema, table) and (self.target != "column" or like(self.column, column))

    def rename(self, name: str) -> str:
        """The name after this rule; `name` itself when a prefix or suffix to take away is not there."""
        match self.action:
            case "rename":
                return self.value
            case "add-prefix":
                return self.value + name
            case "add-suffix":
                return name + self.value
            case "convert-lowercase":
                return name.lower()
            case "convert-uppercase":
                return name.upper()
            case "remove-prefix":
                return name.removeprefix(self.value)
            case "remove-suffix":
                return name.removesuffix(self.value)
            case "replace-prefix":
                return self.value + name[len(self.old_value) :] if name.startswith(self.old_value) else name
            case "replace-suffix":
                return name[: -len(self.old_value)] + self.value if name.endswith(self.old_value) else name
        raise MappingError(f"rule {self.rule_id}: {self.action} does not change a name")


@dataclass(frozen=True)
class SelectedTable:
    schema: str
    table: str
    filters: tuple[ColumnFilter, ...]
    load_order: int


@dataclass(frozen=True)
class TableMappings:
    selections: tuple[SelectionRule, ...]
    transformations: tuple[TransformationRule, ...] = field(default=())

    def select(self, tables: Sequence[tuple[str, str]]) -> list[SelectedTable]:
        """The (schema, table) pairs that the rules choose, higher load-order first, then by name.

        `explicit` names one table exactly; `exclude` wins over every `include`.
        """
        chosen = []
        for schema, table in tables:
            rules = [r for r in self.selections if r.matches(schema, table)]
            if any(r.action == "exclude" for r in rules):
                continue
            includes = [r for r in rules if r.action in ("include", "explicit")]
            if not includes:
                continue
            filters = tuple(f for r in includes for f in r.filters)
            chosen.append(SelectedTable(schema, table, filters, max(r.load_order for r in includes)))
        return sorted(chosen, key=lambda t: (-t.load_order, t.schema, t.table))

    def target_schema(self, schema: str) -> str:
        return self._renamed("schema", schema, schema)

    def target_table(self, schema: str, table: str) -> str:
        return self._renamed("table", table, schema, table)

    def target_columns(self, schema: str, table: str, columns: Sequence[str]) -> list[tuple[str, str]]:
        """(source column, target column) pairs in the source's order, without the removed columns.

        Once an include-column rule exists for a table, only the columns that such rules name are kept.
        """
        rules = [r for r in self.transformations if r.target == "column" and r.matches_table(schema, table)]
        includes = [r for r in rules if r.action == "include-column"]
        kept = []
        for column in columns:
            if includes and not any(like(r.column, column) for r in includes):
                continue
            if any(r.action == "remove-column" and like(r.column, column) for r in rules):
                continue
            kept.append((column, self._renamed("column", column, schema, table, column)))
        names = [target for _, target in kept]
        if twice := sorted({n for n in names if names.count(n) > 1}):
            raise MappingError(f"table {schema}.{table}: the transformation rules give two columns the name {twice[0]}")
        return kept

    def _renamed(self, target: str, name: str, schema: str, table: str = "", column: str = "") -> str:
        for rule in self.transformations:
            if rule.target == target and rule.action in RENAMING_ACTIONS and rule.matches(schema, table, column):
                return rule.rename(name)
        return name


def like(pattern: str, name: str) -> bool:
    """Whether `name` fits `pattern`; `%` stands for any run of characters. Names are case-sensitive."""
    expression = ".*".join(re.escape(part) for part in pattern.split("%"))
    return re.fullmatch(expression, name, re.DOTALL) is not None


def parse_table_mappings(text: str) -> TableMappings:
    """Reads the JSON of `TableMappings`.

    Raises MappingError naming the rule when the JSON is not valid or asks for what is not supported.
    """
    try:
        document = json.loads(text)
    except json.JSONDecodeError as error:
        raise MappingError(f"TableMappings is not valid JSON: {error}") from error
    if not isinstance(document, dict) or not isinstance(document.get("rules"), list):
        raise MappingError('TableMappings must be an object {"rules": [...]}')
    _only(document, {"rules"}, "TableMappings")
    selections: list[SelectionRule] = []
    transformations: list[TransformationRule] = []
    seen: set[str] = set()
    for rule in document["rules"]:
        rule_id = str(_need(rule, "rule-id", "a rule"))
        if rule_id in seen:
            raise MappingError(f"rule-id {rule_id} is used by two rules; each needs its own")
        seen.add(rule_id)
        where = f"rule {rule_id}"
        kind = _need(rule, "rule-type", where)
        if kind == "selection":
            selections.append(_selection(rule, rule_id, where))
        elif kind == "transformation":
            transformations.append(_transformation(rule, rule_id, where))
        else:
            raise MappingError(f"{where}: rule-type {kind!r} is not supported (selection and transformation are)")
    if not any(s.action != "exclude" for s in selections):
        raise MappingError("TableMappings needs at least one selection rule with rule-action include or explicit")
    return TableMappings(tuple(selections), tuple(transformations))


def _selection(rule: Mapping[str, Any], rule_id: str, where: str) -> SelectionRule:
    _only(rule, {"rule-type", "rule-id", "rule-name", "object-locator", "rule-action", "filters", "load-order"}, where)
    locator = _need(rule, "object-locator", where)
    _only(locator, {"schema-name", "table-name", "table-type"}, f"{where} object-locator")
    if locator.get("table-type", "table") != "table":
        raise MappingError(f"{where}: table-type {locator['table-type']!r} is not supported, only table is")
    schema, table = _need(locator, "schema-name", where), _need(locator, "table-name", where)
    action = _need(rule, "rule-action", where)
    if action not in ("include", "exclude", "explicit"):
        raise MappingError(f"{where}: rule-action {action!r} is not one of include, exclude, explicit")
    if action == "explicit" and "%" in schema + table:
        raise MappingError(f"{where}: rule-action explicit takes exact names, no % wildcard")
    filters = tuple(_filter(f, where) for f in rule.get("filters") or [])
    if filters and action == "exclude":
        raise MappingError(f"{where}: filters apply to rule-action include only")
    if filters and "%" in schema + table:
        raise MappingError(f"{where}: filters need exact schema and table names, no % wildcard")
    return SelectionRule(rule_id, schema, table, action, filters, int(rule.get("load-order", 0)))


def _filter(given: Mapping[str, Any], where: str) -> ColumnFilter:
    _only(given, {"filter-type", "column-name", "filter-conditions"}, f"{where} filter")
    if _need(given, "filter-type", where) != "source":
        raise MappingError(f"{where}: filter-type {given['filter-type']!r} is not supported, only source is")
    column = _need(given, "column-name", where)
    conditions = [_condition(c, f"{where} filter on {column}") for c in _need(given, "filter-conditions", where)]
    if not conditions:
        raise MappingError(f"{where} filter on {column}: filter-conditions is empty")
    if len(conditions) > 1 and any(c.operator in NEGATIVE_OPERATORS for c in conditions):
        raise MappingError(f"{where} filter on {column}: a negative operator must be the only condition of its filter")
    return ColumnFilter(column, tuple(conditions))


def _condition(given: Mapping[str, Any], where: str) -> FilterCondition:
    _only(given, {"filter-operator", "value", "start-value", "end-value"}, where)
    operator = _need(given, "filter-operator", where)
    if operator not in FILTER_OPERATORS:
        hint = " (less than or equal is called ste)" if operator == "lte" else ""
        raise MappingError(f"{where}: filter-operator {operator!r} is not one of {', '.join(FILTER_OPERATORS)}{hint}")
    wanted = {0: (), 1: ("value",), 2: ("start-value", "end-value")}[FILTER_OPERATORS[operator]]
    return FilterCondition(operator, tuple(str(_need(given, key, where)) for key in wanted))


def _transformation(rule: Mapping[str, Any], rule_id: str, where: str) -> TransformationRule:
    known = {"rule-type", "rule-id", "rule-name", "rule-target", "object-locator", "rule-action", "value", "old-value"}
    _only(rule, known, where)
    target, action = _need(rule, "rule-target", where), _need(rule, "rule-action", where)
    if target not in ("schema", "table", "column"):
        raise MappingError(f"{where}: rule-target {target!r} is not supported (schema, table and column are)")
    if action not in RENAMING_ACTIONS | COLUMN_ACTIONS:
        raise MappingError(f"{where}: rule-action {action!r} is not supported")
    if action in COLUMN_ACTIONS and target != "column":
        raise MappingError(f"{where}: rule-action {action!r} needs rule-target column, not {target!r}")
    locator = _need(rule, "object-locator", where)
    _only(locator, {"schema-name", "table-name", "column-name"}, f"{where} object-locator")
    schema = _need(locator, "schema-name", where)
    table = _need(locator, "table-name", where) if target != "schema" else "%"
    column = _need(locator, "column-name", where) if target == "column" else "%"
    value = old_value = ""
    if action in ("rename", "add-prefix", "add-suffix", "remove-prefix", "remove-suffix"):
        value = _need(rule, "value", where)
    if action in ("replace-prefix", "replace-suffix"):
        value, old_value = _need(rule, "value", where), _need(rule, "old-value", where)
    if action == "rename" and not value:
        raise MappingError(f"{where}: a rename needs a value")
    return TransformationRule(rule_id, target, action, schema, table, column, str(value), str(old_value))


def _need(given: Mapping[str, Any], key: str, where: str) -> Any:
    if not isinstance(given, Mapping) or given.get(key) is None:
        raise MappingError(f"{where}: {key} is missing")
    return given[key]


def _only(given: Mapping[str, Any], known: set[str], where: str) -> None:
    if not isinstance(given, Mapping):
        raise MappingError(f"{where} must be a JSON object")
    if unknown := sorted(set(given) - known):
        raise MappingError(f"{where}: {unknown[0]} is not supported")
