"""Someone is told when data is behind."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from airflow.providers.amazon.aws.hooks.sns import SnsHook
from airflow.providers.amazon.aws.operators.base_aws import AwsBaseOperator
from airflow.sdk.exceptions import AirflowFailException

from cdap import freshness
from cdap.config import load_sources
from cdap.parameters import parameters
from cdap.settings import settings
from cdap.warehouse import Warehouse

if TYPE_CHECKING:
    from airflow.sdk import Context

# SNS takes no longer subject.
SUBJECT_LENGTH = 100


class CheckFreshnessOperator(AwsBaseOperator[SnsHook]):
    """Publishes one alert on the stack's topic for all that is behind, and fails so that it shows; else does nothing.

    The failure is not tried again: the alert has gone out.
    """

    aws_hook_class = SnsHook
    ui_color = "#fbe3e4"

    def execute(self, context: Context) -> list[dict[str, Any]]:
        names = parameters()
        sources = load_sources(settings().config_dir)
        with Warehouse.connect(names) as warehouse:
            behind = freshness.check(warehouse, sources.values(), datetime.now(UTC))
        if behind:
            text = "\n".join(str(item) for item in behind)
            subject = f"CDAP {names.environment}: {', '.join(item.what for item in behind)} behind"
            self.hook.publish_to_target(names.alerts_topic_arn, text, subject=subject[:SUBJECT_LENGTH])
            raise AirflowFailException(text)
        return []
