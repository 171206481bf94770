"""Runs suites by Great Expectations against the warehouse and keeps of the results what may be shown.

Results and Data Docs name failing rows by their keys alone: the values that were found are personal data.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy.engine import URL

from cdap.errors import CdapError, ConfigurationError
from cdap.parameters import WarehouseParameters
from cdap.quality.docs import SITE
from cdap.quality.suites import Suite
from cdap.warehouse import Login

if TYPE_CHECKING:
    from great_expectations.core import ExpectationSuiteValidationResult, ExpectationValidationResult

# Failing rows that a result names; it counts all of them.
ROWS_NAMED = 20
# What GX puts into a result that holds values of rows.
VALUES = ("partial_unexpected_list", "partial_unexpected_counts", "unexpected_list", "unexpected_rows", "details")
CONNECTION = "CDAP_WAREHOUSE_URL"
_TELLS_GX = re.compile(r"<img[^>]*great-expectations-web-assets[^>]*>|background: *url\('[^']*web-assets[^']*'\)[^;]*;")


@dataclass(frozen=True)
class Failure:
    """An expectation that is not met. `rows` are the keys of some of the rows that fail it, at most ROWS_NAMED."""

    suite: str
    expectation: str
    column: str
    severity: str
    found: str
    rows: tuple[Mapping[str, Any], ...] = ()

    def __str__(self) -> str:
        rows = "; ".join(", ".join(f"{name} {value}" for name, value in row.items()) for row in self.rows)
        of = f" of {self.column}" if self.column else ""
        return f"{self.suite}: {self.expectation}{of}: {self.found}" + (f" ({rows})" if rows else "")


@dataclass(frozen=True)
class Validation:
    """What came of some suites: how many expectations were evaluated, and which failed."""

    expectations: int
    failures: tuple[Failure, ...]

    @property
    def critical(self) -> tuple[Failure, ...]:
        return tuple(failure for failure in self.failures if failure.severity == "critical")


def validate(
    suites: Iterable[tuple[Suite, str | None]], url: URL, folder: Path, run_name: str, now: datetime
) -> Validation:
    """Validates each suite and writes results and Data Docs below `folder`, which may hold those of earlier runs.

    A suite comes with the query that it is run on, or with None for its whole table. The Data Docs are in
    `folder/uncommitted/data_docs/local_site`, the results in `folder/uncommitted/validations`.

    Raises ConfigurationError for an expectation that GX does not know or whose arguments it refuses, CdapError when
    a table cannot be read. An expectation that cannot be evaluated, on a column that is not there for instance, is a
    failure.
    """
    with _connection(url):
        run = _Run(folder, run_name, now)
        failures: list[Failure] = []
        count = 0
        for suite, query in suites:
            failures += run.validate(suite, query)
            count += len(suite.expectations)
        run.build_docs()
    return Validation(count, tuple(failures))


def warehouse_url(target: WarehouseParameters, login: Login) -> URL:
    """The warehouse for SQLAlchemy, by the one driver that GX takes for Redshift."""
    return URL.create(
        "redshift+psycopg2",
        username=login.username,
        password=login.password.get_secret_value(),
        host=target.host,
        port=target.port,
        database=target.database,
        query={"sslmode": target.sslmode},
    )


@contextmanager
def _connection(url: URL) -> Iterator[None]:
    # GX stores a datasource's settings with the name of the variable instead of its value.
    os.environ[CONNECTION] = url.render_as_string(hide_password=False)
    try:
        yield
    finally:
        del os.environ[CONNECTION]


class _Run:
    """One run's GX context: files below `folder`, the datasource in memory."""

    def __init__(self, folder: Path, run_name: str, now: datetime) -> None:
        # Set before the import: GX logs each name it registers.
        logging.getLogger("great_expectations").setLevel(logging.WARNING)
        import great_expectations as gx
        from great_expectations.core.run_identifier import RunIdentifier
        from great_expectations.data_context.types.base import (
            DataContextConfig,
            FilesystemStoreBackendDefaults,
            ProgressBarsConfig,
        )

        self._gx = gx
        self._folder = folder
        self._context = gx.get_context(
            project_config=DataContextConfig(
                store_backend_defaults=FilesystemStoreBackendDefaults(root_directory=str(folder)),
                analytics_enabled=False,
                progress_bars=ProgressBarsConfig(globally=False),
            )
        )
        # The landed rows are read from the lake once, into a temporary table, and not once for each metric.
        self._warehouse = self._context.data_sources.add_redshift(
            "warehouse",
            connection_string=f"${{{CONNECTION}}}",  # type: ignore[arg-type] # GX makes its ConfigStr of it
            create_temp_table=True,
        )
        self._id = RunIdentifier(run_name=run_name, run_time=now.astimezone(UTC))

    def validate(self, suite: Suite, query: str | None) -> list[Failure]:
        expected = self._expected(suite)
        doing = f"Validating {suite.schema}.{suite.table} by the suite {suite.name}"
        try:
            asset = (
                self._warehouse.add_query_asset(suite.name, query=query)
                if query is not None
                else self._warehouse.add_table_asset(suite.name, table_name=suite.table, schema_name=suite.schema)
            )
            batch = asset.add_batch_definition_whole_table("all").get_batch()
        except Exception as error:
            # GX raises what the driver raises, and its own errors; the message may hold the statement, never rows.
            raise CdapError(doing, str(error).splitlines()[0], "Build the table first; see `meta.table`") from error
        result = batch.validate(
            expected,
            result_format={
                "result_format": "SUMMARY",
                "partial_unexpected_count": ROWS_NAMED,
                "unexpected_index_column_names": list(suite.key),
                "exclude_unexpected_values": True,
            },
        )
        for one in result.results:
            rows = _rows(one, suite.key)
            config: Any = one.expectation_config
            if not one.success and config.type == "unexpected_rows_expectation":
                rows = self._unexpected_rows(batch, config, suite.key)
            _keep_keys(one, rows)
        self._store(result, suite, batch.id)
        return [_failure(suite, one) for one in result.results if not one.success]

    def build_docs(self) -> None:
        self._context.build_data_docs()
        # The logo's address tells GX who looks at which context's pages, and when; the call to subscribe is its own.
        for page in (self._folder / SITE).rglob("*.html"):
            text = page.read_text(encoding="utf-8")
            page.write_text(_TELLS_GX.sub("", text), encoding="utf-8")

    def _expected(self, suite: Suite) -> Any:
        built = self._gx.ExpectationSuite(name=suite.name)
        for place, expectation in enumerate(suite.expectations):
            try:
                built.add_expectation_configuration(
                    self._gx.expectations.expectation_configuration.ExpectationConfiguration(
                        **expectation.model_dump(exclude={"id", "rendered_content"})
                    ),
                    # Two expectations of one kind on one column are two, with conditions of their own.
                    match_type="success",
                )
            except Exception as error:
                raise ConfigurationError(
                    f"Loading the suite {suite.file}",
                    f"expectations.{place} ({expectation.type}): {error}",
                    "Correct the file",
                ) from error
        return self._context.suites.add(built)

    @staticmethod
    def _unexpected_rows(batch: Any, failed: Any, key: tuple[str, ...]) -> list[dict[str, Any]]:
        # A summary has no row of a query of the user's own.
        complete = batch.validate(failed.to_domain_obj(), result_format="COMPLETE")
        rows = complete.result.get("details", {}).get("unexpected_rows") or []
        return [{name: row[name] for name in key if name in row} for row in rows[:ROWS_NAMED]]

    def _store(self, result: ExpectationSuiteValidationResult, suite: Suite, batch_id: str) -> None:
        from great_expectations.data_context.types.resource_identifiers import (
            ExpectationSuiteIdentifier,
            ValidationResultIdentifier,
        )

        result.meta["run_id"] = self._id
        result.meta["validation_time"] = self._id.run_time
        identifier = ExpectationSuiteIdentifier(suite.name)
        self._context.validation_results_store.store_validation_results(
            suite_validation_result=result,
            suite_validation_result_identifier=ValidationResultIdentifier(identifier, self._id, batch_id),
            expectation_suite_identifier=identifier,
        )


