"""dbt outside of Airflow's model tasks: any command on the deployed warehouse, its documentation, what has changed.

The lake keeps `dbt/manifest.json`, the project as it was when it was last documented: dbt's `state:modified` is told
by it (dbt: State selection). Beside it are `catalog.json` and `index.html`, the documentation as one page.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from boto3.exceptions import Boto3Error
from botocore.exceptions import BotoCoreError, ClientError

from cdap.errors import CdapError
from cdap.parameters import Parameters, WarehouseParameters
from cdap.warehouse import Login

PREFIX = "dbt"
MANIFEST = f"{PREFIX}/manifest.json"
PAGE = f"{PREFIX}/index.html"
# By dbt's names below its target folder; the page goes last.
DOCUMENTATION = {
    "manifest.json": (MANIFEST, "application/json"),
    "catalog.json": (f"{PREFIX}/catalog.json", "application/json"),
    "static_index.html": (PAGE, "text/html"),
}


def environment(warehouse: WarehouseParameters, login: Login) -> dict[str, str]:
    """The variables that `dbt_project/profiles.yml` reads."""
    return {
        "CDAP_WAREHOUSE_HOST": warehouse.host,
        "CDAP_WAREHOUSE_PORT": str(warehouse.port),
        "CDAP_WAREHOUSE_DATABASE": warehouse.database,
        "CDAP_WAREHOUSE_SSLMODE": warehouse.sslmode,
        "CDAP_WAREHOUSE_USER": login.username,
        "CDAP_WAREHOUSE_PASSWORD": login.password.get_secret_value(),
    }


def run_dbt(
    arguments: Sequence[str],
    project: Path,
    variables: dict[str, str],
    target: str,
    folder: Path,
    *,
    quiet: bool = False,
) -> None:
    """Runs `dbt <arguments>`; its artifacts go to `folder`, its output to this process' own unless `quiet`.

    Raises CdapError when dbt does not succeed, with its last lines when it was quiet.
    """
    command = [
        sys.executable, "-m", "dbt.cli.main", *arguments, "--profiles-dir", str(project), "--project-dir", str(project),
        "--target", target, "--target-path", str(folder), "--log-path", str(folder / "logs"),
        *(["--quiet"] if quiet else []),
    ]  # fmt: skip
    variables = {**os.environ, **variables, "DBT_SEND_ANONYMOUS_USAGE_STATS": "false"}
    finished = subprocess.run(command, cwd=project, env=variables, capture_output=quiet, text=True, check=False)
    if finished.returncode != 0:
        lines = (finished.stdout + finished.stderr).strip().splitlines() if quiet else ["dbt's output says why"]
        raise CdapError(
            f"Running dbt {arguments[0]} in {project}",
            "\n".join(lines[-20:]),
            "Correct the model, or the source's file that it was made from, or its data",
        )


def document(project: Path, variables: dict[str, str], target: str, folder: Path, s3: Any, names: Parameters) -> str:
    """Makes the documentation from the project and the warehouse's catalog and puts it into the lake.

    Returns the address of its page. Raises CdapError when dbt or S3 refuses.
    """
    run_dbt(["docs", "generate", "--static"], project, variables, target, folder, quiet=True)
    try:
        for file, (key, kind) in DOCUMENTATION.items():
            s3.upload_file(str(folder / file), names.lake_bucket, key, ExtraArgs={"ContentType": kind})
    except (Boto3Error, BotoCoreError, ClientError) as error:
        raise _refused("Writing", names, error) from error
    return f"s3://{names.lake_bucket}/{PAGE}"


def fetch(key: str, file: Path, s3: Any, names: Parameters) -> Path:
    """Copies a part of the documentation, `MANIFEST` or `PAGE`, to a file. Raises CdapError when there is none yet."""
    file.parent.mkdir(parents=True, exist_ok=True)
    try:
        s3.download_file(names.lake_bucket, key, str(file))
    except (Boto3Error, BotoCoreError, ClientError) as error:
        if isinstance(error, ClientError) and error.response["Error"]["Code"] in ("404", "NoSuchKey"):
            raise CdapError(
                f"Reading s3://{names.lake_bucket}/{key}",
                "the models have not been documented yet",
                "Trigger the DAG document_models and wait for it",
            ) from None
        raise _refused("Reading", names, error) from error
    return file


def _refused(doing: str, names: Parameters, error: Exception) -> CdapError:
    return CdapError(f"{doing} s3://{names.lake_bucket}/{PREFIX}/", str(error), "Allow it to this role, then try again")
