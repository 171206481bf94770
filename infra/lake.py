"""The lake: one encrypted bucket, its prefixes' lifecycles, and the Glue catalog over it."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_glue as glue
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import Construct

DATABASES = {
    "raw": "What the sources delivered, load by load",
    "clean": "Typed records that keep their contract",
    "discovered": "Schemas as the crawler found them",
}


# Days after which what a run wrote for itself or to be looked at goes. Under `identity/exchange/` are records of
# persons on their way to identity resolution and back, under `graph/loads/` elements on their way to the graph; a task
# that ends takes its own away.
EXPIRES = {
    "publish": 7,
    "quality": 90,
    "athena": 30,
    "identity/exchange": 1,
    "identity/evidence": 90,
    "graph/loads": 1,
}


def _expires(folder: str, days: int) -> s3.LifecycleRule:
    return s3.LifecycleRule(
        id=f"{folder.replace('/', '-')}-expires",
        prefix=f"{folder}/",
        expiration=cdk.Duration.days(days),
        noncurrent_version_expiration=cdk.Duration.days(1),
    )


class Lake(Construct):
    """Bucket, key, the Glue databases and the crawler that discovers schemas."""

    def __init__(self, scope: Construct, id: str, *, retain: bool, raw_days: int) -> None:
        super().__init__(scope, id)
        stack = cdk.Stack.of(self)
        removal = cdk.RemovalPolicy.RETAIN if retain else cdk.RemovalPolicy.DESTROY
        self.key = kms.Key(
            self,
            "Key",
            alias="alias/cdap",
            enable_key_rotation=True,
            removal_policy=removal,
            description="Encrypts the lake, the warehouse, the index and the secrets",
        )
        self.bucket = s3.Bucket(
            self,
            "Bucket",
            bucket_name=f"cdap-lake-{stack.account}-{stack.region}",
            encryption=s3.BucketEncryption.KMS,
            encryption_key=self.key,
            bucket_key_enabled=True,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            enforce_ssl=True,
            versioned=True,
            removal_policy=removal,
            lifecycle_rules=[
                # Raw is the evidence from which everything can be made again: kept, but moved out of the hot class.
                s3.LifecycleRule(
                    id="raw-cools",
                    prefix="raw/",
                    transitions=[
                        s3.Transition(
                            storage_class=s3.StorageClass.INTELLIGENT_TIERING, transition_after=cdk.Duration.days(30)
                        )
                    ],
                    expiration=cdk.Duration.days(raw_days),
                    noncurrent_version_expiration=cdk.Duration.days(30),
                ),
                *(_expires(prefix, days) for prefix, days in EXPIRES.items()),
                s3.LifecycleRule(id="dbt-expires", prefix="dbt/", noncurrent_version_expiration=cdk.Duration.days(90)),
                s3.LifecycleRule(id="uploads-abort", abort_incomplete_multipart_upload_after=cdk.Duration.days(7)),
            ],
        )
        self.databases = {
            name: glue.CfnDatabase(
                self,
                f"{name.capitalize()}Database",
                catalog_id=stack.account,
                database_input=glue.CfnDatabase.DatabaseInputProperty(name=f"cdap_{name}", description=description),
            )
            for name, description in DATABASES.items()
        }
        self.crawler_role = iam.Role(
            self,
            "CrawlerRole",
            role_name="cdap-crawler",
            assumed_by=iam.ServicePrincipal("glue.amazonaws.com"),
            description="Reads raw objects and writes what it found to the database of discovered schemas",
        )
        self.grant_read(self.crawler_role, "raw/*")
        self.grant_catalog(self.crawler_role, "discovered", write=True)
        self.crawler_role.add_to_policy(
            iam.PolicyStatement(
                actions=["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"],
                resources=[f"arn:aws:logs:{stack.region}:{stack.account}:log-group:/aws-glue/crawlers*"],
            )
        )
        self.crawler = glue.CfnCrawler(
            self,
            "Crawler",
            name="cdap-discover",
            role=self.crawler_role.role_arn,
            database_name="cdap_discovered",
            description="Run by the ingest DAGs on a source's first load and when its schema changes",
            targets=glue.CfnCrawler.TargetsProperty(
                s3_targets=[glue.CfnCrawler.S3TargetProperty(path=f"s3://{self.bucket.bucket_name}/raw/")]
            ),
            schema_change_policy=glue.CfnCrawler.SchemaChangePolicyProperty(
                update_behavior="UPDATE_IN_DATABASE", delete_behavior="LOG"
            ),
        )
        self.crawler.add_resource_dependency(self.databases["discovered"])

    def grant_read(self, role: iam.IRole, *prefixes: str) -> None:
        """Let `role` read objects under the key patterns and list the bucket there."""
        self._grant(role, ["s3:GetObject"], prefixes)
        role.add_to_principal_policy(
            iam.PolicyStatement(
                actions=["s3:ListBucket"],
                resources=[self.bucket.bucket_arn],
                conditions={"StringLike": {"s3:prefix": list(prefixes)}},
            )
        )
        role.add_to_principal_policy(
            iam.PolicyStatement(actions=["s3:GetBucketLocation"], resources=[self.bucket.bucket_arn])
        )
        role.add_to_principal_policy(iam.PolicyStatement(actions=["kms:Decrypt"], resources=[self.key.key_arn]))

    def grant_write(self, role: iam.IRole, *prefixes: str) -> None:
        """Let `role` write, replace and delete objects under the key patterns."""
        self._grant(
            role,
            ["s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"],
            prefixes,
        )
        role.add_to_principal_policy(
            iam.PolicyStatement(
                actions=["kms:GenerateDataKey", "kms:Encrypt", "kms:Decrypt"], resources=[self.key.key_arn]
            )
        )

    def grant_catalog(self, role: iam.IRole, *databases: str, write: bool = False) -> None:
        """Let `role` read Glue databases and, with `write`, change their tables' definitions and partitions."""
        stack = cdk.Stack.of(self)
        arn = f"arn:aws:glue:{stack.region}:{stack.account}"
        actions = [
            "glue:GetDatabase",
            "glue:GetTable",
            "glue:GetTables",
            "glue:GetPartition",
            "glue:GetPartitions",
            "glue:BatchGetPartition",
        ]
        if write:
            actions += [
                "glue:CreateTable",
                "glue:UpdateTable",
                "glue:DeleteTable",
                "glue:CreatePartition",
                "glue:UpdatePartition",
                "glue:BatchCreatePartition",
                "glue:BatchUpdatePartition",
                "glue:BatchDeletePartition",
            ]
        names = [f"cdap_{name}" for name in databases]
        role.add_to_principal_policy(
            iam.PolicyStatement(
                actions=actions,
                resources=[
                    f"{arn}:catalog",
                    *(f"{arn}:database/{n}" for n in names),
                    *(f"{arn}:table/{n}/*" for n in names),
                ],
            )
        )

    def _grant(self, role: iam.IRole, actions: list[str], prefixes: tuple[str, ...]) -> None:
        role.add_to_principal_policy(
            iam.PolicyStatement(actions=actions, resources=[self.bucket.arn_for_objects(prefix) for prefix in prefixes])
        )
