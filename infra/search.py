"""The profile index: an OpenSearch domain inside the private subnets, open to Airflow's role alone."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_opensearchservice as opensearch
from constructs import Construct

from cdap.config.environments import SearchSize
from infra.lake import Lake
from infra.network import Network

DOMAIN = "cdap-profiles"


class Search(Construct):
    """`endpoint` is the URL that clients sign their requests for."""

    def __init__(
        self, scope: Construct, id: str, *, network: Network, lake: Lake, reader: iam.Role, size: SearchSize
    ) -> None:
        super().__init__(scope, id)
        stack = cdk.Stack.of(self)
        zones = min(size.instances, len(network.subnet_ids))
        self.domain = opensearch.CfnDomain(
            self,
            "Domain",
            domain_name=DOMAIN,
            engine_version="OpenSearch_2.19",
            cluster_config=opensearch.CfnDomain.ClusterConfigProperty(
                instance_type=size.instance_type,
                instance_count=size.instances,
                zone_awareness_enabled=zones > 1,
                zone_awareness_config=opensearch.CfnDomain.ZoneAwarenessConfigProperty(availability_zone_count=zones)
                if zones > 1
                else None,
            ),
            ebs_options=opensearch.CfnDomain.EBSOptionsProperty(
                ebs_enabled=True, volume_size=size.volume, volume_type="gp3"
            ),
            encryption_at_rest_options=opensearch.CfnDomain.EncryptionAtRestOptionsProperty(
                enabled=True, kms_key_id=lake.key.key_id
            ),
            node_to_node_encryption_options=opensearch.CfnDomain.NodeToNodeEncryptionOptionsProperty(enabled=True),
            domain_endpoint_options=opensearch.CfnDomain.DomainEndpointOptionsProperty(
                enforce_https=size.scheme == "https", tls_security_policy="Policy-Min-TLS-1-2-PFS-2023-10"
            ),
            vpc_options=opensearch.CfnDomain.VPCOptionsProperty(
                subnet_ids=network.subnet_ids[:zones], security_group_ids=[network.services.security_group_id]
            ),
            access_policies={
                "Version": "2012-10-17",
                "Statement": [
                    {
                        "Effect": "Allow",
                        "Principal": {"AWS": reader.role_arn},
                        "Action": "es:ESHttp*",
                        "Resource": f"arn:aws:es:{stack.region}:{stack.account}:domain/{DOMAIN}/*",
                    }
                ],
            },
        )
        self.domain.node.add_dependency(reader)
        self.endpoint = f"{size.scheme}://{self.domain.attr_domain_endpoint}"
        reader.add_to_policy(
            iam.PolicyStatement(
                actions=["es:ESHttpGet", "es:ESHttpHead", "es:ESHttpPost", "es:ESHttpPut", "es:ESHttpDelete"],
                resources=[f"arn:aws:es:{stack.region}:{stack.account}:domain/{DOMAIN}/*"],
            )
        )
