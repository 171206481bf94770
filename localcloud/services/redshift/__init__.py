"""Provisioned Redshift: clusters, their snapshots and subnet groups over the machine's warehouse."""

from localcloud.services.redshift.service import RedshiftService

__all__ = ["RedshiftService"]
