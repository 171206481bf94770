"""Which records belong to one customer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

from cdap.identity import load_identity_config, resolve
from cdap.lineage import warehouse_table
from cdap.parameters import parameters
from cdap.settings import settings
from cdap.warehouse import Warehouse
from cdap_airflow.failures import no_retry_when_lasting
from cdap_airflow.lineage import LineageMixin
from cdap_airflow.stage_figures import record

if TYPE_CHECKING:
    from airflow.sdk import Context


class ResolveIdentityOperator(LineageMixin, BaseOperator):
    """Resolves all records into customers with ids that stay, in the warehouse and in one transaction.

    Returns the run's events by kind.
    """

    ui_color = "#ede7f6"

    @no_retry_when_lasting
    def execute(self, context: Context) -> dict[str, Any]:
        # numpy, scipy and DuckDB are of no use to the process that parses the DAG.
        from cdap.identity.matching import ModelMatcher

        config = load_identity_config(settings().config_dir / "identity.yaml")
        names, run_id = parameters(), context["dag_run"].run_id
        with Warehouse.connect(names) as warehouse:
            summary = resolve(warehouse, config.records, ModelMatcher.in_lake(config, names, run_id), run_id)
            record(
                context,
                warehouse,
                "identity",
                rows_in=summary.records,
                rows_out=summary.customers,
                engine_seconds=summary.seconds,
            )
        self.log.info(
            "%s records are %s customers in %s households by model %s%s; %s links, %s across customers, "
            "largest customer %s records, events %s",
            summary.records,
            summary.customers,
            summary.households,
            summary.model,
            " (trained in this run)" if summary.trained else "",
            summary.links,
            summary.links_apart,
            summary.largest,
            summary.events,
        )
        self.moved(
            [warehouse_table(names, config.records)],
            [
                warehouse_table(names, "identity.current_members", summary.records),
                warehouse_table(names, "identity.edges", summary.links),
            ],
        )
        return dict(summary.events)
