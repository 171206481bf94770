"""What no service does is refused by name."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

# Requests to RDS are signed and answered as those to Neptune, whose management API is a part of it.
REFUSED = {
    "batch": lambda c: c.describe_compute_environments(),
    "ecs": lambda c: c.list_clusters(),
    "eks": lambda c: c.list_clusters(),
    "emr": lambda c: c.list_clusters(),
    "firehose": lambda c: c.list_delivery_streams(),
    "kafka": lambda c: c.list_clusters_v2(),
    "lakeformation": lambda c: c.get_data_lake_settings(),
    "sagemaker": lambda c: c.list_models(),
    "stepfunctions": lambda c: c.list_state_machines(),
}


@pytest.mark.parametrize("service", sorted(REFUSED))
def test_a_service_without_an_owner_is_refused_by_name(gateway: Any, service: str) -> None:
    with pytest.raises(ClientError) as refused:
        REFUSED[service](gateway.client(service))
    assert refused.value.response["Error"]["Code"] == "NotImplementedException"
    assert "does not offer the AWS service" in refused.value.response["Error"]["Message"]


def test_work_that_no_engine_does_is_refused(gateway: Any) -> None:
    with pytest.raises(ClientError, match="CreateNotebook"):
        gateway.client("athena").create_notebook(WorkGroup="primary", Name="x")
    with pytest.raises(ClientError, match="StartJobRun"):
        gateway.client("glue").start_job_run(JobName="x")
    with pytest.raises(ClientError, match="RunInstances"):
        gateway.client("ec2").run_instances(ImageId="ami-1", MinCount=1, MaxCount=1)
