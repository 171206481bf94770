"""What the template says is what the services answer, after the first deployment and after one of other sizes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from cdap.config import Environment, load_environment
from demo.machine import Machine
from tests.end_to_end.world import PROJECT, client

CONFIG = PROJECT / "config"
GIBIBYTE = 1024**3
# Another size of everything that an environment's file sizes.
OTHER = {
    "raw_days: 90": "raw_days: 120",
    "  base_capacity: 8": "  base_capacity: 16",
    "  max_capacity: 16": "  max_capacity: 32",
    "  volume: 10": "  volume: 20",
    "  storage: 50": "  storage: 60",
    "  instance_class: dms.t3.medium": "  instance_class: dms.t3.large",
    "  instance_class: db.t4g.medium": "  instance_class: db.r6g.large",
    "retain: false": "retain: false\nathena_scan_limit: 7\nalerts_email: someone@example.com",
}


def expected(size: Environment) -> dict[str, Any]:
    """What an environment's file and the security rules ask for."""
    return {
        "lake: public access": {"BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets"},
        "lake: encryption": ("aws:kms", True),
        "lake: versions": "Enabled",
        "lake: raw is kept, days": size.raw_days,
        "lake: refused without TLS": True,
        "key: rotates": True,
        "warehouse: capacity": (size.warehouse.base_capacity, size.warehouse.max_capacity),
        "warehouse: network": (True, False),
        "warehouse: TLS": str(size.warehouse.sslmode != "disable").lower(),
        "warehouse: logs": {"userlog", "connectionlog", "useractivitylog"},
        "replication: size": (size.replication.instance_class, size.replication.storage, size.replication.multi_az),
        "replication: public": False,
        "replication: target": "sse-kms",
        "search: size": (size.search.instance_type, size.search.instances, size.search.volume),
        "search: encryption": (True, True),
        "search: policy": ("cdap-airflow", "es:ESHttp*"),
        "graph: size": [size.graph.instance_class] * size.graph.instances,
        "graph: encryption, IAM, backups": (True, True, 7),
        "athena: limit": size.athena_scan_limit * GIBIBYTE,
        "athena: results": (True, "SSE_KMS"),
        "alerts: encryption": True,
        "alerts: receivers": [size.alerts_email] if size.alerts_email else [],
        "encrypted by the platform's key": {"warehouse", "replication", "search", "graph", "lake", "secret"},
    }


