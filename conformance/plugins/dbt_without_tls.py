"""A pytest plugin: dbt-redshift connects without TLS, which its functional tests' profile cannot say."""

from dbt.adapters.redshift import connections

_parse = connections.RedshiftSSLConfig.parse.__func__
connections.RedshiftSSLConfig.parse = classmethod(lambda cls, _: _parse(cls, connections.UserSSLMode.disable))
