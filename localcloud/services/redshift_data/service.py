"""``redshift-data`` of boto3. Statements run on threads of their own, over the warehouse's SQL endpoint."""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, ClassVar

import psycopg2
from botocore.exceptions import ClientError

from localcloud.base.cloud import Cloud
from localcloud.base.errors import AwsError
from localcloud.base.service import Service
from localcloud.services.redshift_data.execution import bind, column_metadata, field
from localcloud.services.redshift_serverless import warehouse
from localcloud.services.redshift_serverless.workgroups import workgroup_arn

_KEPT_SECONDS = 24 * 3600
_PAGE = 1000
_PAGES_SHOWN = 100
_UNFINISHED = ("SUBMITTED", "PICKED", "STARTED")


class RedshiftDataService(Service):
    """Statements on the workgroup. Results are kept for a day, in memory: after a restart they are gone and say so."""

    name: ClassVar[str] = "redshift-data"
    cloudformation: ClassVar[Mapping[str, Any]] = {}

    def __init__(self, cloud: Cloud) -> None:
        super().__init__(cloud)
        self.state = {"statements": {}}
        self._results: dict[str, tuple[list[dict[str, Any]], list[list[dict[str, Any]]]]] = {}
        self._connections: dict[str, Any] = {}

    def start(self) -> None:
        """Statements that a stop interrupted have failed."""
        for statement in self.state["statements"].values():
            if statement["Status"] in _UNFINISHED:
                statement.update(Status="FAILED", Error="the local cloud was stopped while the statement ran")

    def resource_arns(self, operation: str, params: dict[str, Any]) -> list[str]:
        """Source: "Actions, resources, and condition keys for Amazon Redshift Data API"."""
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
        Database: str | None = None,
        SecretArn: str | None = None,
        Parameters: list[dict[str, str]] | None = None,
        StatementName: str | None = None,
        WithEvent: bool = False,
        ClientToken: str | None = None,
    ) -> dict[str, Any]:
        """Start one statement."""
        bind(Sql, Parameters or [])
        return self._start(
            [(Sql, Parameters or [])], False, WorkgroupName, Database, SecretArn, StatementName, WithEvent, ClientToken
        )

    def batch_execute_statement(
        self,
        Sqls: list[str],
        WorkgroupName: str | None = None,
        Database: str | None = None,
        SecretArn: str | None = None,
        StatementName: str | None = None,
        WithEvent: bool = False,
        ClientToken: str | None = None,
    ) -> dict[str, Any]:
        """Start statements that run one after another in one transaction."""
        return self._start(
            [(sql, []) for sql in Sqls], True, WorkgroupName, Database, SecretArn, StatementName, WithEvent, ClientToken
        )

    def _start(
        self,
        statements: list[tuple[str, list[dict[str, str]]]],
        batch: bool,
        workgroup: str | None,
        database: str | None,
        secret: str | None,
        name: str | None,
        event: bool,
        token: str | None,
    ) -> dict[str, Any]:
        if event:
            raise AwsError(
                "NotImplementedException", "redshift-data: WithEvent is not supported by the local cloud", 501
            )
        if workgroup is None:
            raise AwsError("ValidationException", "WorkgroupName must be given: the local cloud has no clusters")
        if database is None:
            raise AwsError("ValidationException", "Database must be given")
        with self.lock:
            self._forget_old()
            if token is not None:
                for known in self.state["statements"].values():
                    if known.get("ClientToken") == token:
                        return self._started(known)
            user, password = self._credentials(workgroup, secret)
            now = time.time()
            identifier = str(uuid.uuid4())
            statement: dict[str, Any] = {
                "Id": identifier, "Status": "SUBMITTED", "CreatedAt": now, "UpdatedAt": now, "Database": database,
                "WorkgroupName": workgroup, "SecretArn": secret, "DbUser": user, "StatementName": name or "",
                "IsBatchStatement": batch, "ClientToken": token, "Error": None, "HasResultSet": False,
                "ResultRows": -1, "ResultSize": -1, "Duration": -1, "RedshiftPid": 0, "RedshiftQueryId": -1,
                "QueryString": statements[0][0], "QueryParameters": statements[0][1],
                "SubStatements": [
                    {"Id": f"{identifier}:{i}", "QueryString": sql, "Status": "SUBMITTED", "CreatedAt": now,
                     "UpdatedAt": now, "HasResultSet": False, "ResultRows": -1, "ResultSize": -1, "Duration": -1,
                     "RedshiftQueryId": -1}
                    for i, (sql, _) in enumerate(statements, 1)
                ] if batch else [],
            }  # fmt: skip
            self.state["statements"][identifier] = statement
            self.changed()
        self.cloud.run(lambda: self._run(statement, statements, password), f"redshift-data {identifier}")
        return self._started(statement)

    def _credentials(self, workgroup: str, secret: str | None) -> tuple[str, str]:
        serverless = self.cloud.client("redshift-serverless")
        try:
            serverless.get_workgroup(workgroupName=workgroup)
            if secret is None:
                given = serverless.get_credentials(workgroupName=workgroup)
                return given["dbUser"].lower(), given["dbPassword"]
            text = self.cloud.client("secretsmanager").get_secret_value(SecretId=secret)["SecretString"]
            kept = json.loads(text)
            return str(kept["username"]), str(kept["password"])
        except ClientError as error:
            details = error.response["Error"]
            raise AwsError("ValidationException", f"{details['Code']}: {details['Message']}") from error
        except (ValueError, KeyError):
            raise AwsError(
                "ValidationException", f"the secret {secret} must be JSON with username and password"
            ) from None

    @staticmethod
    def _started(statement: Mapping[str, Any]) -> dict[str, Any]:
        keys = ("Id", "Database", "DbUser", "WorkgroupName", "SecretArn")
        started = {key: statement[key] for key in keys if statement.get(key) is not None}
        return {**started, "CreatedAt": datetime.fromtimestamp(statement["CreatedAt"], UTC)}

    def _run(
        self, statement: dict[str, Any], statements: list[tuple[str, list[dict[str, str]]]], password: str
    ) -> None:
        identifier = statement["Id"]
        began = time.monotonic()
        try:
            connection = warehouse.connect(self.cloud, statement["Database"], statement["DbUser"], password)
        except (psycopg2.OperationalError, AwsError) as error:
            self._finish(statement, began, "FAILED", f"cannot connect: {error}".strip())
            return
        with self.lock:
            if statement["Status"] == "ABORTED":
                connection.close()
                return
            self._connections[identifier] = connection
            statement.update(Status="STARTED", UpdatedAt=time.time(), RedshiftPid=connection.info.backend_pid)
        position = 0
        try:
            # One statement alone needs no transaction, and some (VACUUM, CREATE DATABASE) do not run in one.
            connection.autocommit = not statement["IsBatchStatement"]
            with connection.cursor() as cursor:
                for position, (sql, parameters) in enumerate(statements):
                    self._run_one(statement, position, cursor, *bind(sql, parameters))
            if statement["IsBatchStatement"]:
                connection.commit()
            self._finish(statement, began, "FINISHED", None)
        except psycopg2.Error as error:
            text = str(error).strip()
            for later in statement["SubStatements"][position:]:
                later["Status"] = "ABORTED"
            if statement["SubStatements"]:
                statement["SubStatements"][position].update(Status="FAILED", Error=f"ERROR: {text}")
            aborted = error.pgcode == "57014"
            self._finish(statement, began, "ABORTED" if aborted else "FAILED", f"ERROR: {text}")
        finally:
            self._connections.pop(identifier, None)
            connection.close()

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
        self, Database: str, WorkgroupName: str | None = None, SecretArn: str | None = None, MaxResults: int = 1000
    ) -> dict[str, Any]:
        """The databases of the warehouse."""
        rows = self._query(WorkgroupName, Database, SecretArn, "select datname from pg_database order by 1", ())
        return {"Databases": [row[0] for row in rows[:MaxResults]]}

    def list_schemas(
        self,
        Database: str,
        WorkgroupName: str | None = None,
        SecretArn: str | None = None,
        SchemaPattern: str = "%",
        MaxResults: int = 1000,
    ) -> dict[str, Any]:
        """The schemas of a database."""
        sql = "select nspname from pg_namespace where nspname like %s order by 1"
        rows = self._query(WorkgroupName, Database, SecretArn, sql, (SchemaPattern,))
        return {"Schemas": [row[0] for row in rows[:MaxResults]]}

    def list_tables(
        self,
        Database: str,
        WorkgroupName: str | None = None,
        SecretArn: str | None = None,
        SchemaPattern: str = "%",
        TablePattern: str = "%",
        MaxResults: int = 1000,
    ) -> dict[str, Any]:
        """The tables and views of a database."""
        sql = (
            "select table_schema, table_name, table_type from information_schema.tables "
            "where table_schema like %s and table_name like %s order by 1, 2"
        )
        rows = self._query(WorkgroupName, Database, SecretArn, sql, (SchemaPattern, TablePattern))
        kinds = {"BASE TABLE": "TABLE"}
        tables = [{"schema": s, "name": n, "type": kinds.get(t, t)} for s, n, t in rows[:MaxResults]]
        return {"Tables": tables}

    def _query(
        self, workgroup: str | None, database: str, secret: str | None, sql: str, values: tuple[Any, ...]
    ) -> list[tuple[Any, ...]]:
        if workgroup is None:
            raise AwsError("ValidationException", "WorkgroupName must be given: the local cloud has no clusters")
        user, password = self._credentials(workgroup, secret)
        try:
            connection = warehouse.connect(self.cloud, database, user, password)
        except psycopg2.OperationalError as error:
            raise AwsError("ValidationException", f"cannot connect: {error}".strip()) from error
        try:
            with connection.cursor() as cursor:
                cursor.execute(sql, values)
                return list(cursor.fetchall())
        except psycopg2.Error as error:
            raise AwsError("QueryExecutionException", str(error).strip()) from error
        finally:
            connection.close()

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


def _shown(item: Mapping[str, Any]) -> dict[str, Any]:
    times = ("CreatedAt", "UpdatedAt")
    return {k: datetime.fromtimestamp(v, UTC) if k in times else v for k, v in item.items() if v is not None}
