"""Endpoints: what was asked for when one was made, and the source or target that it is at the moment of use."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Mapping
from typing import Any

from localcloud.base.cloud import Cloud
from localcloud.base.service import AwsError
from localcloud.engines.replication import source as pg
from localcloud.engines.replication.s3_target import S3Target
from localcloud.services.dms.settings import check_postgres_settings, check_s3_settings, invalid, unsupported

PRINCIPAL = "dms.amazonaws.com"
SOURCE_ENGINES = {"postgres": "PostgreSQL", "aurora-postgresql": "Amazon Aurora PostgreSQL"}
TARGET_ENGINES = {"s3": "Amazon S3"}

_EXTRA_BOOLEANS = {
    "mapbooleanasboolean": "MapBooleanAsBoolean",
    "addcolumnname": "AddColumnName",
    "includeopforfullload": "IncludeOpForFullLoad",
    "rfc4180": "Rfc4180",
    "parquettimestampinmillisecond": "ParquetTimestampInMillisecond",
}
_EXTRA_TEXTS = {
    "bucketname": "BucketName",
    "bucketfolder": "BucketFolder",
    "dataformat": "DataFormat",
    "compressiontype": "CompressionType",
    "csvdelimiter": "CsvDelimiter",
    "csvrowdelimiter": "CsvRowDelimiter",
    "csvnullvalue": "CsvNullValue",
    "timestampcolumnname": "TimestampColumnName",
    "parquetversion": "ParquetVersion",
    "afterconnectscript": "AfterConnectScript",
    "encryptionmode": "EncryptionMode",
    "serversideencryptionkmskeyid": "ServerSideEncryptionKmsKeyId",
}
_EXTRA_NUMBERS = {"maxfilesize": "MaxFileSize", "executetimeout": "ExecuteTimeout"}


def check_endpoint(endpoint: Mapping[str, Any]) -> None:
    """Raises AwsError when the endpoint's settings are incomplete, contradictory or not supported."""
    kind, engine = endpoint["EndpointType"], endpoint["EngineName"]
    if kind not in ("source", "target"):
        raise invalid(f"EndpointType is {kind!r}; it must be source or target")
    engines = SOURCE_ENGINES if kind == "source" else TARGET_ENGINES
    if engine not in engines:
        raise unsupported(
            f"the engine {engine!r} is not supported for a {kind} endpoint (supported: {', '.join(engines)})"
        )
    if endpoint.get("SslMode", "none") not in pg.SSL_MODES:
        raise invalid(f"SslMode is {endpoint['SslMode']!r}; it must be one of {', '.join(pg.SSL_MODES)}")
    if kind == "target":
        check_s3_settings(s3_settings(endpoint))
        return
    settings = postgres_settings(endpoint)
    check_postgres_settings(settings)
    wanted = ["DatabaseName"]
    if not settings.get("SecretsManagerSecretId"):
        wanted += ["ServerName", "Port", "Username", "Password"]
    for name in wanted:
        if settings.get(name) in (None, ""):
            raise invalid(f"a source endpoint needs {name} (or PostgreSQLSettings with SecretsManagerSecretId)")


def s3_settings(endpoint: Mapping[str, Any]) -> dict[str, Any]:
    settings = {**endpoint.get("S3Settings", {}), **_extra(endpoint)}
    if "ServiceAccessRoleArn" not in settings and endpoint.get("ServiceAccessRoleArn"):
        settings["ServiceAccessRoleArn"] = endpoint["ServiceAccessRoleArn"]
    return settings


def postgres_settings(endpoint: Mapping[str, Any]) -> dict[str, Any]:
    plain = {k: endpoint[k] for k in ("ServerName", "Port", "Username", "Password", "DatabaseName") if k in endpoint}
    given = {k: v for k, v in endpoint.get("PostgreSQLSettings", {}).items() if v is not None}
    return {**plain, **given, **_extra(endpoint)}


def _extra(endpoint: Mapping[str, Any]) -> dict[str, Any]:
    settings: dict[str, Any] = {}
    for part in filter(None, str(endpoint.get("ExtraConnectionAttributes") or "").split(";")):
        name, _, value = part.partition("=")
        key = name.strip().lower()
        if key in _EXTRA_BOOLEANS:
            settings[_EXTRA_BOOLEANS[key]] = value.strip().lower() in ("true", "y", "1")
        elif key in _EXTRA_TEXTS:
            settings[_EXTRA_TEXTS[key]] = value
        elif key in _EXTRA_NUMBERS:
            settings[_EXTRA_NUMBERS[key]] = int(value)
        else:
            raise unsupported(f"ExtraConnectionAttributes: {name.strip()} is not supported by the local cloud")
    return settings


def source_settings(cloud: Cloud, endpoint: Mapping[str, Any]) -> pg.SourceSettings:
    """Where and as whom to connect; a secret is read now, as its role. Raises AwsError naming secret and role."""
    settings = postgres_settings(endpoint)
    if secret_id := settings.get("SecretsManagerSecretId"):
        settings = {**settings, **_read_secret(cloud, str(secret_id), str(settings["SecretsManagerAccessRoleArn"]))}
    return pg.SourceSettings(
        host=str(settings["ServerName"]),
        port=int(settings["Port"]),
        database=str(settings["DatabaseName"]),
        user=str(settings["Username"]),
        password=str(settings["Password"]),
        ssl_mode=str(endpoint.get("SslMode", "none")),
        after_connect_script=str(settings.get("AfterConnectScript") or ""),
        execute_timeout_seconds=int(settings.get("ExecuteTimeout") or 60),
    )


def _read_secret(cloud: Cloud, secret_id: str, role_arn: str) -> dict[str, Any]:
    client = role_client(cloud, "secretsmanager", role_arn)
    text = client.get_secret_value(SecretId=secret_id)["SecretString"]
    try:
        secret = json.loads(text)
        names = {"ServerName": "host", "Port": "port", "Username": "username", "Password": "password"}
        return {name: secret[key] for name, key in names.items()}
    except (json.JSONDecodeError, KeyError, TypeError) as error:
        raise invalid(
            f"secret {secret_id} must be a JSON object with host, port, username and password ({type(error).__name__})"
        ) from None


def role_client(cloud: Cloud, service: str, role_arn: str) -> Any:
    """A client as the role. DMS comes as the principal of its region or as the global one: either may be trusted."""
    try:
        return cloud.client(service, role_arn, f"dms.{cloud.region}.amazonaws.com", "dms-session")
    except AwsError:
        return cloud.client(service, role_arn, PRINCIPAL, "dms-session")


class RoleClient:
    """Gives a client as a role, the same one to all threads until its credentials, of an hour, grow old."""

    RENEW_SECONDS = 1800.0

    def __init__(self, cloud: Cloud, service: str, role_arn: str) -> None:
        self._cloud, self._service, self._role_arn = cloud, service, role_arn
        self._lock = threading.Lock()
        self._client: Any = None
        self._made_at = 0.0

    def __call__(self) -> Any:
        with self._lock:
            if self._client is None or time.monotonic() - self._made_at > self.RENEW_SECONDS:
                self._client = role_client(self._cloud, self._service, self._role_arn)
                self._made_at = time.monotonic()
            return self._client


def s3_target(endpoint: Mapping[str, Any]) -> tuple[S3Target, str]:
    """(target, ARN of the role that writes to it)."""
    settings = s3_settings(endpoint)
    return check_s3_settings(settings), str(settings["ServiceAccessRoleArn"])
