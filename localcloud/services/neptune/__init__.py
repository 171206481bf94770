"""Neptune: a graph by Gremlin, behind signatures and policies."""

from localcloud.services.neptune.service import NeptuneService

__all__ = ["NeptuneService"]
