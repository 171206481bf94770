"""Which tests share a process when they run side by side (`make test`): those that share a server."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling


class ByServers(LoadScopeScheduling):
    """Gives a worker whole groups: the tests of the shared machine, of one room of services, of one unit test file."""

    def _split_scope(self, nodeid: str) -> str:
        return group_of(PurePosixPath(nodeid.split("::")[0]))


def group_of(file: PurePosixPath) -> str:
    """The group of a test file, by its path from the project's folder."""
    kind = file.parts[1]
    if kind == "services":
        return "/".join(file.parts[:3])
    if kind == "end_to_end" and file.stem != "test_cdnow":  # it has a machine of its own
        return kind
    return file.as_posix()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:
    """The scheduler of `-n`. Groups go in the order of collection: the end-to-end tests, which mostly wait, begin."""
    config.option.loadscopereorder = False
    return ByServers(config, log)
