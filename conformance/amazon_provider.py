"""The system tests of Airflow's amazon provider: whole DAGs, as its maintainers run them against AWS."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path

from conformance.peers import CACHE, PLUGINS, Peer, Results, run_pytest
from localcloud.base.cloud import Credentials, make_client
from localcloud.servers.machine import Machine

NAME = "amazon-provider"
AIRFLOW = "3.3.2"
PEER = Peer(
    NAME,
    "apache-airflow-providers-amazon==9.39.0",
    (f"apache-airflow=={AIRFLOW}", "apache-airflow-providers-amazon[pandas]==9.39.0",
     "apache-airflow-providers-standard==1.21.0", "apache-airflow-providers-common-sql[pandas]==2.4.0",
     "pytest==8.4.2", "pytest-timeout==2.4.0"),
)  # fmt: skip
REGION = "eu-central-1"
# Those of the services that the platform is built on.
EXAMPLES = ("athena", "cloudformation", "dynamodb", "eventbridge", "glue", "glue_catalog", "lambda", "local_to_s3",
            "neptune", "redshift", "redshift_s3_transfers", "s3", "sns", "sql_to_s3", "sqs")  # fmt: skip
_FOLDER = Path("tests") / "system" / "amazon" / "aws"


def run(selected: list[str], jobs: int) -> Results:
    """Runs the examples, or the selected files (`example_sns.py`); one after another, for they share one warehouse."""
    folder = PEER.fetch()
    files = selected or [f"example_{name}.py" for name in EXAMPLES]
    with tempfile.TemporaryDirectory(prefix="conformance-") as temporary:
        machine, home = Machine(Path(temporary) / "state"), Path(temporary) / "airflow"
        # Airflow looks for a DAG that is tested among its own; in the distribution's folder it would read all.
        (home / "dags").mkdir(parents=True)
        for name in files:
            (home / "dags" / name).symlink_to(folder / _FOLDER / name)
        try:
            machine.up(region=REGION, without=frozenset({"opensearch", "postgres"}))
            return run_pytest(
                PEER.python,
                folder,
                # Their conftest is of the repository that the distribution was cut out of.
                ["--noconftest", "-c", os.devnull, "--rootdir", str(folder), "-o", "python_files=example_*.py",
                 "-p", "airflow_database", "-p", "redshift_without_tls", "--timeout", "900", "-rfE",
                 *(str(_FOLDER / name) for name in files)],
                _environment(machine, folder, home),
                CACHE / f"{NAME}.xml",
            )  # fmt: skip
        finally:
            machine.down()


def _environment(machine: Machine, folder: Path, home: Path) -> dict[str, str]:
    """What the maintainers' account has before their tests run: a role, and a network for a cluster."""
    root = Credentials(**json.loads((machine.state / "root.json").read_text()))
    endpoint = machine.addresses()["gateway"].url
    iam, ec2, redshift = (make_client(name, endpoint, REGION, root) for name in ("iam", "ec2", "redshift"))
    services = ["glue.amazonaws.com", "lambda.amazonaws.com"]
    trust = [{"Effect": "Allow", "Principal": {"Service": services}, "Action": "sts:AssumeRole"}]
    everything = [{"Effect": "Allow", "Action": "*", "Resource": "*"}]
    role = iam.create_role(RoleName=NAME, AssumeRolePolicyDocument=_policy(trust))["Role"]["Arn"]
    iam.put_role_policy(RoleName=NAME, PolicyName="everything", PolicyDocument=_policy(everything))
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    networks = [
        ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.0.{number}.0/24", AvailabilityZone=f"{REGION}{zone}")["Subnet"]
        for number, zone in enumerate("ab")
    ]
    subnets = [network["SubnetId"] for network in networks]
    group = ec2.create_security_group(GroupName=NAME, Description=NAME, VpcId=vpc)["GroupId"]
    # Made by the jobs that ran before with continuous logging; an example cleans it up without having one.
    make_client("logs", endpoint, REGION, root).create_log_group(logGroupName="/aws-glue/jobs/logs-v2")
    redshift.create_cluster_subnet_group(ClusterSubnetGroupName=NAME, Description=NAME, SubnetIds=subnets)
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("AIRFLOW", "AWS_"))}
    return {
        **kept,
        "PATH": os.pathsep.join([str(PEER.python.parent), kept.get("PATH", os.defpath)]),
        "PYTHONPATH": os.pathsep.join([str(PLUGINS), str(folder / "tests")]),
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DAGS_FOLDER": str(home / "dags"),
        "AIRFLOW__CORE__UNIT_TEST_MODE": "False",
        "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
        "AWS_ACCESS_KEY_ID": root.access_key_id,
        "AWS_SECRET_ACCESS_KEY": root.secret_access_key,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_REGION": REGION,
        "AWS_ENDPOINT_URL": endpoint,
        "ROLE_ARN": role,
        "SECURITY_GROUP": group,
        "CLUSTER_SUBNET_GROUP": NAME,
    }


def _policy(statements: list[dict[str, object]]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": statements})
