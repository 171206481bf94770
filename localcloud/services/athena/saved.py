"""Named queries and prepared statements."""

from __future__ import annotations

import time
import uuid
from typing import TYPE_CHECKING, Any

from localcloud.base.errors import AwsError
from localcloud.services.athena.workgroups import PRIMARY, invalid, paged

if TYPE_CHECKING:
    from localcloud.base.service import Service as Base
else:
    Base = object


class SavedOperations(Base):
    """Queries that are kept under a name: whole ones, and ones with ``?`` to be filled in."""

    def workgroup(self, name: str) -> dict[str, Any]:
        raise NotImplementedError

    # named queries ---------------------------------------------------------------------------------------------------

    def create_named_query(
        self,
        Name: str,
        Database: str,
        QueryString: str,
        Description: str | None = None,
        ClientRequestToken: str | None = None,
        WorkGroup: str = PRIMARY,
    ) -> dict[str, Any]:
        """Save a query."""
        self.workgroup(WorkGroup)
        with self.lock:
            for found in self.state["named_queries"].values():
                if ClientRequestToken and found["Token"] == ClientRequestToken:
                    return {"NamedQueryId": found["NamedQueryId"]}
            identifier = str(uuid.uuid4())
            self.state["named_queries"][identifier] = {
                "NamedQueryId": identifier, "Name": Name, "Database": Database, "QueryString": QueryString,
                "Description": Description, "WorkGroup": WorkGroup, "Token": ClientRequestToken,
            }  # fmt: skip
            self.changed()
        return {"NamedQueryId": identifier}

    def get_named_query(self, NamedQueryId: str) -> dict[str, Any]:
        """A saved query."""
        found = self.state["named_queries"].get(NamedQueryId)
        if found is None:
            raise invalid(f"NamedQuery {NamedQueryId} was not found")
        return {"NamedQuery": _without(found, "Token")}

    def batch_get_named_query(self, NamedQueryIds: list[str]) -> dict[str, Any]:
        """Saved queries by their ids."""
        known = self.state["named_queries"]
        return {
            "NamedQueries": [_without(known[i], "Token") for i in NamedQueryIds if i in known],
            "UnprocessedNamedQueryIds": [
                {"NamedQueryId": i, "ErrorCode": "INTERNAL_FAILURE", "ErrorMessage": "was not found"}
                for i in NamedQueryIds if i not in known
            ],
        }  # fmt: skip

    def list_named_queries(
        self, WorkGroup: str = PRIMARY, NextToken: str | None = None, MaxResults: int = 50
    ) -> dict[str, Any]:
        """The ids of a workgroup's saved queries."""
        self.workgroup(WorkGroup)
        ids = [key for key, item in self.state["named_queries"].items() if item["WorkGroup"] == WorkGroup]
        page, token = paged(ids, NextToken, MaxResults)
        return {"NamedQueryIds": page, **token}

    def update_named_query(
        self, NamedQueryId: str, Name: str, QueryString: str, Description: str | None = None
    ) -> None:
        """Change a saved query."""
        with self.lock:
            self.get_named_query(NamedQueryId)
            self.state["named_queries"][NamedQueryId].update(
                Name=Name, QueryString=QueryString, Description=Description
            )
            self.changed()

    def delete_named_query(self, NamedQueryId: str) -> None:
        """Delete a saved query."""
        with self.lock:
            self.get_named_query(NamedQueryId)
            del self.state["named_queries"][NamedQueryId]
            self.changed()

    # prepared statements ---------------------------------------------------------------------------------------------

    def create_prepared_statement(
        self, StatementName: str, WorkGroup: str, QueryStatement: str, Description: str | None = None
    ) -> None:
        """Keep a statement with ``?`` for its parameters."""
        self.workgroup(WorkGroup)
        with self.lock:
            if _key(WorkGroup, StatementName) in self.state["prepared"]:
                raise invalid(f"PreparedStatement {StatementName} already exists in {WorkGroup}")
            self._put_prepared(StatementName, WorkGroup, QueryStatement, Description)

    def update_prepared_statement(
        self, StatementName: str, WorkGroup: str, QueryStatement: str, Description: str | None = None
    ) -> None:
        """Change a prepared statement."""
        with self.lock:
            self.prepared(WorkGroup, StatementName)
            self._put_prepared(StatementName, WorkGroup, QueryStatement, Description)

    def _put_prepared(self, name: str, workgroup: str, statement: str, description: str | None) -> None:
        self.state["prepared"][_key(workgroup, name)] = {
            "StatementName": name, "WorkGroup": workgroup, "WorkGroupName": workgroup, "QueryStatement": statement,
            "Description": description, "LastModifiedTime": time.time(),
        }  # fmt: skip
        self.changed()

    def prepared(self, workgroup: str, name: str) -> dict[str, Any]:
        """A prepared statement as it is kept. Raises AwsError when there is none."""
        found: dict[str, Any] | None = self.state["prepared"].get(_key(workgroup, name))
        if found is None:
            raise AwsError("ResourceNotFoundException", f"PreparedStatement {name} was not found in {workgroup}")
        return found

    def get_prepared_statement(self, StatementName: str, WorkGroup: str) -> dict[str, Any]:
        """A prepared statement."""
        return {"PreparedStatement": _without(self.prepared(WorkGroup, StatementName), "WorkGroup")}

    def list_prepared_statements(
        self, WorkGroup: str, NextToken: str | None = None, MaxResults: int = 50
    ) -> dict[str, Any]:
        """The prepared statements of a workgroup."""
        self.workgroup(WorkGroup)
        shown = [
            {"StatementName": item["StatementName"], "LastModifiedTime": item["LastModifiedTime"]}
            for item in self.state["prepared"].values() if item["WorkGroup"] == WorkGroup
        ]  # fmt: skip
        page, token = paged(shown, NextToken, MaxResults)
        return {"PreparedStatements": page, **token}

    def delete_prepared_statement(self, StatementName: str, WorkGroup: str) -> None:
        """Delete a prepared statement."""
        with self.lock:
            self.prepared(WorkGroup, StatementName)
            del self.state["prepared"][_key(WorkGroup, StatementName)]
            self.changed()


def _key(workgroup: str, name: str) -> str:
    return f"{workgroup}/{name}"


def _without(document: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in document.items() if key != name and value is not None}