def answered(machine: Machine) -> dict[str, Any]:
    """The same, read from each service."""
    kms, s3 = client(machine, "kms"), client(machine, "s3")
    key = kms.describe_key(KeyId="alias/cdap")["KeyMetadata"]
    bucket = parameter(machine, "lake/bucket")
    public = s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"]
    (rule,) = s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"]
    encryption = rule["ApplyServerSideEncryptionByDefault"]
    lifecycle = {r["ID"]: r for r in s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]}
    policy = json.loads(s3.get_bucket_policy(Bucket=bucket)["Policy"])["Statement"]
    serverless = client(machine, "redshift-serverless")
    workgroup = serverless.get_workgroup(workgroupName="cdap")["workgroup"]
    namespace = serverless.get_namespace(namespaceName="cdap")["namespace"]
    dms = client(machine, "dms")
    (replication,) = dms.describe_replication_instances()["ReplicationInstances"]
    (target,) = (e for e in dms.describe_endpoints()["Endpoints"] if e["EndpointIdentifier"] == "cdap-shop-lake")
    domain = client(machine, "opensearch").describe_domain(DomainName="cdap-profiles")["DomainStatus"]
    (allowed,) = json.loads(domain["AccessPolicies"])["Statement"]
    neptune = client(machine, "neptune")
    (cluster,) = neptune.describe_db_clusters(DBClusterIdentifier="cdap-identity")["DBClusters"]
    of_cluster = [{"Name": "db-cluster-id", "Values": ["cdap-identity"]}]
    graph_nodes = neptune.describe_db_instances(Filters=of_cluster)["DBInstances"]
    athena = client(machine, "athena").get_work_group(WorkGroup="cdap")["WorkGroup"]["Configuration"]
    sns = client(machine, "sns")
    topic = parameter(machine, "alerts/topic_arn")
    receivers = sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
    secret = client(machine, "secretsmanager").describe_secret(SecretId=parameter(machine, "warehouse/secret_arn"))
    keys = {
        "warehouse": namespace["kmsKeyId"], "replication": replication["KmsKeyId"], "graph": cluster["KmsKeyId"],
        "search": domain["EncryptionAtRestOptions"]["KmsKeyId"], "lake": encryption["KMSMasterKeyID"],
        "secret": secret["KmsKeyId"],
    }  # fmt: skip
    return {
        "lake: public access": {name for name, blocked in public.items() if blocked},
        "lake: encryption": (encryption["SSEAlgorithm"], rule["BucketKeyEnabled"]),
        "lake: versions": s3.get_bucket_versioning(Bucket=bucket)["Status"],
        "lake: raw is kept, days": lifecycle["raw-cools"]["Expiration"]["Days"],
        "lake: refused without TLS": any(
            s["Effect"] == "Deny" and s["Condition"] == {"Bool": {"aws:SecureTransport": "false"}} for s in policy
        ),
        "key: rotates": kms.get_key_rotation_status(KeyId=key["KeyId"])["KeyRotationEnabled"],
        "warehouse: capacity": (workgroup["baseCapacity"], workgroup["maxCapacity"]),
        "warehouse: network": (workgroup["enhancedVpcRouting"], workgroup["publiclyAccessible"]),
        "warehouse: TLS": next(
            p["parameterValue"] for p in workgroup["configParameters"] if p["parameterKey"] == "require_ssl"
        ),
        "warehouse: logs": set(namespace["logExports"]),
        "replication: size": (
            replication["ReplicationInstanceClass"], replication["AllocatedStorage"], replication["MultiAZ"],
        ),
        "replication: public": replication["PubliclyAccessible"],
        "replication: target": target["S3Settings"]["EncryptionMode"],
        "search: size": (
            domain["ClusterConfig"]["InstanceType"], domain["ClusterConfig"]["InstanceCount"],
            domain["EBSOptions"]["VolumeSize"],
        ),
        "search: encryption": (
            domain["EncryptionAtRestOptions"]["Enabled"], domain["NodeToNodeEncryptionOptions"]["Enabled"],
        ),
        "search: policy": (allowed["Principal"]["AWS"].rsplit("/", 1)[-1], allowed["Action"]),
        "graph: size": [node["DBInstanceClass"] for node in graph_nodes],
        "graph: encryption, IAM, backups": (
            cluster["StorageEncrypted"], cluster["IAMDatabaseAuthenticationEnabled"], cluster["BackupRetentionPeriod"],
        ),
        "athena: limit": athena["BytesScannedCutoffPerQuery"],
        "athena: results": (
            athena["EnforceWorkGroupConfiguration"],
            athena["ResultConfiguration"]["EncryptionConfiguration"]["EncryptionOption"],
        ),
        "alerts: encryption": sns.get_topic_attributes(TopicArn=topic)["Attributes"]["KmsMasterKeyId"] == key["Arn"],
        "alerts: receivers": [r["Endpoint"] for r in receivers if r["Protocol"] == "email"],
        "encrypted by the platform's key": {name for name, used in keys.items() if used in (key["Arn"], key["KeyId"])},
    }  # fmt: skip


def parameter(machine: Machine, name: str) -> str:
    return str(client(machine, "ssm").get_parameter(Name=f"/cdap/{name}")["Parameter"]["Value"])


def deploy(machine: Machine, config: Path) -> None:
    machine.run("cdap", "deploy", "--json", env=machine.owner | {"CDAP_CONFIG_DIR": str(config)})


def test_every_property_that_matters_is_what_the_template_says(machine: Machine, tmp_path: Path) -> None:
    as_it_was = expected(load_environment(CONFIG, "dev"))
    assert answered(machine) == as_it_was

    other = tmp_path / "config"
    shutil.copytree(CONFIG, other)
    file = other / "environments" / "dev.yaml"
    text = file.read_text(encoding="utf-8")
    for old, new in OTHER.items():
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    file.write_text(text, encoding="utf-8")
    changed = expected(load_environment(other, "dev"))
    assert len([name for name in changed if changed[name] != as_it_was[name]]) >= 7
    try:
        deploy(machine, other)
        assert answered(machine) == changed
    finally:
        deploy(machine, CONFIG)
    assert answered(machine) == as_it_was
