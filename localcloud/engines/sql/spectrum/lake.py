"""External schemas: tables of the Glue data catalog over the objects of S3, as the schema's role may see them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from botocore.exceptions import ClientError

from localcloud.base.client import GatewayClient
from localcloud.base.cloud import Credentials, make_client
from localcloud.base.errors import AwsError
from localcloud.engines.sql.errors import SqlError
from localcloud.engines.sql.spectrum import scan as scans
from localcloud.engines.sql.spectrum.objects import Location, ObjectFolder, listed_prefixes

if TYPE_CHECKING:
    from localcloud.engines.sql.session import Session

PRINCIPAL = "redshift.amazonaws.com"
# Long enough for the planning of one statement; Spectrum sees a new partition at once.
_CATALOG_SECONDS = 0.05
_PERMISSION_SECONDS = 30.0
_CREDENTIAL_SECONDS = 900.0
Principal = str | Credentials
"""Whom a statement reads and writes S3 as: the ARN of a role, or keys."""
T = TypeVar("T")


@dataclass
class Partition:
    """A partition of a catalog table: the values of the partition columns and where its objects are."""

    values: list[str]
    location: str
    descriptor: dict[str, Any] = field(default_factory=dict)


class Expiring:
    """Answers kept for some seconds."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: dict[Any, tuple[float, Any]] = {}

    def get(self, key: Any, seconds: float, make: Callable[[], T]) -> T:
        """The answer for ``key``, made anew when it is older than ``seconds``."""
        now = time.monotonic()
        with self._lock:
            found = self._kept.get(key)
        if found is not None and now - found[0] < seconds:
            answer: T = found[1]
            return answer
        made = make()
        with self._lock:
            self._kept[key] = (now, made)
        return made

    def forget(self, condition: Callable[[Any], bool]) -> None:
        """Drop the answers whose key fits."""
        with self._lock:
            for key in [key for key in self._kept if condition(key)]:
                del self._kept[key]


