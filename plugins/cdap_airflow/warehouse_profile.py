"""dbt's profile from the names that the stack published, read when a task runs and never when a DAG is parsed."""

from __future__ import annotations

import json
from functools import cached_property
from typing import Any

import boto3
from cosmos.profiles import BaseProfileMapping

from cdap.parameters import WarehouseParameters, parameters


class WarehouseProfileMapping(BaseProfileMapping):
    """A Redshift profile from Parameter Store (`/cdap/warehouse/...`) and the warehouse's secret.

    Cosmos' own mappings read an Airflow connection; the platform has none for the warehouse. The password reaches dbt
    by an environment variable and is in no file.
    """

    airflow_connection_type: str = "redshift"
    dbt_profile_type: str = "redshift"
    required_fields: list[str] = ["host", "user", "password", "dbname", "schema"]  # noqa: RUF012 - Cosmos' own shape
    secret_fields: list[str] = ["password"]  # noqa: RUF012
    airflow_param_mapping: dict[str, str | list[str]] = {}  # noqa: RUF012

    def __init__(self, profile_args: dict[str, Any] | None = None, **kwargs: Any) -> None:
        super().__init__(conn_id="", profile_args=profile_args, **kwargs)

    @cached_property
    def _target(self) -> WarehouseParameters:
        return parameters().warehouse

    @cached_property
    def _login(self) -> dict[str, str]:
        secret = boto3.client("secretsmanager").get_secret_value(SecretId=self._target.secret_arn)
        return dict(json.loads(secret["SecretString"]))

    def can_claim_connection(self) -> bool:
        """Never claims an Airflow connection: it is asked for by name."""
        return False

    @property
    def profile(self) -> dict[str, Any]:
        return {
            "type": self.dbt_profile_type,
            "host": self._target.host,
            "port": self._target.port,
            "user": self._login["username"],
            "password": self.get_env_var_format("password"),
            "dbname": self._target.database,
            "sslmode": self._target.sslmode,
            **self.profile_args,
        }

    def get_dbt_value(self, name: str) -> Any:
        return self._login["password"] if name == "password" else super().get_dbt_value(name)
