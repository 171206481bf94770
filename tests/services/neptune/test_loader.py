"""Bulk loads as Neptune's clients start and watch them: boto3's `neptunedata` against files in S3."""

from __future__ import annotations

import gzip
import json
import time
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from gremlin_python.process.traversal import T

from localcloud.base.cloud import Credentials
from tests.services.neptune.conftest import ACCOUNT, REGION, GraphCloud

BUCKET = "loads"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/loader"
VERTICES = "~id,~label,name:String(single),tags:String[],born:Date,age:Int\n"
EDGES = "~id,~from,~to,~label,bits:Double,used:Bool\n"


@pytest.fixture(scope="module")
def bucket(graph_cloud: GraphCloud) -> str:
    iam, s3 = graph_cloud.client("iam"), graph_cloud.client("s3")
    trust = {"Effect": "Allow", "Principal": {"Service": "rds.amazonaws.com"}, "Action": "sts:AssumeRole"}
    iam.create_role(
        RoleName="loader", AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    )
    allow = {
        "Effect": "Allow",
        "Action": ["s3:GetObject", "s3:ListBucket"],
        "Resource": [f"arn:aws:s3:::{BUCKET}", f"arn:aws:s3:::{BUCKET}/open/*"],
    }
    document = json.dumps({"Version": "2012-10-17", "Statement": [allow]})
    iam.put_role_policy(RoleName="loader", PolicyName="read", PolicyDocument=document)
    s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
    graph_cloud.client("neptune").add_role_to_db_cluster(DBClusterIdentifier="people", RoleArn=ROLE)
    return BUCKET


@pytest.fixture
def graph(graph_cloud: GraphCloud, bucket: str) -> Iterator[Any]:
    """gremlinpython's traversal source of an empty graph."""
    with graph_cloud.traversal(graph_cloud.root) as g:
        g.V().drop().iterate()
        yield g


def neptunedata(cloud: GraphCloud, keys: Credentials | None = None) -> Any:
    keys = keys or cloud.root
    return boto3.client(
        "neptunedata",
        endpoint_url=f"http://{cloud.endpoint}",
        region_name=REGION,
        aws_access_key_id=keys.access_key_id,
        aws_secret_access_key=keys.secret_access_key,
        config=Config(retries={"max_attempts": 1}),
    )


def put(cloud: GraphCloud, key: str, text: str) -> None:
    body = gzip.compress(text.encode()) if key.endswith(".gz") else text.encode()
    cloud.client("s3").put_object(Bucket=BUCKET, Key=key, Body=body)


def loaded(cloud: GraphCloud, prefix: str, **options: Any) -> dict[str, Any]:
    client = neptunedata(cloud)
    asked = {"source": f"s3://{BUCKET}/{prefix}", "format": "csv", "s3BucketRegion": REGION, "iamRoleArn": ROLE}
    load_id = client.start_loader_job(**asked, **options)["payload"]["loadId"]
    assert load_id in client.list_loader_jobs()["payload"]["loadIds"]
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        payload: dict[str, Any] = client.get_loader_job_status(loadId=load_id, details=True, errors=True)["payload"]
        if payload["overallStatus"]["status"] not in ("LOAD_NOT_STARTED", "LOAD_IN_QUEUE", "LOAD_IN_PROGRESS"):
            return payload
        time.sleep(0.05)
    raise TimeoutError(payload)


