"""The environment that scripts run in, and what Spark is set to.

Spark comes as a wheel into an environment beside the local cloud's own (`make spark`); Java is the servers', the jars
that read and write S3 are pinned in `servers/locks/spark.json`. Nothing of it is needed unless a job runs.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from localcloud.servers import artifacts
from localcloud.servers.machine import MARK

SPARK_VERSION = "3.5.6"
"""Spark of Glue 5.1 ("AWS Glue versions"), which has Python 3.11 and Java 17."""
LIBRARY = Path(__file__).with_name("library")
LAUNCHER = Path(__file__).with_name("launch.py")
_DRIVER_MEMORY = "2g"
_CORES = 2


class SparkMissingError(RuntimeError):
    """Spark is not installed; the message says how it is."""


@dataclass(frozen=True)
class Access:
    """As whom and where a script reaches the local cloud."""

    endpoint_url: str
    region: str
    access_key_id: str
    secret_access_key: str
    session_token: str


def spark_python() -> Path:
    """The Python of the environment with Spark: `LOCALCLOUD_SPARK`, else beside the local cloud's own environment.

    Raises SparkMissingError.
    """
    configured = os.environ.get("LOCALCLOUD_SPARK")
    environment = Path(configured) if configured else Path(f"{Path(sys.prefix)}-spark")
    found = environment / "bin" / "python"
    if not found.exists():
        raise SparkMissingError(
            f"Glue jobs run on Spark {SPARK_VERSION}, which is not installed in {environment}: run `make spark`, "
            "or name an environment that has it in LOCALCLOUD_SPARK before the local cloud is started"
        )
    return found


def environment(access: Access, folder: Path, module_paths: Sequence[Path] = ()) -> dict[str, str]:
    """The environment variables of a script: nothing of the local cloud's own but where it finds programs."""
    kept = {name: value for name, value in os.environ.items() if name in ("PATH", "LANG", "TZ", MARK)}
    return {
        "PATH": os.defpath,
        "LANG": "C.UTF-8",
        **kept,
        "HOME": str(folder),
        "TMPDIR": str(folder),
        "JAVA_HOME": str(artifacts.java_home()),
        "PYTHONPATH": os.pathsep.join(map(str, [*module_paths, LIBRARY])),
        "PYTHONUNBUFFERED": "1",
        "SPARK_CONF_DIR": str(folder),
        "SPARK_LOCAL_IP": "127.0.0.1",
        "AWS_ENDPOINT_URL": access.endpoint_url,
        "AWS_REGION": access.region,
        "AWS_DEFAULT_REGION": access.region,
        "AWS_ACCESS_KEY_ID": access.access_key_id,
        "AWS_SECRET_ACCESS_KEY": access.secret_access_key,
        "AWS_SESSION_TOKEN": access.session_token,
    }


def write_spark_settings(folder: Path, access: Access, jars: Sequence[Path] = (), more: Sequence[str] = ()) -> None:
    """Write `spark-defaults.conf` into `folder`; `more` are settings `key=value` that win over these.

    Keys are not in it: S3A takes them from the environment. Raises ArtifactError when the jars were not fetched.
    """
    class_path = os.pathsep.join(map(str, [*artifacts.class_path("spark"), *jars]))
    temporary = folder / "spark"
    java_options = ("-XX:-UsePerfData", f"-Djava.io.tmpdir={temporary}", f"-Dderby.system.home={temporary}")
    settings = {
        "spark.master": f"local[{_CORES}]",
        "spark.driver.memory": _DRIVER_MEMORY,
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.extraClassPath": class_path,
        "spark.driver.extraJavaOptions": " ".join(java_options),
        "spark.local.dir": str(temporary),
        "spark.sql.warehouse.dir": str(temporary / "warehouse"),
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.shuffle.partitions": "16",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.hadoop.fs.s3.impl": "org.apache.hadoop.fs.s3a.S3AFileSystem",
        "spark.hadoop.fs.s3n.impl": "org.apache.hadoop.fs.s3a.S3AFileSystem",
        "spark.hadoop.fs.s3a.endpoint": access.endpoint_url,
        "spark.hadoop.fs.s3a.endpoint.region": access.region,
        "spark.hadoop.fs.s3a.path.style.access": "true",
        "spark.hadoop.fs.s3a.connection.ssl.enabled": "false",
        "spark.hadoop.fs.s3a.aws.credentials.provider": "com.amazonaws.auth.EnvironmentVariableCredentialsProvider",
        "spark.hadoop.fs.s3a.buffer.dir": str(temporary),
    }
    temporary.mkdir(parents=True, exist_ok=True)
    for setting in more:
        key, _, value = setting.partition("=")
        settings[key.strip()] = value.strip()
    lines = [f"{key} {value}\n" for key, value in settings.items()]
    (folder / "spark-defaults.conf").write_text("".join(lines), encoding="utf-8")
