"""The platform's connection at a cluster that asks for signatures: what its role may do passes, nothing else."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from gremlin_python.process.traversal import T

from cdap.graph import BulkLoader, Graph, publish_graph, publishing
from cdap.graph.connection import GraphError
from cdap.graph.elements import Edge, Vertex
from cdap.identity import load_identity_config
from cdap.parameters import Parameters
from localcloud.base.cloud import Credentials
from tests.services.neptune.conftest import ACCOUNT, REGION, GraphCloud
from tests.unit.identity.conftest import DuckDbSession, resolved

CONFIG = load_identity_config(Path(__file__).parents[3] / "config" / "identity.yaml")
LOADER = f"arn:aws:iam::{ACCOUNT}:role/platform-loader"
ACTIONS = [
    *(f"neptune-db:{verb}DataViaQuery" for verb in ("Read", "Write", "Delete")),
    *(f"neptune-db:{of}" for of in ("StartLoaderJob", "CancelLoaderJob", "GetLoaderJobStatus", "ListLoaderJobs")),
]


def connected(cloud: GraphCloud, keys: Credentials) -> Graph:
    aws = boto3.Session(keys.access_key_id, keys.secret_access_key, keys.token, region_name=REGION)
    return Graph.connect(Parameters({"/cdap/graph/endpoint": f"ws://{cloud.endpoint}"}), aws)


def test_the_role_s_three_actions_are_enough_and_none_is_refused_at_once(graph_cloud: GraphCloud) -> None:
    actions = [f"neptune-db:{verb}DataViaQuery" for verb in ("Read", "Write", "Delete")]
    with connected(graph_cloud, graph_cloud.user("publisher", actions)) as graph:
        graph.run(
            lambda g: g.inject([{T.id: "signed", T.label: "Record"}]).unfold().merge_v().iterate(), purpose="Writing"
        )
        assert graph.run(lambda g: g.V("signed").count().next(), purpose="Reading") == 1
        graph.run(lambda g: g.V("signed").drop().iterate(), purpose="Dropping")
    with (
        connected(graph_cloud, graph_cloud.user("stranger", [])) as graph,
        pytest.raises(GraphError, match=r"Reading in the graph at ws://.*403.*neptune-db:ReadDataViaQuery"),
    ):
        graph.run(lambda g: g.V().count().next(), purpose="Reading")


@pytest.fixture(scope="module")
def lake(graph_cloud: GraphCloud) -> str:
    """A bucket that the cluster's role may read."""
    iam = graph_cloud.client("iam")
    trust = {"Effect": "Allow", "Principal": {"Service": "rds.amazonaws.com"}, "Action": "sts:AssumeRole"}
    allow = {"Effect": "Allow", "Action": ["s3:GetObject", "s3:ListBucket"], "Resource": ["*"]}
    documents = [json.dumps({"Version": "2012-10-17", "Statement": [of]}) for of in (trust, allow)]
    iam.create_role(RoleName="platform-loader", AssumeRolePolicyDocument=documents[0])
    iam.put_role_policy(RoleName="platform-loader", PolicyName="read", PolicyDocument=documents[1])
    graph_cloud.client("s3").create_bucket(
        Bucket="graph-lake", CreateBucketConfiguration={"LocationConstraint": REGION}
    )
    graph_cloud.client("neptune").add_role_to_db_cluster(DBClusterIdentifier="people", RoleArn=LOADER)
    return "graph-lake"


@pytest.fixture
def loader(graph_cloud: GraphCloud, lake: str) -> Iterator[BulkLoader]:
    keys = graph_cloud.user("loads-in-bulk", ACTIONS)
    user_may = {"Effect": "Allow", "Action": "s3:*", "Resource": [f"arn:aws:s3:::{lake}", f"arn:aws:s3:::{lake}/*"]}
    graph_cloud.client("iam").put_user_policy(
        UserName="loads-in-bulk",
        PolicyName="lake",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [user_may]}),
    )
    gateway = graph_cloud.machine.addresses()["gateway"].url
    session = boto3.Session(keys.access_key_id, keys.secret_access_key, region_name=REGION)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", gateway)
        made = BulkLoader(f"ws://{graph_cloud.endpoint}", lake, LOADER, "run 1", session, pause=0.1)
    yield made
    graph_cloud.client("iam").delete_access_key(UserName="loads-in-bulk", AccessKeyId=keys.access_key_id)
    for policy in ("graph", "lake"):
        graph_cloud.client("iam").delete_user_policy(UserName="loads-in-bulk", PolicyName=policy)
    graph_cloud.client("iam").delete_user(UserName="loads-in-bulk")