def test_vertices_and_edges_are_loaded_with_their_types(graph_cloud: GraphCloud, graph: Any) -> None:
    # The edges sort before the vertices: those are loaded first all the same.
    put(graph_cloud, "open/a/1_edges.csv", EDGES + "e1,anna,bert,knows,2.5,true\n")
    put(
        graph_cloud,
        "open/a/2_vertices.csv.gz",
        VERTICES + 'anna,Person,"Anna, ""A""",x;y,1980-01-02,46\nbert,Person,Bert,,,\n',
    )
    payload = loaded(graph_cloud, "open/a/")
    assert payload["overallStatus"]["status"] == "LOAD_COMPLETED", payload
    assert payload["overallStatus"]["totalRecords"] == 3
    assert payload["feedCount"] == [{"LOAD_COMPLETED": 2}] and payload["failedFeeds"] == []
    anna = graph.V("anna").value_map().next()
    assert anna["name"] == ['Anna, "A"'] and sorted(anna["tags"]) == ["x", "y"]
    assert anna["age"] == [46] and [str(born) for born in anna["born"]] == ["1980-01-02 00:00:00"]
    edge = graph.E("e1").element_map().next()
    assert (edge[T.label], edge["bits"], edge["used"]) == ("knows", 2.5, True)
    assert graph.V("bert").value_map().next() == {"name": ["Bert"]}


def test_loading_again_doubles_nothing(graph_cloud: GraphCloud, graph: Any) -> None:
    put(graph_cloud, "open/b/v.csv", VERTICES + "".join(f"v{n},Person,N{n},,,\n" for n in range(12_000)))
    put(graph_cloud, "open/b/w.csv", EDGES + "".join(f"e{n},v{n},v{n + 1},next,1,false\n" for n in range(11_000)))
    first = loaded(graph_cloud, "open/b/")
    assert first["overallStatus"]["totalDuplicates"] == 0 and first["overallStatus"]["totalRecords"] == 23_000
    again = loaded(graph_cloud, "open/b/", mode="NEW")
    assert again["overallStatus"]["totalDuplicates"] == 23_000 and again["overallStatus"]["runNumber"] == 2
    assert (graph.V().count().next(), graph.E().count().next()) == (12_000, 11_000)
    put(graph_cloud, "open/b/v.csv", VERTICES + "v1,Person,Other,,,\n")
    loaded(graph_cloud, "open/b/v", mode="NEW")
    assert graph.V("v1").values("name").to_list() == ["N1"]
    loaded(graph_cloud, "open/b/v", mode="NEW", updateSingleCardinalityProperties=True)
    assert graph.V("v1").values("name").to_list() == ["Other"]


def test_rows_that_cannot_be_loaded_are_told_of(graph_cloud: GraphCloud, graph: Any) -> None:
    put(graph_cloud, "open/c/v.csv", VERTICES + "a,P,A,,,1\nb,P,B,,,old\nc,P,C\nd,P,D,,,4\n")
    put(graph_cloud, "open/c/w.csv", EDGES + "e1,a,d,knows,1,true\ne2,a,nobody,knows,1,true\n")
    payload = loaded(graph_cloud, "open/c/", failOnError=False)
    overall = payload["overallStatus"]
    assert overall["status"] == "LOAD_COMPLETED"
    assert (overall["parsingErrors"], overall["datatypeMismatchErrors"], overall["insertErrors"]) == (1, 1, 1)
    told = {(log["errorCode"], log["recordNum"]) for log in payload["errors"]["errorLogs"]}
    assert told == {("DATATYPE_MISMATCH", 2), ("PARSING_ERROR", 3), ("FROM_OR_TO_VERTEX_ARE_MISSING", 2)}
    assert (graph.V().count().next(), graph.E().count().next()) == (2, 1)
    strict = loaded(graph_cloud, "open/c/", mode="NEW")
    assert strict["overallStatus"]["status"] == "LOAD_FAILED"
    assert [feed["status"] for feed in strict["failedFeeds"]] == ["LOAD_FAILED"]
    # Mended and resumed: what was loaded is not loaded again.
    put(graph_cloud, "open/c/v.csv", VERTICES + "a,P,A,,,1\nb,P,B,,,2\nnobody,P,N,,,\n")
    assert loaded(graph_cloud, "open/c/", mode="RESUME")["overallStatus"]["status"] == "LOAD_COMPLETED"
    assert graph.E().count().next() == 2


