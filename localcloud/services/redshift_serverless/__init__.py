"""Redshift Serverless: namespaces and workgroups over the machine's warehouse."""

from localcloud.services.redshift_serverless.service import RedshiftServerlessService

__all__ = ["RedshiftServerlessService"]
