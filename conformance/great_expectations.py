"""Great Expectations' integration tests of data sources and expectations, against the local warehouse as Redshift."""

from __future__ import annotations

import os

from conformance.peers import CACHE, PLUGINS, Peer, Results, run_pytest
from conformance.warehouse import make_workgroup, warehouse_machine

NAME = "great-expectations"
PEER = Peer(
    NAME,
    "great_expectations==1.24.1",
    ("great_expectations==1.24.1", "sqlalchemy==2.1.9", "sqlalchemy-redshift==1.0.0", "psycopg2-binary==2.9.13"),
    requirement_files=("reqs/requirements-dev-test.txt",),
)


def run(selected: list[str], jobs: int) -> Results:
    """Runs the tests that are marked for Redshift, or those of the selected files; one after another."""
    folder = PEER.fetch()
    with warehouse_machine() as machine:
        login = make_workgroup(machine, "test_ci", "gx")
        environment = {
            **os.environ,
            "REDSHIFT_HOST": login.host,
            "REDSHIFT_PORT": str(login.port),
            "REDSHIFT_DATABASE": login.database,
            "REDSHIFT_USERNAME": login.user,
            "REDSHIFT_PASSWORD": login.password,
            "REDSHIFT_SSLMODE": "disable",
            # Asked for by its conftest, used by no test of Redshift.
            "AWS_ACCESS_KEY_ID": "none",
            "AWS_SECRET_ACCESS_KEY": "none",
            "GX_ANALYTICS_ENABLED": "false",
            "PYTHONPATH": str(PLUGINS),
        }
        return run_pytest(
            PEER.python,
            folder,
            # The script runner runs the examples of the guides; the distribution lacks what it imports.
            ["-p", "any_locale", "--redshift", "-m", "redshift", "--timeout", "300", "-rfE",
             "--ignore", "tests/integration/test_script_runner.py", *(selected or ["tests/integration"])],
            environment,
            CACHE / f"{NAME}.xml",
        )  # fmt: skip
