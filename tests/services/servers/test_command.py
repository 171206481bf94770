"""The `localcloud` command as a user runs it: up, status, a second up, kills, Ctrl-C, down with nothing left."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import psutil
import psycopg2
import pytest

from localcloud.servers.machine import MARK, SERVERS

COMMAND = str(Path(sys.executable).with_name("localcloud"))
# The search node takes most of the time; it has tests of its own.
LIGHT = ("--without", "opensearch", "--without", "warehouse", "--without", "gremlin")
LIGHTEST = (*LIGHT, "--without", "gateway")


class Cloud:
    """A state folder and the command on it."""

    def __init__(self, state: Path) -> None:
        self.state = state

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [COMMAND, *arguments], env=self.environment(), capture_output=True, text=True, timeout=300, check=False
        )

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [COMMAND, *arguments],
            env=self.environment(),
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            # A test runner's workers may ignore Ctrl-C, and their children would inherit that.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )

    def environment(self) -> dict[str, str]:
        return {**os.environ, "LOCALCLOUD_STATE": str(self.state), "COLUMNS": "200"}

    def ok(self, *arguments: str) -> str:
        done = self.run(*arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def status(self) -> dict[str, dict[str, Any]]:
        return {row["name"]: row for row in json.loads(self.run("status", "--json").stdout or "[]")}

    def processes(self) -> list[psutil.Process]:
        """What bears this state folder's mark, or holds a file or folder of it open."""
        found = []
        for process in psutil.process_iter():
            try:
                marked = process.environ().get(MARK) == str(self.state)
                inside = process.cwd().startswith(str(self.state))
                ended = process.status() == psutil.STATUS_ZOMBIE
            except psutil.Error:
                continue
            if (marked or inside) and not ended:
                found.append(process)
        return found


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[Cloud]:
    cloud = Cloud(tmp_path / "state")
    yield cloud
    cloud.run("down")
    assert cloud.processes() == []


def test_up_status_second_up_and_down(cloud: Cloud) -> None:
    rows = {row["name"]: row for row in json.loads(cloud.ok("up", *LIGHT, "--json", "--region", "eu-west-1"))}
    assert {name: row["health"] for name, row in rows.items()} == {"postgres": "up", "gateway": "up"}
    assert all(row["host"] == "127.0.0.1" and Path(row["log"]).exists() for row in rows.values())
    assert cloud.run("status").returncode == 0

    again = cloud.run("up", *LIGHT)
    assert again.returncode == 3
    assert "is up already" in again.stderr
    assert cloud.status() == rows

    listening = {
        connection.laddr.ip
        for process in cloud.processes()
        for connection in process.net_connections(kind="inet")
        if connection.status == psutil.CONN_LISTEN
    }
    assert listening <= {"127.0.0.1", "::ffff:127.0.0.1"}

    cloud.ok("down")
    assert cloud.processes() == []
    assert {row["health"] for row in cloud.status().values()} == {"down"}
    assert cloud.run("status").returncode == 1
    assert "Nothing was running" in cloud.run("down").stderr


def test_up_starts_what_is_missing_of_a_machine_that_is_partly_up(cloud: Cloud) -> None:
    cloud.ok("up", *LIGHT)
    before = cloud.status()
    postgres = psutil.Process(before["postgres"]["pid"])
    postgres.kill()
    postgres.wait(10)
    assert cloud.status()["postgres"]["health"] == "down"

    cloud.ok("up", *LIGHT)
    after = cloud.status()
    assert {row["health"] for row in after.values()} == {"up"}
    assert after["gateway"] == before["gateway"]
    assert after["postgres"]["url"] == before["postgres"]["url"]


