"""Arguments of a job."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import NoReturn


class GlueArgumentError(Exception):
    """An argument that the script asks for was not given."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise GlueArgumentError(message)


def getResolvedOptions(args: Sequence[str], options: Sequence[str]) -> dict[str, str]:
    """The values of `options` among `args` (`sys.argv`), and of the reserved ones that are there.

    Raises GlueArgumentError for one that is missing.
    """
    parser = _Parser(allow_abbrev=False, add_help=False)
    for name in options:
        parser.add_argument(f"--{name}", required=True)
    for name in ("JOB_NAME", "JOB_ID", "JOB_RUN_ID", "TempDir"):
        if name not in options:
            parser.add_argument(f"--{name}", default=argparse.SUPPRESS)
    found, _ = parser.parse_known_args(list(args[1:]))
    return {name.replace("-", "_"): value for name, value in vars(found).items()}
