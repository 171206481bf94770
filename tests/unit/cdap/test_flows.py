"""A flow set up for one load."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

from cdap.config import load_sources
from cdap.flows import flow_of_load
from cdap.loads import Load
from cdap.settings import settings

CRM = load_sources(settings().config_dir)["crm"]
LOAD = Load("crm", "20260306T010203000000-abcdef", date(2026, 3, 4), date(2026, 3, 5), datetime(2026, 3, 6, tzinfo=UTC))
DEPLOYED: dict[str, Any] = {
    "flowName": "cdap-crm-contact",
    "flowArn": "arn",
    "flowStatus": "Active",
    "description": "Contacts",
    "triggerConfig": {"triggerType": "OnDemand"},
    "sourceFlowConfig": {"connectorType": "Salesforce"},
    "destinationFlowConfigList": [
        {
            "connectorType": "S3",
            "destinationConnectorProperties": {
                "S3": {"bucketName": "lake", "bucketPrefix": "raw/crm", "s3OutputFormatConfig": {"fileType": "PARQUET"}}
            },
        }
    ],
    "tasks": [{"sourceFields": [], "taskType": "Map_all", "taskProperties": {}}],
}


def test_window_and_folder_are_the_loads_and_the_rest_stays_as_deployed() -> None:
    wanted = flow_of_load(DEPLOYED, CRM, "contact", LOAD)
    (target,) = wanted["destinationFlowConfigList"]
    assert target["destinationConnectorProperties"]["S3"] == {
        "bucketName": "lake",
        "bucketPrefix": f"raw/crm/{LOAD.load_id}",
        "s3OutputFormatConfig": {"fileType": "PARQUET"},
    }
    window, everything = wanted["tasks"]
    # Both bounds are left out by BETWEEN: the first instant of March 4 is in, that of March 6 is not.
    assert window["taskProperties"] == {
        "DATA_TYPE": "datetime",
        "LOWER_BOUND": str(int(datetime(2026, 3, 4, tzinfo=UTC).timestamp() * 1000) - 1),
        "UPPER_BOUND": str(int(datetime(2026, 3, 6, tzinfo=UTC).timestamp() * 1000)),
    }
    assert (window["sourceFields"], everything["taskType"]) == (["SystemModstamp"], "Map_all")
    assert set(wanted) == {
        "flowName", "description", "triggerConfig", "sourceFlowConfig", "destinationFlowConfigList", "tasks",
    }  # fmt: skip


def test_a_second_load_replaces_the_window_of_the_first() -> None:
    once = flow_of_load(DEPLOYED, CRM, "contact", LOAD)
    later = Load("crm", "20260307T010203000000-abcdef", date(2026, 3, 6), date(2026, 3, 6), LOAD.extracted_at)
    assert flow_of_load(once, CRM, "contact", later) == flow_of_load(DEPLOYED, CRM, "contact", later)
