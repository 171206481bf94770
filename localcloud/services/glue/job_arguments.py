"""The special parameters of a job: which change how it runs, which are only told, which are not to be had here.

Source: AWS Glue Developer Guide, "Using job parameters in AWS Glue jobs".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from localcloud.base.service import AwsError

_OBSERVED = frozenset(
    f"--{name}"
    for name in (
        "continuous-log-conversionPattern", "continuous-log-logGroup", "continuous-log-logStreamPrefix",
        "enable-auto-scaling", "enable-continuous-cloudwatch-log", "enable-continuous-log-filter",
        "enable-job-insights", "enable-metrics", "enable-observability-metrics",
        "enable-s3-parquet-optimized-committer", "enable-spark-ui", "spark-event-logs-path", "job-language",
        "job-bookmark-option",
    )
)  # fmt: skip
"""Of Glue and not of the script; they change no result."""
_REFUSED = {
    "--additional-python-modules": "modules are not installed: give them in --extra-py-files",
    "--python-modules-installer-option": "modules are not installed",
    "--enable-glue-datacatalog": "Spark SQL does not see the Data Catalog: read tables with create_dynamic_frame",
    "--datalake-formats": "there are no libraries for table formats",
    "--class": "scripts are Python",
}


@dataclass(frozen=True)
class ScriptArguments:
    """What a run's arguments ask for: of the script, and of Spark."""

    words: tuple[str, ...]
    python_files: tuple[str, ...]
    files: tuple[str, ...]
    jars: tuple[str, ...]
    settings: tuple[str, ...]


def check_arguments(arguments: Mapping[str, str]) -> None:
    """Raises AwsError (InvalidInputException) for what the local cloud cannot do, so that nothing is ignored."""
    for name, why in _REFUSED.items():
        if arguments.get(name, "").lower() not in ("", "false"):
            raise AwsError("InvalidInputException", f"the local cloud does not support {name}: {why}")
    if arguments.get("--job-bookmark-option", "job-bookmark-disable") != "job-bookmark-disable":
        raise AwsError("InvalidInputException", "the local cloud keeps no job bookmarks: use job-bookmark-disable")
    if arguments.get("--job-language", "python") != "python":
        raise AwsError("InvalidInputException", "the local cloud runs scripts in Python alone (--job-language)")


def script_arguments(arguments: Mapping[str, str]) -> ScriptArguments:
    """Sorts a run's arguments. `--conf` holds `k=v --conf k=v ...`."""
    given = {name: value for name, value in arguments.items() if name not in _OBSERVED | set(_REFUSED)}
    python_files, files, jars = (
        _list(given.pop(name, "")) for name in ("--extra-py-files", "--extra-files", "--extra-jars")
    )
    settings = tuple(part.strip() for part in given.pop("--conf", "").split("--conf") if part.strip())
    words = tuple(word for name, value in given.items() for word in (name, value))
    return ScriptArguments(words, python_files, files, jars, settings)


def _list(value: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in value.split(",") if part.strip())