def _rows(one: ExpectationValidationResult, key: tuple[str, ...]) -> list[dict[str, Any]]:
    """The keys of failing rows. Without the values found, GX gives a list of each key column instead of rows."""
    rows: list[dict[str, Any]] = []
    for entry in one.result.get("partial_unexpected_index_list") or []:
        columns = [value if isinstance(value, list) else [value] for value in (entry.get(name) for name in key)]
        rows += [dict(zip(key, values, strict=True)) for values in zip(*columns, strict=False)]
    return rows[:ROWS_NAMED]


def _keep_keys(one: ExpectationValidationResult, rows: list[dict[str, Any]]) -> None:
    for name in (*VALUES, "partial_unexpected_index_list"):
        one.result.pop(name, None)
    if rows:
        one.result["partial_unexpected_index_list"] = rows


def _failure(suite: Suite, one: ExpectationValidationResult) -> Failure:
    config: Any = one.expectation_config
    columns = [config.kwargs.get(name) for name in ("column", "column_A", "column_B")]
    columns += config.kwargs.get("column_list") or []
    return Failure(
        suite=suite.name,
        expectation=config.type,
        column=", ".join(str(column) for column in columns if column),
        severity=str(getattr(config.severity, "value", config.severity) or "critical"),
        found=_found(one),
        rows=tuple(one.result.get("partial_unexpected_index_list") or ()),
    )


def _found(one: ExpectationValidationResult) -> str:
    raised = [reason for reason in _exceptions(one.exception_info) if reason]
    if raised:
        return f"it could not be evaluated: {raised[0]}"
    result = one.result
    if result.get("unexpected_count") is not None:
        return f"{result['unexpected_count']} of {result.get('element_count', 'the')} rows"
    return f"observed {result.get('observed_value')}"


def _exceptions(info: Mapping[str, Any] | None) -> Iterator[str]:
    # One dictionary, or one for each metric that failed.
    if not info:
        return
    if "raised_exception" in info:
        if info["raised_exception"]:
            yield str(info.get("exception_message") or "").splitlines()[0]
        return
    for metric in info.values():
        yield from _exceptions(metric)
