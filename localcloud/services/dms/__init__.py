"""AWS Database Migration Service: full loads of PostgreSQL into S3."""

from localcloud.services.dms.service import DatabaseMigrationService

__all__ = ["DatabaseMigrationService"]
