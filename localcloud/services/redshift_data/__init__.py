"""The Redshift Data API on the machine's warehouse."""

from localcloud.services.redshift_data.service import RedshiftDataService

__all__ = ["RedshiftDataService"]
