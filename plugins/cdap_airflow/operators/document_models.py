"""What the models are, for people and for the next change of them."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from airflow.providers.amazon.aws.hooks.s3 import S3Hook
from airflow.providers.amazon.aws.operators.base_aws import AwsBaseOperator

from cdap import dbt_runs
from cdap.parameters import parameters
from cdap.settings import settings
from cdap.warehouse import read_login
from cdap_airflow.failures import no_retry_when_lasting

if TYPE_CHECKING:
    from airflow.sdk import Context


class DocumentModelsOperator(AwsBaseOperator[S3Hook]):
    """Writes the dbt documentation of the project that Airflow runs, and its manifest, to the lake's bucket.

    Returns the address of the page.
    """

    aws_hook_class = S3Hook
    ui_color = "#ececec"

    @no_retry_when_lasting
    def execute(self, context: Context) -> str:
        names, chosen = parameters(), settings()
        variables = dbt_runs.environment(names.warehouse, read_login(names.warehouse))
        with tempfile.TemporaryDirectory(prefix="cdap-dbt-docs-") as folder:
            page = dbt_runs.document(
                chosen.dbt_project_dir, variables, chosen.environment, Path(folder), self.hook.conn, names
            )
        self.log.info("The models' documentation is %s", page)
        return page
