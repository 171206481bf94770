"""The private network: no internet gateway, no NAT; AWS APIs are reached through VPC endpoints."""

from __future__ import annotations

from collections.abc import Sequence

from aws_cdk import aws_ec2 as ec2
from constructs import Construct

CIDR = "10.40.0.0/16"

# What runs inside the subnets (Airflow on Fargate, DMS, Redshift with enhanced VPC routing) calls these.
INTERFACE_ENDPOINTS = {
    "Appflow": "appflow",
    "Dms": "dms",
    "Ecr": "ecr.api",
    "EcrDocker": "ecr.dkr",
    "Glue": "glue",
    "Kms": "kms",
    "Logs": "logs",
    "Monitoring": "monitoring",
    "RedshiftData": "redshift-data",
    "RedshiftServerless": "redshift-serverless",
    "SecretsManager": "secretsmanager",
    "Sns": "sns",
    "Ssm": "ssm",
    "Sts": "sts",
}


class Network(Construct):
    """A VPC of isolated subnets one a zone, and the services' security group."""

    def __init__(self, scope: Construct, id: str, *, zones: Sequence[str], region: str) -> None:
        super().__init__(scope, id)
        self.vpc = ec2.Vpc(
            self,
            "Vpc",
            ip_addresses=ec2.IpAddresses.cidr(CIDR),
            availability_zones=list(zones),
            nat_gateways=0,
            # CDK empties the default security group with a Lambda of its own otherwise; nothing here uses that group.
            restrict_default_security_group=False,
            subnet_configuration=[
                ec2.SubnetConfiguration(
                    name="private",
                    subnet_type=ec2.SubnetType.PRIVATE_ISOLATED,
                    cidr_mask=24,
                    map_public_ip_on_launch=None,
                )
            ],
        )
        self.services = ec2.SecurityGroup(
            self,
            "Services",
            vpc=self.vpc,
            description="Services of the platform: they reach each other and the VPC endpoints",
            allow_all_outbound=False,
        )
        self.services.add_ingress_rule(self.services, ec2.Port.tcp(443), "AWS APIs and OpenSearch")
        self.services.add_ingress_rule(self.services, ec2.Port.tcp(5439), "Redshift")
        self.services.add_ingress_rule(self.services, ec2.Port.tcp(5432), "PostgreSQL")
        self.services.add_ingress_rule(self.services, ec2.Port.tcp(8182), "Neptune")
        self.services.add_egress_rule(ec2.Peer.ipv4(CIDR), ec2.Port.tcp_range(443, 5439), "Inside the VPC only")
        self.services.add_egress_rule(self.services, ec2.Port.tcp(8182), "Neptune")
        self.vpc.add_gateway_endpoint("S3", service=ec2.GatewayVpcEndpointAwsService.S3)
        self.services.add_egress_rule(ec2.Peer.any_ipv4(), ec2.Port.tcp(443), "S3 through its gateway endpoint")
        for name, service in INTERFACE_ENDPOINTS.items():
            ec2.CfnVPCEndpoint(
                self,
                name,
                vpc_id=self.vpc.vpc_id,
                service_name=f"com.amazonaws.{region}.{service}",
                vpc_endpoint_type="Interface",
                private_dns_enabled=True,
                subnet_ids=self.subnet_ids,
                security_group_ids=[self.services.security_group_id],
            )

    @property
    def subnet_ids(self) -> list[str]:
        """Ids of the private subnets, one a zone."""
        return [subnet.subnet_id for subnet in self.vpc.isolated_subnets]
