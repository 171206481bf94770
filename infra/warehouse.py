"""The warehouse: Redshift Serverless, its role for Spectrum, COPY and UNLOAD."""

from __future__ import annotations

import json

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_redshiftserverless as redshift
from aws_cdk import aws_secretsmanager as secretsmanager
from constructs import Construct

from cdap.config.environments import WarehouseSize
from infra.lake import Lake
from infra.network import Network

DATABASE = "cdap"
ADMIN = "cdap_admin"


class Warehouse(Construct):
    """A namespace with a managed admin secret, and a workgroup inside the private subnets."""

    def __init__(self, scope: Construct, id: str, *, network: Network, lake: Lake, size: WarehouseSize) -> None:
        super().__init__(scope, id)
        self.role = iam.Role(
            self,
            "Role",
            role_name="cdap-warehouse",
            assumed_by=iam.CompositePrincipal(
                iam.ServicePrincipal("redshift.amazonaws.com"),
                iam.ServicePrincipal("redshift-serverless.amazonaws.com"),
            ),
            description="Redshift reads the lake through the Glue catalog and unloads checked records to it",
        )
        lake.grant_read(self.role, "raw/*", "clean/*", "quarantine/*", "mended/*", "publish/*", "identity/exchange/*")
        lake.grant_write(self.role, "clean/*", "quarantine/*", "publish/*", "identity/exchange/*")
        lake.grant_catalog(self.role, "raw", "clean")
        self.role.add_to_policy(iam.PolicyStatement(actions=["lakeformation:GetDataAccess"], resources=["*"]))
        # Redshift can manage the password itself, but CloudFormation gives no attribute for that secret's ARN.
        self.secret = secretsmanager.Secret(
            self,
            "AdminSecret",
            secret_name="cdap/warehouse/admin",  # noqa: S106
            description="Admin user of the warehouse",
            encryption_key=lake.key,
            generate_secret_string=secretsmanager.SecretStringGenerator(
                secret_string_template=json.dumps({"username": ADMIN}),
                generate_string_key="password",
                password_length=32,
                exclude_punctuation=True,
            ),
        )
        self.namespace = redshift.CfnNamespace(
            self,
            "Namespace",
            namespace_name="cdap",
            db_name=DATABASE,
            admin_username=ADMIN,
            admin_user_password=self.secret.secret_value_from_json("password").unsafe_unwrap(),
            iam_roles=[self.role.role_arn],
            kms_key_id=lake.key.key_arn,
            log_exports=["userlog", "connectionlog", "useractivitylog"],
        )
        self.namespace.node.add_dependency(self.role)
        self.workgroup = redshift.CfnWorkgroup(
            self,
            "Workgroup",
            workgroup_name="cdap",
            namespace_name="cdap",
            base_capacity=size.base_capacity,
            max_capacity=size.max_capacity,
            enhanced_vpc_routing=True,
            publicly_accessible=False,
            subnet_ids=network.subnet_ids,
            security_group_ids=[network.services.security_group_id],
            config_parameters=[
                redshift.CfnWorkgroup.ConfigParameterProperty(
                    parameter_key="require_ssl", parameter_value=str(size.sslmode != "disable").lower()
                )
            ],
        )
        self.workgroup.add_resource_dependency(self.namespace)

    @property
    def secret_arn(self) -> str:
        """ARN of the admin's secret; it holds `username` and `password`."""
        return self.secret.secret_arn

    @property
    def host(self) -> str:
        """Host name of the workgroup's endpoint."""
        return self.workgroup.attr_workgroup_endpoint_address

    @property
    def port(self) -> str:
        """Port of the workgroup's endpoint, as text."""
        return cdk.Token.as_string(self.workgroup.attr_workgroup_endpoint_port)
