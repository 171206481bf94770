"""``redshift-data`` of boto3. Statements run on threads of their own, over the warehouse's SQL endpoint."""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, ClassVar

import psycopg2

from localcloud.base.cloud import Cloud
from localcloud.base.errors import AwsError
from localcloud.base.service import Service
from localcloud.services.redshift_data.execution import bind, column_metadata, field
from localcloud.services.redshift_data.sessions import DataSession, DataSessions, Target, query
from localcloud.services.redshift_serverless import warehouse
from localcloud.services.redshift_serverless.workgroups import workgroup_arn

_KEPT_SECONDS = 24 * 3600
_PAGE = 1000
_PAGES_SHOWN = 100
_UNFINISHED = ("SUBMITTED", "PICKED", "STARTED")


@dataclass(frozen=True)
class _Asked:
    """What a request asks to run: statements with their parameters, `batch` in one transaction."""

    statements: list[tuple[str, list[dict[str, str]]]]
    batch: bool
    name: str
    token: str | None


class RedshiftDataService(Service):
    """Statements on the machine's workgroup or cluster, in sessions where these are asked for.

    Results are kept for a day, in memory: after a restart they are gone and say so.
    """

    name: ClassVar[str] = "redshift-data"
    cloudformation: ClassVar[Mapping[str, Any]] = {}

    def __init__(self, cloud: Cloud) -> None:
        super().__init__(cloud)
        self.state = {"statements": {}}
        self._results: dict[str, tuple[list[dict[str, Any]], list[list[dict[str, Any]]]]] = {}
        self._connections: dict[str, Any] = {}
        self._sessions = DataSessions()

    def start(self) -> None:
        """Statements that a stop interrupted have failed."""
        for statement in self.state["statements"].values():
            if statement["Status"] in _UNFINISHED:
                statement.update(Status="FAILED", Error="the local cloud was stopped while the statement ran")

    def stop(self) -> None:
        """End the sessions."""
        self._sessions.close()

    def resource_arns(self, operation: str, params: dict[str, Any]) -> list[str]:
        """Source: "Actions, resources, and condition keys for Amazon Redshift Data API"."""
        if "ClusterIdentifier" in params:
            return [self.cloud.arn("redshift", f"cluster:{params['ClusterIdentifier']}")]
        workgroup = params.get("WorkgroupName")
        if workgroup is None:
            return ["*"]
        found = workgroup_arn(self.cloud.account_id, self.cloud.region, workgroup)
        return [found or self.cloud.arn("redshift-serverless", "workgroup/*")]

    # Statements ----------------------------------------------------------------------------------------------------

    def execute_statement(
        self,
        Sql: str,
        WorkgroupName: str | None = None,
        ClusterIdentifier: str | None = None,
        Database: str | None = None,
        DbUser: str | None = None,
        SecretArn: str | None = None,
        Parameters: list[dict[str, str]] | None = None,
        StatementName: str | None = None,
        WithEvent: bool = False,
        ClientToken: str | None = None,
        SessionId: str | None = None,
        SessionKeepAliveSeconds: int | None = None,
        ResultFormat: str = "JSON",
    ) -> dict[str, Any]:
        """Start one statement, on a warehouse or in a session."""
        bind(Sql, Parameters or [])
        target = Target(WorkgroupName, ClusterIdentifier, Database, DbUser, SecretArn)
        asked = _Asked([(Sql, Parameters or [])], False, StatementName or "", ClientToken)
        _check(WithEvent, ResultFormat)
        return self._start(asked, target, SessionId, SessionKeepAliveSeconds)

    def batch_execute_statement(
        self,
        Sqls: list[str],
        WorkgroupName: str | None = None,
        ClusterIdentifier: str | None = None,
        Database: str | None = None,
        DbUser: str | None = None,
        SecretArn: str | None = None,
        StatementName: str | None = None,
        WithEvent: bool = False,
        ClientToken: str | None = None,
        SessionId: str | None = None,
        SessionKeepAliveSeconds: int | None = None,
        ResultFormat: str = "JSON",
    ) -> dict[str, Any]:
        """Start statements that run one after another in one transaction."""
        target = Target(WorkgroupName, ClusterIdentifier, Database, DbUser, SecretArn)
        asked = _Asked([(sql, []) for sql in Sqls], True, StatementName or "", ClientToken)
        _check(WithEvent, ResultFormat)
        return self._start(asked, target, SessionId, SessionKeepAliveSeconds)

    def _start(self, asked: _Asked, target: Target, session_id: str | None, keep_alive: int | None) -> dict[str, Any]:
        with self.lock:
            self._forget_old()
            if asked.token is not None:
                for known in self.state["statements"].values():
                    if known.get("ClientToken") == asked.token:
                        return self._started(known)
            if session_id is not None and target != Target():
                raise AwsError("ValidationException", "SessionId stands for the warehouse, database and user")
            session = None if session_id is None else self._sessions.take(session_id, keep_alive)
            if session is not None:
                target = session.target
                user, password = session.connection.info.user, ""
            else:
                user, password = target.checked().login(self.cloud)
                if keep_alive is not None:
                    session = self._sessions.begin(target, keep_alive)
            now = time.time()
            identifier = str(uuid.uuid4())
            statement: dict[str, Any] = {
                "Id": identifier, "Status": "SUBMITTED", "CreatedAt": now, "UpdatedAt": now,
                **asdict(target), "DbUser": user, "SessionId": session.id if session else None,
                "StatementName": asked.name, "IsBatchStatement": asked.batch, "ClientToken": asked.token,
                "Error": None, "HasResultSet": False, "ResultRows": -1, "ResultSize": -1, "Duration": -1,
                "RedshiftPid": 0, "RedshiftQueryId": -1, "ResultFormat": "JSON",
                "QueryString": asked.statements[0][0], "QueryParameters": asked.statements[0][1],
                "SubStatements": [
                    {"Id": f"{identifier}:{i}", "QueryString": sql, "Status": "SUBMITTED", "CreatedAt": now,
                     "UpdatedAt": now, "HasResultSet": False, "ResultRows": -1, "ResultSize": -1, "Duration": -1,
                     "RedshiftQueryId": -1}
                    for i, (sql, _) in enumerate(asked.statements, 1)
                ] if asked.batch else [],
            }  # fmt: skip
            self.state["statements"][identifier] = statement
            self.changed()
        self.cloud.run(lambda: self._run(statement, asked, session, password), f"redshift-data {identifier}")
        return self._started(statement)

    @staticmethod
    def _started(statement: Mapping[str, Any]) -> dict[str, Any]:
        keys = ("Id", "Database", "DbUser", "ClusterIdentifier", "WorkgroupName", "SecretArn", "SessionId")
        started = {key: statement[key] for key in keys if statement.get(key) is not None}
        return {**started, "CreatedAt": datetime.fromtimestamp(statement["CreatedAt"], UTC)}

    def _run(self, statement: dict[str, Any], asked: _Asked, session: DataSession | None, password: str) -> None:
        began = time.monotonic()
        try:
            if session is not None:
                connection = self._sessions.connect(session, self.cloud, statement["DbUser"], password)
            else:
                connection = warehouse.connect(self.cloud, statement["Database"], statement["DbUser"], password)
        except (psycopg2.OperationalError, AwsError) as error:
            self._finish(statement, began, "FAILED", f"cannot connect: {error}".strip())
            if session is not None:
                self._sessions.release(session)
            return
        try:
            self._run_on(connection, statement, asked, began)
        finally:
            self._connections.pop(statement["Id"], None)
            if session is not None:
                self._sessions.release(session)
            else:
                connection.close()

    def _run_on(self, connection: Any, statement: dict[str, Any], asked: _Asked, began: float) -> None:
        with self.lock:
            if statement["Status"] == "ABORTED":
                return
            self._connections[statement["Id"]] = connection
            statement.update(Status="STARTED", UpdatedAt=time.time(), RedshiftPid=connection.info.backend_pid)
        position = 0
        try:
            # One statement alone needs no transaction, and some (VACUUM, CREATE DATABASE) do not run in one.
            connection.autocommit = not asked.batch
            with connection.cursor() as cursor:
                for position, (sql, parameters) in enumerate(asked.statements):
                    self._run_one(statement, position, cursor, *bind(sql, parameters))
            if asked.batch:
                connection.commit()
            self._finish(statement, began, "FINISHED", None)
        except psycopg2.Error as error:
            text = str(error).strip()
            if not connection.closed:
                connection.rollback()
            for later in statement["SubStatements"][position:]:
                later["Status"] = "ABORTED"
            if statement["SubStatements"]:
                statement["SubStatements"][position].update(Status="FAILED", Error=f"ERROR: {text}")
            aborted = error.pgcode == "57014"
            self._finish(statement, began, "ABORTED" if aborted else "FAILED", f"ERROR: {text}")

    def _run_one(
        self, statement: dict[str, Any], position: int, cursor: Any, sql: str, values: dict[str, str] | None
    ) -> None:
        part = statement["SubStatements"][position] if statement["SubStatements"] else statement
        part["Status"] = "STARTED"
        began = time.monotonic()
        cursor.execute(sql, values)
        if cursor.description is not None:
            records = [[field(value) for value in row] for row in cursor.fetchall()]
            self._results[part["Id"]] = (column_metadata(cursor.description), records)
            part.update(HasResultSet=True, ResultRows=len(records), ResultSize=len(json.dumps(records, default=str)))
            statement["HasResultSet"] = True
        else:
            part.update(ResultRows=max(cursor.rowcount, 0), ResultSize=0)
        if part is not statement:
            part.update(
                Status="FINISHED", UpdatedAt=time.time(), Duration=int((time.monotonic() - began) * 1_000_000_000)
            )

    def _finish(self, statement: dict[str, Any], began: float, status: str, error: str | None) -> None:
        with self.lock:
            if statement["Status"] == "ABORTED":
                status, error = "ABORTED", statement["Error"]
            duration = int((time.monotonic() - began) * 1_000_000_000)
            statement.update(Status=status, Error=error, UpdatedAt=time.time(), Duration=duration)
            self.changed()

    def describe_statement(self, Id: str) -> dict[str, Any]:
        """The state of a statement, or of one of a batch (``<id>:<n>``)."""
        statement = self._statement(Id)
        if ":" in Id:
            part = next((item for item in statement["SubStatements"] if item["Id"] == Id), None)
            if part is None:
                raise AwsError("ResourceNotFoundException", f"the statement {Id} does not exist")
            return _shown(part)
        hidden = ("ClientToken", "StatementName", "IsBatchStatement")
        shown = _shown({key: value for key, value in statement.items() if key not in hidden})
        shown["SubStatements"] = [_shown(item) for item in statement["SubStatements"]]
        if not shown["SubStatements"]:
            del shown["SubStatements"]
        if not shown.get("QueryParameters"):
            shown.pop("QueryParameters", None)
        return shown

    def get_statement_result(self, Id: str, NextToken: str | None = None) -> dict[str, Any]:
        """A page of the rows of a finished statement; of a batch's part by its id, else the last part that has rows."""
        statement = self._statement(Id)
        if statement["Status"] in _UNFINISHED:
            raise AwsError("ResourceNotFoundException", f"the statement {Id} has not finished: {statement['Status']}")
        key = Id
        if ":" not in Id and statement["SubStatements"]:
            with_rows = [part["Id"] for part in statement["SubStatements"] if part["HasResultSet"]]
            key = with_rows[0] if with_rows else Id
        if key not in self._results:
            raise AwsError("ResourceNotFoundException", f"the statement {Id} has no result: {statement['Status']}")
        columns, records = self._results[key]
        start = int(NextToken) if NextToken else 0
        answer: dict[str, Any] = {
            "ColumnMetadata": columns,
            "Records": records[start : start + _PAGE],
            "TotalNumRows": len(records),
        }
        if start + _PAGE < len(records):
            answer["NextToken"] = str(start + _PAGE)
        return answer

    def list_statements(
        self,
        NextToken: str | None = None,
        MaxResults: int = _PAGES_SHOWN,
        StatementName: str | None = None,
        Status: str | None = None,
        RoleLevel: bool = True,
        Database: str | None = None,
        WorkgroupName: str | None = None,
        ClusterIdentifier: str | None = None,
    ) -> dict[str, Any]:
        """The statements of the last day, newest first; without a status the finished ones, as the API does."""
        wanted = Status or "FINISHED"
        found = [
            item
            for item in reversed(list(self.state["statements"].values()))
            if (wanted == "ALL" or item["Status"] == wanted)
            and (StatementName is None or item["StatementName"].startswith(StatementName))
            and (Database is None or item["Database"] == Database)
            and (WorkgroupName is None or item["WorkgroupName"] == WorkgroupName)
            and (ClusterIdentifier is None or item.get("ClusterIdentifier") == ClusterIdentifier)
        ]
        start = int(NextToken) if NextToken else 0
        keys = (
            "Id",
            "QueryString",
            "SecretArn",
            "Status",
            "StatementName",
            "CreatedAt",
            "UpdatedAt",
            "IsBatchStatement",
        )
        page = [_shown({key: item[key] for key in keys}) for item in found[start : start + MaxResults]]
        for shown, item in zip(page, found[start:], strict=False):
            if item["SubStatements"]:
                shown["QueryStrings"] = [part["QueryString"] for part in item["SubStatements"]]
        more = {"NextToken": str(start + MaxResults)} if start + MaxResults < len(found) else {}
        return {"Statements": page, **more}

    def cancel_statement(self, Id: str) -> dict[str, Any]:
        """Stop a statement that has not finished."""
        statement = self._statement(Id)
        with self.lock:
            if statement["Status"] not in _UNFINISHED:
                raise AwsError(
                    "ValidationException", f"Could not cancel a query that is already in {statement['Status']}"
                )
            statement.update(Status="ABORTED", Error="Query cancelled on user's request", UpdatedAt=time.time())
            connection = self._connections.get(Id)
            self.changed()
        if connection is not None:
            threading.Thread(target=connection.cancel, daemon=True).start()
        return {"Status": True}

    # Metadata ------------------------------------------------------------------------------------------------------

    def list_databases(
        self,
        Database: str,
        WorkgroupName: str | None = None,
        ClusterIdentifier: str | None = None,
        DbUser: str | None = None,
        SecretArn: str | None = None,
        MaxResults: int = 1000,
    ) -> dict[str, Any]:
        """The databases of the warehouse."""
        target = Target(WorkgroupName, ClusterIdentifier, Database, DbUser, SecretArn)
        rows = query(self.cloud, target, "select datname from pg_database order by 1", ())
        return {"Databases": [row[0] for row in rows[:MaxResults]]}

    def list_schemas(
        self,
        Database: str,
        WorkgroupName: str | None = None,
        ClusterIdentifier: str | None = None,
        DbUser: str | None = None,
        SecretArn: str | None = None,
        SchemaPattern: str = "%",
        MaxResults: int = 1000,
    ) -> dict[str, Any]:
        """The schemas of a database."""
        target = Target(WorkgroupName, ClusterIdentifier, Database, DbUser, SecretArn)
        sql = "select nspname from pg_namespace where nspname like %s order by 1"
        return {"Schemas": [row[0] for row in query(self.cloud, target, sql, (SchemaPattern,))[:MaxResults]]}

    def list_tables(
        self,
        Database: str,
        WorkgroupName: str | None = None,
        ClusterIdentifier: str | None = None,
        DbUser: str | None = None,
        SecretArn: str | None = None,
        SchemaPattern: str = "%",
        TablePattern: str = "%",
        MaxResults: int = 1000,
    ) -> dict[str, Any]:
        """The tables and views of a database."""
        target = Target(WorkgroupName, ClusterIdentifier, Database, DbUser, SecretArn)
        sql = (
            "select table_schema, table_name, table_type from information_schema.tables "
            "where table_schema like %s and table_name like %s order by 1, 2"
        )
        rows = query(self.cloud, target, sql, (SchemaPattern, TablePattern))
        kinds = {"BASE TABLE": "TABLE"}
        tables = [{"schema": s, "name": n, "type": kinds.get(t, t)} for s, n, t in rows[:MaxResults]]
        return {"Tables": tables}

    # ---------------------------------------------------------------------------------------------------------------

    def _statement(self, identifier: str) -> dict[str, Any]:
        try:
            statement: dict[str, Any] = self.state["statements"][identifier.partition(":")[0]]
        except KeyError:
            raise AwsError("ResourceNotFoundException", f"the statement {identifier} does not exist") from None
        return statement

    def _forget_old(self) -> None:
        limit = time.time() - _KEPT_SECONDS
        for identifier in [k for k, s in self.state["statements"].items() if s["CreatedAt"] < limit]:
            old = self.state["statements"].pop(identifier)
            for key in (identifier, *(part["Id"] for part in old["SubStatements"])):
                self._results.pop(key, None)


def _check(event: bool, result_format: str) -> None:
    if event:
        raise AwsError("NotImplementedException", "redshift-data: WithEvent is not supported by the local cloud", 501)
    if result_format != "JSON":
        raise AwsError("NotImplementedException", "redshift-data: the local cloud gives results as JSON alone", 501)


def _shown(item: Mapping[str, Any]) -> dict[str, Any]:
    times = ("CreatedAt", "UpdatedAt")
    return {k: datetime.fromtimestamp(v, UTC) if k in times else v for k, v in item.items() if v is not None}
