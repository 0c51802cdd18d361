"""The program's start: `jaccli`, `python -m jaccli`.

Imports as little as the first argument allows: `--version` costs no more than Python itself, and
with a service nothing is imported that computes.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


def main() -> None:
    """Run the command line and leave with its exit code."""
    arguments = sys.argv[1:]
    if arguments == ["--version"] and sys.stdout is not None:
        from jaccli import __version__

        with suppress(OSError, UnicodeError):  # it is said below what is wrong
            print(f"jaccli {__version__}", flush=True)
            sys.exit(0)
    if sys.platform == "win32":
        print("jaccli: Windows is not supported; run it in WSL (wsl --install).", file=sys.stderr)
        sys.exit(3)
    try:
        from jaccli import signals, startup, surroundings

        startup.begin()
        surroundings.prepare()
        signals.take()
    except KeyboardInterrupt:  # before anything is begun
        os._exit(130)
    try:
        code = perform(arguments)
    except KeyboardInterrupt:  # before there is somebody to say so
        code = 130
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    startup.leave(code)


def perform(arguments: list[str]) -> int:
    """Perform a command line, by a service if there is to be one, and return the exit code."""
    later: list[Callable[[], None]] = []
    if os.environ.get("JACCLI_SERVER") or any(map(_names_a_service, arguments)):
        from jaccli.service.client import client

        rest, url = client.wanted(arguments)
        if client.is_served(rest):  # another command has no such option
            arguments = rest
            code = client.run(arguments, url, later=later) if url else None
            if code is not None:
                return code
    from jaccli.cli.main import run

    code = run(arguments)
    for act in later if code < 128 else ():  # not for somebody who has interrupted it
        act()
    return code


def _names_a_service(argument: str) -> bool:
    return argument == "--server" or argument.startswith("--server=")


if __name__ == "__main__":
    main()
