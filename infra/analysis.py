"""Athena: a workgroup with a limit for questions to the lake, and the role that asks them."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_athena as athena
from aws_cdk import aws_iam as iam
from constructs import Construct

from infra.lake import Lake

_GIBIBYTE = 1024**3
_RESULTS = "athena"


class Analysis(Construct):
    """The workgroup `cdap`: results encrypted in the lake's bucket, a limit a query, and the role `cdap-analyst`."""

    def __init__(self, scope: Construct, id: str, *, lake: Lake, scan_limit: int) -> None:
        """`scan_limit` is in GiB a query."""
        super().__init__(scope, id)
        stack = cdk.Stack.of(self)
        bucket = lake.bucket.bucket_name
        self.workgroup = athena.CfnWorkGroup(
            self,
            "Workgroup",
            name="cdap",
            description="Questions to the lake by the platform's analysts",
            recursive_delete_option=True,
            work_group_configuration=athena.CfnWorkGroup.WorkGroupConfigurationProperty(
                enforce_work_group_configuration=True,
                publish_cloud_watch_metrics_enabled=True,
                bytes_scanned_cutoff_per_query=scan_limit * _GIBIBYTE,
                result_configuration=athena.CfnWorkGroup.ResultConfigurationProperty(
                    output_location=f"s3://{bucket}/{_RESULTS}/",
                    encryption_configuration=athena.CfnWorkGroup.EncryptionConfigurationProperty(
                        encryption_option="SSE_KMS", kms_key=lake.key.key_arn
                    ),
                ),
            ),
        )
        self.analyst = iam.Role(
            self,
            "Analyst",
            role_name="cdap-analyst",
            assumed_by=iam.AccountPrincipal(stack.account),
            description="Asks the clean tables of the lake through the workgroup cdap; changes nothing but results",
        )
        self.analyst.add_to_policy(
            iam.PolicyStatement(
                actions=[
                    "athena:BatchGetQueryExecution",
                    "athena:GetQueryExecution",
                    "athena:GetQueryResults",
                    "athena:GetWorkGroup",
                    "athena:ListQueryExecutions",
                    "athena:StartQueryExecution",
                    "athena:StopQueryExecution",
                ],
                resources=[f"arn:aws:athena:{stack.region}:{stack.account}:workgroup/{self.workgroup.name}"],
            )
        )
        lake.grant_read(self.analyst, "clean/*", f"{_RESULTS}/*")
        lake.grant_write(self.analyst, f"{_RESULTS}/*")
        lake.grant_catalog(self.analyst, "clean")
