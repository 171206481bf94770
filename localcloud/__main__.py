"""Where the `localcloud` command begins: before its imports, which take a second."""

from __future__ import annotations

import signal
from typing import NoReturn


def main() -> NoReturn:
    """Run the command; a Ctrl-C while it is being loaded ends it.

    Python turns the signal into a KeyboardInterrupt, which is lost where it is raised within a finaliser or a callback
    of some library that is just being imported: `up` then started a machine that had been told not to. Nothing is to be
    cleaned up before the imports are done, so the system's own action is right until then.
    """
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    from localcloud.cli import main as run

    signal.signal(signal.SIGINT, signal.default_int_handler)
    run()


if __name__ == "__main__":
    main()
