"""Identity resolution: which records belong to one customer, under ids that stay."""

from cdap.identity.config import IdentityConfig, load_identity_config
from cdap.identity.resolution import DuplicateRecordError, ResolutionSummary, resolve

__all__ = ["DuplicateRecordError", "IdentityConfig", "ResolutionSummary", "load_identity_config", "resolve"]
