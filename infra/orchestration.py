"""What Airflow may do: its task role, statement by statement the calls that the DAGs make, and the alert topic."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_sns as sns
from constructs import Construct

from infra.lake import Lake
from infra.replication import Replication
from infra.saas import Saas
from infra.warehouse import Warehouse


class Orchestration(Construct):
    """`role` is the task role of Airflow's containers, `alerts` the topic that operators subscribe to."""

    def __init__(self, scope: Construct, id: str, *, lake: Lake, alerts_email: str | None) -> None:
        super().__init__(scope, id)
        stack = cdk.Stack.of(self)
        self._arn = f"{stack.region}:{stack.account}"
        self.alerts = sns.Topic(self, "Alerts", topic_name="cdap-alerts", master_key=lake.key)
        if alerts_email is not None:
            sns.Subscription(
                self, "AlertsEmail", topic=self.alerts, protocol=sns.SubscriptionProtocol.EMAIL, endpoint=alerts_email
            )
        self.role = iam.Role(
            self,
            "Role",
            role_name="cdap-airflow",
            assumed_by=iam.ServicePrincipal("ecs-tasks.amazonaws.com"),
            description="Task role of Airflow: it starts and watches the services that do the work",
        )
        self._allow(
            ["ssm:GetParameter", "ssm:GetParameters", "ssm:GetParametersByPath"],
            f"arn:aws:ssm:{self._arn}:parameter/cdap",
            f"arn:aws:ssm:{self._arn}:parameter/cdap/*",
        )
        self._allow(
            ["secretsmanager:GetSecretValue"],
            f"arn:aws:secretsmanager:{self._arn}:secret:cdap/airflow/*",
        )
        self._allow(["sns:Publish"], self.alerts.topic_arn)
        # Footers of landed files, documents to publish, quarantined and mended records, results of expectations,
        # records that are resolved and the models by which they are.
        read = ("raw/*", "clean/*", "quarantine/*", "mended/*", "publish/*", "quality/*", "dbt/*", "identity/*")
        lake.grant_read(self.role, *read)
        lake.grant_write(self.role, "mended/*", "publish/*", "quality/*", "dbt/*", "identity/*")
        lake.grant_catalog(self.role, "raw", "clean", write=True)
        lake.grant_catalog(self.role, "discovered")
        self._allow(
            ["glue:GetCrawler", "glue:StartCrawler", "glue:UpdateCrawler"],
            f"arn:aws:glue:{self._arn}:crawler/{lake.crawler.name}",
        )
        self.role.add_to_policy(
            iam.PolicyStatement(
                actions=["iam:PassRole"],
                resources=[lake.crawler_role.role_arn],
                conditions={"StringEquals": {"iam:PassedToService": "glue.amazonaws.com"}},
            )
        )

    def may_replicate(self, replication: Replication) -> None:
        """Let Airflow set up, start, stop and watch the replication tasks."""
        self._allow(
            [
                "dms:ModifyReplicationTask",
                "dms:StartReplicationTask",
                "dms:StopReplicationTask",
                "dms:DescribeTableStatistics",
            ],
            *(task.ref for task in replication.tasks.values()),
        )
        # DescribeReplicationTasks knows no resource ("Actions, resources, and condition keys for AWS DMS").
        self._allow(["dms:DescribeReplicationTasks"], "*")

    def may_run_flows(self, saas: Saas) -> None:
        """Let Airflow set up, start, stop and watch the flows."""
        if saas.flows:
            self._allow(
                [
                    "appflow:DescribeFlow",
                    "appflow:UpdateFlow",
                    "appflow:StartFlow",
                    "appflow:CancelFlowExecutions",
                    "appflow:DescribeFlowExecutionRecords",
                ],
                *(flow.attr_flow_arn for flow in saas.flows.values()),
            )
            # UpdateFlow names the connection again.
            self._allow(["appflow:UseConnectorProfile"], f"arn:aws:appflow:{self._arn}:connectorprofile/cdap-*")

    def may_query(self, warehouse: Warehouse) -> None:
        """Let Airflow read the warehouse's admin secret and use the Data API on its workgroup."""
        warehouse.secret.grant_read(self.role)
        self._allow(["redshift-serverless:GetWorkgroup"], warehouse.workgroup.attr_workgroup_workgroup_arn)

    def _allow(self, actions: list[str], *resources: str) -> None:
        self.role.add_to_policy(iam.PolicyStatement(actions=actions, resources=list(resources)))
