"""What is known of MiniStack's CloudFormation types: whose they are, what they drop and what they read later."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from localcloud.base.api_type import PropertyError
from localcloud.base.cloud import Cloud

_NAMESPACES = """
    ApiGateway ApiGatewayV2 CDK CloudFormation CloudTrail CloudWatch Cognito DynamoDB EC2 Events Glue IAM KMS
    Kinesis Lambda Logs S3 SNS SQS SSM Scheduler SecretsManager
"""
OWN_NAMESPACES = frozenset(_NAMESPACES.split())
"""Second part of the type names whose services have an owner that does their work."""

REFUSED_TYPES = frozenset(
    {
        # Nothing here would do their work.
        "AWS::EC2::Instance",
        "AWS::Glue::Job",
        "AWS::Glue::Trigger",
        "AWS::Glue::Workflow",
        "AWS::Lambda::CapacityProvider",
        "AWS::S3::MultiRegionAccessPoint",
    }
)


def _topic_key(cloud: Cloud, topic_arn: str, key: Any) -> None:
    cloud.client("sns").set_topic_attributes(
        TopicArn=topic_arn, AttributeName="KmsMasterKeyId", AttributeValue=str(key)
    )


def _stream_encryption(cloud: Cloud, stream: str, value: Any) -> None:
    name = stream.rsplit("/", 1)[-1]
    cloud.client("kinesis").start_stream_encryption(
        StreamName=name, EncryptionType=value["EncryptionType"], KeyId=value["KeyId"]
    )


def _own_catalog(cloud: Cloud, physical_id: str, catalog_id: Any) -> None:
    if str(catalog_id) != cloud.account_id:
        raise PropertyError(f"{physical_id}: CatalogId {catalog_id} is not this account's catalog ({cloud.account_id})")


MENDED: Mapping[str, Mapping[str, Callable[[Cloud, str, Any], None]]] = {
    "AWS::Glue::Database": {"CatalogId": _own_catalog},
    "AWS::Glue::Table": {"CatalogId": _own_catalog},
    "AWS::Kinesis::Stream": {"StreamEncryption": _stream_encryption},
    "AWS::SNS::Topic": {"KmsMasterKeyId": _topic_key},
}
"""Properties that a provisioner drops, and how they are honoured after it: (cloud, physical id, value)."""
