"""The identity graph written in batches by queries, and by the bulk loader: edges a second, the vertices included."""

from __future__ import annotations

import json
import os

import boto3

from benchmarks.cloud import REGION, Cloud, local_cloud
from benchmarks.measure import Way, compare
from cdap.graph import BulkLoader, Graph
from cdap.graph.batches import batches
from cdap.graph.elements import Edge, Vertex, belongs_to, customer, has, identifier, linked, record
from cdap.graph.publishing import BATCH, write_edges, write_vertices

CUSTOMERS, RECORDS_A_CUSTOMER = 10_000, 2
BUCKET, ROLE = "graph-loads", "loader"
EVIDENCE = json.dumps({"first_name": 7.1, "last_name": 8.2, "email": 11.3, "base": -14.0}, separators=(",", ":"))


def main() -> None:
    """Start a cluster and compare."""
    with local_cloud(without=frozenset({"warehouse", "postgres", "opensearch"})) as cloud:
        role = prepared(cloud)
        aws = boto3.Session(cloud.root.access_key_id, cloud.root.secret_access_key, region_name=REGION)
        endpoint = cloud.url("neptune-cluster").replace("http", "ws")
        os.environ["AWS_ENDPOINT_URL"] = cloud.url("gateway")
        loader = BulkLoader(endpoint, BUCKET, role, "benchmark", aws)
        vertices, edges = elements()
        with Graph(endpoint, aws) as graph:
            ways = [
                Way(name, run, cloud.pids(), lambda: emptied(graph))
                for name, run in (
                    ("batches by queries", lambda: in_batches(graph, vertices, edges)),
                    ("the bulk loader", lambda: in_bulk(loader, vertices, edges)),
                )
            ]
            compare("writing edges of the identity graph, with their ends", "edges", ways)


def prepared(cloud: Cloud) -> str:
    """A cluster with a role that may read the bucket; returns the role's ARN."""
    iam, neptune = cloud.client("iam"), cloud.client("neptune")
    trust = {"Effect": "Allow", "Principal": {"Service": "rds.amazonaws.com"}, "Action": "sts:AssumeRole"}
    allow = {"Effect": "Allow", "Action": ["s3:GetObject", "s3:ListBucket"], "Resource": ["*"]}
    documents = [json.dumps({"Version": "2012-10-17", "Statement": [of]}) for of in (trust, allow)]
    made = iam.create_role(RoleName=ROLE, AssumeRolePolicyDocument=documents[0])
    iam.put_role_policy(RoleName=ROLE, PolicyName="read", PolicyDocument=documents[1])
    cloud.client("s3").create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
    neptune.create_db_cluster(DBClusterIdentifier="people", Engine="neptune", EnableIAMDatabaseAuthentication=True)
    neptune.create_db_instance(
        DBInstanceIdentifier="people-1", DBInstanceClass="db.t3.medium", Engine="neptune", DBClusterIdentifier="people"
    )
    role = str(made["Role"]["Arn"])
    neptune.add_role_to_db_cluster(DBClusterIdentifier="people", RoleArn=role)
    return role


def elements() -> tuple[list[Vertex], list[Edge]]:
    """Customers of two records that share an e-mail and a phone number."""
    vertices: dict[str, Vertex] = {}
    edges: list[Edge] = []
    for number in range(CUSTOMERS):
        keys = [f"shop.customers:{number}-{place}" for place in range(RECORDS_A_CUSTOMER)]
        values = {"email": f"p{number}@mail.test", "phone": f"+49151{number:07d}"}
        ends = [customer(f"cus_{number}"), *map(record, keys), *(identifier(*value) for value in values.items())]
        vertices |= {end.id: end for end in ends}
        edges += [belongs_to(key, f"cus_{number}") for key in keys]
        edges += [has(key, *value) for key in keys for value in values.items()]
        edges.append(linked(keys[0], keys[1], "email,phone", True, 9.5, EVIDENCE))
    return list(vertices.values()), edges


def emptied(graph: Graph) -> None:
    for label in ("Record", "Identifier", "Customer"):
        graph.run(lambda g, label=label: g.V().has_label(label).drop().iterate(), purpose="Emptying")


def in_batches(graph: Graph, vertices: list[Vertex], edges: list[Edge]) -> int:
    for some in batches(vertices, BATCH):
        write_vertices(graph, some)
    for more in batches(edges, BATCH):
        write_edges(graph, more)
    return len(edges)


def in_bulk(loader: BulkLoader, vertices: list[Vertex], edges: list[Edge]) -> int:
    loader.load(vertices, edges)
    return len(edges)


if __name__ == "__main__":
    main()
