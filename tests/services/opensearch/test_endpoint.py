"""The domain's endpoint: opensearch-py works through it, and it lets nothing pass that IAM does not allow."""

from __future__ import annotations

import hashlib
import json
import secrets
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as BotoCredentials
from opensearchpy import OpenSearch, helpers
from opensearchpy.exceptions import AuthorizationException, NotFoundError

from localcloud.base.cloud import Credentials

from .conftest import ACCOUNT, ARN, REGION, SearchCloud

Domain = Callable[..., dict[str, Any]]
EVERYTHING = ["es:ESHttp*"]


@pytest.fixture
def keys(search_cloud: SearchCloud) -> Credentials:
    return search_cloud.role(f"everything-{secrets.token_hex(3)}", EVERYTHING)


@pytest.mark.parametrize("requests", [False, True], ids=["urllib3", "requests"])
def test_opensearch_py_indexes_searches_and_deletes_through_the_endpoint(
    search_cloud: SearchCloud, domain: Domain, keys: Credentials, requests: bool
) -> None:
    domain()
    client = search_cloud.search(keys, requests=requests)
    client.indices.create(
        index="people", body={"mappings": {"dynamic": "strict", "properties": {"name": {"type": "text"}}}}
    )
    client.index(index="people", body={"name": "Ünï Ada"}, id="a/b c", refresh=True)
    assert client.get(index="people", id="a/b c")["_source"] == {"name": "Ünï Ada"}
    assert client.exists(index="people", id="a/b c")
    assert not client.exists(index="people", id="nobody")
    found = client.search(index="people", body={"query": {"match": {"name": "ada"}}})
    assert [hit["_id"] for hit in found["hits"]["hits"]] == ["a/b c"]
    client.delete(index="people", id="a/b c")
    with pytest.raises(NotFoundError):
        client.get(index="people", id="a/b c")
    assert client.cat.indices(format="json", h="index", index="people") == [{"index": "people"}]


def test_bulks_of_thousands_of_documents_arrive_whole_through_the_endpoint(
    search_cloud: SearchCloud, domain: Domain, keys: Credentials
) -> None:
    domain()
    client = search_cloud.search(keys)
    text = "lorem ipsum dolor sit amet " * 12
    documents = ({"_index": "bulk", "_id": n, "number": n, "text": text} for n in range(10_000))
    assert helpers.bulk(client, documents, chunk_size=1000, refresh=True) == (10_000, [])
    found = client.search(index="bulk", body={"size": 0, "aggs": {"sum": {"sum": {"field": "number"}}}})
    assert client.count(index="bulk")["count"] == 10_000
    assert found["aggregations"]["sum"]["value"] == sum(range(10_000))


def test_an_unsigned_request_is_refused_with_action_and_resource(search_cloud: SearchCloud, domain: Domain) -> None:
    domain()
    answer = httpx.get(f"{search_cloud.domain_url}/people/_search")
    assert answer.status_code == 403
    assert answer.json()["Message"].startswith(
        f"User: anonymous is not authorized to perform: es:ESHttpGet on resource: {ARN}/people/_search"
    )


def test_a_role_without_the_permission_is_refused_by_name(search_cloud: SearchCloud, domain: Domain) -> None:
    domain()
    client = search_cloud.search(search_cloud.role("reader", ["es:ESHttpGet", "es:ESHttpHead"]))
    assert client.info()["version"]["number"] == "2.19.1"
    with pytest.raises(AuthorizationException) as refused:
        client.index(index="people", body={"name": "x"}, id="1")
    message = refused.value.info["Message"]
    assert f"arn:aws:sts::{ACCOUNT}:assumed-role/reader/test" in message
    assert f"es:ESHttpPut on resource: {ARN}/people/_doc/1" in message
    assert not OpenSearch(search_cloud.node_url).indices.exists(index="people")


def test_a_permission_on_one_index_does_not_reach_another(search_cloud: SearchCloud, domain: Domain) -> None:
    domain()
    keys = search_cloud.role("one-index", EVERYTHING, f"{ARN}/mine/*")
    client = search_cloud.search(keys)
    client.index(index="mine", body={"a": 1}, id="1")
    with pytest.raises(AuthorizationException):
        client.index(index="yours", body={"a": 1}, id="1")
    for path in ("/%79ours/_doc/1", "/mine%2F..%2Fyours/_doc/1", "/mine/../yours/_doc/1"):
        answer = _signed(
            search_cloud, search_cloud.role(f"p-{secrets.token_hex(3)}", EVERYTHING, f"{ARN}/mine/*"), path
        )
        assert answer.status_code in (400, 403, 404, 405), path
    assert not OpenSearch(search_cloud.node_url).indices.exists(index="yours")


