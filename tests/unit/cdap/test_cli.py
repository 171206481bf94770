"""The command's frame: exit codes, and errors with cause and next step instead of a traceback."""

from __future__ import annotations

import json

import pytest

from cdap import cli
from cdap.errors import CdapError


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr("sys.argv", ["cdap", *arguments])
    with pytest.raises(SystemExit) as raised:
        cli.main()
    return int(raised.value.code or 0)


@pytest.fixture(autouse=True)
def nothing_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "none")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "none")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")


@pytest.mark.parametrize("command", [("migrate",), ("quarantine", "list"), ("report", "stages")])
def test_a_command_that_fails_says_cause_and_next_step_and_exits_with_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: tuple[str, ...]
) -> None:
    assert run(monkeypatch, *command) == 1
    shown = capsys.readouterr()
    assert "Reading the parameters under /cdap/" in shown.err
    assert "cause: Could not connect" in shown.err
    assert "next:  Deploy the stack" in shown.err
    assert "Traceback" not in shown.err
    assert shown.out == ""


def test_with_json_the_error_is_json_too(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(monkeypatch, "report", "stages", "--json") == 1
    error = json.loads(capsys.readouterr().err)["error"]
    assert error["doing"] == "Reading the parameters under /cdap/"
    assert error["next_step"].startswith("Deploy the stack")


def test_a_command_that_does_not_exist_exits_with_2(monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(monkeypatch, "conquer") == 2
    assert run(monkeypatch, "report", "stages", "--limit", "none") == 2


def test_every_command_can_be_loaded_and_explains_itself(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "--help") == 0
    shown = capsys.readouterr().out
    for name in cli.COMMANDS:
        assert name in shown


def test_a_cause_with_brackets_is_shown_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    cli.report_error(CdapError("Checking [x]", "found [red]", "do [y]"), as_json=False)
    assert "found [red]" in capsys.readouterr().err
