"""dbt-redshift's functional tests against the local warehouse, as its maintainers run them against Redshift."""

from __future__ import annotations

import os
import secrets

import psycopg2
from psycopg2 import sql

from conformance.peers import CACHE, PLUGINS, Peer, Results, run_pytest
from conformance.warehouse import REGION, make_workgroup, warehouse_machine
from localcloud.servers.machine import Machine

NAME = "dbt-redshift"
PEER = Peer(
    NAME,
    "dbt-redshift==1.11.1",
    ("dbt-redshift==1.11.1", "dbt-core==1.11.16", "dbt-tests-adapter==1.20.0", "pytest==8.4.2", "pytest-xdist==3.8.0",
     "pytest-timeout==2.4.0", "freezegun==1.5.5"),
)  # fmt: skip
DATABASE, USER = "dbt", "root"
USERS = ("dbt_test_user_1", "dbt_test_user_2", "dbt_test_user_3")
GROUP = "dbt_test_group_1"


def run(selected: list[str], jobs: int) -> Results:
    """Runs the suite, or the selected files of it."""
    folder = PEER.fetch()
    with warehouse_machine() as machine:
        environment = _prepare(machine)
        return run_pytest(
            PEER.python,
            folder,
            # The suite's own options begin as many workers as there are cores and expect a file of settings.
            ["-o", "addopts=", "-n", str(jobs), "--timeout", "600", "-p", "dbt_without_tls", "-rfE",
             *(selected or ["tests/functional"])],
            environment,
            CACHE / f"{NAME}.xml",
        )  # fmt: skip


def _prepare(machine: Machine) -> dict[str, str]:
    """A workgroup with an admin, the users and the group of the tests; the tests' environment."""
    login = make_workgroup(machine, DATABASE, USER)
    connection = psycopg2.connect(
        host=login.host, port=login.port, user=login.user, password=login.password, dbname=login.database
    )
    connection.autocommit = True
    with connection.cursor() as cursor:
        for user in USERS:
            statement = sql.SQL("create user {} password {}")
            cursor.execute(statement.format(sql.Identifier(user), sql.Literal(f"A1{secrets.token_hex(12)}")))
        cursor.execute(sql.SQL("create group {}").format(sql.Identifier(GROUP)))
        # test_autocommit.py counts on a database that an earlier run left in the maintainers' cluster.
        cursor.execute("create database db_for_test__do_delete_if_you_see_this")
    connection.close()
    return {
        **os.environ,
        "REDSHIFT_TEST_HOST": login.host,
        "REDSHIFT_TEST_PORT": str(login.port),
        "REDSHIFT_TEST_DBNAME": DATABASE,
        "REDSHIFT_TEST_USER": USER,
        "REDSHIFT_TEST_PASS": login.password,
        "REDSHIFT_TEST_REGION": REGION,
        **{f"DBT_TEST_USER_{number}": user for number, user in enumerate(USERS, start=1)},
        "DBT_TEST_GROUP_1": GROUP,
        "PYTHONPATH": str(PLUGINS),
    }
