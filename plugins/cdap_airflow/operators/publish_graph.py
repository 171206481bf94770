"""The identity graph follows the identity log."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

from cdap import lineage
from cdap.identity import load_identity_config
from cdap.parameters import parameters
from cdap.settings import settings
from cdap.warehouse import Warehouse
from cdap_airflow.failures import no_retry_when_lasting
from cdap_airflow.lineage import LineageMixin
from cdap_airflow.stage_figures import record

if TYPE_CHECKING:
    from airflow.sdk import Context


class PublishGraphOperator(LineageMixin, BaseOperator):
    """Brings the graph in Neptune to what the warehouse says of records, identifiers, links and customers.

    Returns how many elements were written and dropped.
    """

    ui_color = "#e0f2f1"

    @no_retry_when_lasting
    def execute(self, context: Context) -> dict[str, Any]:
        # The driver is of no use to the process that parses the DAG.
        from cdap.graph import BulkLoader, Graph, publish_graph

        config = load_identity_config(settings().config_dir / "identity.yaml")
        names = parameters()
        with Warehouse.connect(names) as warehouse, Graph.connect(names) as graph:
            loader = BulkLoader.connect(names, str(context["run_id"]))
            summary = publish_graph(warehouse, graph, config, loader)
            record(
                context,
                warehouse,
                "graph",
                rows_in=sum(summary.vertices.values()),
                rows_out=sum(summary.vertices.values()),
                engine_seconds=summary.seconds,
            )
        self.log.info("%s", summary)
        self.moved(
            [
                lineage.warehouse_table(names, "intermediate.int_identity_records"),
                lineage.warehouse_table(names, "identity.current_members"),
                lineage.warehouse_table(names, "identity.edges"),
            ],
            [lineage.graph(names, summary.written)],
        )
        return {"written": summary.written, "dropped": summary.dropped}
