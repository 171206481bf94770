"""Who serves which AWS service: one table, every service exactly one owner."""

from __future__ import annotations

from localcloud.base.service import Service

OURS: tuple[type[Service], ...] = ()
"""The services of the local cloud's own, each a class of ``localcloud.services.<service>``."""
