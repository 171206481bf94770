"""OpenLineage: from what the sources hold to the published profiles and the graph, without a gap."""

from __future__ import annotations

import json
from collections import defaultdict
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from cdap.config import load_sources
from cdap.settings import settings
from demo.machine import Machine
from tests.end_to_end.rest import wait_for
from tests.end_to_end.world import World

Name = tuple[str, str]


def events(machine: Machine) -> list[dict[str, Any]]:
    def read(file: Path) -> dict[str, Any] | None:
        try:
            event: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        except json.JSONDecodeError:  # it is being written
            return None
        return event

    return [wait_for(f"{file} to be whole", partial(read, file), seconds=10) for file in machine.lineage.iterdir()]


def upstream(machine: Machine, end: Name) -> set[Name]:
    """All datasets that a dataset was made from, over any number of jobs."""
    made_of: dict[Name, set[Name]] = defaultdict(set)
    for event in events(machine):
        for output in event["outputs"]:
            made_of[output["namespace"], output["name"]] |= {(d["namespace"], d["name"]) for d in event["inputs"]}
    found, open_ends = set[Name](), {end}
    while open_ends:
        found |= open_ends
        open_ends = set().union(*(made_of[name] for name in open_ends)) - found
    return found


@pytest.mark.parametrize(("service", "name"), [("opensearch", "profiles"), ("neptune", "identity")])
def test_what_is_published_goes_back_to_every_source(world: World, service: str, name: str) -> None:
    (end,) = {
        (output["namespace"], output["name"])
        for event in events(world.machine)
        for output in event["outputs"]
        if output["namespace"].startswith(f"{service}://") and output["name"] == name
    }
    found = upstream(world.machine, end)
    sources = load_sources(settings().config_dir)
    expected = {
        (f"{source.kind}://{source.name}", table)
        for source in sources.values()
        for table, contract in source.tables.items()
        # The graph is of persons: only tables that say who somebody is lead to it.
        if service == "opensearch" or contract.person is not None
    }
    assert expected <= found, f"{service} is not made from {expected - found}; it is from {sorted(found)}"


def test_rows_written_are_told_and_the_lake_is_the_external_table(world: World) -> None:
    loads = [
        {output["name"]: output for output in event["outputs"]}
        for event in events(world.machine)
        if event["job"]["name"] == "ingest_shop.check" and event["eventType"] == "COMPLETE"
    ]
    assert loads
    for outputs in loads:
        products = outputs["cdap.lake.shop_products"]
        assert products["outputFacets"]["outputStatistics"]["rowCount"] > 0
        (place,) = products["facets"]["symlinks"]["identifiers"]
        assert (place["type"], place["name"]) == ("LOCATION", "clean/shop/products")
