"""Connections that a test makes: by the environment of the process in which all of its tasks run."""

from __future__ import annotations

import json
import os
from typing import Any


def create_airflow_connection(connection_id: str, connection_conf: dict[str, Any]) -> None:
    """Make a connection."""
    os.environ[f"AIRFLOW_CONN_{connection_id.upper()}"] = json.dumps(connection_conf)