class Lake:
    """The data catalog and the objects, by the APIs of ``endpoint``; objects are read in place from ``objects``."""

    def __init__(self, *, endpoint: str, gateway: GatewayClient, objects: Path, account_id: str, region: str) -> None:
        self.account_id = account_id
        self.region = region
        self.folder = ObjectFolder(objects, account_id)
        self._endpoint = endpoint
        self._gateway = gateway
        self._cache = Expiring()

    # As a role -----------------------------------------------------------------------------------------------------

    def client(self, service: str, principal: Principal, region: str | None = None) -> Any:
        """A client of ``service`` by keys or as a role, which must trust ``redshift.amazonaws.com``.

        Raises SqlError (42501).
        """
        if isinstance(principal, Credentials):
            return make_client(service, self._endpoint, region or self.region, principal)
        role_arn = principal

        def make() -> Any:
            try:
                credentials = self._gateway.service_credentials(role_arn, PRINCIPAL)
            except AwsError as error:
                raise SqlError("42501", f"Not authorized to get credentials of role {role_arn}: {error}") from error
            return make_client(service, self._endpoint, region or self.region, credentials)

        return self._cache.get(("client", service, role_arn, region), _CREDENTIAL_SECONDS, make)

    def authorize(self, principal: Principal, action: str, resources: list[str], prefix: str | None = None) -> None:
        """Check that a role or the owner of keys may do ``action`` on ``resources``, listing under ``prefix``.

        Raises SqlError (42501) naming action, resource and role.
        """
        if isinstance(principal, Credentials):
            self._try(principal, resources, prefix)
            return
        role_arn = principal

        def check() -> bool:
            try:
                self._gateway.authorize(role_arn, action, resources, {} if prefix is None else {"s3:prefix": prefix})
            except AwsError as error:
                raise SqlError("42501", f"S3 or Glue access denied: {error}", detail=f"role {role_arn}") from error
            return True

        self._cache.get(("permission", role_arn, action, tuple(resources), prefix), _PERMISSION_SECONDS, check)

    def _try(self, keys: Credentials, resources: list[str], prefix: str | None) -> None:
        """Ask S3 itself: what keys may do is known to who made the request's signature only."""
        s3 = self.client("s3", keys)
        for resource in resources:
            bucket, _, key = resource.removeprefix("arn:aws:s3:::").partition("/")
            try:
                if prefix is not None:
                    s3.list_objects_v2(Bucket=bucket, Prefix=prefix, MaxKeys=1)
                else:
                    s3.head_object(Bucket=bucket, Key=key)
            except ClientError as error:
                raise SqlError(
                    "42501", f"S3 access denied: {error}", detail=f"s3://{bucket}/{prefix or key}"
                ) from error

    # Catalog -------------------------------------------------------------------------------------------------------

    def create_database(self, role_arn: str, region: str | None, name: str) -> None:
        """Create a catalog database unless it is there."""
        glue = self.client("glue", role_arn, region)
        try:
            glue.create_database(DatabaseInput={"Name": name})
        except ClientError as error:
            if error.response["Error"]["Code"] != "AlreadyExistsException":
                raise _from_aws(error, f"creating the external database {name!r}") from error

    def table(self, external: tuple[str, str, str, str | None], name: str) -> dict[str, Any]:
        """The catalog's description of a table. Raises SqlError (42P01) when there is none."""
        schema, database, role_arn, region = external

        def get() -> dict[str, Any]:
            glue = self.client("glue", role_arn, region)
            try:
                found: dict[str, Any] = glue.get_table(DatabaseName=database, Name=name)["Table"]
            except ClientError as error:
                if error.response["Error"]["Code"] == "EntityNotFoundException":
                    raise SqlError(
                        "42P01",
                        f'relation "{schema}.{name}" does not exist: the data catalog has no table {name!r} in the '
                        f"database {database!r}",
                    ) from error
                raise _from_aws(error, f"reading the table {schema}.{name} from the data catalog") from error
            return found

        return self._cache.get(("table", role_arn, database, name), _CATALOG_SECONDS, get)

    def tables(self, external: tuple[str, str, str, str | None]) -> list[dict[str, Any]]:
        """The tables of an external schema."""
        schema, database, role_arn, region = external
        try:
            pages = self.client("glue", role_arn, region).get_paginator("get_tables").paginate(DatabaseName=database)
            return [table for page in pages for table in page["TableList"]]
        except ClientError as error:
            if error.response["Error"]["Code"] == "EntityNotFoundException":
                return []
            raise _from_aws(error, f"listing the tables of {schema} in the data catalog") from error

    def partitions(self, external: tuple[str, str, str, str | None], table: dict[str, Any]) -> list[Partition]:
        """All partitions of a table."""
        schema, database, role_arn, region = external
        name = table["Name"]

        def get() -> list[Partition]:
            glue = self.client("glue", role_arn, region)
            try:
                pages = glue.get_paginator("get_partitions").paginate(
                    DatabaseName=database, TableName=name, ExcludeColumnSchema=True
                )
                return [
                    Partition(p["Values"], p["StorageDescriptor"]["Location"], p["StorageDescriptor"])
                    for page in pages
                    for p in page["Partitions"]
                ]
            except ClientError as error:
                raise _from_aws(error, f"reading the partitions of {schema}.{name}") from error

        key = ("partitions", role_arn, database, name)
        return self._cache.get(key, _CATALOG_SECONDS, get)

    def changed(self, database: str, name: str) -> None:
        """Forget what is kept of a table that this warehouse itself changed."""
        self._cache.forget(lambda key: key[0] in ("table", "partitions") and key[2:] == (database, name))

    # Scans ---------------------------------------------------------------------------------------------------------

    def scan(self, external: tuple[str, str, str, str | None], name: str, *, pseudo_columns: bool) -> Any:
        """The query that stands for an external table, with ``$path`` and ``$size`` where they are asked for."""
        table = self.table(external, name)
        partitions = self.partitions(external, table) if table.get("PartitionKeys") else None
        return scans.build(self, external, table, partitions, pseudo_columns)

    def check_read(self, role_arn: str, locations: list[Location], first_keys: list[str]) -> None:
        """Check that the role may list the buckets and read the objects that a scan starts with."""
        for bucket, prefix in listed_prefixes(locations):
            self.authorize(role_arn, "s3:ListBucket", [f"arn:aws:s3:::{bucket}"], prefix)
        for start in range(0, len(first_keys), 500):
            self.authorize(role_arn, "s3:GetObject", first_keys[start : start + 500])

    # System views --------------------------------------------------------------------------------------------------

    def _schemas(self, session: Session) -> list[tuple[str, str, str, str | None]]:
        return session.fetch_all(
            "select schema_name, glue_database, role_arn, region "  # noqa: S608 the name is quoted
            f'from "{session.database}".pg_internal.external_schemas'
        )

    def external_tables(self, session: Session) -> list[tuple[Any, ...]]:
        """Rows of svv_external_tables."""
        rows = []
        for external in self._schemas(session):
            for table in self.tables(external):
                storage = table.get("StorageDescriptor", {})
                serde = storage.get("SerdeInfo", {})
                rows.append(
                    (session.database, external[0], table["Name"].lower(), "TABLE", storage.get("Location"),
                     storage.get("InputFormat"), storage.get("OutputFormat"), serde.get("SerializationLibrary"),
                     str(serde.get("Parameters", {})), 0, str(table.get("Parameters", {})))
                )  # fmt: skip
        return rows

    def external_columns(self, session: Session) -> list[tuple[Any, ...]]:
        """Rows of svv_external_columns."""
        rows = []
        for external in self._schemas(session):
            for table in self.tables(external):
                columns = [(c, 0) for c in table.get("StorageDescriptor", {}).get("Columns", [])]
                columns += [(c, i) for i, c in enumerate(table.get("PartitionKeys") or [], 1)]
                for number, (column, part) in enumerate(columns, 1):
                    rows.append(
                        (session.database, external[0], table["Name"].lower(), column["Name"].lower(),
                         column.get("Type", "string"), number, part, "true")
                    )  # fmt: skip
        return rows

    def external_partitions(self, session: Session) -> list[tuple[Any, ...]]:
        """Rows of svv_external_partitions."""
        rows = []
        for external in self._schemas(session):
            for table in self.tables(external):
                if not table.get("PartitionKeys"):
                    continue
                for partition in self.partitions(external, table):
                    values = "[" + ",".join(f'"{value}"' for value in partition.values) + "]"
                    serde = partition.descriptor.get("SerdeInfo", {})
                    rows.append(
                        (session.database, external[0], table["Name"].lower(), values, partition.location,
                         partition.descriptor.get("InputFormat"), partition.descriptor.get("OutputFormat"),
                         serde.get("SerializationLibrary"), str(serde.get("Parameters", {})), 0, "{}")
                    )  # fmt: skip
        return rows


def _from_aws(error: ClientError, what: str) -> SqlError:
    code = error.response["Error"]["Code"]
    denied = "AccessDenied" in code
    return SqlError("42501" if denied else "XX000", f"{what}: {code}: {error.response['Error']['Message']}")


from_aws = _from_aws