def test_endpoints_logins_and_data_stay_after_down_and_after_kill(cloud: Cloud) -> None:
    cloud.ok("up", *LIGHT)
    before = cloud.status()
    url = cloud.ok("postgres", "create-database", "airflow", "--user", "airflow").strip()
    keys = json.loads(cloud.ok("root-credentials", "--json"))
    queues = boto3.client(
        "ssm",
        endpoint_url=keys["AWS_ENDPOINT_URL"],
        region_name=keys["AWS_REGION"],
        aws_access_key_id=keys["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=keys["AWS_SECRET_ACCESS_KEY"],
    )
    queues.put_parameter(Name="/kept", Value="yes", Type="String")
    _sql(url, "create table kept as select 42 as answer")
    time.sleep(2)
    for process in cloud.processes():
        process.kill()
    psutil.wait_procs(cloud.processes(), 5)

    cloud.ok("up", *LIGHT)
    after = cloud.status()
    assert {n: (r["url"], r["password"]) for n, r in after.items()} == {
        n: (r["url"], r["password"]) for n, r in before.items()
    }
    assert queues.get_parameter(Name="/kept")["Parameter"]["Value"] == "yes"
    assert _sql(url, "select answer from kept") == [(42,)]
    cloud.ok("down")
    cloud.ok("up", *LIGHT)
    assert cloud.ok("postgres", "create-database", "airflow", "--user", "airflow").strip() == url
    assert _sql(url, "select answer from kept") == [(42,)]


def test_a_taken_port_is_named_and_what_had_started_is_ended(cloud: Cloud) -> None:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        failed = cloud.run("up", *LIGHT, "--port", str(port))
        assert failed.returncode == 4
        assert f"gateway cannot listen on 127.0.0.1:{port}" in failed.stderr
        assert f"(pid {os.getpid()})" in failed.stderr
        assert cloud.processes() == []
        cloud.ok("up", *LIGHT, "--port", "free")
        assert cloud.status()["gateway"]["port"] != port


def test_a_server_that_fails_is_explained_and_ends_the_others(cloud: Cloud) -> None:
    cloud.ok("up", *LIGHT)
    cloud.ok("down")
    (cloud.state / "postgres" / "cluster" / "postgresql.conf").write_text("no_such_setting = 1\n")
    failed = cloud.run("up", *LIGHT)
    assert failed.returncode == 1
    assert "postgres ended while starting (exit code 1)" in failed.stderr
    assert "no_such_setting" in failed.stderr
    assert str(cloud.state / "logs" / "postgres.log") in failed.stderr
    assert cloud.processes() == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("after", [0.6, 1.5, 3.0])
def test_an_interrupted_up_leaves_nothing_behind(cloud: Cloud, number: signal.Signals, after: float) -> None:
    command = cloud.start("up", "--without", "warehouse")
    time.sleep(after)
    command.send_signal(number)
    output, _ = command.communicate(timeout=60)
    assert command.returncode in (130, -number), output
    assert cloud.processes() == []
    assert "down" in {row["health"] for row in cloud.status().values()} or cloud.status() == {}


def test_two_ups_at_once_start_one_machine(cloud: Cloud) -> None:
    commands = [cloud.start("up", *LIGHTEST) for _ in range(3)]
    codes = sorted(command.wait(120) for command in commands)
    for command in commands:
        command.communicate()
    assert codes == [0, 3, 3]
    assert {row["health"] for row in cloud.status().values()} == {"up"}


def test_what_a_server_started_elsewhere_is_ended_by_down(cloud: Cloud) -> None:
    cloud.ok("up", *LIGHTEST)
    environment = {**os.environ, MARK: str(cloud.state)}
    stray = subprocess.Popen(
        [sys.executable, "-c", "import time; time.sleep(600)"], env=environment, start_new_session=True
    )
    cloud.ok("down")
    assert stray.wait(5) == -signal.SIGKILL


def test_down_wipe_removes_the_state(cloud: Cloud) -> None:
    cloud.ok("up", *LIGHTEST)
    cloud.ok("down", "--wipe")
    assert not cloud.state.exists()


def test_wipe_does_not_remove_a_folder_that_holds_no_local_cloud(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "one.jpg").write_text("x")
    refused = Cloud(tmp_path / "photos").run("down", "--wipe")
    assert refused.returncode == 1
    assert (tmp_path / "photos" / "one.jpg").exists()


def test_another_region_for_the_same_state_is_refused(cloud: Cloud) -> None:
    cloud.ok("up", *LIGHTEST, "--region", "eu-west-1", "--account", "111122223333")
    cloud.ok("down")
    refused = cloud.run("up", *LIGHTEST, "--region", "us-west-2")
    assert refused.returncode == 1
    assert "has region eu-west-1, and us-west-2 was asked for" in refused.stderr


def test_credentials_of_a_role_work_and_a_role_that_does_not_trust_is_named(cloud: Cloud) -> None:
    cloud.ok("up", *LIGHT)
    keys = json.loads(cloud.ok("root-credentials", "--json"))
    client: dict[str, Any] = {"endpoint_url": keys["AWS_ENDPOINT_URL"], "region_name": keys["AWS_REGION"]}
    root = boto3.Session(keys["AWS_ACCESS_KEY_ID"], keys["AWS_SECRET_ACCESS_KEY"])
    for name, service in (("task", "ecs-tasks"), ("job", "glue")):
        statement = {
            "Effect": "Allow",
            "Principal": {"Service": f"{service}.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }
        trust = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        root.client("iam", **client).create_role(RoleName=name, AssumeRolePolicyDocument=trust)
    exported = cloud.ok("credentials", "task", "--export")
    script = "import boto3; print(boto3.client('sts').get_caller_identity()['Arn'])"
    without_keys = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    done = subprocess.run(
        ["bash", "-c", f'{exported}\nexec "$0" -c "$1"', sys.executable, script],
        env=without_keys,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ":assumed-role/task/" in done.stdout, done.stderr
    refused = cloud.run("credentials", "job")
    assert refused.returncode == 1
    assert "job" in refused.stderr
    assert "ecs-tasks.amazonaws.com" in refused.stderr


def test_logs_of_one_server_and_a_wrong_name(cloud: Cloud) -> None:
    assert cloud.run("logs").returncode == 1
    cloud.ok("up", *LIGHT)
    assert "database system is ready to accept connections" in cloud.ok("logs", "postgres")
    assert "gateway: " in cloud.ok("logs", "-n", "3")
    wrong = cloud.run("logs", "nothing")
    assert wrong.returncode == 2
    assert all(name in wrong.stderr for name in SERVERS)


def test_without_a_machine_every_command_says_how_to_start_one(cloud: Cloud) -> None:
    for arguments in (("status",), ("credentials", "x"), ("root-credentials",), ("postgres", "create-database", "x")):
        done = cloud.run(*arguments)
        assert done.returncode == 1, arguments
        assert "localcloud up" in done.stderr, arguments


def _sql(url: str, statement: str) -> list[tuple[Any, ...]]:
    connection = psycopg2.connect(url)
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchall() if cursor.description else []
    finally:
        connection.close()


def await_addresses(process: subprocess.Popen[str]) -> None:
    """Returns once the command has printed where everything is, which it does when all is up."""
    assert process.stdout is not None
    printed = []
    for line in process.stdout:
        printed.append(line)
        if "http://" in line:
            return
    raise AssertionError("".join(printed))


def test_in_the_foreground_it_stays_until_it_is_told_to_end_and_leaves_nothing(cloud: Cloud) -> None:
    process = cloud.start("up", "--foreground", *LIGHT)
    await_addresses(process)
    assert {row["health"] for row in cloud.status().values()} == {"up"}
    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0, output
    assert cloud.processes() == []


def test_in_the_foreground_a_server_that_is_gone_ends_it_with_an_error_that_names_it(cloud: Cloud) -> None:
    process = cloud.start("up", "--foreground", *LIGHT)
    await_addresses(process)
    os.kill(int(cloud.status()["gateway"]["pid"]), signal.SIGKILL)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 1, output
    assert "gateway ended by itself" in output
    assert cloud.processes() == []
