"""The processes in which Airflow runs tasks."""

from __future__ import annotations

import psutil

# How Airflow names them; the supervisor of an executor's workers bears the same title with its class.
TITLE = "airflow worker -- "


def attempts() -> dict[str, psutil.Process]:
    """The processes that run tasks now, by the id of the attempt that Airflow gives them as title."""
    found = {}
    for process in psutil.process_iter(["cmdline"]):
        title = " ".join(process.info["cmdline"] or [])
        if title.startswith(TITLE) and "LocalExecutor" not in title:
            found[title.removeprefix(TITLE).split()[0]] = process
    return found