@pytest.fixture
def graph(graph_cloud: GraphCloud) -> Iterator[Graph]:
    with connected(graph_cloud, graph_cloud.root) as graph:
        graph.run(lambda g: g.V().drop().iterate(), purpose="Emptying the graph")
        yield graph


def records(count: int) -> dict[str, dict[str, Any]]:
    """Persons of two records each, with an e-mail and a phone number of their own."""
    return {
        f"shop.customers:{number}": {
            "email": f"person{number // 2}@web.de",
            "first_name": f"Name{number // 2}",
            "phone": f"+49151{number // 2:07d}",
        }
        for number in range(count)
    }


def elements(graph: Graph) -> tuple[list[Any], list[Any]]:
    vertices = graph.run(lambda g: g.V().element_map().to_list(), purpose="Reading")
    edges = graph.run(lambda g: g.E().element_map().to_list(), purpose="Reading")
    return sorted(map(str, vertices)), sorted(map(str, edges))


def test_a_load_in_bulk_ends_in_the_graph_that_batches_make(
    graph: Graph, loader: BulkLoader, graph_cloud: GraphCloud, lake: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = DuckDbSession()
    session.replace_records(records(120))
    resolved(session, "r1")
    in_batches = publish_graph(session, graph, CONFIG)
    written = elements(graph)
    graph.run(lambda g: g.V().drop().iterate(), purpose="Emptying")
    monkeypatch.setattr(publishing, "BULK_FROM", 100)
    in_bulk = publish_graph(session, graph, CONFIG, loader)
    assert in_bulk.in_bulk and not in_batches.in_bulk
    assert (in_bulk.digest, in_bulk.written) == (in_batches.digest, in_batches.written)
    assert elements(graph) == written
    assert "Contents" not in graph_cloud.client("s3").list_objects_v2(Bucket=lake)
    # A day's changes are few: by batches, to the same graph as before when they are taken back.
    session.replace_records(records(118))
    resolved(session, "r2")
    fewer = publish_graph(session, graph, CONFIG, loader)
    assert not fewer.in_bulk and fewer.dropped > 0
    session.replace_records(records(120))
    resolved(session, "r3")
    assert publish_graph(session, graph, CONFIG, loader).digest == in_bulk.digest


def test_a_load_that_was_killed_and_run_again_ends_in_the_same_graph(
    graph: Graph, loader: BulkLoader, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = DuckDbSession()
    session.replace_records(records(60))
    resolved(session, "r1")
    expected = publish_graph(session, graph, CONFIG).digest
    monkeypatch.setattr(publishing, "BULK_FROM", 100)
    for moment in ("_wait", "_ended"):
        graph.run(lambda g: g.V().drop().iterate(), purpose="Emptying")
        with monkeypatch.context() as patched:
            patched.setattr(BulkLoader, moment, killed)
            with pytest.raises(KeyboardInterrupt):
                publish_graph(session, graph, CONFIG, loader)
        # The load that nobody waits for may still run, or have failed since its files are gone.
        assert publish_graph(session, graph, CONFIG, loader).digest == expected


def killed(*_: Any) -> None:
    raise KeyboardInterrupt


def test_a_load_that_fails_says_which_rows(graph: Graph, loader: BulkLoader) -> None:
    with pytest.raises(GraphError, match=r"Loading s3://graph-lake/.*LOAD_FAILED; FROM_OR_TO_VERTEX_ARE_MISSING in"):
        loader.load([Vertex("a", "Record")], [Edge("e", "has", "a", "nobody", (("rule", "x"),))])
