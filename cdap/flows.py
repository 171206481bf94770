"""An AppFlow flow set up for one load: its window and its folder (AppFlow API reference: UpdateFlow)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from cdap.config import Source
from cdap.loads import Load, load_folder

# What UpdateFlow takes of what DescribeFlow gives.
_KEPT = ("flowName", "description", "triggerConfig", "sourceFlowConfig", "destinationFlowConfigList", "tasks")


def flow_of_load(described: Mapping[str, Any], source: Source, table: str, load: Load) -> dict[str, Any]:
    """The arguments of UpdateFlow that make a described flow extract one table for one load.

    Everything but the window and the folder stays as it was deployed. A table of load `modified_window` is filtered to
    [first day 00:00, last day + 1 00:00) of its window column; AppFlow's BETWEEN leaves both bounds out and compares
    milliseconds, so the lower one is a millisecond earlier. A snapshot has no filter.
    """
    contract = source.tables[table]
    column = contract.window_column
    kept = {name: described[name] for name in _KEPT if name in described}
    kept["tasks"] = [task for task in described["tasks"] if not _is_window(task, column)]
    if contract.load == "modified_window" and column is not None:
        begin, end = load.window.instants(source.zone)
        bounds = {"LOWER_BOUND": _milliseconds(begin) - 1, "UPPER_BOUND": _milliseconds(end)}
        kept["tasks"] = [
            {
                "sourceFields": [contract.window_field or column],
                "connectorOperator": {_connector(described): "BETWEEN"},
                "taskType": "Filter",
                "taskProperties": {"DATA_TYPE": "datetime", **{name: str(value) for name, value in bounds.items()}},
            },
            *kept["tasks"],
        ]
    (destination,) = described["destinationFlowConfigList"]
    target = destination["destinationConnectorProperties"]["S3"]
    folder = load_folder(source.name, load.load_id).rstrip("/")
    kept["destinationFlowConfigList"] = [
        {**destination, "destinationConnectorProperties": {"S3": {**target, "bucketPrefix": folder}}}
    ]
    return kept


def _is_window(task: Mapping[str, Any], column: str | None) -> bool:
    operators = task.get("connectorOperator", {}).values()
    return (
        task["taskType"] == "Filter"
        and "BETWEEN" in operators
        and [name.lower() for name in task["sourceFields"]] == [column]
    )


def _connector(described: Mapping[str, Any]) -> str:
    return str(described["sourceFlowConfig"]["connectorType"])


def _milliseconds(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)
