"""Unified profiles: documents of marts.customer_profile in the search index, and looking them up."""

from cdap.profiles.bulk import RejectedDocumentsError, SearchBusyError
from cdap.profiles.document import MAPPING_VERSION, DocumentError
from cdap.profiles.publishing import PublishSummary, publish
from cdap.profiles.search import find_by_email, find_by_id, find_by_phone, search_client

__all__ = [
    "MAPPING_VERSION",
    "DocumentError",
    "PublishSummary",
    "RejectedDocumentsError",
    "SearchBusyError",
    "find_by_email",
    "find_by_id",
    "find_by_phone",
    "publish",
    "search_client",
]
