"""The OpenSearch Service: its API, and the checked endpoint of its domain before a real node."""

from localcloud.services.opensearch.service import OpenSearchService

__all__ = ["OpenSearchService"]
