"""`config/environments/<environment>.yaml`: how large and how guarded a deployment is."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from cdap.config.yaml_files import configuration_error, load_yaml


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class WarehouseSize(_Strict):
    """Redshift Serverless: `base_capacity` and `max_capacity` in RPUs; `sslmode` of the sessions."""

    sslmode: Literal["disable", "verify-ca", "verify-full"]
    base_capacity: Annotated[int, Field(ge=4, le=1024)]
    max_capacity: Annotated[int, Field(ge=4, le=5632)]


class SearchSize(_Strict):
    """The OpenSearch domain; `volume` in GiB a data node."""

    scheme: Literal["http", "https"]
    instance_type: str
    instances: Annotated[int, Field(ge=1)]
    volume: Annotated[int, Field(ge=10)]


class GraphSize(_Strict):
    """The Neptune cluster: `ws` where its endpoint has no certificate; the first of the instances writes."""

    scheme: Literal["ws", "wss"]
    instance_class: str
    instances: Annotated[int, Field(ge=1, le=16)]


class ReplicationSize(_Strict):
    """The DMS instance; `storage` in GiB."""

    instance_class: str
    storage: Annotated[int, Field(ge=5)]
    multi_az: bool


class Environment(_Strict):
    """A deployment. `stacks` says which of the app's stacks it has; `retain` keeps data when a stack is deleted.

    Alerts go to `alerts_email`, once its owner has confirmed; without one, subscribe to the topic `cdap-alerts`.
    """

    name: Literal["dev", "ci", "prod"]
    description: Annotated[str, Field(min_length=1)]
    region: str
    account: Annotated[str, Field(pattern=r"^\d{12}$")] | None = None
    stacks: tuple[Literal["platform", "airflow"], ...]
    retain: bool
    availability_zones: Annotated[tuple[str, ...], Field(min_length=2)]
    raw_days: Annotated[int, Field(ge=1)]
    log_days: Annotated[int, Field(ge=1)]
    alerts_email: str | None = None
    athena_scan_limit: Annotated[int, Field(ge=1)] = 100
    """GiB that one Athena query may read."""
    warehouse: WarehouseSize
    search: SearchSize
    graph: GraphSize
    replication: ReplicationSize


def load_environment(config_dir: Path, name: str) -> Environment:
    """`environments/<name>.yaml`. Raises ConfigurationError naming file, line and field."""
    path = config_dir / "environments" / f"{name}.yaml"
    environment = load_yaml(path, Environment)
    if environment.name != name:
        raise configuration_error(path, 1, ("name",), f"{environment.name!r} is not the file's name {name!r}")
    return environment
