"""The warehouse: Redshift over its own protocol, by redshift_connector."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Any, ParamSpec, Self, TypeVar, cast

import boto3
import redshift_connector
from botocore.exceptions import BotoCoreError, ClientError
from pydantic import BaseModel, SecretStr, ValidationError
from redshift_connector.error import Error as DriverError
from tenacity import retry, retry_if_exception, stop_after_delay, wait_random_exponential

from cdap.errors import CdapError, WarehouseError
from cdap.parameters import Parameters, WarehouseParameters
from cdap.parameters import parameters as read_parameters

P = ParamSpec("P")
T = TypeVar("T")

# 40001: serialization failure. Redshift reports its own serializable isolation violation as XX000 with "1023".
SERIALIZATION_FAILURE = "40001"


class Login(BaseModel):
    """What the warehouse's secret holds."""

    username: str
    password: SecretStr


def read_login(target: WarehouseParameters, secrets: Any = None) -> Login:
    """The login in the warehouse's secret. Raises CdapError when it cannot be read or is not one."""
    doing = f"Reading the login of the warehouse {target.database} at {target.host}:{target.port}"
    try:
        client = secrets if secrets is not None else boto3.client("secretsmanager")
        return Login.model_validate_json(client.get_secret_value(SecretId=target.secret_arn)["SecretString"])
    except (BotoCoreError, ClientError) as error:
        raise CdapError(
            doing, f"its secret {target.secret_arn} cannot be read: {error}", "Allow it to this role"
        ) from error
    except ValidationError:
        raise CdapError(
            doing,
            f"its secret {target.secret_arn} does not hold `username` and `password` as JSON",
            "Deploy the stack again",
        ) from None


class Warehouse:
    """One session. Statements outside `transaction()` commit by themselves.

    Parameters are bound (`%s` in the statement). `purpose` says in an error what the statement was for; neither the
    statement nor its parameters are ever part of an error or a log, since they may hold personal data.
    """

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._connection.autocommit = True
        self._in_transaction = False

    @classmethod
    def connect(cls, parameters: Parameters | None = None, *, secrets: Any = None) -> Self:
        """Opens a session with the stack's parameters and the login of its secret.

        Raises CdapError when the secret cannot be read, WarehouseError when the warehouse does not answer or refuses.
        """
        names = parameters if parameters is not None else read_parameters()
        target = names.warehouse
        login = read_login(target, secrets)
        doing = f"Connecting to the warehouse {target.database} at {target.host}:{target.port}"
        try:
            connection = redshift_connector.connect(
                host=target.host,
                port=target.port,
                database=target.database,
                user=login.username,
                password=login.password.get_secret_value(),
                ssl=target.sslmode != "disable",
                sslmode=target.sslmode if target.sslmode != "disable" else "verify-ca",
                application_name="cdap",
                timeout=None,
            )
        except (DriverError, OSError) as error:
            raise _warehouse_error(doing, error, "Check that the warehouse is up and reachable from here") from error
        return cls(connection)

    def execute(self, sql: str, parameters: Sequence[Any] = (), *, purpose: str = "Running a statement") -> int:
        """Runs a statement; returns the rows it touched, -1 where the warehouse does not say."""
        cursor = self._run(sql, parameters, purpose)
        count = int(cursor.rowcount)
        cursor.close()
        return count

    def fetch_all(
        self, sql: str, parameters: Sequence[Any] = (), *, purpose: str = "Running a query"
    ) -> list[tuple[Any, ...]]:
        """Runs a query whose result is small; returns its rows."""
        cursor = self._run(sql, parameters, purpose)
        try:
            return [tuple(row) for row in cursor.fetchall()]
        except DriverError as error:
            raise _warehouse_error(purpose, error, NEXT_STEP) from error
        finally:
            cursor.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All statements inside or none: commits at the end, rolls back when an exception leaves the block."""
        if self._in_transaction:
            raise RuntimeError("a transaction is already open in this session")
        self._connection.autocommit = False
        self._in_transaction = True
        try:
            yield
        except BaseException:
            self._finish(commit=False, purpose="Rolling back")
            raise
        else:
            self._finish(commit=True, purpose="Committing")

    def close(self) -> None:
        """Ends the session; an open transaction is rolled back by the warehouse."""
        try:
            self._connection.close()
        except (DriverError, OSError) as error:
            raise _warehouse_error("Closing the session", error, "Nothing to do: the session was lost") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
            return
        try:
            self.close()
        except WarehouseError as lost:
            # The error that is already on its way is the cause; a session that cannot be closed only follows from it.
            if error is not None:
                error.add_note(str(lost))

    def _run(self, sql: str, parameters: Sequence[Any], purpose: str) -> Any:
        cursor = self._connection.cursor()
        # A statement without parameters must reach the warehouse as it is, also when it holds a percent sign: with
        # `format` the driver would read that as a parameter. A question mark has no meaning in Redshift's SQL.
        cursor.paramstyle = "format" if parameters else "qmark"
        try:
            cursor.execute(sql, tuple(parameters) if parameters else None)
        except (DriverError, OSError) as error:
            # The driver's own exceptions carry the statement and its bound values: they stay out of the chain that a
            # log would print.
            raise _warehouse_error(purpose, error, NEXT_STEP) from None
        return cursor

    def _finish(self, *, commit: bool, purpose: str) -> None:
        try:
            if commit:
                self._connection.commit()
            else:
                self._connection.rollback()
        except (DriverError, OSError) as error:
            if commit:
                raise _warehouse_error(purpose, error, NEXT_STEP) from error
            # A session that cannot roll back is lost, and the warehouse rolls back lost sessions; the error that led
            # here must stay the one that is raised.
        finally:
            self._in_transaction = False
            self._connection.autocommit = True


NEXT_STEP = "Clear the task to try again; nothing of an open transaction was kept"


def _warehouse_error(doing: str, error: Exception, next_step: str) -> WarehouseError:
    details = error.args[0] if error.args else str(error)
    if isinstance(details, dict):
        code, message = str(details.get("C", "")), str(details.get("M", details))
        return WarehouseError(doing, f"{message} (SQLSTATE {code})" if code else message, next_step, code)
    return WarehouseError(doing, str(details) or type(error).__name__, next_step)


def is_conflict(error: BaseException) -> bool:
    """True when another transaction changed the same rows first, so that trying the transaction again can work."""
    if not isinstance(error, WarehouseError):
        return False
    return error.sqlstate == SERIALIZATION_FAILURE or (error.sqlstate == "XX000" and "1023" in error.found)


def retried_on_conflict(function: Callable[P, T]) -> Callable[P, T]:
    """Runs a function that is one whole transaction again, for up to a minute, while others win the race."""
    again = retry(
        retry=retry_if_exception(is_conflict),
        wait=wait_random_exponential(multiplier=0.1, max=5),
        stop=stop_after_delay(60),
        reraise=True,
    )
    return cast(Callable[P, T], again(function))
