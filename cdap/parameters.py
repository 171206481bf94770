"""Names of what the deployed stack made, read from Parameter Store (docs/architecture.md, Names)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from cdap.errors import CdapError, ParameterMissingError

DEPLOY_HINT = "Deploy the stack with `cdap deploy`, or point AWS_ENDPOINT_URL and the region at the account that has it"


@dataclass(frozen=True)
class WarehouseParameters:
    """Where Redshift Serverless is and who reads the lake for it; user and password are in the secret."""

    host: str
    port: int
    database: str
    workgroup: str
    secret_arn: str
    sslmode: str
    role_arn: str


class Parameters:
    """The parameters under one prefix. A missing one raises `ParameterMissingError` when it is asked for."""

    def __init__(self, values: Mapping[str, str], prefix: str = "/cdap/") -> None:
        self._values = dict(values)
        self._prefix = prefix

    def get(self, name: str) -> str:
        """The value of `<prefix><name>`; raises ParameterMissingError when the stack has not published it."""
        try:
            return self._values[f"{self._prefix}{name}"]
        except KeyError:
            raise ParameterMissingError(
                f"Reading parameter {self._prefix}{name}",
                f"it is not among the {len(self._values)} parameters under {self._prefix}",
                DEPLOY_HINT,
            ) from None

    @property
    def environment(self) -> str:
        return self.get("environment")

    @property
    def lake_bucket(self) -> str:
        return self.get("lake/bucket")

    @property
    def raw_database(self) -> str:
        return self.get("glue/database/raw")

    @property
    def clean_database(self) -> str:
        return self.get("glue/database/clean")

    @property
    def discovered_database(self) -> str:
        return self.get("glue/database/discovered")

    @property
    def crawler(self) -> str:
        return self.get("glue/crawler")

    def dms_task_arn(self, source: str) -> str:
        return self.get(f"dms/{source}/task_arn")

    def dms_target_folder(self, source: str) -> str:
        return self.get(f"dms/{source}/target_folder")

    def flow(self, source: str, table: str) -> str:
        return self.get(f"appflow/{source}/{table}/flow")

    @property
    def warehouse(self) -> WarehouseParameters:
        return WarehouseParameters(
            host=self.get("warehouse/host"),
            port=int(self.get("warehouse/port")),
            database=self.get("warehouse/database"),
            workgroup=self.get("warehouse/workgroup"),
            secret_arn=self.get("warehouse/secret_arn"),
            sslmode=self.get("warehouse/sslmode"),
            role_arn=self.get("warehouse/role_arn"),
        )

    @property
    def search_endpoint(self) -> str:
        return self.get("search/endpoint")

    @property
    def graph_endpoint(self) -> str:
        return self.get("graph/endpoint")

    @property
    def graph_loader_role_arn(self) -> str:
        return self.get("graph/loader_role_arn")

    @property
    def quality_prefix(self) -> str:
        return self.get("quality/prefix")

    @property
    def airflow_role_arn(self) -> str:
        return self.get("airflow/role_arn")

    @property
    def alerts_topic_arn(self) -> str:
        return self.get("alerts/topic_arn")


def parameters(prefix: str = "/cdap/", ssm: Any = None) -> Parameters:
    """Everything the stack published under `prefix` (SSM GetParametersByPath), by the SDK's own settings.

    Raises CdapError when Parameter Store cannot be asked, with the SDK's reason. No parameter at all is not an error
    here: the first one that is asked for says that it is missing.
    """
    values: dict[str, str] = {}
    try:
        client = ssm if ssm is not None else boto3.client("ssm")
        pages = client.get_paginator("get_parameters_by_path").paginate(Path=prefix, Recursive=True)
        for page in pages:
            values.update({item["Name"]: item["Value"] for item in page["Parameters"]})
    except (BotoCoreError, ClientError) as error:
        raise CdapError(f"Reading the parameters under {prefix}", str(error), DEPLOY_HINT) from error
    return Parameters(values, prefix)
