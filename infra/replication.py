"""DMS: the replication instance, and for each DMS source its endpoints and its task."""

from __future__ import annotations

import json
from collections.abc import Mapping

import aws_cdk as cdk
from aws_cdk import aws_dms as dms
from aws_cdk import aws_iam as iam
from constructs import Construct

from cdap.config import DmsSource
from cdap.config.environments import ReplicationSize
from infra.lake import Lake
from infra.network import Network

TASK_SETTINGS = {
    # Each load has a folder of its own, so there is nothing to drop.
    "TargetMetadata": {"SupportLobs": True, "LimitedSizeLobMode": True, "LobMaxSize": 32},
    "FullLoadSettings": {"TargetTablePrepMode": "DO_NOTHING", "MaxFullLoadSubTasks": 8, "CommitRate": 50000},
    "Logging": {"EnableLogging": True},
    "ErrorBehavior": {
        "DataErrorPolicy": "SUSPEND_TABLE",
        "TableErrorPolicy": "STOP_TASK",
        "FullLoadIgnoreConflicts": False,
    },
}


class Replication(Construct):
    """Full loads of the operational databases; `tasks` gives each source's replication task."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        network: Network,
        lake: Lake,
        sources: Mapping[str, DmsSource],
        size: ReplicationSize,
    ) -> None:
        super().__init__(scope, id)
        stack = cdk.Stack.of(self)
        # DMS reads its VPC role by this very name ("Creating the IAM roles to use with AWS DMS"), one an account.
        vpc_role = iam.Role(
            self,
            "VpcRole",
            role_name="dms-vpc-role",
            assumed_by=iam.ServicePrincipal("dms.amazonaws.com"),
            managed_policies=[
                iam.ManagedPolicy.from_aws_managed_policy_name("service-role/AmazonDMSVPCManagementRole")
            ],
        )
        subnets = dms.CfnReplicationSubnetGroup(
            self,
            "Subnets",
            replication_subnet_group_identifier="cdap",
            replication_subnet_group_description="The platform's private subnets",
            subnet_ids=network.subnet_ids,
        )
        subnets.node.add_dependency(vpc_role)
        instance = dms.CfnReplicationInstance(
            self,
            "Instance",
            replication_instance_identifier="cdap",
            replication_instance_class=size.instance_class,
            allocated_storage=size.storage,
            publicly_accessible=False,
            multi_az=size.multi_az,
            auto_minor_version_upgrade=True,
            kms_key_id=lake.key.key_arn,
            replication_subnet_group_identifier=subnets.ref,
            vpc_security_group_ids=[network.services.security_group_id],
        )
        self.writer = iam.Role(
            self,
            "WriterRole",
            role_name="cdap-dms-writer",
            assumed_by=iam.ServicePrincipal("dms.amazonaws.com"),
            description="DMS writes extracted tables under raw/",
        )
        lake.grant_write(self.writer, "raw/*")
        lake.grant_read(self.writer, "raw/*")
        self.secret_reader = iam.Role(
            self,
            "SecretReaderRole",
            role_name="cdap-dms-secret-reader",
            assumed_by=iam.ServicePrincipal(f"dms.{stack.region}.amazonaws.com"),
            description="DMS reads the connection secrets of the sources",
        )
        self.secret_reader.add_to_policy(
            iam.PolicyStatement(
                actions=["secretsmanager:GetSecretValue", "secretsmanager:DescribeSecret"],
                resources=[f"arn:aws:secretsmanager:{stack.region}:{stack.account}:secret:cdap/sources/*"],
            )
        )
        self.secret_reader.add_to_policy(iam.PolicyStatement(actions=["kms:Decrypt"], resources=[lake.key.key_arn]))
        self.tasks: dict[str, dms.CfnReplicationTask] = {}
        for name, source in sources.items():
            self.tasks[name] = self._task(name, source, lake, instance)

    def _task(
        self, name: str, source: DmsSource, lake: Lake, instance: dms.CfnReplicationInstance
    ) -> dms.CfnReplicationTask:
        title = name.title().replace("_", "")
        origin = dms.CfnEndpoint(
            self,
            f"{title}Source",
            endpoint_identifier=f"cdap-{name}-source".replace("_", "-"),
            endpoint_type="source",
            engine_name="postgres",
            database_name=source.database,
            postgre_sql_settings=dms.CfnEndpoint.PostgreSqlSettingsProperty(
                secrets_manager_secret_id=source.secret_name,
                secrets_manager_access_role_arn=self.secret_reader.role_arn,
            ),
        )
        origin.node.add_dependency(self.secret_reader)
        target = dms.CfnEndpoint(
            self,
            f"{title}Target",
            endpoint_identifier=f"cdap-{name}-lake".replace("_", "-"),
            endpoint_type="target",
            engine_name="s3",
            s3_settings=dms.CfnEndpoint.S3SettingsProperty(
                bucket_name=lake.bucket.bucket_name,
                bucket_folder=f"raw/{name}",
                data_format="parquet",
                parquet_version="parquet-2-0",
                parquet_timestamp_in_millisecond=False,
                encryption_mode="sse-kms",
                server_side_encryption_kms_key_id=lake.key.key_arn,
                service_access_role_arn=self.writer.role_arn,
            ),
        )
        target.node.add_dependency(self.writer)
        every_table = {
            "rules": [
                {
                    "rule-type": "selection",
                    "rule-id": str(number),
                    "rule-name": table,
                    "object-locator": {"schema-name": source.schema_name, "table-name": table},
                    "rule-action": "include",
                }
                for number, table in enumerate(sorted(source.tables), start=1)
            ]
        }
        return dms.CfnReplicationTask(
            self,
            f"{title}Task",
            replication_task_identifier=f"cdap-{name}".replace("_", "-"),
            migration_type="full-load",
            replication_instance_arn=instance.ref,
            source_endpoint_arn=origin.ref,
            target_endpoint_arn=target.ref,
            # A load's own mappings (folder and window) are set by the DAG before each start.
            table_mappings=json.dumps(every_table),
            replication_task_settings=json.dumps(TASK_SETTINGS),
        )
