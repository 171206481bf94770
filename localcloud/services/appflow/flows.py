"""What a flow is asked to do: checked when it is made, and turned into a query and a place for the file.

Whatever the local cloud would not do is refused by AppFlow's ValidationException when the flow is made, never ignored.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from localcloud.base.errors import AwsError

_COMPARISONS = {
    "LESS_THAN": "<",
    "GREATER_THAN": ">",
    "LESS_THAN_OR_EQUAL_TO": "<=",
    "GREATER_THAN_OR_EQUAL_TO": ">=",
    "EQUAL_TO": "=",
    "NOT_EQUAL_TO": "!=",
}
_PREFIX_FORMATS = {"YEAR": "%Y", "MONTH": "%Y/%m", "DAY": "%Y/%m/%d", "HOUR": "%Y/%m/%d/%H", "MINUTE": "%Y/%m/%d/%H/%M"}
_NAME = re.compile(r"^[A-Za-z][\w]*$")
_RATE = re.compile(r"^rate\((\d+)\s*(minute|hour|day|week|month)s?\)$")
_SECONDS = {"minute": 60, "hour": 3600, "day": 86400, "week": 604800, "month": 2_592_000}
MINIMUM_SCHEDULE_SECONDS = 60


def invalid(message: str) -> AwsError:
    """AppFlow's ValidationException."""
    return AwsError("ValidationException", message)


@dataclass(frozen=True)
class Plan:
    """A checked flow: what is read, how fields are named, and where the file goes."""

    object: str
    conditions: tuple[str, ...]
    fields: Mapping[str, str]
    """Source field -> name in the file; empty where all fields are taken."""
    all_fields: bool
    excluded: frozenset[str]
    deleted: bool
    bucket: str
    prefix: str
    file_type: str
    typed: bool
    prefix_type: str = ""
    prefix_format: str = ""
    hierarchy: tuple[str, ...] = ()
    incremental_field: str = ""
    schedule_seconds: int = 0
    schedule_start: float = 0.0
    schedule_end: float = 0.0
    incremental: bool = False

    def soql(self, described: Mapping[str, str], since: float | None = None, until: float | None = None) -> str:
        """The query for the fields of the object as `describe` gives them, of the records changed in [since, until)."""
        conditions = list(self.conditions)
        if since is not None:
            conditions.append(f"{self.incremental_field} >= {_datetime(since)}")
        if until is not None:
            conditions.append(f"{self.incremental_field} < {_datetime(until)}")
        where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
        return f"SELECT {', '.join(self.names(described))} FROM {self.object}{where}"  # noqa: S608 - names are checked, values quoted

    def names(self, described: Mapping[str, str]) -> dict[str, str]:
        """Source field -> name in the file. Raises ValidationException for a field that the object does not have."""
        if self.all_fields:
            return {name: self.fields.get(name, name) for name in described if name not in self.excluded}
        for name in self.fields:
            if name not in described:
                raise invalid(f"The source object {self.object} has no field {name}")
        return dict(self.fields)

    def key(self, flow: str, execution_id: str, started: datetime, file_name: str) -> str:
        """Where the file of an execution goes.

        Source: AppFlow API Reference, "PrefixConfig": PATH puts the date (and what `pathPrefixHierarchy` names) into
        the path, FILENAME into the file's name, and the flow's name is always a folder.
        """
        date = started.strftime(_PREFIX_FORMATS[self.prefix_format]) if self.prefix_format else ""
        parts = [self.prefix.strip("/"), flow]
        levels = {"EXECUTION_ID": execution_id, "SCHEMA_VERSION": "1"}
        if self.prefix_type in ("PATH", "PATH_AND_FILENAME"):
            parts += [date, *(levels[level] for level in self.hierarchy)]
        name = file_name
        if self.prefix_type in ("", "FILENAME", "PATH_AND_FILENAME"):
            name = f"{date.replace('/', '-')}-{execution_id}" if date else execution_id
        return "/".join(part for part in [*parts, name] if part)


