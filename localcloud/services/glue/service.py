"""The Glue service: requests and answers as JSON documents, the resources that IAM has to allow, tags."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, ClassVar

from localcloud.base.api_type import ApiType
from localcloud.base.cloud import Cloud
from localcloud.base.service import AwsError, Response, Service
from localcloud.services.glue.catalog import CatalogOperations
from localcloud.services.glue.cloudformation import TYPES
from localcloud.services.glue.crawlers import CrawlerOperations
from localcloud.services.glue.jobs import JobOperations
from localcloud.services.glue.store import CatalogStore

_TABLE_OPERATIONS = ("Table", "Partition")


class GlueService(CatalogOperations, CrawlerOperations, JobOperations, Service):
    """The Data Catalog, crawlers and jobs. Triggers, workflows and the rest have no engine here and are refused."""

    name: ClassVar[str] = "glue"
    cloudformation: ClassVar[Mapping[str, ApiType]] = TYPES

    def __init__(self, cloud: Cloud) -> None:
        super().__init__(cloud)
        self.init_crawlers()
        self.init_jobs()

    def start(self) -> None:
        for kind in ("crawlers", "jobs", "job_runs", "tags"):
            self.state.setdefault(kind, {})
        self.store = CatalogStore(self.cloud.paths.state / "glue" / "catalog.sqlite")
        self.end_interrupted_crawls()
        self.end_interrupted_runs()

    def stop(self) -> None:
        self.stop_running_crawlers()
        self.stop_running_jobs()
        self.store.close()

    def resource_arns(self, operation: str, params: dict[str, Any]) -> list[str]:
        """Source: "Specifying AWS Glue resource ARNs": a catalog operation needs the catalog, the database and, for
        tables, partitions and versions, the table.
        """
        if "Crawler" in operation or operation == "ListCrawls":
            names = (
                params.get("CrawlerNameList")
                or params.get("CrawlerNames")
                or [params.get("Name") or params.get("CrawlerName")]
            )
            return [self.cloud.arn("glue", f"crawler/{n}") for n in names if n] or ["*"]
        if "Job" in operation:
            jobs = params.get("JobNames") or [params.get("JobName") or params.get("Name")]
            return [self.cloud.arn("glue", f"job/{name}") for name in jobs if name] or ["*"]
        if "ResourceArn" in params:
            return [params["ResourceArn"]]
        arns = [self.cloud.arn("glue", "catalog")]
        database = params.get("DatabaseName")
        if operation.endswith(("Database", "Databases")):
            database = params.get("Name") or params.get("DatabaseInput", {}).get("Name")
        if operation == "SearchTables":
            database = "*"
        if database:
            arns.append(self.cloud.arn("glue", f"database/{database.lower()}"))
            tables = self._named_tables(operation, params)
            arns += [self.cloud.arn("glue", f"table/{database.lower()}/{t.lower()}") for t in tables]
        return arns

    @staticmethod
    def _named_tables(operation: str, params: Mapping[str, Any]) -> list[str]:
        if operation in ("GetTables", "SearchTables", "DeleteDatabase"):
            return ["*"]
        if not any(word in operation for word in _TABLE_OPERATIONS):
            return []
        if "TablesToDelete" in params:
            return list(params["TablesToDelete"])
        name = params.get("TableName") or params.get("Name") or params.get("TableInput", {}).get("Name")
        return [name] if name else ["*"]

    # tags ------------------------------------------------------------------------------------------------------------

    def tag_resource(self, ResourceArn: str, TagsToAdd: dict[str, str]) -> None:
        self._known(ResourceArn)
        self.set_tags(ResourceArn, TagsToAdd)

    def untag_resource(self, ResourceArn: str, TagsToRemove: list[str]) -> None:
        self._known(ResourceArn)
        with self.lock:
            for key in TagsToRemove:
                self.state["tags"].get(ResourceArn, {}).pop(key, None)
            self.changed()

    def get_tags(self, ResourceArn: str) -> dict[str, Any]:
        self._known(ResourceArn)
        return {"Tags": dict(self.state["tags"].get(ResourceArn, {}))}

    def _known(self, arn: str) -> None:
        kind, _, name = arn.removeprefix(self.cloud.arn("glue", "")).partition("/")
        if kind in ("crawler", "job") and name in self.state[f"{kind}s"]:
            return
        if kind == "database" and self.store.database(name):
            return
        if kind == "table" and "/" in name and self.store.table(*name.split("/", 1)):
            return
        raise AwsError("EntityNotFoundException", f"Resource {arn} not found.")

    # JSON in, JSON out -----------------------------------------------------------------------------------------------
    # Glue's protocol is JSON with times as seconds since the epoch, which is how documents are kept. Walking thousands
    # of partitions member by member, as the shared parser and serializer do, takes seconds; the two below do not.

    def parse(
        self,
        operation: str,
        uri: Mapping[str, str],
        method: str,
        path: str,
        headers: Mapping[str, str],
        body: bytes,
        query_params: Mapping[str, Any],
    ) -> dict[str, Any]:
        try:
            parsed = json.loads(body or b"{}")
        except ValueError as error:
            raise AwsError("SerializationException", f"the body of {operation} is not JSON: {error}") from error
        if not isinstance(parsed, dict):
            raise AwsError("SerializationException", f"the body of {operation} is not a JSON object")
        shape = self.model.operation_model(operation).input_shape
        unknown = sorted(set(parsed) - set(shape.members if shape else ()))
        if unknown:
            raise AwsError("ValidationException", f"{operation} has no parameter {unknown[0]}")
        return parsed

    def _serialize(self, operation: str, result: Any) -> Response:
        if isinstance(result, dict):
            return 200, {"Content-Type": "application/x-amz-json-1.1"}, json.dumps(result).encode()
        return super()._serialize(operation, result)
