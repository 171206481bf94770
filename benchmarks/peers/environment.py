"""The environment of the peers: made under `.cache/peers` at the first run, nothing of it in the project's lock."""

from __future__ import annotations

import subprocess
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
CACHE = PROJECT / ".cache" / "peers"
UV = str(PROJECT / ".tools" / "bin" / "uv")
PACKAGES = ("splink==5.0.0", "faker==40.54.0")
# Large, and asked for by one benchmark alone.
CENSUS_PACKAGE = "pseudopeople==1.3.1"


def python() -> Path:
    """The interpreter of the environment."""
    interpreter = CACHE / "bin" / "python"
    installed = CACHE / "installed.txt"
    if not installed.exists() or installed.read_text(encoding="utf-8").split() != list(PACKAGES):
        own = str(PROJECT / ".venv" / "bin" / "python")
        subprocess.run([UV, "venv", "--quiet", "--allow-existing", "--python", own, str(CACHE)], check=True)
        _install(*PACKAGES)
        installed.write_text("\n".join(PACKAGES), encoding="utf-8")
    return interpreter


def _install(*packages: str) -> None:
    subprocess.run([UV, "pip", "install", "--quiet", "--python", str(CACHE / "bin" / "python"), *packages], check=True)


def names() -> Path:
    """A file of the name stocks of some countries: first names, last names, towns, streets, occupations."""
    file = CACHE / "names.json"
    if not file.exists():
        subprocess.run([str(python()), str(Path(__file__).with_name("faker_names.py")), str(file)], check=True)
    return file


def census() -> Path:
    """A folder of files of a simulated town: census, tax forms, social security."""
    folder = CACHE / "census"
    if not folder.exists():
        interpreter = str(python())
        _install(CENSUS_PACKAGE)
        subprocess.run([interpreter, str(Path(__file__).with_name("census_files.py")), str(folder)], check=True)
    return folder
