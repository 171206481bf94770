"""The job operations: what a job is, and asking for its runs.

Source: AWS Glue API Reference, "Jobs API"; AWS Glue Developer Guide, "Configuring job properties for Spark jobs".
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from localcloud.base.service import AwsError
from localcloud.engines.spark.runtime import SparkMissingError, spark_python
from localcloud.services.glue.documents import page, role_arn
from localcloud.services.glue.job_arguments import check_arguments
from localcloud.services.glue.job_runs import ACTIVE, ENDED, JobRunner, RunSettings
from localcloud.services.glue.store import Document

if TYPE_CHECKING:
    from localcloud.base.service import Service as Base
else:
    Base = object

_VERSION = "5.1"
_VERSIONS = {"glueetl": ("3.0", "4.0", "5.0", _VERSION), "pythonshell": ("1.0", "3.0", _VERSION)}
"""Those whose scripts the Python and the Spark of Glue 5.1 run."""
_DPUS = {"Standard": 1.0, "G.025X": 0.25, "G.1X": 1.0, "G.2X": 2.0, "G.4X": 4.0, "G.8X": 8.0}
_DEFINITION = frozenset(
    ("Role", "Command", "Description", "LogUri", "ExecutionProperty", "DefaultArguments", "NonOverridableArguments",
     "MaxRetries", "AllocatedCapacity", "Timeout", "MaxCapacity", "GlueVersion", "NumberOfWorkers", "WorkerType",
     "ExecutionClass")
)  # fmt: skip
_OF_RUNS = ("Timeout", "AllocatedCapacity", "MaxCapacity", "WorkerType", "NumberOfWorkers", "ExecutionClass")
"""What a run may have otherwise than its job."""
_TIMEOUT_MINUTES = 480
_KEPT_RUNS = 100


class JobOperations(Base):
    """Jobs of kind `glueetl` and `pythonshell`; `state["jobs"]` holds definitions, `state["job_runs"]` their runs."""

    def init_jobs(self) -> None:
        self._runner = JobRunner(self.cloud, self._run_changed)
        self._stops: dict[str, threading.Event] = {}

    def end_interrupted_runs(self) -> None:
        """A run that was going on when the machine ended has failed, and says so."""
        for runs in self.state["job_runs"].values():
            for run in runs:
                if run["JobRunState"] in ACTIVE:
                    message = "the run was interrupted by the end of the machine; start it again"
                    self._end(run, "FAILED", message)

    def stop_running_jobs(self) -> None:
        for stop in list(self._stops.values()):
            stop.set()
        self._runner.join()

    # definitions -----------------------------------------------------------------------------------------------------

    def create_job(
        self,
        Name: str,
        Role: str,
        Command: Document,
        Description: str | None = None,
        LogUri: str | None = None,
        ExecutionProperty: Document | None = None,
        DefaultArguments: dict[str, str] | None = None,
        NonOverridableArguments: dict[str, str] | None = None,
        MaxRetries: int | None = None,
        AllocatedCapacity: int | None = None,
        Timeout: int | None = None,
        MaxCapacity: float | None = None,
        Tags: dict[str, str] | None = None,
        GlueVersion: str | None = None,
        NumberOfWorkers: int | None = None,
        WorkerType: str | None = None,
        ExecutionClass: str | None = None,
    ) -> Document:
        given = {
            "Role": Role,
            "Command": Command,
            "Description": Description,
            "LogUri": LogUri,
            "ExecutionProperty": ExecutionProperty,
            "DefaultArguments": DefaultArguments,
            "NonOverridableArguments": NonOverridableArguments,
            "MaxRetries": MaxRetries,
            "AllocatedCapacity": AllocatedCapacity,
            "Timeout": Timeout,
            "MaxCapacity": MaxCapacity,
            "GlueVersion": GlueVersion,
            "NumberOfWorkers": NumberOfWorkers,
            "WorkerType": WorkerType,
            "ExecutionClass": ExecutionClass,
        }
        job = self._definition({name: value for name, value in given.items() if value is not None})
        with self.lock:
            if Name in self.state["jobs"]:
                raise AwsError("AlreadyExistsException", f"Job with name {Name} already exists")
            now = time.time()
            self.state["jobs"][Name] = {"Name": Name, **job, "CreatedOn": now, "LastModifiedOn": now}
            if Tags:
                self.state["tags"][self.cloud.arn("glue", f"job/{Name}")] = dict(Tags)
            self.changed()
        return {"Name": Name}

    def update_job(self, JobName: str, JobUpdate: Document) -> Document:
        """The definition is replaced: what is not in the update has its default again."""
        if missing := [name for name in ("Role", "Command") if name not in JobUpdate]:
            raise AwsError("InvalidInputException", f"{', '.join(missing)} must be given")
        job = self._definition(JobUpdate)
        with self.lock:
            old = self._job(JobName)
            kept = {"Name": JobName, "CreatedOn": old["CreatedOn"], "LastModifiedOn": time.time()}
            self.state["jobs"][JobName] = {**job, **kept}
            self.changed()
        return {"JobName": JobName}

    def delete_job(self, JobName: str) -> Document:
        """Deletes the job and its runs; of one that is not there nothing ("no exception is thrown")."""
        with self.lock:
            for run in self.state["job_runs"].pop(JobName, []):
                if stop := self._stops.get(run["Id"]):
                    stop.set()
            self.state["jobs"].pop(JobName, None)
            self.state["tags"].pop(self.cloud.arn("glue", f"job/{JobName}"), None)
            self.changed()
        return {"JobName": JobName}

    def get_job(self, JobName: str) -> Document:
        with self.lock:
            return {"Job": dict(self._job(JobName))}

    def get_jobs(self, MaxResults: int = 100, NextToken: str | None = None) -> Document:
        with self.lock:
            jobs = [dict(job) for _, job in sorted(self.state["jobs"].items())]
        return page(jobs, "Jobs", NextToken, MaxResults)

    def batch_get_jobs(self, JobNames: list[str]) -> Document:
        with self.lock:
            found = [dict(self.state["jobs"][name]) for name in JobNames if name in self.state["jobs"]]
        return {"Jobs": found, "JobsNotFound": [name for name in JobNames if name not in self.state["jobs"]]}

    def list_jobs(
        self, MaxResults: int = 100, NextToken: str | None = None, Tags: dict[str, str] | None = None
    ) -> Document:
        wanted = set((Tags or {}).items())
        with self.lock:
            names = [
                name
                for name in sorted(self.state["jobs"])
                if wanted <= set(self.state["tags"].get(self.cloud.arn("glue", f"job/{name}"), {}).items())
            ]
        return page(names, "JobNames", NextToken, MaxResults)

    def _definition(self, given: Mapping[str, Any]) -> Document:
        """What was given, checked and with its defaults. Raises AwsError naming what is wrong."""
        if unknown := sorted(set(given) - _DEFINITION):
            raise AwsError(
                "NotImplementedException", f"the local cloud does not support {', '.join(unknown)} of a job", 501
            )
        version = given.get("GlueVersion", _VERSION)
        _check_command(given["Command"], version)
        check_arguments({**given.get("DefaultArguments", {}), **given.get("NonOverridableArguments", {})})
        dpus = _capacity(given)
        return {
            "DefaultArguments": {},
            "NonOverridableArguments": {},
            "MaxRetries": 0,
            "Timeout": _TIMEOUT_MINUTES,
            "ExecutionClass": "STANDARD",
            **given,
            "Role": role_arn(self.cloud.account_id, given["Role"]),
            "Command": {"PythonVersion": "3", **given["Command"]},
            "ExecutionProperty": {"MaxConcurrentRuns": 1, **given.get("ExecutionProperty", {})},
            "AllocatedCapacity": int(dpus),
            "MaxCapacity": dpus,
            "GlueVersion": version,
        }

    # runs ------------------------------------------------------------------------------------------------------------

    def start_job_run(
        self,
        JobName: str,
        JobRunId: str | None = None,
        Arguments: dict[str, str] | None = None,
        Timeout: int | None = None,
        AllocatedCapacity: int | None = None,
        MaxCapacity: float | None = None,
        WorkerType: str | None = None,
        NumberOfWorkers: int | None = None,
        ExecutionClass: str | None = None,
    ) -> Document:
        """Starts a run; `JobRunId` names an earlier one that is tried again.

        Capacity is recorded, and the one machine runs it.
        """
        check_arguments(Arguments or {})
        with self.lock:
            job = self._job(JobName)
            if job["Command"]["Name"] == "glueetl":
                _require_spark()
            runs = self.state["job_runs"].setdefault(JobName, [])
            limit = job["ExecutionProperty"]["MaxConcurrentRuns"]
            if sum(run["JobRunState"] in ACTIVE for run in runs) >= limit:
                raise AwsError(
                    "ConcurrentRunsExceededException", f"Concurrent runs exceeded for {JobName} (limit {limit})"
                )
            previous = self._run_of(JobName, JobRunId) if JobRunId else None
            given = {
                "Timeout": Timeout, "AllocatedCapacity": AllocatedCapacity, "MaxCapacity": MaxCapacity,
                "WorkerType": WorkerType, "NumberOfWorkers": NumberOfWorkers, "ExecutionClass": ExecutionClass,
            }  # fmt: skip
            asked = Arguments if Arguments is not None else (previous or {}).get("Arguments", {})
            run = self._new_run(job, asked, {k: v for k, v in given.items() if v is not None}, previous)
        return {"JobRunId": run["Id"]}

    def get_job_run(self, JobName: str, RunId: str, PredecessorsIncluded: bool = False) -> Document:
        with self.lock:
            return {"JobRun": _shown(self._run_of(JobName, RunId))}

    def get_job_runs(self, JobName: str, MaxResults: int = 200, NextToken: str | None = None) -> Document:
        """The runs that are kept, the last one first."""
        with self.lock:
            self._job(JobName)
            runs = [_shown(run) for run in reversed(self.state["job_runs"].get(JobName, []))]
        return page(runs, "JobRuns", NextToken, MaxResults)

    def batch_stop_job_run(self, JobName: str, JobRunIds: list[str]) -> Document:
        stopped, errors = [], []
        with self.lock:
            self._job(JobName)
            known = {run["Id"]: run for run in self.state["job_runs"].get(JobName, [])}
            for run_id in JobRunIds:
                run = known.get(run_id)
                if run is None or run["JobRunState"] in ENDED:
                    code = "EntityNotFoundException" if run is None else "InvalidInputException"
                    message = "there is no such run" if run is None else f"the run is {run['JobRunState']}"
                    detail = {"ErrorCode": code, "ErrorMessage": message}
                    errors.append({"JobName": JobName, "JobRunId": run_id, "ErrorDetail": detail})
                    continue
                run.update(JobRunState="STOPPING", LastModifiedOn=time.time())
                self._stops[run_id].set()
                stopped.append({"JobName": JobName, "JobRunId": run_id})
            self.changed()
        return {"SuccessfulSubmissions": stopped, "Errors": errors}

    def _new_run(
        self, job: Document, arguments: Mapping[str, str], settings: Mapping[str, Any], previous: Document | None
    ) -> Document:
        base = previous["Id"].partition("_attempt_")[0] if previous else f"jr_{secrets.token_hex(32)}"
        attempt = previous["Attempt"] + 1 if previous else 0
        now = time.time()
        run: Document = {
            "Id": f"{base}_attempt_{attempt}" if attempt else base,
            "Attempt": attempt,
            "JobName": job["Name"],
            "StartedOn": now,
            "LastModifiedOn": now,
            "JobRunState": "STARTING",
            "Arguments": dict(arguments),
            "PredecessorRuns": [],
            "ExecutionTime": 0,
            "LogGroupName": "/aws-glue/jobs",
            **{name: job[name] for name in ("GlueVersion", *_OF_RUNS) if name in job},
            **settings,
        }
        if previous:
            run["PreviousRunId"] = previous["Id"]
        runs = self.state["job_runs"].setdefault(job["Name"], [])
        runs.append(run)
        del runs[:-_KEPT_RUNS]
        stop = self._stops[run["Id"]] = threading.Event()
        self.changed()
        every = {**job["DefaultArguments"], **arguments, **job["NonOverridableArguments"]}
        wanted = RunSettings(
            job["Name"], run["Id"], job["Role"], job["Command"]["Name"], job["Command"]["ScriptLocation"], every,
            run["Timeout"] * 60,
        )  # fmt: skip
        self._runner.start(wanted, stop)
        return run

    def _run_changed(self, job_name: str, run_id: str, state: str, message: str) -> None:
        """What the runner reports. A run that failed is tried again as often as its job says."""
        with self.lock:
            run = next((run for run in self.state["job_runs"].get(job_name, []) if run["Id"] == run_id), None)
            if state in ENDED:
                self._stops.pop(run_id, None)
            if run is None:  # the job was deleted meanwhile
                return
            if state not in ENDED:
                if run["JobRunState"] != "STOPPING":
                    run.update(JobRunState=state, LastModifiedOn=time.time())
                    self.changed()
                return
            self._end(run, state, message)
            job = self.state["jobs"][job_name]
            if state in ("FAILED", "TIMEOUT") and run["Attempt"] < job["MaxRetries"]:
                self._new_run(job, run["Arguments"], {name: run[name] for name in _OF_RUNS if name in run}, run)

    def _end(self, run: Document, state: str, message: str) -> None:
        now = time.time()
        run.update(JobRunState=state, LastModifiedOn=now, CompletedOn=now, ExecutionTime=int(now - run["StartedOn"]))
        if message:
            run["ErrorMessage"] = message
        self.changed()

    def _job(self, name: str) -> Document:
        try:
            job: Document = self.state["jobs"][name]
        except KeyError:
            raise AwsError("EntityNotFoundException", f"Job {name} not found.") from None
        return job

    def _run_of(self, name: str, run_id: str) -> Document:
        self._job(name)
        for run in self.state["job_runs"].get(name, []):
            if run["Id"] == run_id:
                found: Document = run
                return found
        raise AwsError("EntityNotFoundException", f"Job run {run_id} of job {name} not found.")


def _capacity(given: Mapping[str, Any]) -> float:
    """The DPUs of a definition: by its workers, else as given, else ten."""
    kind, workers = given.get("WorkerType"), given.get("NumberOfWorkers")
    if (kind is None) != (workers is None):
        raise AwsError("InvalidInputException", "Please set both Worker Type and Number of Workers.")
    if kind is None or workers is None:
        return float(given.get("MaxCapacity") or given.get("AllocatedCapacity") or 10)
    if kind not in _DPUS:
        raise AwsError("InvalidInputException", f"WorkerType must be one of {', '.join(_DPUS)}, got {kind}")
    if "MaxCapacity" in given:
        raise AwsError("InvalidInputException", "Please do not set Max Capacity if using Worker Type.")
    return float(workers * _DPUS[kind])


def _check_command(command: Mapping[str, Any], version: str) -> None:
    if unknown := sorted(set(command) - {"Name", "ScriptLocation", "PythonVersion"}):
        raise AwsError("InvalidInputException", f"the local cloud does not support {', '.join(unknown)} of a command")
    kind = command.get("Name")
    if kind not in _VERSIONS:
        raise AwsError(
            "InvalidInputException", f"the local cloud runs glueetl and pythonshell, got Command.Name {kind}"
        )
    if version not in _VERSIONS[kind]:
        raise AwsError(
            "InvalidInputException",
            f"the local cloud runs {kind} of Glue {', '.join(_VERSIONS[kind])} on Spark and Python of {_VERSION}, got "
            f"GlueVersion {version}",
        )
    location = command.get("ScriptLocation") or ""
    if not location.startswith("s3://") or "/" not in location.removeprefix("s3://"):
        raise AwsError("InvalidInputException", f"Command.ScriptLocation must be s3://bucket/key, got {location!r}")


def _require_spark() -> None:
    try:
        spark_python()
    except SparkMissingError as error:
        # Not a failure of the server's that a client tries again.
        raise AwsError("ResourceNotReadyException", str(error)) from error


def _shown(run: Document) -> Document:
    if run["JobRunState"] in ACTIVE:
        return {**run, "ExecutionTime": int(time.time() - run["StartedOn"])}
    return dict(run)
