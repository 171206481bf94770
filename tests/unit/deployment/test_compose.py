"""There is no Docker engine to try the files on: their form, and that all they name exists."""

from __future__ import annotations

import importlib.util
import re
import shlex
from pathlib import Path
from string import Template
from typing import Any

import pytest
import typer
from airflow.cli import cli_parser

from cdap.cli import app as cdap_app
from cdap.settings import PROJECT_DIR, Settings
from demo.cli import app as demo_app
from demo.machine import SECRETS_BACKEND
from infra.airflow import SERVICES
from localcloud.cli import app as localcloud_app
from tests.unit.deployment.compose import Compose, Service, load

VARIABLES = {"AIRFLOW_DB_PASSWORD": "d", "AIRFLOW_JWT_SECRET": "j", "AIRFLOW_SECRET_KEY": "s"}
COMMANDS = {"cdap": cdap_app, "demo": demo_app, "localcloud": localcloud_app}
STAGE = re.compile(r"^FROM \S+ AS (\w+)$", re.MULTILINE)
DOCKERFILE = (PROJECT_DIR / "Dockerfile").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def compose() -> Compose:
    return load(PROJECT_DIR / "docker-compose.yaml", VARIABLES)


def script_lines(service: Service) -> list[list[str]]:
    """The commands of the project in a service's shell script."""
    if service.entrypoint[:1] != ["sh"]:
        return []
    found = re.findall(r"\b(?:cdap|demo|localcloud) [^;)\n>&']+", "\n".join(service.command))
    # What the shell puts in for its variables.
    values = {"CUSTOMERS": "10", "YESTERDAY": "2026-01-01"}
    return [shlex.split(Template(line).substitute(values)) for line in found]


def parses(command: list[str]) -> None:
    """Raises what the command's own parser raises; nothing is run."""
    node: Any = typer.main.get_command(COMMANDS[command[0]])
    words, context = list(command[1:]), None
    while hasattr(node, "get_command"):
        context = node.context_class(node, info_name=command[0], parent=context)
        node, words = node.get_command(context, words[0]), words[1:]
        assert node is not None, command
    node.make_context(command[0], words, parent=context)


def test_a_password_is_asked_for_and_has_no_default() -> None:
    for name in VARIABLES:
        with pytest.raises(KeyError, match=name):
            load(PROJECT_DIR / "docker-compose.yaml", {key: value for key, value in VARIABLES.items() if key != name})


def test_what_services_refer_to_is_in_the_file(compose: Compose) -> None:
    for name, service in compose.services.items():
        for dependency, how in service.depends_on.items():
            other = compose.services[dependency]
            assert (other.healthcheck is not None) == (how.condition == "service_healthy"), f"{name} on {dependency}"
        if service.network_mode:
            assert service.network_mode.removeprefix("service:") in compose.services
            assert not service.ports, f"{name}: ports belong to the service whose network it shares"
        for volume in service.volumes:
            assert volume.split(":")[0] in compose.volumes, f"{name}: {volume}"
        if service.build is not None:
            assert (PROJECT_DIR / service.build.context / "Dockerfile").exists()
            assert service.build.target in STAGE.findall(DOCKERFILE)
    assert {volume.split(":")[0] for s in compose.services.values() for volume in s.volumes} == set(compose.volumes)


def test_every_command_is_one_that_its_program_takes(compose: Compose) -> None:
    tried = 0
    for service in compose.services.values():
        if service.command[:1] == ["airflow"]:
            cli_parser.get_parser().parse_args(service.command[1:])
            tried += 1
        checks = service.healthcheck.test[1:] if service.healthcheck else []
        for line in [service.command, checks, *script_lines(service)]:
            if line and line[0] in COMMANDS:
                parses(line)
                tried += 1
    assert tried >= 12


def test_airflow_runs_the_same_services_from_the_same_image_as_in_aws(compose: Compose) -> None:
    of_airflow = {name: service for name, service in compose.services.items() if service.command[:1] == ["airflow"]}
    assert set(of_airflow) == set(SERVICES)
    assert {service.image for service in of_airflow.values()} == {"cdap:latest"}
    assert all(service.command[1] == name for name, service in of_airflow.items())
    migrating = [name for name, s in of_airflow.items() if s.environment.get("CDAP_MIGRATE_METADATA") == "true"]
    assert migrating == ["scheduler"]


def test_the_platforms_variables_are_ones_that_something_reads(compose: Compose) -> None:
    entrypoint = (PROJECT_DIR / "docker" / "entrypoint.py").read_text(encoding="utf-8")
    for service in compose.services.values():
        for name in service.environment:
            if name.startswith("CDAP_"):
                known = name.removeprefix("CDAP_").lower() in Settings.model_fields
                assert known or name in entrypoint, name


def test_what_the_images_copy_is_there_and_holds_all_that_the_settings_name() -> None:
    copied = {source for line in re.findall(r"^COPY (.+)$", DOCKERFILE, re.MULTILINE) for source in line.split()[:-1]}
    for source in copied:
        assert (PROJECT_DIR / source).exists(), source
    for field in ("config_dir", "migrations_dir", "dbt_project_dir", "expectations_dir"):
        assert Path(Settings.model_fields[field].default).name in copied, field
    ignored = (PROJECT_DIR / ".dockerignore").read_text(encoding="utf-8").split()
    assert not copied & set(ignored)


def entrypoint() -> Any:
    spec = importlib.util.spec_from_file_location("entrypoint", PROJECT_DIR / "docker" / "entrypoint.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_metadata_databases_password_may_hold_any_character() -> None:
    url = entrypoint().metadata_url({"CDAP_METADATA_HOST": "db", "CDAP_METADATA_PASSWORD": "a@b/c:d%"})
    assert url == "postgresql+psycopg2://airflow:a%40b%2Fc%3Ad%25@db:5432/airflow"
    assert entrypoint().metadata_url({}) is None


def test_credentials_are_read_as_a_shell_would() -> None:
    text = "# of a role\nexport AWS_REGION=eu-central-1\nexport TOKEN='a b'\"'\"'c'\n"
    assert entrypoint().exported(text) == {"AWS_REGION": "eu-central-1", "TOKEN": "a b'c"}


def test_the_image_finds_connections_where_the_demo_does() -> None:
    settings = dict(re.findall(r"(AIRFLOW__SECRETS__\w+)=('[^']*'|\S+)", DOCKERFILE))
    assert {name: value.strip("'") for name, value in settings.items()} == SECRETS_BACKEND
