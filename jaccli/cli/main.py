"""From arguments to an exit code: every error that the program raises ends here."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

import typer

from jaccli.cli.app import build
from jaccli.errors import JaccliError, UsageError

INTERRUPTED = 130
_USAGE = 2
_FAILED = 3


def run(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code."""
    debug = "--debug" in arguments
    try:
        code = build(arguments)(list(arguments), prog_name="jaccli", standalone_mode=False)
        sys.stdout.flush()
        return int(code or 0)
    except BrokenPipeError:
        # Whoever read the output has had enough of it; Python must not complain at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (KeyboardInterrupt, typer.Abort):
        _say("jaccli: interrupted.")
        return INTERRUPTED
    except JaccliError as error:
        if debug:
            raise
        _say(*(_prefixed(str(problem)) for problem in error.problems))
        return error.exit_code
    except typer.TyperException as error:
        if debug:
            raise
        _say(_usage(error))
        return _USAGE
    except MemoryError:
        if debug:
            raise
        _say("jaccli: out of memory. Lower --memory, or take smaller pieces with --chunk.")
        return _FAILED
    except RecursionError:
        if debug:
            raise
        _say("jaccli: the model is nested too deeply.")
        return UsageError.exit_code


def _prefixed(problem: str) -> str:
    """Return a problem as it is printed: with the program's name where it has no place."""
    first = problem.split("\n", 1)[0]
    return problem if "\n  " in problem and ": " in first else f"jaccli: {problem}"


def _usage(error: typer.TyperException) -> str:
    """Return a usage error as one short paragraph."""
    context = getattr(error, "ctx", None)
    command = context.command_path if context else "jaccli"
    message = str(getattr(error, "message", "") or error)
    text = getattr(error, "format_message", lambda: message)()
    return f"{command}: {text[:1].lower()}{text[1:]}\nTry '{command} --help'."


def _say(*lines: str) -> None:
    """Print to standard error, which may be closed."""
    try:
        print("\n".join(lines), file=sys.stderr, flush=True)
    except (BrokenPipeError, ValueError, AttributeError):
        return
