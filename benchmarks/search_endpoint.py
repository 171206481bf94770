"""What the domain's endpoint (signatures, IAM) costs over the search node behind it: bulk indexing, and searches."""

from __future__ import annotations

import json

import boto3
from opensearchpy import OpenSearch, Urllib3AWSV4SignerAuth
from opensearchpy.helpers import bulk

from benchmarks.cloud import REGION, Cloud, local_cloud
from benchmarks.measure import Way, compare

DOCUMENTS, BATCH, SEARCHES = 10_000, 500, 200
INDEX = "people"


def main() -> None:
    """Start a domain and compare."""
    with local_cloud(without=frozenset({"warehouse", "postgres"})) as cloud:
        cloud.client("opensearch").create_domain(DomainName="people", AccessPolicies=json.dumps(open_to(cloud)))
        node = OpenSearch(cloud.url("opensearch"), timeout=60)
        domain = OpenSearch(cloud.url("opensearch-domain"), http_auth=signer(cloud), timeout=60)
        for title, unit, run in (("bulk indexing", "documents", index), ("searches", "searches", search)):
            ways = [
                Way("the node itself", lambda run=run: run(node), cloud.pids()),
                Way("the domain's endpoint", lambda run=run: run(domain), cloud.pids()),
            ]
            compare(title, unit, ways)


def open_to(cloud: Cloud) -> dict[str, object]:
    """An access policy for the account's own principals."""
    account = cloud.client("sts").get_caller_identity()["Account"]
    statement = {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{account}:root"}, "Action": "es:*"}
    return {"Version": "2012-10-17", "Statement": [{**statement, "Resource": "*"}]}


def signer(cloud: Cloud) -> Urllib3AWSV4SignerAuth:
    """Signs as the account's root."""
    session = boto3.Session(cloud.root.access_key_id, cloud.root.secret_access_key)
    return Urllib3AWSV4SignerAuth(session.get_credentials(), REGION, "es")


def index(client: OpenSearch) -> int:
    """Index all documents anew."""
    client.indices.delete(index=INDEX, ignore_unavailable=True)
    documents = (
        {"_index": INDEX, "_id": number, "name": f"Person {number}", "email": f"person.{number}@mail.test"}
        for number in range(DOCUMENTS)
    )
    done, _ = bulk(client, documents, chunk_size=BATCH, refresh=True)
    return done


def search(client: OpenSearch) -> int:
    """Look one person after another up."""
    for number in range(SEARCHES):
        query = {"query": {"term": {"email.keyword": f"person.{number * 7}@mail.test"}}}
        assert client.search(index=INDEX, body=query)["hits"]["total"]["value"] == 1
    return SEARCHES


if __name__ == "__main__":
    main()
