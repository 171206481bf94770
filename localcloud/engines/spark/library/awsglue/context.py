"""Where frames come from and go to."""

from __future__ import annotations

from typing import Any

from pyspark.sql import SparkSession

from .dynamicframe import DynamicFrame, DynamicFrameReader, DynamicFrameWriter
from .sources import Options, read_catalog, read_options


class DataFrameReader:
    """`GlueContext.create_data_frame`."""

    def __init__(self, context: GlueContext) -> None:
        self._context = context

    def from_catalog(
        self,
        database: str,
        table_name: str,
        redshift_tmp_dir: str = "",
        transformation_ctx: str = "",
        push_down_predicate: str = "",
        additional_options: Options = None,
        catalog_id: str | None = None,
    ) -> Any:
        return read_catalog(self._context.spark_session, database, table_name, push_down_predicate, additional_options)

    def from_options(
        self,
        connection_type: str,
        connection_options: Options = None,
        format: str | None = None,
        format_options: Options = None,
        transformation_ctx: str = "",
        push_down_predicate: str = "",
    ) -> Any:
        return read_options(
            self._context.spark_session,
            connection_type,
            connection_options,
            format,
            format_options,
            push_down_predicate,
        )


class GlueContext:
    """Spark's session, and readers and writers of the lake and its catalog."""

    def __init__(self, sparkContext: Any, **options: Any) -> None:
        self.spark_session: Any = SparkSession.builder.getOrCreate()
        self.sparkContext = sparkContext
        self.create_data_frame = DataFrameReader(self)
        self.create_dynamic_frame = DynamicFrameReader(self)
        self.write_dynamic_frame = DynamicFrameWriter(self)

    def sql(self, query: str) -> Any:
        return self.spark_session.sql(query)

    def get_logger(self) -> Any:
        """Log4j's logger of Glue."""
        return self.spark_session._jvm.org.apache.log4j.LogManager.getLogger("GlueLogger")

    def create_dynamic_frame_from_catalog(self, database: str, table_name: str, **options: Any) -> DynamicFrame:
        return self.create_dynamic_frame.from_catalog(database, table_name, **options)

    def create_data_frame_from_catalog(self, database: str, table_name: str, **options: Any) -> Any:
        return self.create_data_frame.from_catalog(database, table_name, **options)

    def create_dynamic_frame_from_options(
        self, connection_type: str, connection_options: Options = None, **options: Any
    ) -> DynamicFrame:
        return self.create_dynamic_frame.from_options(connection_type, connection_options, **options)

    def write_dynamic_frame_from_options(
        self, frame: DynamicFrame, connection_type: str, connection_options: Options = None, **options: Any
    ) -> DynamicFrame:
        return self.write_dynamic_frame.from_options(frame, connection_type, connection_options, **options)

    def write_dynamic_frame_from_catalog(
        self, frame: DynamicFrame, database: str, table_name: str, **options: Any
    ) -> DynamicFrame:
        return self.write_dynamic_frame.from_catalog(frame, database, table_name, **options)