def test_what_the_role_may_not_read_and_who_may_not_load(graph_cloud: GraphCloud, graph: Any) -> None:
    put(graph_cloud, "closed/v.csv", VERTICES)
    payload = loaded(graph_cloud, "closed/")
    assert payload["overallStatus"]["status"] == "LOAD_FAILED"
    assert payload["errors"]["errorLogs"][0]["errorCode"] == "LOAD_S3_ACCESS_DENIED_ERROR"
    asked = {"source": f"s3://{BUCKET}/open/", "format": "csv", "s3BucketRegion": REGION, "iamRoleArn": ROLE}
    client = neptunedata(graph_cloud)
    for changed, code in (
        ({"iamRoleArn": f"{ROLE}-other"}, "InvalidParameterException"),
        ({"format": "turtle"}, "UnsupportedOperationException"),
        ({"parserConfiguration": {"allowEmptyStrings": "true"}}, "UnsupportedOperationException"),
        ({"source": "file:///etc/passwd"}, "InvalidParameterException"),
        ({"source": f"s3://{BUCKET}/never", "mode": "RESUME"}, "InvalidParameterException"),
        ({"s3BucketRegion": "us-east-1"}, "S3Exception"),
    ):
        with pytest.raises(ClientError) as refused:
            client.start_loader_job(**{**asked, **changed})
        assert refused.value.response["Error"]["Code"] == code
    with pytest.raises(ClientError, match="BulkLoadIdNotFoundException"):
        client.get_loader_job_status(loadId="none")
    stranger = neptunedata(graph_cloud, graph_cloud.user("never-loads", ["neptune-db:ReadDataViaQuery"]))
    with pytest.raises(ClientError, match="AccessDenied"):
        stranger.start_loader_job(**asked)


def test_loads_queue_and_depend_and_can_be_cancelled(graph_cloud: GraphCloud, graph: Any) -> None:
    put(graph_cloud, "open/d/v.csv", VERTICES + "".join(f"q{n},Person,N{n},,,\n" for n in range(40_000)))
    put(graph_cloud, "open/e/v.csv", VERTICES + "last,Person,Last,,,\n")
    client = neptunedata(graph_cloud)
    asked = {"format": "csv", "s3BucketRegion": REGION, "iamRoleArn": ROLE}
    first = client.start_loader_job(source=f"s3://{BUCKET}/open/d/", **asked)["payload"]["loadId"]
    with pytest.raises(ClientError, match="BulkLoadConcurrencyException"):
        client.start_loader_job(source=f"s3://{BUCKET}/open/e/", **asked)
    second = client.start_loader_job(source=f"s3://{BUCKET}/open/e/", queueRequest=True, dependencies=[first], **asked)[
        "payload"
    ]["loadId"]
    assert client.cancel_loader_job(loadId=first)["status"] == "200 OK"
    deadline = time.monotonic() + 60
    statuses: list[str] = []
    while time.monotonic() < deadline and statuses[1:] != ["LOAD_FAILED_BECAUSE_DEPENDENCY_NOT_SATISFIED"]:
        found = [client.get_loader_job_status(loadId=of)["payload"] for of in (first, second)]
        statuses = [payload["overallStatus"]["status"] for payload in found]
        time.sleep(0.05)
    assert statuses == ["LOAD_CANCELLED_BY_USER", "LOAD_FAILED_BECAUSE_DEPENDENCY_NOT_SATISFIED"]
    assert graph.V("last").count().next() == 0 and graph.V().count().next() < 40_000


def test_roles_of_a_cluster(graph_cloud: GraphCloud, bucket: str) -> None:
    neptune = graph_cloud.client("neptune")
    (cluster,) = neptune.describe_db_clusters(DBClusterIdentifier="people")["DBClusters"]
    assert cluster["AssociatedRoles"] == [{"RoleArn": ROLE, "Status": "ACTIVE"}]
    with pytest.raises(ClientError, match="is associated"):
        neptune.add_role_to_db_cluster(DBClusterIdentifier="people", RoleArn=ROLE)
    with pytest.raises(ClientError, match="DBClusterRoleNotFound"):
        neptune.remove_role_from_db_cluster(DBClusterIdentifier="people", RoleArn=f"{ROLE}-other")
