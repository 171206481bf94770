"""AWS Glue: the Data Catalog and crawlers."""

from localcloud.services.glue.service import GlueService

__all__ = ["GlueService"]
