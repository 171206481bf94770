"""A connection to the graph at `/cdap/graph/endpoint`, signed for Neptune, and sent again where Neptune asks for it."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable
from types import TracebackType
from typing import Self, TypeVar
from urllib.parse import urlsplit

import aiohttp
import boto3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from gremlin_python.driver.driver_remote_connection import DriverRemoteConnection
from gremlin_python.driver.protocol import GremlinServerError
from gremlin_python.process.anonymous_traversal import traversal
from gremlin_python.process.graph_traversal import GraphTraversalSource
from tenacity import Retrying, before_sleep_log, retry_if_exception, stop_after_attempt, wait_random_exponential

from cdap.errors import CdapError
from cdap.parameters import Parameters

log = logging.getLogger(__name__)
T = TypeVar("T")

_ATTEMPTS = 8
# "Neptune Graph Engine Error Messages and Codes": to be sent again. TinkerGraph's words for a conflict are its own.
_PASSING = (
    "ConcurrentModificationException",
    "ConcurrentModificationConflict",
    "Conflict: element modified in another transaction",
    "MemoryLimitExceededException",
    "ReadOnlyViolationException",
    "ThrottlingException",
    "TooManyRequestsException",
)


class GraphError(CdapError):
    """The graph cannot be reached, or refused what it was asked."""


class Graph:
    """Runs traversals against one graph. Each is one transaction, committed when it is answered.

    A context manager. `aws` gives the credentials that the connection is signed with.
    """

    def __init__(self, endpoint: str, aws: boto3.Session | None = None, *, longest_wait: float = 20) -> None:
        """`endpoint` is a ws:// or wss:// URL without path; `longest_wait` is in seconds, between two attempts."""
        self.endpoint = endpoint
        self._aws = aws if aws is not None else boto3.Session()
        self._longest_wait = longest_wait
        self._connection: DriverRemoteConnection | None = None

    @classmethod
    def connect(cls, parameters: Parameters, aws: boto3.Session | None = None) -> Self:
        """The graph of the deployed stack. Raises ParameterMissingError when it has none."""
        return cls(parameters.graph_endpoint, aws)

    def run(self, ask: Callable[[GraphTraversalSource], T], *, purpose: str) -> T:
        """What `ask` returns, given a traversal source.

        It is called again when another writer was in the way or the connection broke, so it must do no harm twice.
        Raises GraphError, which names `purpose`, when the graph refuses or stays busy or unreachable.
        """
        attempts = Retrying(
            retry=retry_if_exception(is_passing),
            wait=wait_random_exponential(multiplier=0.2, max=self._longest_wait),
            stop=stop_after_attempt(_ATTEMPTS),
            before_sleep=before_sleep_log(log, logging.INFO),
            reraise=True,
        )
        try:
            answer: T = attempts(self._run_once, ask)
            return answer
        except (GremlinServerError, *_BROKEN) as error:
            raise GraphError(
                f"{purpose} in the graph at {self.endpoint}", str(error) or type(error).__name__, _next_step(error)
            ) from error

    def close(self) -> None:
        """End the connection; the next traversal makes a new one."""
        if self._connection is not None:
            connection, self._connection = self._connection, None
            connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _run_once(self, ask: Callable[[GraphTraversalSource], T]) -> T:
        try:
            if self._connection is None:
                # One connection: Neptune runs what one session sends in order, and this sends one thing at a time.
                self._connection = DriverRemoteConnection(
                    f"{self.endpoint}/gremlin", "g", pool_size=1, max_workers=1, headers=self._signature()
                )
            return ask(traversal().with_remote(self._connection))
        except _BROKEN:
            # The signature is of this handshake alone: a new connection is signed anew.
            with contextlib.suppress(*_BROKEN):
                self.close()
            raise
        except Exception as error:
            # gremlinpython tells a refused handshake by an exception of no type of its own.
            if type(error) is Exception and isinstance(error.__context__, aiohttp.WSServerHandshakeError):
                self._connection = None
                raise error.__context__ from None
            raise

    def _signature(self) -> dict[str, str]:
        """Headers of the handshake ("Connecting to your Amazon Neptune database using IAM", service `neptune-db`)."""
        credentials = self._aws.get_credentials()
        if credentials is None or self._aws.region_name is None:
            raise GraphError(
                f"Connecting to the graph at {self.endpoint}",
                "the SDK finds no credentials" if credentials is None else "the SDK finds no region",
                "Run under a role that may connect to the graph, and set AWS_REGION",
            )
        parts = urlsplit(self.endpoint)
        scheme = {"ws": "http", "wss": "https"}[parts.scheme]
        request = AWSRequest(method="GET", url=f"{scheme}://{parts.netloc}/gremlin", headers={"Host": parts.netloc})
        SigV4Auth(credentials.get_frozen_credentials(), "neptune-db", self._aws.region_name).add_auth(request)
        return dict(request.headers.items())


# What gremlinpython lets through from its transport when there is no connection, or no longer.
_BROKEN: tuple[type[Exception], ...] = (aiohttp.ClientError, OSError, RuntimeError)


def is_passing(error: BaseException) -> bool:
    """Whether the same traversal may go through later: another writer, a busy server, a broken connection."""
    if isinstance(error, aiohttp.WSServerHandshakeError):
        return error.status in (429, 500, 502, 503, 504)
    if isinstance(error, GremlinServerError):
        return any(word in str(error) for word in _PASSING)
    if isinstance(error, RuntimeError):
        return str(error).startswith("Connection")
    return isinstance(error, _BROKEN)


def _next_step(error: Exception) -> str:
    if isinstance(error, aiohttp.WSServerHandshakeError) and error.status in (401, 403):
        return "Its role needs neptune-db:ReadDataViaQuery and the like on the cluster (infra/graph.py)"
    if is_passing(error):
        return f"It stayed so through {_ATTEMPTS} attempts: see the cluster's metrics, then clear the task"
    return "See the graph's log; the traversal is in cdap/graph"
