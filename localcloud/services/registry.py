"""The one table of services: every AWS service of the local cloud and its owner. What is not in it is refused."""

from __future__ import annotations

from collections.abc import Mapping

from localcloud.base.service import Service
from localcloud.services.appflow import AppFlowService
from localcloud.services.athena import AthenaService
from localcloud.services.dms import DatabaseMigrationService
from localcloud.services.glue import GlueService
from localcloud.services.neptune import NeptuneService
from localcloud.services.opensearch import OpenSearchService
from localcloud.services.redshift import RedshiftService
from localcloud.services.redshift_data import RedshiftDataService
from localcloud.services.redshift_serverless import RedshiftServerlessService

OURS: tuple[type[Service], ...] = (
    AppFlowService,
    AthenaService,
    DatabaseMigrationService,
    GlueService,
    NeptuneService,
    OpenSearchService,
    RedshiftDataService,
    RedshiftService,
    RedshiftServerlessService,
)
"""The services of the local cloud's own, each a class of ``localcloud.services.<service>``.

Their classes are imported above: one whose code is missing is an error at start.
"""

_NO_ENGINE = "nothing here would do the work"

MINISTACK: Mapping[str, Mapping[str, str]] = {
    "apigateway": {},
    "cloudformation": {},
    "cloudtrail": {},
    "cognito-identity": {},
    "cognito-idp": {},
    "dynamodb": {},
    "ec2": {
        "RunInstances": _NO_ENGINE,
        "StartInstances": _NO_ENGINE,
        "RequestSpot*": _NO_ENGINE,
        "CreateFleet": _NO_ENGINE,
    },
    "events": {},
    "iam": {},
    "kinesis": {"UpdateShardCount": "the records of the stream would be lost"},
    "kms": {},
    "lambda": {},
    "logs": {"StartQuery": _NO_ENGINE, "CreateExportTask": _NO_ENGINE},
    "monitoring": {},
    "s3": {},
    "scheduler": {},
    "secretsmanager": {},
    "sns": {},
    "sqs": {},
    "ssm": {"SendCommand": _NO_ENGINE, "StartAutomationExecution": _NO_ENGINE, "StartSession": _NO_ENGINE},
    "sts": {},
    "tagging": {},
}
"""Services of MiniStack, by signing scope, with the operations that it answers without doing them and why."""
