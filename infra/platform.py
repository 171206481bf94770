"""The platform's stack: everything but Airflow's own containers."""

from __future__ import annotations

from collections.abc import Mapping

import aws_cdk as cdk
from aws_cdk import aws_ssm as ssm
from constructs import Construct

from cdap.config import AppflowSource, DmsSource, Environment, Source
from infra.analysis import Analysis
from infra.graph import Graph
from infra.lake import Lake
from infra.network import Network
from infra.orchestration import Orchestration
from infra.replication import Replication
from infra.saas import Saas
from infra.search import Search
from infra.warehouse import DATABASE, Warehouse


class PlatformStack(cdk.Stack):
    """Network, lake, replication, warehouse, search index, graph, Athena, roles; their names under `/cdap/`."""

    def __init__(
        self, scope: Construct, id: str, *, environment: Environment, sources: Mapping[str, Source], account: str
    ) -> None:
        super().__init__(
            scope,
            id,
            env=cdk.Environment(account=account, region=environment.region),
            description="Customer Data Analytics Platform",
            # No bootstrap stack and no assets: the template is the whole deployment.
            synthesizer=cdk.DefaultStackSynthesizer(generate_bootstrap_version_rule=False),
        )
        self.network = Network(self, "Network", zones=environment.availability_zones, region=environment.region)
        lake = Lake(self, "Lake", retain=environment.retain, raw_days=environment.raw_days)
        self.orchestration = Orchestration(self, "Orchestration", lake=lake, alerts_email=environment.alerts_email)
        analysis = Analysis(self, "Analysis", lake=lake, scan_limit=environment.athena_scan_limit)
        replication = Replication(
            self,
            "Replication",
            network=self.network,
            lake=lake,
            sources={name: source for name, source in sources.items() if isinstance(source, DmsSource)},
            size=environment.replication,
        )
        saas = Saas(
            self,
            "Saas",
            lake=lake,
            sources={name: source for name, source in sources.items() if isinstance(source, AppflowSource)},
        )
        warehouse = Warehouse(
            self,
            "Warehouse",
            network=self.network,
            lake=lake,
            size=environment.warehouse,
        )
        search = Search(
            self,
            "Search",
            network=self.network,
            lake=lake,
            reader=self.orchestration.role,
            size=environment.search,
        )
        graph = Graph(
            self,
            "Graph",
            network=self.network,
            lake=lake,
            writer=self.orchestration.role,
            size=environment.graph,
        )
        self.orchestration.may_replicate(replication)
        self.orchestration.may_run_flows(saas)
        self.orchestration.may_query(warehouse)
        self._publish(
            {
                "environment": environment.name,
                "lake/bucket": lake.bucket.bucket_name,
                "quality/prefix": "quality",
                "glue/crawler": lake.crawler.name or "",
                **{f"glue/database/{name}": f"cdap_{name}" for name in lake.databases},
                "warehouse/host": warehouse.host,
                "warehouse/port": warehouse.port,
                "warehouse/database": DATABASE,
                "warehouse/workgroup": warehouse.workgroup.workgroup_name,
                "warehouse/secret_arn": warehouse.secret_arn,
                "warehouse/sslmode": environment.warehouse.sslmode,
                "warehouse/role_arn": warehouse.role.role_arn,
                "search/endpoint": search.endpoint,
                "graph/endpoint": graph.endpoint,
                "graph/loader_role_arn": graph.loader_role.role_arn,
                "athena/workgroup": analysis.workgroup.name,
                "athena/role_arn": analysis.analyst.role_arn,
                "airflow/role_arn": self.orchestration.role.role_arn,
                "alerts/topic_arn": self.orchestration.alerts.topic_arn,
                **{f"dms/{name}/task_arn": task.ref for name, task in replication.tasks.items()},
                **{f"dms/{name}/target_folder": f"raw/{name}" for name in replication.tasks},
                **{
                    f"appflow/{source}/{table}/flow": str(flow.flow_name)
                    for (source, table), flow in saas.flows.items()
                },
            }
        )
        cdk.CfnOutput(
            self,
            "ManualSteps",
            value="Create the secrets "
            + ", ".join(f"cdap/sources/{name}" for name in replication.tasks)
            + " (host, port, username, password) so that DMS can read the sources; before the first deployment, for "
            + "each SaaS source, the secret cdap/sources/<name> (clientId, clientSecret, refreshToken of its connected "
            + "application, readable by appflow.amazonaws.com) and the parameter /cdap/sources/<name>/instance_url; "
            + "subscribe to the alert topic.",
        )
        cdk.Tags.of(self).add("application", "cdap")
        cdk.Tags.of(self).add("environment", environment.name)

    def _publish(self, names: Mapping[str, str]) -> None:
        for name, value in names.items():
            logical = "".join(part.title() for part in name.replace("_", "/").split("/"))
            ssm.StringParameter(self, f"Parameter{logical}", parameter_name=f"/cdap/{name}", string_value=value)
