"""The platform's connection at a cluster that asks for signatures: what its role may do passes, nothing else."""

from __future__ import annotations

import boto3
import pytest
from gremlin_python.process.traversal import T

from cdap.graph import Graph
from cdap.graph.connection import GraphError
from cdap.parameters import Parameters
from localcloud.base.cloud import Credentials
from tests.services.neptune.conftest import REGION, GraphCloud


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
