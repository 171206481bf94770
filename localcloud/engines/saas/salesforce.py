"""A client of Salesforce's REST query interface: tokens, pages, descriptions (Salesforce REST API Developer Guide)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import httpx
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_exponential

API_VERSION = "v58.0"
TIMEOUT_SECONDS = 120
# What is tried again: a server that is away or overloaded.
PASSING = (502, 503, 504)


class SalesforceError(Exception):
    """Salesforce refused or cannot be reached; `code` is its errorCode (or OAuth's error), "" where there was none."""

    def __init__(self, message: str, code: str = "", *, authentication: bool = False) -> None:
        super().__init__(message)
        self.code = code
        self.authentication = authentication


class _Passing(Exception):
    """An answer that a second try may better."""


@dataclass(frozen=True)
class Login:
    """How tokens are got: with a refresh token, or, without one, as the connected application itself."""

    instance_url: str
    client_id: str
    client_secret: str
    refresh_token: str = ""
    access_token: str = ""


class Salesforce:
    """One connection; a token that has run out is renewed once for each request that it fails."""

    def __init__(self, login: Login, api_version: str = API_VERSION) -> None:
        self._login = login
        self._token = login.access_token
        self._path = f"/services/data/{api_version}"
        self._http = httpx.Client(base_url=login.instance_url, timeout=TIMEOUT_SECONDS, trust_env=False)

    def __enter__(self) -> Salesforce:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def describe(self, name: str) -> Mapping[str, str]:
        """The fields of an object with their types, in its order. Raises SalesforceError."""
        found = self._get(f"{self._path}/sobjects/{name}/describe")
        return {field["name"]: field["type"] for field in found["fields"]}

    def query(self, soql: str, *, deleted: bool = False) -> Iterator[list[dict[str, Any]]]:
        """The records of a query, page by page, without their `attributes`. Raises SalesforceError."""
        page = self._get(f"{self._path}/{'queryAll' if deleted else 'query'}", {"q": soql})
        while True:
            yield [{k: v for k, v in record.items() if k != "attributes"} for record in page["records"]]
            if page["done"]:
                return
            page = self._get(page["nextRecordsUrl"])

    # ---------------------------------------------------------------------------------------------------------------

    def _get(self, path: str, parameters: Mapping[str, str] | None = None) -> Any:
        if not self._token:
            self._renew()
        answer = self._send("GET", path, params=parameters)
        if answer.status_code == 401:
            self._renew()
            answer = self._send("GET", path, params=parameters)
        if answer.is_success:
            return answer.json()
        raise _refused(answer, f"GET {path}")

    def _renew(self) -> None:
        form = {"client_id": self._login.client_id, "client_secret": self._login.client_secret}
        if self._login.refresh_token:
            form |= {"grant_type": "refresh_token", "refresh_token": self._login.refresh_token}
        else:
            form |= {"grant_type": "client_credentials"}
        answer = self._send("POST", "/services/oauth2/token", data=form)
        if not answer.is_success:
            error = _json(answer)
            code = str(error.get("error", "")) if isinstance(error, dict) else ""
            description = error.get("error_description", "") if isinstance(error, dict) else answer.text[:200]
            raise SalesforceError(
                f"the token could not be renewed at {self._login.instance_url}: {code} {description}".strip(),
                code,
                authentication=True,
            )
        self._token = str(answer.json()["access_token"])

    def _send(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        headers = {} if path.endswith("/token") else {"Authorization": f"Bearer {self._token}"}
        try:
            for attempt in Retrying(
                retry=retry_if_exception_type((httpx.TransportError, _Passing)),
                stop=stop_after_attempt(4),
                wait=wait_exponential(multiplier=0.5, max=8),
                reraise=True,
            ):
                with attempt:
                    answer = self._http.request(method, path, headers=headers, **arguments)
                    if answer.status_code in PASSING:
                        raise _Passing(f"{answer.status_code} {answer.reason_phrase}")
                    return answer
        except (httpx.TransportError, _Passing) as error:
            raise SalesforceError(f"{self._login.instance_url} cannot be reached: {error}") from error
        raise AssertionError("a retry ends with an answer or an error")


def _refused(answer: httpx.Response, what: str) -> SalesforceError:
    errors = _json(answer)
    if isinstance(errors, list) and errors and isinstance(errors[0], dict):
        code, message = str(errors[0].get("errorCode", "")), str(errors[0].get("message", ""))
        return SalesforceError(f"{code}: {message}", code, authentication=answer.status_code == 401)
    return SalesforceError(f"{what} was answered with {answer.status_code} {answer.text[:200]}")


def _json(answer: httpx.Response) -> Any:
    try:
        return answer.json()
    except ValueError:
        return None
