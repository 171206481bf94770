"""The error an AWS service of the local cloud answers with."""

from __future__ import annotations

from moto.core.exceptions import ServiceException


class AwsError(ServiceException):
    """An error of an AWS API: ``code`` is the name in the service's model, ``message`` is for the reader.

    ``status`` is the HTTP status when the model of the service does not say one.
    """

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(code, message)
        self.status = status
