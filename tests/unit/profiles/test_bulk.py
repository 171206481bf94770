"""Bulk requests are bounded; what is busy is sent again, what is refused is reported, the rest goes through."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from typing import Any, cast

import pytest
import tenacity
from opensearchpy import OpenSearch
from opensearchpy.exceptions import AuthorizationException, ConnectionError, TransportError

from cdap.profiles import bulk
from cdap.profiles.bulk import Action, RejectedDocumentsError, SearchBusyError, send


class Index:
    """Answers bulk requests as OpenSearch does; `judge` gives the status of each action, by id and attempt."""

    def __init__(self, judge: Callable[[str, int], int] = lambda id_, attempt: 201) -> None:
        self.judge = judge
        self.attempts: Counter[str] = Counter()
        self.requests: list[bytes] = []
        self.failures: list[Exception] = []

    def bulk(self, *, index: str, body: bytes) -> dict[str, Any]:
        self.requests.append(body)
        if self.failures:
            raise self.failures.pop(0)
        items: list[dict[str, Any]] = []
        for header in body.splitlines():
            ((verb, target),) = json.loads(header).items() if b'"_id"' in header else ((None, None),)
            if verb is None:
                continue
            self.attempts[target["_id"]] += 1
            status = self.judge(target["_id"], self.attempts[target["_id"]])
            outcome: dict[str, Any] = {"_id": target["_id"], "status": status}
            if status == 400:
                outcome["error"] = {
                    "type": "mapper_parsing_exception",
                    "reason": "failed to parse field [birth_date] of type [date]. Preview of field's value: 'secret'",
                }
            items.append({verb: outcome})
        return {"items": items}


def through(index: Index) -> OpenSearch:
    return cast(OpenSearch, index)


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tenacity.nap.time, "sleep", lambda seconds: None)


def documents(number: int, size: int = 10) -> list[Action]:
    return [Action(f"c{i}", json.dumps({"text": "x" * size}).encode()) for i in range(number)]


def test_requests_are_bounded_by_number_and_by_bytes() -> None:
    index = Index()
    assert send(through(index), "i", documents(4500)).indexed == 4500
    assert [request.count(b'"_id"') for request in index.requests] == [2000, 2000, 500]
    index = Index()
    send(through(index), "i", documents(30, size=1024 * 1024))
    assert max(map(len, index.requests)) <= bulk.MAX_BYTES
    assert sum(index.attempts.values()) == 30


def test_only_the_busy_documents_are_sent_again() -> None:
    index = Index(lambda id_, attempt: 429 if id_ == "c1" and attempt < 3 else 201)
    result = send(through(index), "i", documents(3))
    assert (result.indexed, result.sent_again) == (3, 2)
    assert index.attempts == {"c0": 1, "c1": 3, "c2": 1}


def test_an_index_that_stays_busy_is_an_error() -> None:
    with pytest.raises(SearchBusyError, match="too busy for 1 documents"):
        send(through(Index(lambda id_, attempt: 429 if id_ == "c1" else 201)), "i", documents(3))


def test_a_request_that_got_no_answer_is_sent_again_and_a_forbidden_one_is_not() -> None:
    index = Index()
    index.failures = [ConnectionError("N/A", "reset", Exception()), TransportError(503, "busy", {})]
    assert send(through(index), "i", documents(2)).indexed == 2
    assert len(index.requests) == 3
    index = Index()
    index.failures = [AuthorizationException(403, "not authorized to perform es:ESHttpPost", {})]
    with pytest.raises(AuthorizationException, match="es:ESHttpPost"):
        send(through(index), "i", documents(2))
    assert len(index.requests) == 1


def test_refused_documents_are_reported_after_the_others_went_through() -> None:
    index = Index(lambda id_, attempt: 400 if id_ == "c0" else 201)
    with pytest.raises(RejectedDocumentsError) as error:
        send(through(index), "i", documents(3000))
    assert len(index.attempts) == 3000
    assert "c0: mapper_parsing_exception (field birth_date)" in str(error.value)
    assert "secret" not in str(error.value)


def test_a_document_that_is_gone_already_is_deleted() -> None:
    assert send(through(Index(lambda id_, attempt: 404)), "i", [Action("c1"), Action("c2")]).deleted == 2
