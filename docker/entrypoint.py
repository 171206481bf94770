"""Starts a command in Airflow's image: names the metadata database, migrates it where asked, runs the command.

ECS gives the parts of the database's secret as variables of their own; Airflow wants one address.

- `CDAP_METADATA_HOST`, `CDAP_METADATA_PASSWORD`, and `CDAP_METADATA_PORT`, `_USER`, `_NAME` where they are not 5432,
  airflow and airflow: the metadata database. Without a host, Airflow's own variable for it stays as it is.
- `CDAP_MIGRATE_METADATA=true`: `airflow db migrate` first; it waits for another one that is under way.
- `CDAP_CREDENTIALS`: a file of `export NAME=value` lines to take into the environment, once it is there.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import quote

ADDRESS = "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"
SECONDS_TO_WAIT = 300


def metadata_url(environment: dict[str, str]) -> str | None:
    """The metadata database's address for SQLAlchemy; None when its host is not given."""
    host = environment.get("CDAP_METADATA_HOST")
    if not host:
        return None
    user = quote(environment.get("CDAP_METADATA_USER", "airflow"), safe="")
    password = quote(environment.get("CDAP_METADATA_PASSWORD", ""), safe="")
    port = environment.get("CDAP_METADATA_PORT", "5432")
    name = quote(environment.get("CDAP_METADATA_NAME", "airflow"), safe="")
    return f"postgresql+psycopg2://{user}:{password}@{host}:{port}/{name}"


def exported(text: str) -> dict[str, str]:
    """The variables of `export NAME=value` lines, as a shell would read them."""
    words = (word for line in text.splitlines() for word in shlex.split(line)[1:] if line.startswith("export "))
    return dict(word.split("=", 1) for word in words)


def await_file(file: Path, seconds: float) -> str:
    """The file's text, as soon as it is there; ends the process when it does not come."""
    end = time.monotonic() + seconds
    while not file.exists():
        if time.monotonic() > end:
            sys.exit(f"{file} did not come within {seconds:.0f} s: look at the log of the service that writes it")
        time.sleep(0.5)
    return file.read_text(encoding="utf-8")


def main(command: list[str]) -> None:
    """Replaces this process by the command."""
    environment = dict(os.environ)
    if credentials := environment.get("CDAP_CREDENTIALS"):
        environment |= exported(await_file(Path(credentials), SECONDS_TO_WAIT))
    if url := metadata_url(environment):
        environment[ADDRESS] = url
    if environment.get("CDAP_MIGRATE_METADATA") == "true":
        subprocess.run(["airflow", "db", "migrate"], env=environment, check=True)
    os.execvpe(command[0], command, environment)  # noqa: S606 - the container's own command


if __name__ == "__main__":
    main(sys.argv[1:] or ["airflow", "version"])
