"""Bulk requests of bounded size; what the index is too busy for is sent again, what it refuses is reported."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from opensearchpy import OpenSearch
from opensearchpy.exceptions import ConnectionError as UnreachableError
from opensearchpy.exceptions import TransportError
from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_random_exponential

from cdap.errors import CdapError

# OpenSearch's documentation, "Bulk": try 5 to 15 MiB a request.
MAX_BYTES = 8 * 1024 * 1024
MAX_ACTIONS = 2000
# 429: the node's write queue is full. The others: the node, or the proxy before it, cannot answer just now.
BUSY = frozenset({429, 502, 503, 504})
MAX_ATTEMPTS = 8
SHOWN = 20


@dataclass(frozen=True)
class Action:
    """Index (with `source`, the document's JSON) or delete (without) of the document with this id."""

    id: str
    source: bytes | None = None

    @property
    def lines(self) -> bytes:
        verb = "index" if self.source is not None else "delete"
        header = json.dumps({verb: {"_id": self.id}}, separators=(",", ":")).encode()
        return header + b"\n" + (self.source + b"\n" if self.source is not None else b"")


@dataclass
class BulkResult:
    """Documents written and taken away, and how often one was sent again because the index was busy."""

    indexed: int = 0
    deleted: int = 0
    sent_again: int = 0
    rejected: dict[str, str] = field(default_factory=dict)


class RejectedDocumentsError(CdapError):
    """Documents that the index refuses however often they are sent."""


class SearchBusyError(CdapError):
    """The index had no room for some documents through all attempts."""


def send(search: OpenSearch, index: str, actions: Iterable[Action]) -> BulkResult:
    """Sends all actions, one request at a time; a document that is to be deleted and is not there is no error.

    Raises RejectedDocumentsError after everything else was sent, naming ids and reasons; SearchBusyError, or
    opensearch-py's TransportError, when the index stays busy or unreachable through all attempts.
    """
    result = BulkResult()
    for chunk in _chunks(actions):
        _send_chunk(search, index, chunk, result)
    if result.rejected:
        shown = "; ".join(f"{id_}: {reason}" for id_, reason in list(result.rejected.items())[:SHOWN])
        raise RejectedDocumentsError(
            f"Sending profiles to the index {index}",
            f"it refused {len(result.rejected)} of them: {shown}",
            "Correct marts.customer_profile or the document's mapping (with a new version), then clear the task",
        )
    return result


def _chunks(actions: Iterable[Action]) -> Iterator[list[Action]]:
    chunk: list[Action] = []
    size = 0
    for action in actions:
        length = len(action.lines)
        if chunk and (size + length > MAX_BYTES or len(chunk) >= MAX_ACTIONS):
            yield chunk
            chunk, size = [], 0
        chunk.append(action)
        size += length
    if chunk:
        yield chunk


def _send_chunk(search: OpenSearch, index: str, chunk: list[Action], result: BulkResult) -> None:
    pending = chunk
    attempts = Retrying(
        retry=retry_if_exception(_passes),
        wait=wait_random_exponential(multiplier=0.2, max=20),
        stop=stop_after_attempt(MAX_ATTEMPTS),
        reraise=True,
    )
    for attempt in attempts:
        with attempt:
            pending = _send_once(search, index, pending, result)
            if pending:
                result.sent_again += len(pending)
                raise SearchBusyError(
                    f"Sending profiles to the index {index}",
                    f"it is too busy for {len(pending)} documents, {attempt.retry_state.attempt_number} times in a row",
                    "Clear the task when the domain has room; what was sent stays",
                )


def _passes(error: BaseException) -> bool:
    """Whether trying again can help."""
    if isinstance(error, TransportError) and not isinstance(error, UnreachableError):
        return error.status_code in BUSY
    return isinstance(error, SearchBusyError | UnreachableError)


def _send_once(search: OpenSearch, index: str, chunk: list[Action], result: BulkResult) -> list[Action]:
    """One request; returns the actions that have to be sent again."""
    response = search.bulk(index=index, body=b"".join(action.lines for action in chunk))
    again: list[Action] = []
    for action, item in zip(chunk, response["items"], strict=True):
        ((_, outcome),) = item.items()
        status = int(outcome["status"])
        if status in BUSY:
            again.append(action)
        elif action.source is None and status in (200, 404):
            result.deleted += 1
        elif status < 300:
            result.indexed += 1
        else:
            result.rejected[action.id] = _reason(outcome.get("error") or {}, status)
    return again


def _reason(error: dict[str, object], status: int) -> str:
    """Kind and field of a refusal. OpenSearch quotes the refused value, which is somebody's data: it is left out."""
    text = str(error.get("reason", ""))
    fields = re.findall(r"field \[([\w.]+)\]|introduction of \[([\w.]+)\]", text)
    names = ", ".join(sorted({name for pair in fields for name in pair if name}))
    kind = str(error.get("type", f"status {status}"))
    return f"{kind} (field {names})" if names else kind
