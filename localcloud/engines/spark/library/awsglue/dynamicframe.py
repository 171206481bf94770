"""DynamicFrames: DataFrames with Glue's names for what is done to them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from pyspark.sql import Row
from pyspark.sql import functions as F

from .sources import Options, write_catalog, write_options

Mapping = tuple[str, str, str, str] | tuple[str, str]


class DynamicFrame:
    """Rows of a DataFrame, under a name."""

    def __init__(self, frame: Any, glue_ctx: Any, name: str = "") -> None:
        self._frame = frame
        self.glue_ctx = glue_ctx
        self.name = name

    @classmethod
    def fromDF(cls, dataframe: Any, glue_ctx: Any, name: str) -> DynamicFrame:
        return cls(dataframe, glue_ctx, name)

    def toDF(self, options: Any = None) -> Any:
        return self._frame

    def _next(self, frame: Any) -> DynamicFrame:
        return DynamicFrame(frame, self.glue_ctx, self.name)

    # what is in it ---------------------------------------------------------------------------------------------------

    def count(self) -> int:
        return int(self._frame.count())

    def schema(self) -> Any:
        return self._frame.schema

    def printSchema(self) -> None:
        self._frame.printSchema()

    def show(self, num_rows: int = 20) -> None:
        for row in self._frame.toJSON().take(num_rows):
            print(row)

    def getNumPartitions(self) -> int:
        return int(self._frame.rdd.getNumPartitions())

    # columns ---------------------------------------------------------------------------------------------------------

    def select_fields(self, paths: Sequence[str], **options: Any) -> DynamicFrame:
        return self._next(self._frame.select([F.col(path) for path in paths]))

    def drop_fields(self, paths: Sequence[str], **options: Any) -> DynamicFrame:
        return self._next(self._frame.drop(*paths))

    def rename_field(self, oldName: str, newName: str, **options: Any) -> DynamicFrame:
        return self._next(self._frame.withColumnRenamed(oldName, newName))

    def apply_mapping(self, mappings: Sequence[Mapping], **options: Any) -> DynamicFrame:
        """Columns by `(source, source type, target, target type)`, or `(source, target)`; no others stay."""
        columns = []
        for mapping in mappings:
            source, target = (mapping[0], mapping[2]) if len(mapping) == 4 else mapping
            column = F.col(source)
            columns.append((column.cast(mapping[3]) if len(mapping) == 4 else column).alias(target))
        return self._next(self._frame.select(columns))

    def resolveChoice(self, specs: Sequence[tuple[str, str]] = (), **options: Any) -> DynamicFrame:
        """`(column, "cast:type")`; a column here has no other choices to resolve."""
        frame = self._frame
        for path, action in specs:
            if not action.startswith("cast:"):
                raise ValueError(f"resolveChoice({path!r}, {action!r}): the local cloud's Glue knows cast:type alone")
            frame = frame.withColumn(path, F.col(path).cast(action.removeprefix("cast:")))
        return self._next(frame)

    # rows ------------------------------------------------------------------------------------------------------------

    def filter(self, f: Callable[[dict[str, Any]], bool], **options: Any) -> DynamicFrame:
        rows = self._frame.rdd.filter(lambda row: f(row.asDict(recursive=True)))
        return self._next(self.glue_ctx.spark_session.createDataFrame(rows, self._frame.schema))

    def map(self, f: Callable[[dict[str, Any]], dict[str, Any]], **options: Any) -> DynamicFrame:
        rows = self._frame.rdd.map(lambda row: Row(**f(row.asDict(recursive=True))))
        return self._next(self.glue_ctx.spark_session.createDataFrame(rows))

    def join(self, paths1: Sequence[str], paths2: Sequence[str], frame2: DynamicFrame, **options: Any) -> DynamicFrame:
        left, right = self._frame, frame2.toDF()
        condition = [left[one] == right[other] for one, other in zip(paths1, paths2, strict=True)]
        return self._next(left.join(right, condition))

    def union(self, frame2: DynamicFrame, **options: Any) -> DynamicFrame:
        return self._next(self._frame.unionByName(frame2.toDF(), allowMissingColumns=True))

    def repartition(self, num_partitions: int, **options: Any) -> DynamicFrame:
        return self._next(self._frame.repartition(num_partitions))

    def coalesce(self, num_partitions: int, **options: Any) -> DynamicFrame:
        return self._next(self._frame.coalesce(num_partitions))


class DynamicFrameReader:
    """`GlueContext.create_dynamic_frame`."""

    def __init__(self, context: Any) -> None:
        self._context = context

    def from_catalog(self, database: str, table_name: str, **options: Any) -> DynamicFrame:
        frame = self._context.create_data_frame.from_catalog(database, table_name, **options)
        return DynamicFrame(frame, self._context, table_name)

    def from_options(self, connection_type: str, connection_options: Options = None, **options: Any) -> DynamicFrame:
        frame = self._context.create_data_frame.from_options(connection_type, connection_options, **options)
        return DynamicFrame(frame, self._context)

    def from_rdd(self, data: Any, name: str, schema: Any = None, **options: Any) -> DynamicFrame:
        return DynamicFrame(self._context.spark_session.createDataFrame(data, schema), self._context, name)


class DynamicFrameWriter:
    """`GlueContext.write_dynamic_frame`."""

    def __init__(self, context: Any) -> None:
        self._context = context

    def from_options(
        self,
        frame: DynamicFrame,
        connection_type: str,
        connection_options: Options = None,
        format: str | None = None,
        format_options: Options = None,
        transformation_ctx: str = "",
    ) -> DynamicFrame:
        write_options(frame.toDF(), connection_type, connection_options, format, format_options)
        return frame

    def from_catalog(
        self,
        frame: DynamicFrame,
        database: str,
        table_name: str,
        redshift_tmp_dir: str = "",
        transformation_ctx: str = "",
        additional_options: Options = None,
        catalog_id: str | None = None,
    ) -> DynamicFrame:
        write_catalog(frame.toDF(), database, table_name, additional_options)
        return frame
