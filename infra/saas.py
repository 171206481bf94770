"""AppFlow: for each SaaS source its connection and a flow for each of its tables."""

from __future__ import annotations

from collections.abc import Mapping

import aws_cdk as cdk
from aws_cdk import aws_appflow as appflow
from aws_cdk import aws_iam as iam
from constructs import Construct

from cdap.config import AppflowSource, Table
from infra.lake import Lake

PRINCIPAL = "appflow.amazonaws.com"


class Saas(Construct):
    """Flows of the SaaS applications into raw/; `flows` gives each by (source, table)."""

    def __init__(self, scope: Construct, id: str, *, lake: Lake, sources: Mapping[str, AppflowSource]) -> None:
        super().__init__(scope, id)
        self.flows: dict[tuple[str, str], appflow.CfnFlow] = {}
        if not sources:
            return
        stack = cdk.Stack.of(self)
        # AppFlow comes as itself and not under a role ("Amazon S3 bucket policies for Amazon AppFlow").
        mine = {"StringEquals": {"aws:SourceAccount": stack.account}}
        service = iam.ServicePrincipal(PRINCIPAL)
        lake.bucket.add_to_resource_policy(
            iam.PolicyStatement(
                principals=[service],
                actions=[
                    "s3:PutObject",
                    "s3:AbortMultipartUpload",
                    "s3:ListMultipartUploadParts",
                ],
                resources=[lake.bucket.arn_for_objects(f"raw/{name}/*") for name in sources],
                conditions=mine,
            )
        )
        lake.bucket.add_to_resource_policy(
            iam.PolicyStatement(
                principals=[service],
                actions=["s3:ListBucketMultipartUploads", "s3:GetBucketAcl"],
                resources=[lake.bucket.bucket_arn],
                conditions=mine,
            )
        )
        lake.key.add_to_resource_policy(
            iam.PolicyStatement(
                principals=[service],
                actions=["kms:GenerateDataKey", "kms:Encrypt", "kms:Decrypt"],
                resources=["*"],
                conditions=mine,
            )
        )
        for name, source in sources.items():
            profile = self._profile(name, source)
            for table, contract in source.tables.items():
                self.flows[name, table] = self._flow(source, table, contract, lake, profile)

    def _profile(self, name: str, source: AppflowSource) -> appflow.CfnConnectorProfile:
        title = name.title().replace("_", "")
        address = cdk.CfnParameter(
            self,
            f"{title}Address",
            type="AWS::SSM::Parameter::Value<String>",
            default=source.address_parameter,
            description=f"Parameter with the address of {name}; its owner makes it",
        )
        secret = f"cdap/sources/{name}"
        stack = cdk.Stack.of(self)
        return appflow.CfnConnectorProfile(
            self,
            f"{title}Connection",
            connector_profile_name=f"cdap-{name}".replace("_", "-"),
            connector_type="Salesforce",
            connection_mode="Public",
            connector_profile_config=appflow.CfnConnectorProfile.ConnectorProfileConfigProperty(
                connector_profile_properties=appflow.CfnConnectorProfile.ConnectorProfilePropertiesProperty(
                    salesforce=appflow.CfnConnectorProfile.SalesforceConnectorProfilePropertiesProperty(
                        instance_url=address.value_as_string
                    )
                ),
                connector_profile_credentials=appflow.CfnConnectorProfile.ConnectorProfileCredentialsProperty(
                    salesforce=appflow.CfnConnectorProfile.SalesforceConnectorProfileCredentialsProperty(
                        refresh_token=f"{{{{resolve:secretsmanager:{secret}:SecretString:refreshToken}}}}",
                        client_credentials_arn=(
                            f"arn:aws:secretsmanager:{stack.region}:{stack.account}:secret:{secret}"
                        ),
                    )
                ),
            ),
        )

    def _flow(
        self,
        source: AppflowSource,
        table: str,
        contract: Table,
        lake: Lake,
        profile: appflow.CfnConnectorProfile,
    ) -> appflow.CfnFlow:
        title = f"{source.name}_{table}".title().replace("_", "")
        flow = appflow.CfnFlow(
            self,
            f"{title}Flow",
            flow_name=source.flow_name(table),
            description=contract.description,
            trigger_config=appflow.CfnFlow.TriggerConfigProperty(trigger_type="OnDemand"),
            source_flow_config=appflow.CfnFlow.SourceFlowConfigProperty(
                connector_type="Salesforce",
                connector_profile_name=profile.connector_profile_name,
                source_connector_properties=appflow.CfnFlow.SourceConnectorPropertiesProperty(
                    salesforce=appflow.CfnFlow.SalesforceSourcePropertiesProperty(
                        object=str(contract.object),
                        # A field that the application adds is seen, and deleted records are told.
                        enable_dynamic_field_update=True,
                        include_deleted_records=contract.deleted is not None,
                    )
                ),
            ),
            destination_flow_config_list=[
                appflow.CfnFlow.DestinationFlowConfigProperty(
                    connector_type="S3",
                    destination_connector_properties=appflow.CfnFlow.DestinationConnectorPropertiesProperty(
                        s3=appflow.CfnFlow.S3DestinationPropertiesProperty(
                            bucket_name=lake.bucket.bucket_name,
                            # A load's own folder and window are set by the DAG before each start.
                            bucket_prefix=f"raw/{source.name}",
                            s3_output_format_config=appflow.CfnFlow.S3OutputFormatConfigProperty(
                                # All text: a value that is not of its type must come, to be judged by the contract.
                                file_type="PARQUET",
                                preserve_source_data_typing=False,
                                prefix_config=appflow.CfnFlow.PrefixConfigProperty(prefix_type="FILENAME"),
                                aggregation_config=appflow.CfnFlow.AggregationConfigProperty(
                                    aggregation_type="SingleFile"
                                ),
                            ),
                        )
                    ),
                )
            ],
            tasks=[
                appflow.CfnFlow.TaskProperty(
                    source_fields=[],
                    task_type="Map_all",
                    task_properties=[
                        appflow.CfnFlow.TaskPropertiesObjectProperty(key="EXCLUDE_SOURCE_FIELDS_LIST", value="[]")
                    ],
                )
            ],
        )
        flow.add_resource_dependency(profile)
        policy = lake.bucket.policy
        if policy is not None:
            flow.node.add_dependency(policy)
        return flow
