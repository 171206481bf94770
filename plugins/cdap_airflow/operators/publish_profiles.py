"""The profiles become searchable."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.providers.amazon.aws.hooks.s3 import S3Hook
from airflow.providers.amazon.aws.operators.base_aws import AwsBaseOperator

from cdap import lineage
from cdap.parameters import parameters
from cdap.warehouse import Warehouse
from cdap_airflow.failures import no_retry_when_lasting
from cdap_airflow.lineage import LineageMixin
from cdap_airflow.stage_figures import record

if TYPE_CHECKING:
    from airflow.sdk import Context


class PublishProfilesOperator(LineageMixin, AwsBaseOperator[S3Hook]):
    """Sends the documents that changed to the search index behind its alias and takes away those that are gone.

    Returns how many documents were indexed and deleted.
    """

    aws_hook_class = S3Hook
    ui_color = "#e8f3e8"

    @no_retry_when_lasting
    def execute(self, context: Context) -> dict[str, Any]:
        # The search client is of no use to the process that parses the DAG.
        from cdap.profiles import publish, search_client
        from cdap.profiles.indexes import ALIAS

        names = parameters()
        with Warehouse.connect(names) as warehouse:
            summary = publish(warehouse, search_client(names), self.hook.conn, names, context["dag_run"].run_id)
            record(
                context,
                warehouse,
                "publish",
                rows_in=summary.profiles,
                rows_out=summary.profiles,
                engine_seconds=summary.seconds,
            )
        self.log.info("%s", summary)
        self.moved(
            [lineage.warehouse_table(names, "marts.customer_profile")],
            [lineage.search_index(names, ALIAS, summary.profiles)],
        )
        return {"indexed": summary.indexed, "deleted": summary.deleted}
