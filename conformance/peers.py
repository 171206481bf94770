"""A peer's suite: its source distribution from the package index, in an environment of its own."""

from __future__ import annotations

import re
import subprocess
import sys
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

PROJECT = Path(__file__).resolve().parents[1]
CACHE = PROJECT / ".cache" / "conformance"
UV = PROJECT / ".tools" / "bin" / "uv"
PLUGINS = Path(__file__).parent / "plugins"
KNOWN_FAILURES = Path(__file__).parent / "known_failures"


@dataclass(frozen=True)
class Peer:
    """`distribution` is the sdist, as `name==version`; `requirements` are what its tests need, pinned; of the files of
    requirements in the sdist what else they need."""

    name: str
    distribution: str
    requirements: tuple[str, ...]
    requirement_files: tuple[str, ...] = ()

    @property
    def environment(self) -> Path:
        return CACHE / self.name / "env"

    @property
    def python(self) -> Path:
        return self.environment / "bin" / "python"

    def fetch(self) -> Path:
        """The unpacked source distribution and its environment, made at the first call."""
        folder = CACHE / self.name
        unpacked = folder / self.distribution
        if not unpacked.exists():
            folder.mkdir(parents=True, exist_ok=True)
            _run(
                UV.with_name("python"), "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", ":all:",
                "--dest", folder, self.distribution,
            )  # fmt: skip
            (archive,) = folder.glob("*.tar.gz")
            with tarfile.open(archive) as tar:
                tar.extractall(folder, filter="data")
            (found,) = (path.parent for path in folder.glob("*/PKG-INFO"))
            found.rename(unpacked)
        if not self.python.exists():
            _run(UV, "venv", "--quiet", "--python", sys.executable, self.environment)
            files = [word for file in self.requirement_files for word in ("-r", unpacked / file)]
            _run(UV, "pip", "install", "--quiet", "--python", self.python, *self.requirements, *files)
        return unpacked


def _run(*command: str | Path) -> None:
    subprocess.run([str(word) for word in command], check=True)


@dataclass(frozen=True)
class Results:
    """Test ids by what came of them."""

    passed: frozenset[str]
    failed: frozenset[str]
    skipped: frozenset[str]

    @property
    def total(self) -> int:
        return len(self.passed) + len(self.failed) + len(self.skipped)


def run_pytest(
    python: Path, folder: Path, arguments: Sequence[str], environment: Mapping[str, str], report: Path
) -> Results:
    """Runs a suite's pytest in its folder. Raises RuntimeError when it wrote no report."""
    report.unlink(missing_ok=True)
    command = [str(python), "-m", "pytest", "-q", "--tb=short", f"--junitxml={report}", "-o", "junit_family=xunit1"]
    subprocess.run([*command, *arguments], cwd=folder, env=dict(environment), check=False)
    if not report.exists():
        raise RuntimeError(f"pytest in {folder} wrote no report: see what it printed")
    return read_report(report)


def read_report(report: Path) -> Results:
    """The results of a JUnit report. A test that errs in its set-up or its end has failed."""
    outcome: dict[str, str] = {}
    for case in ElementTree.parse(report).iter("testcase"):  # noqa: S314 - our own pytest wrote it
        # Tests that a suite inherits from a package lie in its environment, wherever that is.
        file = re.sub(r"^.*/site-packages/", "", case.get("file") or case.get("classname") or "")
        # A test made by a function of ours lies there; its module is what made it.
        if file.startswith(".."):
            file = f"{(case.get('classname') or '').replace('.', '/')}.py"
        name = f"{file}::{(case.get('classname') or '').split('.')[-1]}"
        test = f"{name}::{case.get('name')}"
        children = {child.tag for child in case}
        found = "failed" if children & {"failure", "error"} else "skipped" if "skipped" in children else "passed"
        if outcome.get(test) != "failed":
            outcome[test] = found
    return Results(
        *(frozenset(t for t, result in outcome.items() if result == kind) for kind in ("passed", "failed", "skipped"))
    )


def known_failures(name: str) -> dict[str, str]:
    """Of `known_failures/<name>.txt`: the tests that are known to fail, and why. Lines `test  # reason`."""
    file = KNOWN_FAILURES / f"{name}.txt"
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    entries = (line.split("  # ", 1) for line in lines if line.strip() and not line.startswith("#"))
    return {entry[0].strip(): entry[1].strip() if len(entry) > 1 else "" for entry in entries}
