"""Makes Airflow's metadata database, an SQLite file in AIRFLOW_HOME, before the DAGs are imported."""

from __future__ import annotations

import subprocess


def pytest_configure() -> None:
    subprocess.run(["airflow", "db", "migrate"], check=True, stdout=subprocess.DEVNULL)
