"""The CloudFormation types of Glue: calls of the service's own API."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from localcloud.base.api_type import ApiType, Properties

_SEPARATOR = "|"


def _database_name(properties: Properties) -> Properties:
    """`DatabaseName` of the type is the name inside the API's DatabaseInput."""
    given = dict(properties)
    name = given.pop("DatabaseName", None)
    if name is not None:
        given["DatabaseInput"] = {**given.get("DatabaseInput", {}), "Name": name}
    return given


def _table_identity(physical_id: str) -> dict[str, Any]:
    database, name = physical_id.split(_SEPARATOR, 1)
    return {"DatabaseName": database, "Name": name}


TYPES: Mapping[str, ApiType] = {
    "AWS::Glue::Database": ApiType(
        "glue",
        "create_database",
        ref=lambda sent, answer: sent["DatabaseInput"]["Name"],
        delete="delete_database",
        identity=lambda physical_id: {"Name": physical_id},
        update="update_database",
        prepare=_database_name,
        replaced=frozenset({"CatalogId", "DatabaseName"}),
    ),
    "AWS::Glue::Table": ApiType(
        "glue",
        "create_table",
        ref=lambda sent, answer: f"{sent['DatabaseName']}{_SEPARATOR}{sent['TableInput']['Name']}",
        delete="delete_table",
        identity=_table_identity,
        update="update_table",
        replaced=frozenset({"CatalogId", "DatabaseName"}),
    ),
    "AWS::Glue::Crawler": ApiType(
        "glue",
        "create_crawler",
        ref=lambda sent, answer: sent["Name"],
        delete="delete_crawler",
        identity=lambda physical_id: {"Name": physical_id},
        update="update_crawler",
        defaults=lambda stack, logical_id: {"Name": f"{stack}-{logical_id}"},
        replaced=frozenset({"Name"}),
        update_omits=frozenset({"Tags"}),
    ),
    "AWS::Glue::Job": ApiType(
        "glue",
        "create_job",
        ref=lambda sent, answer: sent["Name"],
        delete="delete_job",
        identity=lambda physical_id: {"JobName": physical_id},
        update="update_job",
        update_within="JobUpdate",
        update_sends_all=True,
        defaults=lambda stack, logical_id: {"Name": f"{stack}-{logical_id}"},
        replaced=frozenset({"Name"}),
        update_omits=frozenset({"Tags"}),
    ),
}