def check(
    trigger: Mapping[str, Any],
    source: Mapping[str, Any],
    destinations: Sequence[Mapping[str, Any]],
    tasks: Sequence[Mapping[str, Any]],
) -> Plan:
    """A flow's parts as a plan. Raises ValidationException naming what is wrong or not supported here."""
    if source.get("connectorType") != "Salesforce":
        raise invalid(
            f"the source connector {source.get('connectorType')} is not supported here (supported: Salesforce)"
        )
    properties = source.get("sourceConnectorProperties", {}).get("Salesforce")
    if not properties or not source.get("connectorProfileName"):
        raise invalid("a Salesforce source needs connectorProfileName and sourceConnectorProperties.Salesforce.object")
    if properties.get("dataTransferApi", "AUTOMATIC") == "BULKV2":
        raise invalid("dataTransferApi BULKV2 is not supported here (supported: AUTOMATIC, REST_SYNC)")
    if not _NAME.match(properties["object"]):
        raise invalid(f"{properties['object']!r} is not the name of a Salesforce object")
    if len(destinations) != 1 or destinations[0].get("connectorType") != "S3":
        raise invalid("a flow has one destination here, of connectorType S3")
    target = destinations[0].get("destinationConnectorProperties", {}).get("S3")
    if not target:
        raise invalid("an S3 destination needs destinationConnectorProperties.S3.bucketName")
    conditions, fields, all_fields, excluded = _tasks(tasks)
    output = target.get("s3OutputFormatConfig", {})
    prefix = output.get("prefixConfig", {})
    if output.get("aggregationConfig", {}).get("targetFileSize"):
        raise invalid("aggregationConfig.targetFileSize is not supported here: an execution writes one file")
    return Plan(
        object=properties["object"],
        conditions=conditions,
        fields=fields,
        all_fields=all_fields,
        excluded=excluded,
        deleted=bool(properties.get("includeDeletedRecords", False)),
        bucket=target["bucketName"],
        prefix=target.get("bucketPrefix", ""),
        file_type=output.get("fileType", "CSV"),
        typed=bool(output.get("preserveSourceDataTyping", False)),
        prefix_type=prefix.get("prefixType", ""),
        prefix_format=prefix.get("prefixFormat", ""),
        hierarchy=tuple(prefix.get("pathPrefixHierarchy", ())),
        incremental_field=source.get("incrementalPullConfig", {}).get("datetimeTypeFieldName", ""),
        **_schedule(trigger, source),
    )


def _tasks(
    tasks: Sequence[Mapping[str, Any]],
) -> tuple[tuple[str, ...], dict[str, str], bool, frozenset[str]]:
    conditions: list[str] = []
    projected: list[str] = []
    mapped: dict[str, str] = {}
    all_fields, excluded = False, frozenset[str]()
    for task in tasks:
        operator = task.get("connectorOperator", {}).get("Salesforce", "NO_OP")
        names, properties, kind = list(task.get("sourceFields", [])), task.get("taskProperties", {}), task["taskType"]
        for name in names:
            if not _NAME.match(name):
                raise invalid(f"{name!r} is not the name of a field")
        if kind == "Filter" and operator == "PROJECTION":
            projected += names
        elif kind == "Filter":
            conditions.append(_condition(operator, names, properties))
        elif kind == "Map" and operator == "NO_OP":
            if len(names) != 1 or not task.get("destinationField"):
                raise invalid("a Map task has one sourceField and a destinationField")
            mapped[names[0]] = str(task["destinationField"])
        elif kind == "Map_all":
            all_fields = True
            excluded = frozenset(json.loads(properties.get("EXCLUDE_SOURCE_FIELDS_LIST") or "[]"))
        else:
            raise invalid(f"a task {kind} with the operator {operator} is not supported here")
    if not all_fields and not mapped:
        raise invalid("a flow maps at least one field: a Map task for each, or Map_all")
    if not all_fields and (missing := sorted(set(mapped) - set(projected))):
        raise invalid(f"the fields {', '.join(missing)} are mapped, but the PROJECTION filter does not name them")
    return tuple(conditions), mapped, all_fields, excluded


