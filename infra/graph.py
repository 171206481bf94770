"""The identity graph: a Neptune cluster inside the private subnets, that takes signed requests of Airflow's role."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_neptune as neptune
from constructs import Construct

from cdap.config.environments import GraphSize
from infra.lake import Lake
from infra.network import Network

CLUSTER = "cdap-identity"
# Takes gremlinpython up to 3.7.3 ("Engine releases for Amazon Neptune").
ENGINE_VERSION = "1.4.5.1"


class Graph(Construct):
    """`endpoint` is the WebSocket URL of the instance that writes, without path; `loader_role` is the role by which the
    cluster reads what is to be loaded in bulk."""

    def __init__(
        self, scope: Construct, id: str, *, network: Network, lake: Lake, writer: iam.Role, size: GraphSize
    ) -> None:
        super().__init__(scope, id)
        stack = cdk.Stack.of(self)
        subnets = neptune.CfnDBSubnetGroup(
            self,
            "Subnets",
            db_subnet_group_name=CLUSTER,
            db_subnet_group_description="Private subnets of the identity graph",
            subnet_ids=network.subnet_ids,
        )
        self.loader_role = iam.Role(
            self,
            "LoaderRole",
            role_name="cdap-graph-loader",
            # Neptune is operated by the service principal of RDS ("Prerequisites: IAM role and Amazon S3 access").
            assumed_by=iam.ServicePrincipal("rds.amazonaws.com"),
            description="Neptune's bulk loader reads elements of the identity graph",
        )
        lake.grant_read(self.loader_role, "graph/loads/*")
        self.cluster = neptune.CfnDBCluster(
            self,
            "Cluster",
            db_cluster_identifier=CLUSTER,
            engine_version=ENGINE_VERSION,
            db_subnet_group_name=subnets.ref,
            vpc_security_group_ids=[network.services.security_group_id],
            iam_auth_enabled=True,
            associated_roles=[
                neptune.CfnDBCluster.DBClusterRoleProperty(role_arn=self.loader_role.role_arn),
            ],
            storage_encrypted=True,
            kms_key_id=lake.key.key_arn,
            # The graph follows from the warehouse at any time: a backup spares the time to build it anew.
            backup_retention_period=7,
        )
        for number in range(1, size.instances + 1):
            instance = neptune.CfnDBInstance(
                self,
                f"Instance{number}",
                db_instance_identifier=f"{CLUSTER}-{number}",
                db_cluster_identifier=self.cluster.ref,
                db_instance_class=size.instance_class,
                auto_minor_version_upgrade=True,
            )
            instance.add_resource_dependency(self.cluster)
        self.endpoint = f"{size.scheme}://{self.cluster.attr_endpoint}:{self.cluster.attr_port}"
        lake.grant_read(writer, "graph/loads/*")
        lake.grant_write(writer, "graph/loads/*")
        writer.add_to_policy(
            iam.PolicyStatement(
                actions=[
                    *(f"neptune-db:{verb}DataViaQuery" for verb in ("Read", "Write", "Delete")),
                    *(f"neptune-db:{of}" for of in ("StartLoaderJob", "CancelLoaderJob")),
                    *(f"neptune-db:{of}" for of in ("GetLoaderJobStatus", "ListLoaderJobs")),
                ],
                resources=[
                    f"arn:aws:neptune-db:{stack.region}:{stack.account}:{self.cluster.attr_cluster_resource_id}/*"
                ],
            )
        )
