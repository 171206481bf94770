"""The Athena service: query executions. Workgroups, saved queries and metadata are rooms of their own."""

from __future__ import annotations

import re
import shutil
import threading
import time
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, ClassVar

from botocore.exceptions import ClientError

from localcloud.base.api_type import ApiType
from localcloud.base.cloud import Cloud
from localcloud.base.errors import AwsError
from localcloud.base.service import Service
from localcloud.engines.sql.spectrum.objects import Location
from localcloud.engines.trino.catalog import Catalog
from localcloud.engines.trino.errors import ScanLimitError, TrinoError
from localcloud.engines.trino.outcome import Outcome
from localcloud.engines.trino.query import Query
from localcloud.engines.trino.statements import bare
from localcloud.services.athena import parameters, results
from localcloud.services.athena.cloudformation import TYPES
from localcloud.services.athena.metadata import MetadataOperations
from localcloud.services.athena.saved import SavedOperations
from localcloud.services.athena.workgroups import ENGINE_VERSION, PRIMARY, WorkGroupOperations, invalid, paged

_UNFINISHED = ("QUEUED", "RUNNING")
_AT_ONCE = 4
_MEMORY = "2GB"
_KEPT_SECONDS = 45 * 86400
_LONGEST = 262_144


class AthenaService(WorkGroupOperations, SavedOperations, MetadataOperations, Service):
    """Queries run in an engine of their own each, four at once, with the rights of whoever started them."""

    name: ClassVar[str] = "athena"
    cloudformation: ClassVar[Mapping[str, ApiType]] = TYPES

    def __init__(self, cloud: Cloud) -> None:
        super().__init__(cloud)
        self._running: dict[str, Query] = {}
        self._places = threading.BoundedSemaphore(_AT_ONCE)

    def start(self) -> None:
        for kind in ("workgroups", "named_queries", "prepared", "executions", "tags"):
            self.state.setdefault(kind, {})
        self.init_workgroups()
        for execution in self.state["executions"].values():
            if execution["State"] in _UNFINISHED:
                execution.update(State="FAILED", Reason="the local cloud was stopped while the query ran",
                                 Completed=time.time())  # fmt: skip
        shutil.rmtree(self._work, ignore_errors=True)

    def stop(self) -> None:
        for query in list(self._running.values()):
            query.interrupt()

    @property
    def _work(self) -> Any:
        return self.cloud.paths.state / "athena" / "work"

    def resource_arns(self, operation: str, params: dict[str, Any]) -> list[str]:
        """Source: "Actions, resources, and condition keys for Amazon Athena": a workgroup or a data catalog."""
        if operation in ("ListWorkGroups", "ListDataCatalogs", "ListEngineVersions"):
            return ["*"]
        if "CatalogName" in params or operation.endswith("DataCatalog"):
            return [self.cloud.arn("athena", f"datacatalog/{params.get('CatalogName') or params.get('Name')}")]
        if "ResourceARN" in params:
            return [params["ResourceARN"]]
        group = params.get("WorkGroup") or (params.get("Name") if operation == "CreateWorkGroup" else None)
        for key, kind in (("QueryExecutionId", "executions"), ("NamedQueryId", "named_queries")):
            if key in params:
                group = self.state.get(kind, {}).get(params[key], {}).get("WorkGroup")
        return [self.workgroup_arn(group or PRIMARY)]

    # Starting and stopping -------------------------------------------------------------------------------------------

    def start_query_execution(
        self,
        QueryString: str,
        ClientRequestToken: str | None = None,
        QueryExecutionContext: dict[str, str] | None = None,
        ResultConfiguration: dict[str, Any] | None = None,
        WorkGroup: str = PRIMARY,
        ExecutionParameters: list[str] | None = None,
        ResultReuseConfiguration: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Start a query; it runs in the background."""
        group = self.workgroup(WorkGroup)
        if group["State"] != "ENABLED":
            raise invalid(f"WorkGroup {WorkGroup} is disabled.")
        if len(QueryString.encode()) > _LONGEST:
            raise invalid(f"the query is longer than {_LONGEST} bytes")
        configuration = self._result_configuration(group["Configuration"], ResultConfiguration or {})
        with self.lock:
            for found in self.state["executions"].values():
                if ClientRequestToken and found["Token"] == ClientRequestToken:
                    if found["Query"] != QueryString:
                        raise invalid("Idempotent parameters do not match")
                    return {"QueryExecutionId": found["QueryExecutionId"]}
            execution = {
                "QueryExecutionId": str(uuid.uuid4()), "Query": QueryString, "Token": ClientRequestToken,
                "WorkGroup": WorkGroup, "Context": QueryExecutionContext or {}, "Parameters": ExecutionParameters,
                "ResultConfiguration": configuration, "State": "QUEUED", "Submitted": time.time(), "Columns": [],
                "StatementType": parameters.statement_type(QueryString), "SubstatementType": None,
            }  # fmt: skip
            self._forget_old()
            self.state["executions"][execution["QueryExecutionId"]] = execution
            self.changed()
        self.cloud.run(lambda: self._run(execution), name=f"athena-{execution['QueryExecutionId']}")
        return {"QueryExecutionId": execution["QueryExecutionId"]}

    def _result_configuration(self, group: dict[str, Any], asked: dict[str, Any]) -> dict[str, Any]:
        own = group.get("ResultConfiguration", {})
        used = dict(
            own if group.get("EnforceWorkGroupConfiguration") and own.get("OutputLocation") else {**own, **asked}
        )
        if not str(used.get("OutputLocation", "")).startswith("s3://"):
            raise invalid(
                "No output location provided. An output location is required either through the Workgroup result "
                "configuration setting or as an API input."
            )
        return used

    def _forget_old(self) -> None:
        oldest = time.time() - _KEPT_SECONDS
        kept = self.state["executions"]
        self.state["executions"] = {k: v for k, v in kept.items() if v["Submitted"] > oldest}

    def stop_query_execution(self, QueryExecutionId: str) -> None:
        """Stop a query; one that is over stays as it is."""
        execution = self._execution(QueryExecutionId)
        with self.lock:
            if execution["State"] not in _UNFINISHED:
                return
            execution.update(State="CANCELLED", Reason="Query cancelled by user", Completed=time.time())
            self.changed()
        query = self._running.get(QueryExecutionId)
        if query is not None:
            query.interrupt()

    # Running ---------------------------------------------------------------------------------------------------------

    def catalog(self) -> Catalog:
        """The data catalog with the rights of the current request's caller."""
        return Catalog(
            glue=self.cloud.client("glue"),
            s3=self.cloud.client("s3"),
            objects=self.cloud.paths.objects,
            account_id=self.cloud.account_id,
            region=self.cloud.region,
            authorize=self.cloud.authorize_caller,
        )

    def _run(self, execution: dict[str, Any]) -> None:
        with self._places:
            identifier = execution["QueryExecutionId"]
            with self.lock:
                if execution["State"] != "QUEUED":
                    return
                execution.update(State="RUNNING", Started=time.time())
            place = results.location(execution["ResultConfiguration"]["OutputLocation"])
            folder = self._work / identifier
            database = execution["Context"].get("Database", "default")
            limit = self.workgroup(execution["WorkGroup"])["Configuration"].get("BytesScannedCutoffPerQuery")
            query = Query(
                self.catalog(), folder, database, identifier, place.url.rstrip("/"), memory=_MEMORY, scan_limit=limit
            )
            self._running[identifier] = query
            try:
                outcome = self._outcome(query, execution)
                self._finish(execution, query, outcome, place)
            except (TrinoError, AwsError, ClientError) as error:
                self._fail(execution, query, error)
            except Exception as error:
                self.log.exception("the query %s failed", identifier)
                self._fail(execution, query, TrinoError("GENERIC_INTERNAL_ERROR", str(error), category=1))
            finally:
                del self._running[identifier]
                shutil.rmtree(folder, ignore_errors=True)

    def _outcome(self, query: Query, execution: dict[str, Any]) -> Outcome:
        group, text = execution["WorkGroup"], bare(execution["Query"])
        if found := re.match(r"prepare\s+(\w+)\s+from\s+(.*)$", text, re.IGNORECASE | re.DOTALL):
            with self.lock:
                self._put_prepared(found[1], group, found[2], None)
            return query.lines([], [], "DDL", "PREPARE")
        if found := re.match(r"deallocate\s+prepare\s+(\w+)$", text, re.IGNORECASE):
            self.delete_prepared_statement(found[1], group)
            return query.lines([], [], "DDL", "DEALLOCATE_PREPARE")
        given = execution["Parameters"] or []
        if found := re.match(r"execute\s+(\w+)(?:\s+using\s+(.*))?$", text, re.IGNORECASE | re.DOTALL):
            text = bare(self.prepared(group, found[1])["QueryStatement"])
            given = parameters.split(found[2]) if found[2] else given
        return query.run(parameters.bind(text, given))

    def _finish(self, execution: dict[str, Any], query: Query, outcome: Outcome, place: Location) -> None:
        keys = results.names(outcome, place.key, execution["QueryExecutionId"])
        target = Location(place.bucket, keys[0])
        query.catalog.allow("s3:PutObject", [target.arn])
        arguments = results.encryption(execution["ResultConfiguration"].get("EncryptionConfiguration"))
        results.put(self.cloud.client("s3"), outcome, place.bucket, keys, arguments)
        with self.lock:
            if execution["State"] == "RUNNING":
                execution.update(
                    State="SUCCEEDED", Completed=time.time(), StatementType=outcome.statement, Location=target.url,
                    SubstatementType=outcome.substatement, Columns=outcome.columns, Scanned=outcome.scanned,
                    UpdateCount=outcome.update_count, Rows=outcome.rows, Manifest=bool(outcome.written),
                )  # fmt: skip
            self.changed()

    def _fail(self, execution: dict[str, Any], query: Query, error: Exception) -> None:
        category = getattr(error, "category", 2)
        limited = isinstance(error, ScanLimitError)
        with self.lock:
            if execution["State"] == "RUNNING":
                # AWS calls a query that read too much cancelled, in these words.
                state, reason = ("CANCELLED", str(error).partition(": ")[2]) if limited else ("FAILED", str(error))
                execution.update(State=state, Reason=reason, Completed=time.time(), Scanned=query.scanned,
                                 Category=category)  # fmt: skip
            self.changed()

    # Reading ---------------------------------------------------------------------------------------------------------

    def _execution(self, identifier: str) -> dict[str, Any]:
        found: dict[str, Any] | None = self.state["executions"].get(identifier)
        if found is None:
            raise invalid(f"QueryExecution {identifier} was not found")
        return found

    def get_query_execution(self, QueryExecutionId: str) -> dict[str, Any]:
        """A query's state and figures."""
        with self.lock:
            return {"QueryExecution": _shown(self._execution(QueryExecutionId))}

    def batch_get_query_execution(self, QueryExecutionIds: list[str]) -> dict[str, Any]:
        """Several queries by their ids."""
        with self.lock:
            known = self.state["executions"]
            return {
                "QueryExecutions": [_shown(known[i]) for i in QueryExecutionIds if i in known],
                "UnprocessedQueryExecutionIds": [
                    {"QueryExecutionId": i, "ErrorCode": "INVALID_INPUT", "ErrorMessage": "was not found"}
                    for i in QueryExecutionIds if i not in known
                ],
            }  # fmt: skip

    def list_query_executions(
        self, NextToken: str | None = None, MaxResults: int = 50, WorkGroup: str = PRIMARY
    ) -> dict[str, Any]:
        """The ids of a workgroup's queries, the newest first."""
        self.workgroup(WorkGroup)
        ids = [key for key, item in self.state["executions"].items() if item["WorkGroup"] == WorkGroup][::-1]
        page, token = paged(ids, NextToken, MaxResults)
        return {"QueryExecutionIds": page, **token}

    def get_query_results(
        self,
        QueryExecutionId: str,
        NextToken: str | None = None,
        MaxResults: int | None = None,
        QueryResultType: str = "DATA_ROWS",
    ) -> dict[str, Any]:
        """A page of a query's result, read back from its object with the caller's rights."""
        execution = self._execution(QueryExecutionId)
        if execution["State"] != "SUCCEEDED":
            state = execution["State"]
            reason = "Query has not yet finished" if state in _UNFINISHED else "Query did not finish successfully"
            raise invalid(f"{reason}. Current state: {state}")
        metadata = {"ColumnInfo": execution["Columns"]}
        count = {"UpdateCount": execution.get("UpdateCount") or 0}
        if execution["Manifest"] or not execution["Columns"]:
            return {**count, "ResultSet": {"Rows": [], "ResultSetMetadata": metadata}}
        catalog = self.catalog()
        place = Location(*execution["Location"].removeprefix("s3://").split("/", 1))
        try:
            catalog.allow("s3:GetObject", [place.arn])
            rows, token = results.page(catalog.folder.file(place).path, execution, NextToken, MaxResults)
        except Exception as error:
            raise invalid(f"Could not find results at {place.url}: {error}") from error
        answer = {**count, "ResultSet": {"Rows": rows, "ResultSetMetadata": metadata}}
        return {**answer, "NextToken": token} if token else answer

    def get_query_runtime_statistics(self, QueryExecutionId: str) -> dict[str, Any]:
        """Rows and bytes of a query."""
        shown = _shown(self._execution(QueryExecutionId))
        statistics = shown["Statistics"]
        times = {"QueryQueueTimeInMillis", "QueryPlanningTimeInMillis", "EngineExecutionTimeInMillis",
                 "ServiceProcessingTimeInMillis", "TotalExecutionTimeInMillis"}  # fmt: skip
        execution = self._execution(QueryExecutionId)
        rows = {"OutputRows": execution.get("Rows", 0), "InputBytes": execution.get("Scanned", 0)}
        timeline = {key: value for key, value in statistics.items() if key in times}
        return {"QueryRuntimeStatistics": {"Timeline": timeline, "Rows": rows}}

    def list_engine_versions(self, NextToken: str | None = None, MaxResults: int = 10) -> dict[str, Any]:
        """The engine versions."""
        return {"EngineVersions": [ENGINE_VERSION]}

    # Tags ------------------------------------------------------------------------------------------------------------

    def tag_resource(self, ResourceARN: str, Tags: list[dict[str, str]]) -> None:
        """Add tags."""
        with self.lock:
            self._tags(ResourceARN).update({tag["Key"]: tag["Value"] for tag in Tags})
            self.changed()

    def untag_resource(self, ResourceARN: str, TagKeys: list[str]) -> None:
        """Remove tags."""
        with self.lock:
            for key in TagKeys:
                self._tags(ResourceARN).pop(key, None)
            self.changed()

    def list_tags_for_resource(
        self, ResourceARN: str, NextToken: str | None = None, MaxResults: int = 75
    ) -> dict[str, Any]:
        """The tags of a workgroup."""
        shown = [{"Key": key, "Value": value} for key, value in sorted(self._tags(ResourceARN).items())]
        page, token = paged(shown, NextToken, MaxResults)
        return {"Tags": page, **token}

    def _tags(self, arn: str) -> dict[str, str]:
        kind, _, name = arn.rpartition(":")[2].partition("/")
        if kind != "workgroup" or name not in self.state["workgroups"]:
            raise AwsError("ResourceNotFoundException", f"{arn} was not found")
        tags: dict[str, str] = self.state["tags"].setdefault(arn, {})
        return tags


def _shown(execution: dict[str, Any]) -> dict[str, Any]:
    submitted, completed = execution["Submitted"], execution.get("Completed")
    started = execution.get("Started", completed or time.time())
    end = completed or time.time()
    status: dict[str, Any] = {"State": execution["State"], "SubmissionDateTime": datetime.fromtimestamp(submitted, UTC)}
    if completed:
        status["CompletionDateTime"] = datetime.fromtimestamp(completed, UTC)
    if execution.get("Reason"):
        status["StateChangeReason"] = execution["Reason"]
    if execution["State"] == "FAILED":
        status["AthenaError"] = {"ErrorCategory": execution.get("Category", 1), "ErrorType": 0, "Retryable": False,
                                 "ErrorMessage": execution["Reason"]}  # fmt: skip
    statistics: dict[str, Any] = {
        "EngineExecutionTimeInMillis": _milliseconds(end - started),
        "DataScannedInBytes": execution.get("Scanned", 0),
        "TotalExecutionTimeInMillis": _milliseconds(end - submitted),
        "QueryQueueTimeInMillis": _milliseconds(started - submitted),
        "ServiceProcessingTimeInMillis": 0,
        "ResultReuseInformation": {"ReusedPreviousResult": False},
    }
    if execution.get("Manifest"):
        statistics["DataManifestLocation"] = execution["Location"]
    configuration = dict(execution["ResultConfiguration"])
    place = results.location(configuration["OutputLocation"])
    suffix = {"DML": ".csv", "DDL": ".txt", "UTILITY": ".txt"}[execution["StatementType"]]
    configuration["OutputLocation"] = execution.get("Location") or f"{place.url}{execution['QueryExecutionId']}{suffix}"
    shown = {
        "QueryExecutionId": execution["QueryExecutionId"],
        "Query": execution["Query"],
        "StatementType": execution["StatementType"],
        "SubstatementType": execution["SubstatementType"],
        "ResultConfiguration": configuration,
        "QueryExecutionContext": execution["Context"],
        "Status": status,
        "Statistics": statistics,
        "WorkGroup": execution["WorkGroup"],
        "EngineVersion": ENGINE_VERSION,
        "ExecutionParameters": execution["Parameters"],
    }
    return {key: value for key, value in shown.items() if value is not None}


def _milliseconds(seconds: float) -> int:
    return max(int(seconds * 1000), 0)
