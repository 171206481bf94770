"""Athena: Trino's SQL over the data catalog, with results in S3."""

from localcloud.services.athena.service import AthenaService

__all__ = ["AthenaService"]
