"""Replication tasks: their life from `creating` to `stopped` or `failed`."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from localcloud.base.service import AwsError
from localcloud.engines.replication.full_load import COMPLETED, ERROR, LOADING, FullLoad, FullLoadFailed, TableProgress
from localcloud.engines.replication.mappings import MappingError, parse_table_mappings
from localcloud.engines.replication.writers import Stopped
from localcloud.services.dms import endpoints
from localcloud.services.dms.filters import Filters, apply_filters, page
from localcloud.services.dms.settings import full_load_options, invalid, parse_task_settings, unsupported

if TYPE_CHECKING:
    from localcloud.base.service import Service as Base
else:
    Base = object

IN_WORK = ("starting", "running", "stopping", "modifying", "deleting", "creating", "testing")
FINISHED = "Stop Reason FULL_LOAD_ONLY_FINISHED"
STOPPED_BY_USER = "Stop Reason NORMAL"
FATAL = "Stop Reason FATAL_ERROR Error Level FATAL"
_TASK_TIMES = ("ReplicationTaskCreationDate", "ReplicationTaskStartDate")
_STATS_TIMES = ("FreshStartDate", "StartDate", "StopDate", "FullLoadStartDate", "FullLoadFinishDate")
_TABLE_TIMES = ("FullLoadStartTime", "FullLoadEndTime", "LastUpdateTime")


class TaskOperations(Base):
    """The task operations of DMS; `state["tasks"]` and `state["statistics"]` are theirs."""

    def init_tasks(self) -> None:
        self._stops: dict[str, threading.Event] = {}
        self._threads: dict[str, threading.Thread] = {}

    def fail_interrupted_tasks(self) -> None:
        """A task that was at work when the machine ended did not finish: it says so and can be started again."""
        for arn, task in self.state["tasks"].items():
            if task["Status"] in IN_WORK:
                task.update(
                    Status="failed",
                    StopReason="Stop Reason RECOVERABLE_ERROR Error Level RECOVERABLE",
                    LastFailureMessage="Last Error The replication instance ended while the task was at work; the load "
                    "is not complete. Start it again with reload-target. " + FATAL,
                )
                task["Stats"]["StopDate"] = time.time()
                for table in self.state["statistics"].get(arn, []):
                    if table["TableState"] != COMPLETED:
                        table["TableState"] = ERROR
                self.changed()

    def stop_running_tasks(self) -> None:
        """Ends all loads and waits a little, so that a graceful stop leaves tasks `stopped`."""
        for stop in list(self._stops.values()):
            stop.set()
        for thread in list(self._threads.values()):
            thread.join(10)

    # operations ------------------------------------------------------------------------------------------------------

    def create_replication_task(
        self,
        ReplicationTaskIdentifier: str,
        SourceEndpointArn: str,
        TargetEndpointArn: str,
        ReplicationInstanceArn: str,
        MigrationType: str,
        TableMappings: str,
        ReplicationTaskSettings: str | None = None,
        Tags: list[dict[str, str]] | None = None,
        ResourceIdentifier: str | None = None,
    ) -> dict[str, Any]:
        identifier = ReplicationTaskIdentifier.lower()
        _check_migration_type(MigrationType)
        _check_mappings(TableMappings)
        settings = parse_task_settings(ReplicationTaskSettings)
        with self.lock:
            self._check_parts(SourceEndpointArn, TargetEndpointArn, ReplicationInstanceArn)
            self._check_identifier(identifier)
            arn = self.new_arn("task", ResourceIdentifier)  # type: ignore[attr-defined]
            task = {
                "ReplicationTaskIdentifier": identifier,
                "SourceEndpointArn": SourceEndpointArn,
                "TargetEndpointArn": TargetEndpointArn,
                "ReplicationInstanceArn": ReplicationInstanceArn,
                "MigrationType": MigrationType,
                "TableMappings": TableMappings,
                "ReplicationTaskSettings": json.dumps(settings),
                "Status": "ready",
                "ReplicationTaskCreationDate": time.time(),
                "ReplicationTaskArn": arn,
                "Stats": {},
            }
            self.state["tasks"][arn] = task
            self.state["statistics"][arn] = []
            self._tag(arn, Tags)  # type: ignore[attr-defined]
        return {"ReplicationTask": {**self._shown_task(task), "Status": "creating"}}

    def modify_replication_task(
        self,
        ReplicationTaskArn: str,
        ReplicationTaskIdentifier: str | None = None,
        MigrationType: str | None = None,
        TableMappings: str | None = None,
        ReplicationTaskSettings: str | None = None,
    ) -> dict[str, Any]:
        with self.lock:
            task = self._task(ReplicationTaskArn)
            if task["Status"] in IN_WORK:
                raise AwsError(
                    "InvalidResourceStateFault",
                    f"Replication Task {ReplicationTaskArn} cannot be modified, invalid state {task['Status']}; "
                    "it must be stopped, ready or failed",
                )
            changes: dict[str, Any] = {}
            if ReplicationTaskIdentifier and ReplicationTaskIdentifier.lower() != task["ReplicationTaskIdentifier"]:
                self._check_identifier(ReplicationTaskIdentifier.lower())
                changes["ReplicationTaskIdentifier"] = ReplicationTaskIdentifier.lower()
            if MigrationType:
                _check_migration_type(MigrationType)
                changes["MigrationType"] = MigrationType
            if TableMappings:
                _check_mappings(TableMappings)
                changes["TableMappings"] = TableMappings
            if ReplicationTaskSettings:
                changes["ReplicationTaskSettings"] = json.dumps(parse_task_settings(ReplicationTaskSettings))
            task.update(changes)
            self.changed()
            return {"ReplicationTask": {**self._shown_task(task), "Status": "modifying"}}

    def start_replication_task(self, ReplicationTaskArn: str, StartReplicationTaskType: str) -> dict[str, Any]:
        with self.lock:
            task = self._task(ReplicationTaskArn)
            if task["Status"] in IN_WORK:
                raise AwsError(
                    "InvalidResourceStateFault",
                    f"Replication Task {ReplicationTaskArn} cannot be started, invalid state {task['Status']}",
                )
            first_run = "ReplicationTaskStartDate" not in task
            _check_start_type(StartReplicationTaskType, first_run)
            started = time.time()
            task.update(
                Status="starting",
                ReplicationTaskStartDate=started,
                Stats={"FreshStartDate": started, "StartDate": started, "FullLoadStartDate": started},
            )
            task.pop("LastFailureMessage", None)
            task.pop("StopReason", None)
            self.state["statistics"][ReplicationTaskArn] = []
            stop = self._stops[ReplicationTaskArn] = threading.Event()
            self.changed()
            shown = self._shown_task(task)
        self._threads[ReplicationTaskArn] = self.cloud.run(
            lambda: self._run_task(ReplicationTaskArn, stop), f"dms-task-{task['ReplicationTaskIdentifier']}"
        )
        return {"ReplicationTask": shown}

    def stop_replication_task(self, ReplicationTaskArn: str) -> dict[str, Any]:
        with self.lock:
            task = self._task(ReplicationTaskArn)
            if task["Status"] not in ("starting", "running"):
                raise AwsError(
                    "InvalidResourceStateFault",
                    f"Replication Task {ReplicationTaskArn} cannot be stopped, invalid state {task['Status']}",
                )
            task["Status"] = "stopping"
            self._stops[ReplicationTaskArn].set()
            self.changed()
            return {"ReplicationTask": self._shown_task(task)}

    def delete_replication_task(self, ReplicationTaskArn: str) -> dict[str, Any]:
        with self.lock:
            task = self._task(ReplicationTaskArn)
            if task["Status"] in IN_WORK:
                raise AwsError(
                    "InvalidResourceStateFault",
                    f"Replication Task {ReplicationTaskArn} cannot be deleted, invalid state {task['Status']}: stop it",
                )
            for kind in ("tasks", "statistics", "tags"):
                self.state[kind].pop(ReplicationTaskArn, None)
            self.changed()
            return {"ReplicationTask": {**self._shown_task(task), "Status": "deleting"}}

    def describe_replication_tasks(
        self,
        Filters: Filters | None = None,
        MaxRecords: int | None = None,
        Marker: str | None = None,
        WithoutSettings: bool = False,
    ) -> dict[str, Any]:
        fields = {
            "replication-task-arn": lambda t: str(t["ReplicationTaskArn"]),
            "replication-task-id": lambda t: str(t["ReplicationTaskIdentifier"]),
            "migration-type": lambda t: str(t["MigrationType"]),
            "replication-instance-arn": lambda t: str(t["ReplicationInstanceArn"]),
        }
        by_endpoint = [f for f in Filters or [] if f.get("Name") == "endpoint-arn"]
        others = [f for f in Filters or [] if f.get("Name") != "endpoint-arn"]
        with self.lock:
            tasks = list(self.state["tasks"].values())
            for given in by_endpoint:
                arns = set(given["Values"])
                tasks = [t for t in tasks if arns & {t["SourceEndpointArn"], t["TargetEndpointArn"]}]
            if by_endpoint and not tasks:
                raise AwsError("ResourceNotFoundFault", "No replication tasks found matching provided filters", 404)
            found = apply_filters(tasks, others, fields, "replication tasks")
            answer = page(found, Marker, MaxRecords, "ReplicationTasks")
            shown = [self._shown_task(t) for t in answer["ReplicationTasks"]]
        if WithoutSettings:
            for task in shown:
                del task["ReplicationTaskSettings"]
        answer["ReplicationTasks"] = shown
        return answer

    def describe_table_statistics(
        self,
        ReplicationTaskArn: str,
        MaxRecords: int | None = None,
        Marker: str | None = None,
        Filters: Filters | None = None,
    ) -> dict[str, Any]:
        fields = {
            "schema-name": lambda t: str(t["SchemaName"]),
            "table-name": lambda t: str(t["TableName"]),
            "table-state": lambda t: str(t["TableState"]),
        }
        with self.lock:
            self._task(ReplicationTaskArn)
            found = apply_filters(self.state["statistics"].get(ReplicationTaskArn, []), Filters, fields, "tables")
            answer = page(found, Marker, MaxRecords, "TableStatistics")
            answer["TableStatistics"] = [_with_times(t, _TABLE_TIMES) for t in answer["TableStatistics"]]
        return {"ReplicationTaskArn": ReplicationTaskArn, **answer}

    # the run of a task -----------------------------------------------------------------------------------------------

    def _run_task(self, arn: str, stop: threading.Event) -> None:
        try:
            self._load(arn, stop)
        except Stopped:
            self._end(arn, "stopped", STOPPED_BY_USER)
        except (FullLoadFailed, MappingError) as error:
            self._end(arn, "failed", FATAL, str(error))
        except AwsError as error:
            self._end(arn, "failed", FATAL, str(error.message))
        except (ClientError, BotoCoreError) as error:
            self._end(arn, "failed", FATAL, str(error))
        except Exception as error:
            self.log.exception("replication task %s", arn)
            self._end(arn, "failed", FATAL, f"{type(error).__name__} in the replication engine: see the log")
        else:
            self._end(arn, "stopped", FINISHED)
        finally:
            self._stops.pop(arn, None)
            self._threads.pop(arn, None)

    def _load(self, arn: str, stop: threading.Event) -> None:
        with self.lock:
            task = dict(self._task(arn))
            source, target = (
                self.state["endpoints"][task["SourceEndpointArn"]],
                self.state["endpoints"][task["TargetEndpointArn"]],
            )
        s3_target, role = endpoints.s3_target(target)
        options = full_load_options(
            json.loads(task["ReplicationTaskSettings"]),
            endpoints.s3_settings(target),
            endpoints.postgres_settings(source),
        )
        settings = endpoints.source_settings(self.cloud, source)
        with self.lock:
            current = self._task(arn)
            if current["Status"] == "starting":
                current["Status"] = "running"
            self.changed()
        rows: dict[tuple[str, str], dict[str, Any]] = {}

        def report(progress: TableProgress) -> None:
            with self.lock:
                key = (progress.schema, progress.table)
                if key not in rows:
                    rows[key] = {}
                    self.state["statistics"][arn].append(rows[key])
                before = rows[key].get("TableState")
                rows[key].update(_statistics(progress))
                # The rows so far are told to who asks; only a table's state is worth a write to disk.
                if before != progress.state:
                    self.changed()

        FullLoad(
            settings,
            s3_target,
            parse_table_mappings(task["TableMappings"]),
            options,
            endpoints.RoleClient(self.cloud, "s3", role),
            report,
            stop,
        ).run()

    def _end(self, arn: str, status: str, reason: str, failure: str = "") -> None:
        with self.lock:
            task = self._task(arn)
            ended = time.time()
            task.update(Status=status, StopReason=reason)
            task["Stats"].update(StopDate=ended)
            if status == "stopped" and reason == FINISHED:
                task["Stats"].update(FullLoadFinishDate=ended)
            if failure:
                task["LastFailureMessage"] = f"Last Error {failure} {reason}"
                self.log.warning("task %s failed: %s", task["ReplicationTaskIdentifier"], failure)
            self.changed()

    # ---------------------------------------------------------------------------------------------------------------

    def refuse_when_used(self, member: str, arn: str, what: str) -> None:
        users = [t["ReplicationTaskIdentifier"] for t in self.state["tasks"].values() if t[member] == arn]
        if users:
            raise AwsError(
                "InvalidResourceStateFault",
                f"{what} {arn} is part of one or more ReplicationTasks: {', '.join(sorted(users))}",
            )

    def refuse_while_running(self, endpoint_arn: str, verb: str) -> None:
        for task in self.state["tasks"].values():
            if endpoint_arn in (task["SourceEndpointArn"], task["TargetEndpointArn"]) and task["Status"] in IN_WORK:
                raise AwsError(
                    "InvalidResourceStateFault",
                    f"Endpoint {endpoint_arn} cannot be {verb} while the task {task['ReplicationTaskIdentifier']} is "
                    f"{task['Status']}",
                )

    def _task(self, arn: str) -> dict[str, Any]:
        try:
            task: dict[str, Any] = self.state["tasks"][arn]
        except KeyError:
            raise AwsError("ResourceNotFoundFault", f"Replication Task {arn} not found", 404) from None
        return task

    def _check_parts(self, source: str, target: str, instance: str) -> None:
        for arn, kind in ((source, "source"), (target, "target")):
            endpoint = self.state["endpoints"].get(arn)
            if endpoint is None:
                raise AwsError("ResourceNotFoundFault", f"Endpoint {arn} not found", 404)
            if endpoint["EndpointType"] != kind:
                raise invalid(f"Endpoint {arn} is a {endpoint['EndpointType']} endpoint, not a {kind} endpoint")
        if instance not in self.state["instances"]:
            raise AwsError("ResourceNotFoundFault", f"Replication instance {instance} not found", 404)

    def _check_identifier(self, identifier: str) -> None:
        if any(t["ReplicationTaskIdentifier"] == identifier for t in self.state["tasks"].values()):
            raise AwsError("ResourceAlreadyExistsFault", f"Replication task {identifier} already exists")

    def _shown_task(self, task: Mapping[str, Any]) -> dict[str, Any]:
        shown = _with_times(task, _TASK_TIMES)
        stats = shown.pop("Stats")
        tables = self.state["statistics"].get(task["ReplicationTaskArn"], [])
        if stats:
            shown["ReplicationTaskStats"] = _task_stats(stats, tables)
        return shown


def _task_stats(stats: Mapping[str, Any], tables: list[dict[str, Any]]) -> dict[str, Any]:
    states = [t["TableState"] for t in tables]
    loaded, loading, errored = (states.count(s) for s in (COMPLETED, LOADING, ERROR))
    ended = stats.get("StopDate") or time.time()
    return {
        **_with_times(stats, _STATS_TIMES),
        "FullLoadProgressPercent": 100 * loaded // len(states)
        if states
        else (100 if "FullLoadFinishDate" in stats else 0),
        "ElapsedTimeMillis": int((ended - stats["StartDate"]) * 1000),
        "TablesLoaded": loaded,
        "TablesLoading": loading,
        "TablesQueued": len(states) - loaded - loading - errored,
        "TablesErrored": errored,
    }


def _statistics(progress: TableProgress) -> dict[str, Any]:
    zeros = (
        "Inserts",
        "Deletes",
        "Updates",
        "Ddls",
        "AppliedInserts",
        "AppliedDeletes",
        "AppliedUpdates",
        "AppliedDdls",
        "FullLoadCondtnlChkFailedRows",
        "ValidationPendingRecords",
        "ValidationFailedRecords",
        "ValidationSuspendedRecords",
    )
    times = {
        "FullLoadStartTime": progress.started_at,
        "FullLoadEndTime": progress.ended_at,
        "LastUpdateTime": progress.updated_at,
    }
    return {
        "SchemaName": progress.schema,
        "TableName": progress.table,
        **dict.fromkeys(zeros, 0),
        "FullLoadRows": progress.rows,
        "FullLoadErrorRows": 1 if progress.state == ERROR else 0,
        "FullLoadReloaded": False,
        "TableState": progress.state,
        "ValidationState": "Not enabled",
        **{name: moment.timestamp() for name, moment in times.items() if moment},
    }


def _with_times(item: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    return {k: datetime.fromtimestamp(v, UTC) if k in names and v is not None else v for k, v in item.items()}


def _check_migration_type(migration_type: str) -> None:
    if migration_type in ("cdc", "full-load-and-cdc"):
        raise unsupported(
            f"MigrationType {migration_type} is not supported: there is no engine for change data capture yet"
        )
    if migration_type != "full-load":
        raise invalid(f"MigrationType is {migration_type!r}; it must be full-load, cdc or full-load-and-cdc")


def _check_mappings(text: str) -> None:
    try:
        parse_table_mappings(text)
    except MappingError as error:
        raise invalid(f"TableMappings: {error}") from error


def _check_start_type(start_type: str, first_run: bool) -> None:
    """API Reference, "StartReplicationTask": for a full-load task the only valid value for the first run is
    start-replication, reload-target for the later ones, and resume-processing isn't supported.
    """
    if start_type not in ("start-replication", "resume-processing", "reload-target"):
        raise invalid(
            f"StartReplicationTaskType {start_type!r} is not one of start-replication, resume-processing, reload-target"
        )
    if start_type == "resume-processing":
        raise AwsError(
            "InvalidParameterCombinationException",
            "Start Type : RESUME_PROCESSING, is not supported for tasks whose migration type is full-load; "
            "use reload-target",
        )
    if start_type == "start-replication" and not first_run:
        raise AwsError(
            "InvalidParameterCombinationException",
            "Start Type : START_REPLICATION, valid only for tasks running for the first time; use reload-target",
        )
    if start_type == "reload-target" and first_run:
        raise AwsError(
            "InvalidParameterCombinationException",
            "Start Type : RELOAD_TARGET, invalid for tasks running for the first time; use start-replication",
        )