def _condition(operator: str, names: Sequence[str], properties: Mapping[str, str]) -> str:
    """A filter as SOQL. BETWEEN leaves both bounds out: the provider's own AppFlow operators widen theirs for that."""
    if len(names) != 1:
        raise invalid(f"a filter has one sourceField, not {len(names)}")
    data_type = properties.get("DATA_TYPE", "string")
    if operator == "BETWEEN":
        lower, upper = (_literal(data_type, properties.get(key)) for key in ("LOWER_BOUND", "UPPER_BOUND"))
        return f"({names[0]} > {lower} AND {names[0]} < {upper})"
    if operator == "CONTAINS":
        value = str(properties.get("VALUE", ""))
        return f"{names[0]} LIKE {_quoted('%' + value + '%')}"
    if operator not in _COMPARISONS:
        raise invalid(f"the filter {operator} is not supported here")
    values = [part.strip() for part in properties["VALUES"].split(",")] if properties.get("VALUES") else []
    values = values or [properties.get("VALUE", "")]
    compared = [f"{names[0]} {_COMPARISONS[operator]} {_literal(data_type, value)}" for value in values]
    return compared[0] if len(compared) == 1 else f"({' OR '.join(compared)})"


def _literal(data_type: str, value: str | None) -> str:
    if value is None:
        raise invalid("a filter has no value")
    try:
        if data_type == "datetime":
            return _datetime(int(value) / 1000)
        if data_type == "date":
            return f"{datetime.fromtimestamp(int(value) / 1000, UTC):%Y-%m-%d}"
        if data_type in ("int", "integer", "long", "double", "currency", "percent", "decimal"):
            return str(float(value)) if "." in value else str(int(value))
    except ValueError:
        raise invalid(f"{value!r} is no {data_type}: dates and datetimes are milliseconds since the epoch") from None
    if data_type == "boolean":
        return "true" if value.lower() == "true" else "false"
    return _quoted(value)


def _quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _datetime(seconds: float) -> str:
    at = datetime.fromtimestamp(seconds, UTC)
    return f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03d}Z"


def _schedule(trigger: Mapping[str, Any], source: Mapping[str, Any]) -> dict[str, Any]:
    kind = trigger.get("triggerType")
    if kind == "OnDemand":
        return {}
    if kind != "Scheduled":
        raise invalid(f"the trigger {kind} is not supported here (supported: OnDemand, Scheduled)")
    properties = trigger.get("triggerProperties", {}).get("Scheduled", {})
    expression = str(properties.get("scheduleExpression", ""))
    rate = _RATE.match(expression)
    if rate is None:
        raise invalid(f"the schedule {expression!r} is not supported here (supported: rate(5minutes), rate(1days) ...)")
    for name in ("scheduleOffset", "flowErrorDeactivationThreshold"):
        if properties.get(name):
            raise invalid(f"{name} is not supported here")
    incremental = properties.get("dataPullMode") == "Incremental"
    if incremental and not source.get("incrementalPullConfig", {}).get("datetimeTypeFieldName"):
        raise invalid("dataPullMode Incremental needs incrementalPullConfig.datetimeTypeFieldName")
    return {
        "schedule_seconds": max(int(rate[1]) * _SECONDS[rate[2]], MINIMUM_SCHEDULE_SECONDS),
        "schedule_start": _seconds(properties.get("scheduleStartTime")),
        "schedule_end": _seconds(properties.get("scheduleEndTime")),
        "incremental": incremental,
    }


def _seconds(value: Any) -> float:
    if value is None:
        return 0.0
    return value.timestamp() if isinstance(value, datetime) else float(value)
