"""From arguments to an exit code: every error that the program raises ends here."""

from __future__ import annotations

import os
import re
import sys
import traceback
from collections.abc import Sequence

import typer

from jaccli.cli.app import build
from jaccli.commands import COMMANDS
from jaccli.errors import INTERRUPTED, BudgetError, UsageError, suggest, verdict
from jaccli.storage.files import MissingAnswers, MustRunLocally, is_local
from jaccli.terminal import shown

_DONE = 0
_NAME = "jaccli: "


def run(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code; `--debug` shows tracebacks too."""
    try:
        _check_once(arguments)
        code = build(arguments)(list(arguments), prog_name="jaccli", standalone_mode=False)
        sys.stdout.flush()
        if code == INTERRUPTED:  # Typer has turned Ctrl-C into this number
            _say("jaccli: interrupted.")
        return int(code or _DONE)
    except (
        MissingAnswers,
        MustRunLocally,
    ):  # a session has to ask its client, or leaves it to do this
        raise
    except BaseException as error:
        if _reader_left(error):
            # Whoever read the output has had enough; Python must not complain at exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return _DONE
        if isinstance(error, BudgetError) and not is_local():
            # A service has less to give than the client's own machine.
            raise MustRunLocally(_verdict(error)[0].removeprefix(_NAME)) from None
        if "--debug" in arguments and is_local():  # a client learns nothing of this machine
            traceback.print_exc()
        message, code = _verdict(error)
        if message:
            _say(message)
        return code


def _check_once(arguments: Sequence[str]) -> None:
    """Refuse a second `-o`: Typer would take the last one, and a file would be missing.

    Raises:
        UsageError: there is one.
    """
    options = arguments[: arguments.index("--")] if "--" in arguments else arguments
    targets = [at for at in options if at in ("-o", "--output") or at.startswith("--output=")]
    if len(targets) > 1:
        message = f"-o is given {len(targets)} times, and a call writes one file."
        raise UsageError(message, hint="Call it once for each; what is compiled is kept.")


def _reader_left(error: BaseException) -> bool:
    """Whether standard output was closed; Typer turns a broken pipe into SystemExit."""
    return isinstance(error, BrokenPipeError) or (
        isinstance(error, SystemExit) and isinstance(error.__context__, BrokenPipeError)
    )


def _verdict(error: BaseException) -> tuple[str, int]:
    """Return what is said of an error, and the exit code."""
    if isinstance(error, typer.TyperException):
        return _usage(error), UsageError.exit_code
    ended = KeyboardInterrupt() if isinstance(error, typer.Abort) else error
    return verdict(ended, to_user=is_local())


def _usage(error: typer.TyperException) -> str:
    """Return a usage error as one short paragraph."""
    context = getattr(error, "ctx", None)
    command = context.command_path if context else "jaccli"
    message = str(getattr(error, "message", "") or error)
    text = getattr(error, "format_message", lambda: message)()
    if not text:  # no arguments at all: the help has been printed
        return ""
    text = _advised(error, text)
    return f"{command}: {text[:1].lower()}{text[1:]}\nTry '{command} --help'."


def _advised(error: typer.TyperException, text: str) -> str:
    """Return what is said of a usage error, with what to type instead."""
    context = getattr(error, "ctx", None)
    command = context.command_path.partition(" ")[2] if context else ""
    unknown = re.match(r"No such command '(.*?)'", text)
    if unknown:
        return f"no such command {unknown[1]!r}. {suggest(unknown[1], COMMANDS)}".rstrip()
    if type(error).__name__ != "NoSuchOption":  # Typer gives it no other name
        return text
    flag = getattr(error, "option_name", "")
    takers = [name for name, about in COMMANDS.items() if about.takes(flag)]
    if takers and not command:
        return f"a command comes first, as in 'jaccli {takers[0]} {flag} ...'."
    if takers:
        return f"{flag} is an option of {', '.join(takers)}."
    name = flag.removeprefix("--")
    if command not in COMMANDS or not name.isidentifier():
        return text
    known = [each for one in COMMANDS[command].request().options.values() for each in one.flags]
    near = suggest(name, [each.removeprefix("--") for each in known if each.startswith("--")])
    hint = re.sub(r"'(.*)'", r"--\1", near) or f"Inputs are given by --at: --at {name}=VALUE."
    return f"no such option: {flag}. {hint}"


def _say(message: str) -> None:
    """Print to standard error, which may be closed."""
    try:
        print(shown(message), file=sys.stderr, flush=True)
    except (BrokenPipeError, ValueError, AttributeError):
        return
