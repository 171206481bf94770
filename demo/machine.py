"""The platform, the local cloud and the demo enterprise together on one machine.

The platform is run the way a user runs it, by its commands and Airflow; nothing of it is imported. Used by
`make demo` (`demo.run`) and by the end-to-end tests.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Any

from demo.airflow import Airflow, AirflowEndpoint

# The role that Airflow's containers run under in AWS.
TASK_ROLE = "cdap-airflow"
# That of config/environments/dev.yaml: an account's stack is in one region.
REGION = "eu-central-1"
SHOP_SECRET = "cdap/sources/shop"  # noqa: S105 - the secret's name
CRM_SECRET = "cdap/sources/crm"  # noqa: S105
# As in the project's image: connections and variables of a deployment are secrets, the task role's own one is not.
SECRETS_BACKEND = {
    "AIRFLOW__SECRETS__BACKEND": "airflow.providers.amazon.aws.secrets.secrets_manager.SecretsManagerBackend",
    "AIRFLOW__SECRETS__BACKEND_KWARGS": json.dumps(
        {
            "connections_prefix": "cdap/airflow/connections",
            "variables_prefix": "cdap/airflow/variables",
            "connections_lookup_pattern": "^(?!aws_default$)",
        }
    ),
}
CRM_ADDRESS = "/cdap/sources/crm/instance_url"


class CommandError(RuntimeError):
    """A command of the platform, the local cloud or the enterprise failed; the message ends with what it printed."""


@dataclass(frozen=True)
class Population:
    """What the enterprise is filled with: `customers` persons over `days` days that end with `end`."""

    customers: int
    days: int
    end: date
    seed: int = 7

    def arguments(self) -> list[str]:
        """The options of `demo generate`."""
        return [
            "--customers", str(self.customers), "--days", str(self.days), "--end", self.end.isoformat(),
            "--seed", str(self.seed),
        ]  # fmt: skip


@dataclass(frozen=True)
class Machine:
    """Everything under one folder `state`; `project` is the checkout that the platform runs from, code included."""

    project: Path
    state: Path
    parallelism: int = 4
    # The first day that Airflow runs by itself; a world whose days are over has none.
    daily_from: date = date(2100, 1, 1)
    # Variables of Airflow's configuration beside those that the platform needs.
    airflow_settings: Mapping[str, str] = field(default_factory=dict)

    # Commands ---------------------------------------------------------------------------------------------------------

    def run(self, *command: str, env: Mapping[str, str] | None = None) -> str:
        """Run one of the installed commands and return what it printed to standard output. Raises CommandError."""
        program = Path(sys.executable).parent / command[0]
        finished = subprocess.run(
            [str(program), *command[1:]],
            cwd=self.project,
            env={**self._environment, **(env or {})},
            capture_output=True,
            text=True,
            check=False,
        )
        if finished.returncode != 0:
            tail = "\n".join((finished.stdout + "\n" + finished.stderr).strip().splitlines()[-40:])
            raise CommandError(f"`{' '.join(command)}` ended with status {finished.returncode}:\n{tail}")
        return finished.stdout

    def cdap(self, *arguments: str, admin: bool = False) -> Any:
        """Run `cdap ... --json` under the task role (or as the account's owner) and return the parsed answer."""
        env = self.owner if admin else self.platform
        return json.loads(self.run("cdap", *arguments, "--json", env=env))

    @property
    def _environment(self) -> dict[str, str]:
        return {
            **os.environ,
            # Before the installed checkout, which may be another one.
            "PYTHONPATH": str(self.project),
            "LOCALCLOUD_STATE": str(self.state / ".localcloud"),
            "DEMO_STATE": str(self.state / ".demo"),
            "CDAP_ENVIRONMENT": "dev",
            # Tables of a command whose output is captured are as wide as they need to be.
            "COLUMNS": "120",
        }

    @cached_property
    def owner(self) -> dict[str, str]:
        """Environment of the account's owner, who deploys."""
        return dict(json.loads(self.run("localcloud", "root-credentials", "--json")))

    @property
    def platform(self) -> dict[str, str]:
        """Environment of the platform: the task role's credentials as a container gets them, and Airflow's address."""
        credentials = dict(json.loads(self.run("localcloud", "credentials", TASK_ROLE, "--json")))
        if self.airflow.running:
            endpoint = self.airflow.endpoint
            credentials |= {
                "CDAP_AIRFLOW_URL": endpoint.url,
                "CDAP_AIRFLOW_USER": endpoint.user,
                "CDAP_AIRFLOW_PASSWORD": endpoint.password,
            }
        return credentials

    # Servers ----------------------------------------------------------------------------------------------------------

    @cached_property
    def airflow(self) -> Airflow:
        """Airflow with the project's DAGs, its metadata in the local cloud's PostgreSQL."""
        url = self.run("localcloud", "postgres", "create-database", "airflow", "--user", "airflow").strip()
        return Airflow(
            home=self.state / ".demo" / "airflow",
            database_url=url,
            dags_dir=self.project / "dags",
            plugins_dir=self.project / "plugins",
            python_path=[self.project, self.project / "plugins"],
            environment={
                "CDAP_ENVIRONMENT": "dev",
                "CDAP_DAILY_FROM": self.daily_from.isoformat(),
                **SECRETS_BACKEND,
                **self._lineage_settings,
                # The stack that has the role may still be on its way; nothing runs under it before.
                **json.loads(self.run("localcloud", "credentials", TASK_ROLE, "--unchecked", "--json")),
                **self.airflow_settings,
            },
            parallelism=self.parallelism,
        )

    @property
    def lineage(self) -> Path:
        """The folder of the OpenLineage events that Airflow sent, a JSON file each."""
        return self.state / ".demo" / "airflow" / "lineage"

    @property
    def _lineage_settings(self) -> dict[str, str]:
        self.lineage.mkdir(parents=True, exist_ok=True)
        # The provider appends an instant to the path.
        transport = {"type": "file", "log_file_path": str(self.lineage / "event"), "append": False}
        return {
            "AIRFLOW__OPENLINEAGE__NAMESPACE": "cdap-dev",
            "AIRFLOW__OPENLINEAGE__TRANSPORT": json.dumps(transport),
            # To write a file takes no process of its own.
            "AIRFLOW__OPENLINEAGE__EXECUTE_IN_THREAD": "True",
        }

    def up(self, fill: Callable[[], None], progress: Callable[[str], None] = lambda _: None) -> AirflowEndpoint:
        """Start everything, fill the enterprise by `fill`, deploy, start Airflow; returns where Airflow is.

        What does not wait for one another goes side by side.
        """
        with ThreadPoolExecutor(3) as pool:
            progress("starting the demo enterprise")
            enterprise = pool.submit(self.run, "demo", "up")
            progress("starting the local cloud")
            self.run("localcloud", "up", "--region", REGION)
            airflow = pool.submit(self._start_airflow, progress)
            enterprise.result()
            filled = pool.submit(fill)
            # The stack's connection to the CRM needs its address and secret; the shop's is read by the first load.
            crm = ("--of", "crm", "--address", CRM_ADDRESS)
            self.run("demo", "register-secret", CRM_SECRET, *crm, env=self.owner)
            self.run("demo", "register-secret", SHOP_SECRET, env=self.owner)
            progress("deploying the platform's stack")
            self.deploy()
            filled.result()
            return airflow.result()

    def deploy(self) -> None:
        """Deploy the platform's stacks as the account's owner; again after a source's file was added."""
        self.run("cdap", "deploy", "--environment", "dev", "--out", str(self.state / "cdk.out"), env=self.owner)

    def _start_airflow(self, progress: Callable[[str], None]) -> AirflowEndpoint:
        return self.airflow.start(progress)

    def generate(self, population: Population) -> None:
        """Fill the enterprise with generated customers."""
        self.run("demo", "generate", *population.arguments())

    def load_cdnow(self, file: Path) -> None:
        """Fill the enterprise with the real purchases of the CDNOW file."""
        self.run("python", "-m", "demo.cdnow", str(file))

    def down(self) -> Sequence[str]:
        """Stop all that runs; returns what could not be stopped, with the reason (empty when all is gone)."""
        problems = []
        airflow = Airflow(home=self.state / ".demo" / "airflow", database_url="", dags_dir=self.project / "dags")
        for name, stop in (
            ("Airflow", airflow.stop),
            ("the demo enterprise", lambda: self.run("demo", "down")),
            ("the local cloud", lambda: self.run("localcloud", "down")),
        ):
            try:
                stop()
            except (OSError, RuntimeError) as error:
                problems.append(f"{name}: {error}")
        return problems
