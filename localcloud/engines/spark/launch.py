"""Runs a script as its program, and writes down why it failed: `launch.py SCRIPT REASON_FILE ARGUMENT...`.

It runs in Spark's environment, where the local cloud is not installed.
"""

from __future__ import annotations

import runpy
import sys
import traceback
from pathlib import Path


def main() -> None:
    script, reason_file, *arguments = sys.argv[1:]
    sys.argv = [script, *arguments]
    # As Python does for a script it is given, and not for one that this file runs.
    sys.path[0] = str(Path(script).parent)
    try:
        runpy.run_path(script, run_name="__main__")
    except SystemExit as error:
        if error.code not in (None, 0):
            Path(reason_file).write_text(f"SystemExit: {error.code}", encoding="utf-8")
        raise
    except BaseException as error:
        # Source: the messages of failed runs: "<type>: <message>", with the line of the script where there is one.
        lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == script]
        place = f"Failed Line Number: {lines[-1]}; " if lines else ""
        text = next((line for line in str(error).splitlines() if line.strip()), "")
        Path(reason_file).write_text(f"{place}{type(error).__name__}: {text}", encoding="utf-8")
        raise


if __name__ == "__main__":
    main()
