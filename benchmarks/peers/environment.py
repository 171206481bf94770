"""The environment of the peers: made under `.cache/peers` at the first run, nothing of it in the project's lock."""

from __future__ import annotations

import subprocess
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
CACHE = PROJECT / ".cache" / "peers"
PACKAGES = ("splink==5.0.0", "faker==40.54.0")


def python() -> Path:
    """The interpreter of the environment."""
    interpreter = CACHE / "bin" / "python"
    installed = CACHE / "installed.txt"
    if not installed.exists() or installed.read_text(encoding="utf-8").split() != list(PACKAGES):
        uv = str(PROJECT / ".tools" / "bin" / "uv")
        own = str(PROJECT / ".venv" / "bin" / "python")
        subprocess.run([uv, "venv", "--quiet", "--allow-existing", "--python", own, str(CACHE)], check=True)
        subprocess.run([uv, "pip", "install", "--quiet", "--python", str(interpreter), *PACKAGES], check=True)
        installed.write_text("\n".join(PACKAGES), encoding="utf-8")
    return interpreter


def names() -> Path:
    """A file of the name stocks of some countries: first names, last names, towns, streets, occupations."""
    file = CACHE / "names.json"
    if not file.exists():
        subprocess.run([str(python()), str(Path(__file__).with_name("faker_names.py")), str(file)], check=True)
    return file
