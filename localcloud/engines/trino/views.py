"""Views as Athena keeps them in the data catalog: the query as text, encoded, beside the columns."""

from __future__ import annotations

import base64
import json
from typing import Any

from localcloud.engines.trino.errors import TrinoError

_VIEW = "/* Presto View: "


def view_text(table: dict[str, Any]) -> str:
    """The Trino query of a view. Raises TrinoError for a view of another engine."""
    text = str(table.get("ViewOriginalText", ""))
    if not text.startswith(_VIEW):
        raise TrinoError("HIVE_VIEW_TRANSLATION_ERROR", f"{table['Name']} is not a view of Athena or Trino")
    return str(json.loads(base64.b64decode(text[len(_VIEW) :].removesuffix("*/").strip()))["originalSql"])


def view_document(name: str, sql: str, database: str, columns: list[tuple[str, str, str]]) -> dict[str, Any]:
    """A view as Athena keeps it in Glue; ``columns`` are (name, Trino type, Hive type)."""
    content = {"originalSql": sql, "catalog": "awsdatacatalog", "schema": database,
               "columns": [{"name": column, "type": kind} for column, kind, _ in columns]}  # fmt: skip
    return {
        "Name": name,
        "TableType": "VIRTUAL_VIEW",
        "Parameters": {"presto_view": "true", "comment": "Presto View"},
        "ViewOriginalText": f"{_VIEW}{base64.b64encode(json.dumps(content).encode()).decode()} */",
        "ViewExpandedText": "/* Presto View */",
        "StorageDescriptor": {"Columns": [{"Name": column, "Type": hive} for column, _, hive in columns]},
    }
