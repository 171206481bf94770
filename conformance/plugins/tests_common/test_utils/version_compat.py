"""The versions that the examples ask for."""

from __future__ import annotations

AIRFLOW_V_3_0_PLUS = True
