"""Runs of jobs: the script from S3, a process of Spark's, its output in CloudWatch Logs; all of it as the job's role.

Source: AWS Glue Developer Guide, "AWS Glue job run statuses on the console".
"""

from __future__ import annotations

import logging
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from localcloud.base.cloud import Cloud, Credentials, make_client
from localcloud.base.service import AwsError
from localcloud.engines.spark.runtime import SPARK_VERSION, Access, environment, spark_python, write_spark_settings
from localcloud.engines.spark.script import ScriptProcess
from localcloud.services.glue.crawlers import PRINCIPAL
from localcloud.services.glue.job_arguments import script_arguments
from localcloud.services.glue.log_stream import LogStream

log = logging.getLogger("localcloud.glue.jobs")

ACTIVE = ("STARTING", "RUNNING", "STOPPING")
ENDED = ("SUCCEEDED", "FAILED", "STOPPED", "TIMEOUT")
_AT_ONCE = 2
"""Scripts that run side by side on this machine; others are STARTING."""
_POLL_SECONDS = 0.2
Report = Callable[[str, str, str, str], None]
"""Called with job, run, its new state and, of a failed one, why."""


@dataclass(frozen=True)
class RunSettings:
    """One run of a script; `arguments` by name with their dashes, `timeout` in seconds."""

    job_name: str
    run_id: str
    role: str
    kind: str
    script: str
    arguments: Mapping[str, str]
    timeout: int


class _Stopped(Exception):
    pass


class _TimedOut(Exception):
    pass


class _ScriptFailed(Exception):
    pass


class JobRunner:
    """Runs scripts on threads of the cloud's."""

    def __init__(self, cloud: Cloud, report: Report) -> None:
        self._cloud = cloud
        self._report = report
        self._slots = threading.Semaphore(_AT_ONCE)
        self._threads: list[threading.Thread] = []

    def start(self, run: RunSettings, stop: threading.Event) -> None:
        """Returns at once; setting `stop` ends the run as STOPPED."""
        thread = self._cloud.run(lambda: self._run(run, stop), f"glue-job-{run.run_id[:11]}")
        self._threads = [*(one for one in self._threads if one.is_alive()), thread]

    def join(self) -> None:
        for thread in self._threads:
            thread.join(15)

    def _run(self, run: RunSettings, stop: threading.Event) -> None:
        state, message = "SUCCEEDED", ""
        try:
            with tempfile.TemporaryDirectory(prefix="glue-job-") as folder:
                self._execute(run, Path(folder), stop)
        except _Stopped:
            state = "STOPPED"
        except _TimedOut:
            state, message = "TIMEOUT", f"Timeout: the run took more than {run.timeout // 60} minutes"
        except AwsError as error:
            state, message = "FAILED", str(error.message)
        except (_ScriptFailed, ClientError, BotoCoreError, OSError, RuntimeError) as error:
            state, message = "FAILED", str(error)
        except Exception as error:
            log.exception("run %s of job %s", run.run_id, run.job_name)
            state, message = "FAILED", f"{type(error).__name__} in the runner of jobs: see the log"
        self._report(run.job_name, run.run_id, state, message)

    def _execute(self, run: RunSettings, folder: Path, stop: threading.Event) -> None:
        while not self._slots.acquire(timeout=_POLL_SECONDS):
            if stop.is_set():
                raise _Stopped
        try:
            # A run may take longer than the hour that a role's keys usually last.
            keys = self._cloud.role_credentials(run.role, PRINCIPAL, "GlueJobRunnerSession", run.timeout + 900)
            logs = self._client("logs", keys)
            out, err = (LogStream(logs, f"/aws-glue/jobs/{name}", run.run_id) for name in ("output", "error"))
            process = self._launch(run, keys, folder, out, err)
            self._report(run.job_name, run.run_id, "RUNNING", "")
            self._watch(run, process, (out, err), stop)
        finally:
            self._slots.release()

    def _launch(
        self, run: RunSettings, keys: Credentials, folder: Path, out: LogStream, err: LogStream
    ) -> ScriptProcess:
        wanted, s3, access = script_arguments(run.arguments), self._client("s3", keys), self._access(keys)
        (script,) = _download(s3, (run.script,), folder)
        _download(s3, wanted.files, folder)
        python_files = _download(s3, wanted.python_files, folder / "modules")
        jars = _download(s3, wanted.jars, folder / "jars")
        words: tuple[str, ...] = ()
        if run.kind == "glueetl":
            write_spark_settings(folder, access, jars, wanted.settings)
            err.write(f"this run has Spark {SPARK_VERSION} and Python 3.11, those of Glue 5.1, and one machine")
            words = ("--JOB_NAME", run.job_name, "--JOB_ID", f"j_{run.job_name}", "--JOB_RUN_ID", run.run_id)
        # An archive is a place to import from by itself, a module by its folder.
        paths = [folder / "modules", *(path for path in python_files if path.suffix != ".py")]
        variables = environment(access, folder, paths)
        return ScriptProcess(
            _python(run.kind), script, [*words, *wanted.words], variables, folder, out.write, err.write
        )

    def _watch(
        self, run: RunSettings, process: ScriptProcess, streams: tuple[LogStream, ...], stop: threading.Event
    ) -> None:
        deadline = time.monotonic() + run.timeout
        try:
            while (code := process.wait(_POLL_SECONDS)) is None:
                for stream in streams:
                    stream.flush()
                if stop.is_set():
                    raise _Stopped
                if time.monotonic() > deadline:
                    raise _TimedOut
            if code:
                raise _ScriptFailed(process.reason(code))
        finally:
            process.end()
            for stream in streams:
                stream.flush(all_of_it=True)

    def _client(self, service: str, keys: Credentials) -> Any:
        return make_client(service, self._cloud.endpoint_url, self._cloud.region, keys)

    def _access(self, keys: Credentials) -> Access:
        return Access(
            self._cloud.endpoint_url, self._cloud.region, keys.access_key_id, keys.secret_access_key, keys.token or ""
        )


def _python(kind: str) -> Path:
    """A script without Spark has the local cloud's own Python, which has boto3."""
    return spark_python() if kind == "glueetl" else Path(sys.executable)


def _download(s3: Any, locations: tuple[str, ...], folder: Path) -> list[Path]:
    """The objects as files of `folder`. Raises RuntimeError as Glue words it."""
    folder.mkdir(exist_ok=True)
    files = []
    for location in locations:
        bucket, _, key = location.removeprefix("s3://").partition("/")
        file = folder / Path(key).name
        try:
            s3.download_file(bucket, key, str(file))
        except ClientError as error:
            raise RuntimeError(
                f"LAUNCH ERROR | Error downloading from S3 for bucket: {bucket}, key: {key}. "
                f"{error.response['Error'].get('Message', error)}"
            ) from error
        files.append(file)
    return files
