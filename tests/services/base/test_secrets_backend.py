"""Airflow's own secrets backend, as the project's image sets it, on the local cloud."""

from __future__ import annotations

import importlib
import json
from typing import Any

import pytest

from demo.machine import SECRETS_BACKEND
from tests.services.conftest import RunningGateway


@pytest.fixture
def backend(gateway: RunningGateway, monkeypatch: pytest.MonkeyPatch) -> Any:
    root = gateway.root
    monkeypatch.setenv("AWS_ENDPOINT_URL", gateway.endpoint)
    monkeypatch.setenv("AWS_DEFAULT_REGION", gateway.region)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", root.access_key_id)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", root.secret_access_key)
    module, name = SECRETS_BACKEND["AIRFLOW__SECRETS__BACKEND"].rsplit(".", 1)
    arguments = json.loads(SECRETS_BACKEND["AIRFLOW__SECRETS__BACKEND_KWARGS"])
    return getattr(importlib.import_module(module), name)(**arguments)


def test_a_secret_under_the_prefix_is_a_connection_and_the_task_role_needs_none(
    backend: Any, gateway: RunningGateway
) -> None:
    secrets = gateway.client("secretsmanager")
    value = {"conn_type": "http", "host": "partner.example.org", "login": "cdap", "password": "x/y@z"}
    secrets.create_secret(Name="cdap/airflow/connections/partner", SecretString=json.dumps(value))
    secrets.create_secret(Name="cdap/airflow/variables/limit", SecretString="12")
    found = backend.get_connection("partner")
    assert (found.host, found.login, found.password) == ("partner.example.org", "cdap", "x/y@z")
    assert backend.get_variable("limit") == "12"
    assert backend.get_connection("nobody") is None
    assert backend.get_conn_value("aws_default") is None
