"""Which failures are tried again and which are a person's at once."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec, TypeVar

from airflow.sdk.exceptions import AirflowFailException

from cdap.errors import (
    ConfigurationError,
    ExpectationError,
    ParameterMissingError,
    ReconciliationError,
    SchemaChangeError,
)
from cdap_airflow.run_window import RunWindowError

S = TypeVar("S")
P = ParamSpec("P")
T = TypeVar("T")

# What comes out the same however often it is tried.
LASTING = (
    ConfigurationError,
    ExpectationError,
    ParameterMissingError,
    ReconciliationError,
    RunWindowError,
    SchemaChangeError,
)


def no_retry_when_lasting(execute: Callable[Concatenate[S, P], T]) -> Callable[Concatenate[S, P], T]:
    """An operator's method that fails without retries where trying again cannot help."""

    @wraps(execute)
    def guarded(self: S, /, *args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return execute(self, *args, **kwargs)
        except LASTING as error:
            raise AirflowFailException(str(error)) from error

    return guarded
