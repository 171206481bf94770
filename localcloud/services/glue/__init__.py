"""AWS Glue: the Data Catalog, crawlers and jobs."""

from localcloud.services.glue.service import GlueService

__all__ = ["GlueService"]
