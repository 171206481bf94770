"""The platform as an Airflow plugin: imported once by each of Airflow's long-running processes.

Tasks and DAG files run in processes that are forked from those. What is imported here is in their memory already, so
a task that takes a second does not first take three to import its libraries.
"""

from __future__ import annotations

import cdap_airflow.operators.catalog
import cdap_airflow.operators.dms  # noqa: F401
import cosmos  # noqa: F401
import dbt.adapters.redshift
import dbt.cli.main  # noqa: F401
from airflow.plugins_manager import AirflowPlugin

import cdap.identity
import cdap.ingestion  # noqa: F401


class CdapPlugin(AirflowPlugin):
    """Named so that `airflow plugins` shows that the platform is installed."""

    name = "cdap"
