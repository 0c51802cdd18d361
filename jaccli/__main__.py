"""The program's start: `jaccli`, `python -m jaccli`.

Imports as little as the first argument allows: `--version` costs no more than Python itself.
"""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line and leave with its exit code."""
    arguments = sys.argv[1:]
    if arguments == ["--version"]:
        from jaccli import __version__

        print(f"jaccli {__version__}")
        sys.exit(0)
    import signal

    from jaccli import startup

    startup.begin()
    # As an exception, so that half-written files are taken away.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        from jaccli.cli.main import run

        code = run(arguments)
    except KeyboardInterrupt:  # before the command line is there to say so
        code = 130
    startup.leave(code)


if __name__ == "__main__":
    main()
