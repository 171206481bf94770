"""The stacks by AWS Solutions' security rules (cdk-nag), and the reasons for each that is not kept.

`python -m infra.security --environment prod` prints what is neither kept nor answered, and fails when there is any.
Needs Node as `infra.app` does.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

import aws_cdk as cdk
from cdk_nag import AwsSolutionsChecks

from infra.app import build


@dataclass(frozen=True)
class Answer:
    """Why a rule is not kept: `rule` and `construct` are shell patterns; square brackets stand for themselves."""

    rule: str
    construct: str
    reason: str

    def covers(self, rule: str, construct: str) -> bool:
        return fnmatchcase(rule, self.rule.replace("[", "[[]")) and fnmatchcase(construct, self.construct)


ANSWERS = (
    Answer(
        "AwsSolutions-IAM5[Resource::<LakeBucket*.Arn>/*",
        "cdap-platform/*/DefaultPolicy/Resource",
        "Each role has the prefixes of the lake's bucket that it works on, and objects' names are made at run time.",
    ),
    Answer(
        "AwsSolutions-IAM5[Resource::arn:aws:glue:*:table/cdap_*",
        "cdap-platform/*/DefaultPolicy/Resource",
        "Tables follow from the sources' files; the role is held to the platform's own databases.",
    ),
    Answer(
        "AwsSolutions-IAM5[Resource::arn:aws:*/cdap*",
        "cdap-platform/*/DefaultPolicy/Resource",
        "Parameters, connections and secrets of the platform are told by their prefix; sources add some.",
    ),
    Answer(
        "AwsSolutions-IAM5[Resource::arn:aws:neptune-db:*/*",
        "cdap-platform/*/DefaultPolicy/Resource",
        "The data of a cluster is one resource whose name ends so; the role is held to the identity graph's.",
    ),
    Answer(
        "AwsSolutions-IAM5[Resource::arn:aws:secretsmanager:*:secret:cdap/*",
        "cdap-platform/*/DefaultPolicy/Resource",
        "A secret's ARN ends in characters that are made with it, and sources' secrets are made by their owners.",
    ),
    Answer(
        "AwsSolutions-IAM5[Resource::arn:aws:logs:*:log-group:/aws-glue/crawlers*",
        "cdap-platform/Lake/CrawlerRole/*",
        "Glue makes the groups of crawlers itself under this name.",
    ),
    Answer(
        "AwsSolutions-IAM5[Resource::*]",
        "cdap-platform/*/DefaultPolicy/Resource",
        "DescribeReplicationTasks and GetDataAccess know no resource (Service Authorization Reference).",
    ),
    Answer(
        "AwsSolutions-IAM4[*/AmazonDMSVPCManagementRole]",
        "cdap-platform/Replication/VpcRole/Resource",
        "DMS asks for a role of this name with this managed policy (DMS user guide: dms-vpc-role).",
    ),
    Answer(
        "AwsSolutions-IAM4[*/AmazonECSTaskExecutionRolePolicy]",
        "cdap-airflow/ExecutionRole/Resource",
        "It is what an execution role is for: pulling the image and writing the logs.",
    ),
    Answer(
        "AwsSolutions-ECS2",
        "cdap-airflow/*Task/Resource",
        "Plain settings only; passwords and keys come from Secrets Manager.",
    ),
    Answer(
        "AwsSolutions-GL1",
        "cdap-platform/Lake/Crawler",
        "The crawler logs table names and counts, no values; the account's log groups are encrypted by default.",
    ),
    Answer(
        "AwsSolutions-OS3",
        "cdap-platform/Search/Domain",
        "The domain is in private subnets and takes signed requests of one role; addresses add nothing.",
    ),
    Answer(
        "AwsSolutions-OS4",
        "cdap-platform/Search/Domain",
        "Dedicated masters pay from ten data nodes on (OpenSearch guide: dedicated master nodes).",
    ),
    Answer(
        "AwsSolutions-OS7",
        "cdap-platform/Search/Domain",
        "An environment with one node has one zone; with several nodes the domain spreads over the zones.",
    ),
    Answer(
        "AwsSolutions-OS9[LogExport::*_SLOW_LOGS]",
        "cdap-platform/Search/Domain",
        "Slow logs hold documents and queries, which are personal data.",
    ),
    Answer(
        "AwsSolutions-RDS11",
        "cdap-airflow/Metadata/Resource",
        "The database is reachable from the services' security group alone; another port hides nothing.",
    ),
    Answer(
        "AwsSolutions-S1",
        "cdap-platform/Lake/Bucket/Resource",
        "CloudTrail's data events tell every access with its role; server access logs would tell less of the same.",
    ),
    Answer(
        "AwsSolutions-SMG4",
        "cdap-*/*",
        "Rotation of these needs a function in the network; until it comes the secrets are made at random, read by "
        "one role each, and changed by deploying again.",
    ),
    Answer(
        "AwsSolutions-VPC7",
        "cdap-platform/Network/Vpc/Resource",
        "There is no way out but to AWS's own endpoints; flow logs are set by the account's owner for all networks.",
    ),
)


@dataclass(frozen=True)
class Finding:
    """A rule that a construct does not keep; `answer` is the reason, if there is one."""

    rule: str
    construct: str
    description: str
    answer: Answer | None

    def __str__(self) -> str:
        return f"{self.rule} at {self.construct}: {self.description}"


def findings(environment: str, account: str, config: Path) -> list[Finding]:
    """Every finding of the rules over the stacks of an environment, answered or not."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        app = build(environment, account, config, out, "cdap:latest")
        cdk.Validations.of(app).add_plugins(AwsSolutionsChecks(app))
        report = out / "validation-report.json"
        try:
            app.synth()
        except RuntimeError:
            # Findings end the synthesis, with the report written; any other error leaves none.
            if not report.exists():
                raise
        if not report.exists():
            return []
        plugins = json.loads(report.read_text(encoding="utf-8"))["pluginReports"]
    found = []
    for plugin in plugins:
        for violation in plugin["violations"]:
            for construct in violation["violatingConstructs"]:
                rule, path = violation["ruleName"], construct["constructPath"]
                answer = next((answer for answer in ANSWERS if answer.covers(rule, path)), None)
                found.append(Finding(rule, path, violation["description"], answer))
    return found


def main() -> None:
    """Command line of the module."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--environment", required=True)
    parser.add_argument("--account", default="123456789012")
    parser.add_argument("--config", type=Path, default=Path(__file__).parent.parent / "config")
    parser.add_argument(
        "--json", action="store_true", help="Print every finding with its answer, and all answers, as JSON"
    )
    arguments = parser.parse_args()
    found = findings(arguments.environment, arguments.account, arguments.config)
    if arguments.json:
        rows = [{"rule": f.rule, "construct": f.construct, "answer": f.answer and f.answer.rule} for f in found]
        print(json.dumps({"findings": rows, "answers": {answer.rule: answer.reason for answer in ANSWERS}}))
    for finding in found:
        if finding.answer is None and not arguments.json:
            print(finding)
    sys.exit(1 if any(finding.answer is None for finding in found) else 0)


if __name__ == "__main__":
    main()
