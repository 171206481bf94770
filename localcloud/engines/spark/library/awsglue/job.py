"""The job a script belongs to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar


class Job:
    """Begins and ends a job. Bookmarks, which it keeps on AWS, are refused before the script starts."""

    _initialized: ClassVar[bool] = False

    def __init__(self, glue_context: Any) -> None:
        self.glue_context = glue_context
        self.job_name = ""

    def init(self, job_name: str, args: Mapping[str, str] | None = None) -> None:
        self.job_name = job_name
        type(self)._initialized = True

    @classmethod
    def isInitialized(cls) -> bool:
        return cls._initialized

    @classmethod
    def commit(cls) -> None:
        """Ends the job. Raises ValueError when it was not begun."""
        if not cls._initialized:
            raise ValueError("Job.commit was called before Job.init")
        cls._initialized = False
