"""The templates as AWS's own linter and the CDK's security rules see them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from cfnlint import api as cfn_lint
from cfnlint.config import ManualArgs

from cdap.deployment import synthesise
from cdap.deployment.synthesis import node_environment
from cdap.settings import PROJECT_DIR

# ci is dev by another name.
ENVIRONMENTS = ["dev", "prod"]
ACCOUNT = "123456789012"
# What cfn-lint asks of every template and does not hold here, with the reason.
NOT_HERE = {
    "W3010": "Zones are named in config/environments: a look-up would need an account at synthesis.",
    "W3005": "A dependency on a role is one on its policies too, which the property that names the role is not.",
}


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_cfn_lint_finds_nothing(environment: str, tmp_path: Path) -> None:
    templates = synthesise(PROJECT_DIR, PROJECT_DIR / "config", environment, ACCOUNT, tmp_path)
    assert "cdap-platform" in templates
    for file in templates.values():
        matches = cfn_lint.lint(
            file.read_text(encoding="utf-8"),
            config=ManualArgs(regions=["eu-central-1"], ignore_checks=list(NOT_HERE)),
        )
        # The port is a number and the parameter's value text: CloudFormation makes one of the other.
        found = [str(match) for match in matches if "Workgroup.Endpoint.Port" not in str(match)]
        assert found == [], file.name


def test_every_security_finding_has_its_answer_and_every_answer_a_finding() -> None:
    used: set[str] = set()
    answers: dict[str, str] = {}
    for environment in ENVIRONMENTS:
        finished = subprocess.run(
            [sys.executable, "-m", "infra.security", "--environment", environment, "--account", ACCOUNT, "--json"],
            cwd=PROJECT_DIR, env=node_environment(), capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert finished.stdout, finished.stderr[-3000:]
        printed = json.loads(finished.stdout)
        found, answers = printed["findings"], printed["answers"]
        assert [finding for finding in found if finding["answer"] is None] == []
        assert found and finished.returncode == 0
        used |= {finding["answer"] for finding in found}
    assert set(answers) == used, "an answer to nothing: take it out"
    assert all(len(reason) > 30 for reason in answers.values())