def test_the_access_policy_alone_lets_a_role_in_and_a_deny_keeps_it_out(
    search_cloud: SearchCloud, domain: Domain
) -> None:
    keys = search_cloud.role("by-policy", [])
    role = f"arn:aws:iam::{ACCOUNT}:role/by-policy"

    def policy(effect: str) -> str:
        statement = {"Effect": effect, "Principal": {"AWS": role}, "Action": "es:ESHttp*", "Resource": f"{ARN}/*"}
        return json.dumps({"Version": "2012-10-17", "Statement": [statement]})

    domain(AccessPolicies=policy("Allow"))
    client = search_cloud.search(keys)
    assert client.info()["tagline"]
    search_cloud.client("opensearch").update_domain_config(DomainName="profiles", AccessPolicies=policy("Deny"))
    with pytest.raises(AuthorizationException) as refused:
        client.info()
    assert "explicit deny" in refused.value.info["Message"]


def test_an_access_policy_for_everybody_lets_unsigned_requests_in(search_cloud: SearchCloud, domain: Domain) -> None:
    statement = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "es:ESHttpGet", "Resource": f"{ARN}/*"}
    domain(AccessPolicies=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
    assert httpx.get(f"{search_cloud.domain_url}/_cat/health").status_code == 200
    assert httpx.put(f"{search_cloud.domain_url}/people").status_code == 403


def test_a_wrong_secret_an_unknown_key_and_another_region_are_refused(
    search_cloud: SearchCloud, domain: Domain, keys: Credentials
) -> None:
    domain()
    wrong = Credentials(keys.access_key_id, "not-the-secret", keys.token)
    unknown = Credentials("AKIAUNKNOWNUNKNOWN12", "x" * 40)
    assert "does not match" in _signed(search_cloud, wrong, "/").json()["Message"]
    assert _signed(search_cloud, unknown, "/").status_code == 403
    elsewhere = _signed(search_cloud, keys, "/", region="us-west-2")
    assert elsewhere.status_code == 403
    assert "us-west-2/es" in elsewhere.json()["Message"]


@pytest.mark.parametrize("size", [40, 3_000_000])
def test_a_body_that_is_not_the_signed_one_never_takes_effect(
    search_cloud: SearchCloud, domain: Domain, keys: Credentials, size: int
) -> None:
    domain()
    body = json.dumps({"text": "x" * size}).encode()
    forged = body.replace(b"xx", b"yy", 1)
    answer = _signed(search_cloud, keys, "/forged/_doc/1", "PUT", body, sent=forged)
    assert answer.status_code == 403
    assert "SignatureDoesNotMatch" in answer.json()["Message"]
    time.sleep(0.3)
    assert not OpenSearch(search_cloud.node_url).indices.exists(index="forged")
    assert _signed(search_cloud, keys, "/forged/_doc/1", "PUT", body).status_code == 201


def test_a_request_whose_hash_was_not_sent_is_checked_by_its_body(
    search_cloud: SearchCloud, domain: Domain, keys: Credentials
) -> None:
    domain()
    body = b'{"text": "signed"}'
    assert _signed(search_cloud, keys, "/plain/_doc/1", "PUT", body, send_hash=False).status_code == 201
    refused = _signed(search_cloud, keys, "/plain/_doc/2", "PUT", body, sent=body + b" ", send_hash=False)
    assert refused.status_code == 403


def _signed(
    cloud: SearchCloud,
    keys: Credentials,
    path: str,
    method: str = "GET",
    body: bytes = b"",
    *,
    sent: bytes | None = None,
    region: str = REGION,
    send_hash: bool = True,
) -> httpx.Response:
    """A request signed by botocore for `body`, sent with `sent` in its place when given."""
    headers = {"content-type": "application/json"}
    if send_hash:
        headers["x-amz-content-sha256"] = hashlib.sha256(body).hexdigest()
    request = AWSRequest(method, f"{cloud.domain_url}{path}", headers=headers, data=body)
    SigV4Auth(BotoCredentials(keys.access_key_id, keys.secret_access_key, keys.token), "es", region).add_auth(request)
    with httpx.Client(trust_env=False, timeout=60) as client:
        # httpx would normalise the path; the target goes out as it was signed.
        return client.send(
            client.build_request(
                method, cloud.domain_url, headers=dict(request.headers), content=body if sent is None else sent,
                extensions={"target": path.encode()},
            )
        )  # fmt: skip
