"""redshift_connector connects without TLS, which an Airflow connection made by an example does not say."""

from __future__ import annotations

import functools

import redshift_connector

redshift_connector.connect = functools.partial(redshift_connector.connect, ssl=False)
