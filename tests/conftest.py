"""Which tests share a process when they run side by side (`make test`): those that share a server."""

from __future__ import annotations

from pathlib import Path

import pytest

TESTS = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Puts each test into the group of its servers; a group is never divided (pytest-xdist, `--dist loadgroup`).

    The end-to-end tests mostly wait for Airflow, so they come first and everything else runs beside them.
    """
    for item in items:
        item.add_marker(pytest.mark.xdist_group(group_of(item.path.relative_to(TESTS))))
    items.sort(key=lambda item: item.path.relative_to(TESTS).parts[0] != "end_to_end")


def group_of(path: Path) -> str:
    """The group of a test file: one for the shared machine, one for each room of services, one a file of unit tests."""
    room = path.parts[0]
    if room == "services":
        return "/".join(path.parts[:2])
    if room == "end_to_end" and path.stem != "test_cdnow":  # it has a machine of its own
        return room
    return path.as_posix()
