"""What operators tell OpenLineage."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from cdap.lineage import Dataset

if TYPE_CHECKING:
    from airflow.providers.openlineage.extractors import OperatorLineage


class LineageMixin:
    """An operator that read and wrote datasets. It says which by `moved()` once it has; a failed attempt says nothing.

    The OpenLineage provider asks for them when the task has succeeded, in the process that ran it, and only where a
    transport is configured (docs/guides/operating.md).
    """

    _read: tuple[Dataset, ...] = ()
    _wrote: tuple[Dataset, ...] = ()

    def moved(self, read: Iterable[Dataset], wrote: Iterable[Dataset]) -> None:
        """What this attempt read and wrote."""
        self._read, self._wrote = tuple(read), tuple(wrote)

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> OperatorLineage:
        """The provider's way to ask an operator for its lineage."""
        from airflow.providers.openlineage.extractors import OperatorLineage
        from openlineage.client.event_v2 import InputDataset, OutputDataset
        from openlineage.client.facet_v2 import output_statistics_output_dataset, symlinks_dataset

        def facets(dataset: Dataset) -> dict[str, Any]:
            if dataset.files is None:
                return {}
            place = symlinks_dataset.Identifier(dataset.files.namespace, dataset.files.name, type="LOCATION")
            return {"symlinks": symlinks_dataset.SymlinksDatasetFacet(identifiers=[place])}

        def statistics(dataset: Dataset) -> dict[str, Any]:
            if dataset.rows is None:
                return {}
            count = output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet(rowCount=dataset.rows)
            return {"outputStatistics": count}

        return OperatorLineage(
            inputs=[InputDataset(each.namespace, each.name, facets=facets(each)) for each in self._read],
            outputs=[
                OutputDataset(each.namespace, each.name, facets=facets(each), outputFacets=statistics(each))
                for each in self._wrote
            ],
        )
