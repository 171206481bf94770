"""A machine of the end-to-end tests after its first backfill, and clients of what runs on it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import boto3

from demo.machine import Machine, Population
from tests.end_to_end.content import Content, connect, content, difference
from tests.end_to_end.rest import AirflowRest, wait_for

PROJECT = Path(__file__).resolve().parents[2]
POPULATION = Population(customers=300, days=5, end=date(2026, 3, 6), seed=11)
DAYS = [(POPULATION.end - timedelta(days=back)).isoformat() for back in range(POPULATION.days - 1, -1, -1)]
INGEST, STATE, TRAIN = "ingest_shop", "build_profiles", "train_identity"


def session_of(machine: Machine) -> boto3.session.Session:
    """The SDK's session of the account's owner."""
    owner = machine.owner
    return boto3.session.Session(
        aws_access_key_id=owner["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=owner["AWS_SECRET_ACCESS_KEY"],
        region_name=owner["AWS_REGION"],
    )


def client(machine: Machine, service: str) -> Any:
    """A client of the local cloud as the account's owner."""
    return session_of(machine).client(service, endpoint_url=machine.owner["AWS_ENDPOINT_URL"])


def warehouse_of(machine: Machine) -> Any:
    """A session with the warehouse as its admin."""
    names = ["host", "port", "secret_arn"]
    ssm = client(machine, "ssm")
    host, port, secret = (ssm.get_parameter(Name=f"/cdap/warehouse/{n}")["Parameter"]["Value"] for n in names)
    login = json.loads(client(machine, "secretsmanager").get_secret_value(SecretId=secret)["SecretString"])
    return connect({"host": host, "port": int(port), "user": login["username"], "password": login["password"]})


@dataclass(frozen=True)
class World:
    """The machine after its first backfill, and what its tables held then."""

    machine: Machine
    airflow: AirflowRest
    first: Content

    def backfill(self, *options: str, first: str = DAYS[0], last: str = DAYS[-1]) -> Any:
        return self.machine.cdap("backfill", "--from", first, "--to", last, *options)

    def content(self) -> Content:
        connection = warehouse_of(self.machine)
        try:
            return content(connection)
        finally:
            connection.close()

    def started(self) -> dict[str, str]:
        """When each day's run last started: a repeat that made no run leaves it as it is."""
        return {run["partition_key"]: run["start_date"] for run in self.airflow.runs(INGEST)}

    def effective_state_runs(self) -> list[str]:
        """The state runs that had something to apply."""
        return [
            run["dag_run_id"]
            for run in self.airflow.runs(STATE)
            if self.airflow.tasks(STATE, run["dag_run_id"])["applied"]["state"] == "success"
        ]

    def settle(self) -> None:
        """Wait until nothing runs."""
        wait_for("Airflow to be idle", self.airflow.idle)

    def retrain(self) -> Content:
        """What the tables hold once a new identity model was trained on all records and they were resolved by it."""
        before = len(self.effective_state_runs())
        self.airflow.post(f"/dags/{TRAIN}/dagRuns", {"logical_date": None})
        wait_for("a state run by the new model", lambda: len(self.effective_state_runs()) > before)
        self.settle()
        return self.content()

    def expect_same_after(self, action: Callable[[], None]) -> None:
        """`action` must make the state chain apply something, and the content must be what it was."""
        before = len(self.effective_state_runs())
        action()
        wait_for("a state run that applies the repeat", lambda: len(self.effective_state_runs()) > before)
        self.settle()
        assert difference(self.first, self.content()) == ""


def first_backfill(machine: Machine, *options: str) -> World:
    """The world once all days of the machine's enterprise have landed."""
    machine.cdap("backfill", "--from", DAYS[0], "--to", DAYS[-1], *options)
    world = World(machine, AirflowRest(machine.airflow.endpoint), {})
    world.settle()
    return replace(world, first=world.content())
