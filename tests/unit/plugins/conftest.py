"""Airflow with a home of its own: operators are made as DAG files make them, and nothing of this machine is read."""

from __future__ import annotations

import os
import tempfile

# Airflow reads it when it is first imported.
os.environ.setdefault("AIRFLOW_HOME", tempfile.mkdtemp(prefix="airflow-home-"))
