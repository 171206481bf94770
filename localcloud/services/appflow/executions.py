"""One execution of a flow: from the source, page by page, into one object that is there when all of it is."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import ClientError

from localcloud.base.cloud import Cloud
from localcloud.base.errors import AwsError
from localcloud.engines.object_stream import ObjectStream
from localcloud.engines.saas.files import open_format
from localcloud.engines.saas.salesforce import Login, Salesforce
from localcloud.services.appflow.flows import Plan

PRINCIPAL = "appflow.amazonaws.com"


class Canceled(Exception):
    """The execution was cancelled; nothing was written."""


@dataclass(frozen=True)
class Done:
    """Figures of an execution that went through."""

    records: int
    bytes_written: int
    bytes_processed: int
    key: str | None


def login(cloud: Cloud, profile: Mapping[str, Any]) -> Login:
    """How to log in with a connector profile. Raises AwsError when its client credentials cannot be read."""
    credentials = profile["credentials"]
    arn = credentials.get("clientCredentialsArn", "")
    client: Mapping[str, Any] = {}
    if arn:
        secrets = cloud.client("secretsmanager")
        try:
            # The ARN may be given without its random end; the policy is evaluated for the whole one.
            cloud.authorize_service(
                PRINCIPAL, "secretsmanager:GetSecretValue", secrets.describe_secret(SecretId=arn)["ARN"]
            )
            client = json.loads(secrets.get_secret_value(SecretId=arn)["SecretString"])
        except ClientError as error:
            raise AwsError("ConnectorAuthenticationException", f"the secret {arn} cannot be read: {error}") from error
        except ValueError:
            raise AwsError("ConnectorAuthenticationException", f"the secret {arn} is not a JSON object") from None
    return Login(
        instance_url=str(profile["properties"]["instanceUrl"]),
        client_id=str(client.get("clientId") or client.get("client_id") or ""),
        client_secret=str(client.get("clientSecret") or client.get("client_secret") or ""),
        refresh_token=str(credentials.get("refreshToken") or ""),
        access_token=str(credentials.get("accessToken") or ""),
    )


def run(
    cloud: Cloud,
    flow: str,
    plan: Plan,
    source: Login,
    execution_id: str,
    window: tuple[float | None, float | None],
    is_canceled: Callable[[], bool],
) -> Done:
    """Copies the records. No object is written when there are none, as AppFlow does.

    Raises Canceled, SalesforceError, AwsError (AppFlow may not write to the bucket), ClientError, ValueError.
    """
    key = plan.key(flow, execution_id, datetime.now(UTC), str(uuid.uuid4()))
    cloud.authorize_service(PRINCIPAL, "s3:PutObject", f"arn:aws:s3:::{plan.bucket}/{key}")
    stream = ObjectStream(cloud.client("s3"), plan.bucket, key, {})
    records = processed = 0
    with Salesforce(source) as salesforce:
        described = salesforce.describe(plan.object)
        names = plan.names(described)
        types = {target: described[name] for name, target in names.items()}
        writer = open_format(plan.file_type, stream, types, typed=plan.typed)
        try:
            for page in salesforce.query(plan.soql(described, *window), deleted=plan.deleted):
                if is_canceled():
                    raise Canceled
                renamed = [_renamed(record, names, plan.all_fields) for record in page]
                writer.write(renamed)
                records += len(page)
                processed += len(json.dumps(page))
            if not records:
                return Done(0, 0, 0, None)
            writer.close()
            stream.finish()
        except BaseException:
            stream.abort()
            raise
    return Done(records, stream.size, processed, key)


def _renamed(record: Mapping[str, Any], names: Mapping[str, str], all_fields: bool) -> dict[str, Any]:
    """The record under the destination's names; with Map_all, fields that the description does not know stay too."""
    if all_fields:
        return {names.get(name, name): value for name, value in record.items()}
    return {target: record.get(name) for name, target in names.items()}


def now() -> float:
    """Seconds since the epoch."""
    return datetime.now(UTC).timestamp()


def shown_times(record: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    """A copy with the named members, kept as seconds, as datetimes; without those that are None."""
    return {
        key: datetime.fromtimestamp(value, UTC) if key in names else value
        for key, value in record.items()
        if value is not None
    }
