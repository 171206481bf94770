"""Neptune's bulk loader: many elements at once, from files in the lake that are taken away when they are loaded."""

from __future__ import annotations

import csv
import gzip
import hashlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Self

import boto3
from botocore.exceptions import BotoCoreError, ClientError
from tenacity import Retrying, retry_if_result, wait_exponential

from cdap.graph.batches import batches
from cdap.graph.connection import GraphError
from cdap.graph.elements import Edge, Vertex
from cdap.parameters import Parameters

FOLDER = "graph/loads"
# The loader reads files beside one another: some hundred thousand rows each ("Optimizing an Amazon Neptune bulk load").
ROWS_A_FILE = 250_000
_RUNNING = ("LOAD_NOT_STARTED", "LOAD_IN_QUEUE", "LOAD_IN_PROGRESS")
_COMPLETED = "LOAD_COMPLETED"
# "Gremlin load data format": columns with their types; a vertex's properties would be sets by themselves.
_TYPES = {bool: "Bool", float: "Double", str: "String"}
_SHOWN_ERRORS = 5


class BulkLoader:
    """Loads elements into one graph. Loading an element that is there changes nothing."""

    def __init__(
        self, endpoint: str, bucket: str, role_arn: str, run_id: str, aws: boto3.Session, *, pause: float = 5
    ) -> None:
        """`endpoint` is the graph's ws:// or wss:// URL, `role_arn` the cluster's role that reads the bucket, `pause`
        the longest wait between two looks at a load, in seconds."""
        self._endpoint = endpoint
        self._bucket = bucket
        self._role = role_arn
        self._prefix = f"{FOLDER}/{hashlib.sha256(run_id.encode()).hexdigest()[:16]}/"
        self._region = aws.region_name
        self._s3 = aws.client("s3")
        self._pause = pause
        url = endpoint.replace("ws", "http", 1)
        self._neptune = aws.client("neptunedata", endpoint_url=url)

    @classmethod
    def connect(cls, parameters: Parameters, run_id: str, aws: boto3.Session | None = None) -> Self:
        """That of the deployed stack. Raises ParameterMissingError when it has none."""
        return cls(
            parameters.graph_endpoint,
            parameters.lake_bucket,
            parameters.graph_loader_role_arn,
            run_id,
            aws if aws is not None else boto3.Session(),
        )

    def load(self, vertices: Sequence[Vertex], edges: Sequence[Edge]) -> None:
        """Loads vertices, then edges between them and others; returns when all are in the graph.

        Raises GraphError naming the load and its first errors when it fails.
        """
        try:
            self._clear()
            with TemporaryDirectory(prefix="cdap-graph-") as folder:
                for file in _written(Path(folder), vertices, edges):
                    self._s3.upload_file(str(file), self._bucket, f"{self._prefix}{file.name}")
            started = self._neptune.start_loader_job(
                source=f"s3://{self._bucket}/{self._prefix}",
                format="csv",
                s3BucketRegion=self._region,
                iamRoleArn=self._role,
                mode="NEW",
                failOnError=True,
                parallelism="HIGH",
                queueRequest=True,
            )
            self._wait(started["payload"]["loadId"])
        except (BotoCoreError, ClientError) as error:
            raise self._failure(str(error)) from error
        finally:
            self._clear()

    def cancel_all(self) -> None:
        """Ends every load that runs or waits, and returns when none does."""
        try:
            for load_id in self._neptune.list_loader_jobs()["payload"]["loadIds"]:
                if self._status(load_id)["status"] in _RUNNING:
                    self._neptune.cancel_loader_job(loadId=load_id)
                    self._ended(load_id)
        except (BotoCoreError, ClientError) as error:
            raise self._failure(str(error)) from error

    def _wait(self, load_id: str) -> None:
        overall = self._ended(load_id)
        if overall["status"] != _COMPLETED:
            told = self._neptune.get_loader_job_status(loadId=load_id, errors=True, errorsPerPage=_SHOWN_ERRORS)
            errors = [
                f"{log['errorCode']} in record {log['recordNum']} of {log['fileName']}: {log['errorMessage']}"
                for log in told["payload"].get("errors", {}).get("errorLogs", [])
            ]
            raise self._failure(
                f"the load {load_id} ended as {overall['status']}; {'; '.join(errors) or 'no error log'}"
            )

    def _ended(self, load_id: str) -> dict[str, Any]:
        waiting = Retrying(
            retry=retry_if_result(lambda overall: overall["status"] in _RUNNING),
            wait=wait_exponential(multiplier=0.05, exp_base=1.2, max=self._pause),
        )
        overall: dict[str, Any] = waiting(self._status, load_id)
        return overall

    def _status(self, load_id: str) -> dict[str, Any]:
        told: dict[str, Any] = self._neptune.get_loader_job_status(loadId=load_id)["payload"]["overallStatus"]
        return told

    def _clear(self) -> None:
        pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=self._prefix)
        for key in [item["Key"] for page in pages for item in page.get("Contents", [])]:
            self._s3.delete_object(Bucket=self._bucket, Key=key)

    def _failure(self, found: str) -> GraphError:
        return GraphError(
            f"Loading s3://{self._bucket}/{self._prefix} into the graph at {self._endpoint}",
            found,
            "Its role needs neptune-db:StartLoaderJob and the like, the cluster's role to read the files "
            "(infra/graph.py); then clear the task, which loads what is missing",
        )


def _written(folder: Path, vertices: Sequence[Vertex], edges: Sequence[Edge]) -> Iterator[Path]:
    for number, some in enumerate(batches(vertices, ROWS_A_FILE)):
        names = _columns(some, "(single)")
        yield _file(
            folder / f"vertices-{number:04d}.csv.gz", ["~id", "~label", *names.values()], _vertices(some, names)
        )
    for number, more in enumerate(batches(edges, ROWS_A_FILE)):
        names = _columns(more, "")
        header = ["~id", "~from", "~to", "~label", *names.values()]
        yield _file(folder / f"edges-{number:04d}.csv.gz", header, _edges(more, names))


def _columns(elements: Iterable[Vertex] | Iterable[Edge], cardinality: str) -> dict[str, str]:
    """The column of each property, by its name."""
    return {
        name: f"{name}:{_TYPES[type(value)]}{cardinality}" for element in elements for name, value in element.properties
    }


def _vertices(vertices: Iterable[Vertex], names: Iterable[str]) -> Iterator[list[str]]:
    for vertex in vertices:
        values = dict(vertex.properties)
        yield [vertex.id, vertex.label, *(_text(values.get(name)) for name in names)]


def _edges(edges: Iterable[Edge], names: Iterable[str]) -> Iterator[list[str]]:
    for edge in edges:
        values = dict(edge.properties)
        yield [edge.id, edge.tail, edge.head, edge.label, *(_text(values.get(name)) for name in names)]


def _text(value: str | bool | float | None) -> str:
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _file(file: Path, header: Sequence[str], rows: Iterable[Sequence[str]]) -> Path:
    with gzip.open(file, "wt", compresslevel=1, encoding="utf-8", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(header)
        writer.writerows(rows)
    return file
