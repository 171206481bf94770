"""Airflow on AWS: Fargate services of the project's image, with their metadata database."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_iam as iam
from aws_cdk import aws_logs as logs
from aws_cdk import aws_rds as rds
from aws_cdk import aws_secretsmanager as secretsmanager
from constructs import Construct

from cdap.config import Environment
from infra.platform import PlatformStack

# One process a service, as `docker-compose.yaml` runs them; CPU units and MiB.
SERVICES = {
    "api-server": (1024, 2048),
    "scheduler": (1024, 4096),
    "dag-processor": (512, 2048),
    "triggerer": (512, 1024),
}


class AirflowStack(cdk.Stack):
    """Cluster, metadata database and the four services; tasks run in the scheduler's container (LocalExecutor)."""

    def __init__(
        self, scope: Construct, id: str, *, platform: PlatformStack, environment: Environment, account: str, image: str
    ) -> None:
        super().__init__(
            scope,
            id,
            env=cdk.Environment(account=account, region=environment.region),
            description="Customer Data Analytics Platform: Airflow",
            synthesizer=cdk.DefaultStackSynthesizer(generate_bootstrap_version_rule=False),
        )
        vpc, group = platform.network.vpc, platform.network.services
        database = rds.DatabaseInstance(
            self,
            "Metadata",
            engine=rds.DatabaseInstanceEngine.postgres(version=rds.PostgresEngineVersion.VER_17_9),
            instance_type=ec2.InstanceType("t4g.small"),
            vpc=vpc,
            vpc_subnets=ec2.SubnetSelection(subnet_type=ec2.SubnetType.PRIVATE_ISOLATED),
            security_groups=[group],
            database_name="airflow",
            credentials=rds.Credentials.from_generated_secret("airflow", secret_name="cdap/airflow/metadata"),  # noqa: S106
            storage_encrypted=True,
            multi_az=environment.retain,
            backup_retention=cdk.Duration.days(7),
            deletion_protection=environment.retain,
            removal_policy=cdk.RemovalPolicy.SNAPSHOT if environment.retain else cdk.RemovalPolicy.DESTROY,
        )
        signing = secretsmanager.Secret(
            self,
            "SigningKey",
            secret_name="cdap/airflow/signing-key",  # noqa: S106
            generate_secret_string=secretsmanager.SecretStringGenerator(password_length=64, exclude_punctuation=True),
        )
        cluster = ecs.Cluster(
            self,
            "Cluster",
            cluster_name="cdap-airflow",
            vpc=vpc,
            container_insights_v2=ecs.ContainerInsights.ENABLED,
        )
        execution = iam.Role(
            self,
            "ExecutionRole",
            role_name="cdap-airflow-execution",
            assumed_by=iam.ServicePrincipal("ecs-tasks.amazonaws.com"),
            managed_policies=[
                iam.ManagedPolicy.from_aws_managed_policy_name("service-role/AmazonECSTaskExecutionRolePolicy")
            ],
        )
        for name, (cpu, memory) in SERVICES.items():
            title = name.title().replace("-", "")
            definition = ecs.FargateTaskDefinition(
                self,
                f"{title}Task",
                family=f"cdap-airflow-{name}",
                cpu=cpu,
                memory_limit_mib=memory,
                task_role=iam.Role.from_role_arn(self, f"{title}Role", f"arn:aws:iam::{account}:role/cdap-airflow"),
                execution_role=execution,
            )
            assert database.secret is not None
            definition.add_container(
                "airflow",
                image=ecs.ContainerImage.from_registry(image),
                command=["airflow", name],
                environment={
                    "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
                    "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
                    "AIRFLOW_CONN_AWS_DEFAULT": "aws://",
                    "CDAP_ENVIRONMENT": environment.name,
                    # One service migrates the metadata database when it starts (docker/entrypoint.py).
                    "CDAP_MIGRATE_METADATA": "true" if name == "scheduler" else "false",
                },
                secrets={
                    "CDAP_METADATA_HOST": ecs.Secret.from_secrets_manager(database.secret, "host"),
                    "CDAP_METADATA_PASSWORD": ecs.Secret.from_secrets_manager(database.secret, "password"),
                    "AIRFLOW__API_AUTH__JWT_SECRET": ecs.Secret.from_secrets_manager(signing),
                },
                logging=ecs.LogDrivers.aws_logs(
                    stream_prefix=name,
                    log_group=logs.LogGroup(
                        self,
                        f"{title}Log",
                        log_group_name=f"/cdap/airflow/{name}",
                        retention=logs.RetentionDays.THREE_MONTHS,
                        removal_policy=cdk.RemovalPolicy.DESTROY,
                    ),
                ),
                port_mappings=[ecs.PortMapping(container_port=8080)] if name == "api-server" else None,
            )
            ecs.FargateService(
                self,
                title,
                service_name=name,
                cluster=cluster,
                task_definition=definition,
                desired_count=1,
                min_healthy_percent=0 if name == "scheduler" else 100,
                security_groups=[group],
                vpc_subnets=ec2.SubnetSelection(subnet_type=ec2.SubnetType.PRIVATE_ISOLATED),
                circuit_breaker=ecs.DeploymentCircuitBreaker(rollback=True),
            )
