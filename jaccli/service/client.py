"""The thin client: a command line that a service performs.

It sends its arguments, answers what the session asks about the user's files, and then prints and
writes what comes back, in the order in which a local run would have done it.

Boundary: neither JAX, numpy, Typer, Rich nor a YAML parser; of the standard library only what
starts fast.
"""

from __future__ import annotations

import os
import sys

from jaccli import files, terminal
from jaccli.files.local import OPERATIONS
from jaccli.service.wire import FILE, OUT, Call, Reply

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from jaccli.files import Question
    from jaccli.service.wire import Answer

_TEXTS = (".yaml", ".yml")
_TARGETS = ("-o", "--out", "--output")


def converse(arguments: list[str], send: Callable[[Call], Reply]) -> int:
    """Have a command line performed, and return its exit code; `send` performs one call."""
    answers = {question: answer(question) for question in _likely(arguments)}
    while True:
        reply = send(
            Call(
                arguments,
                os.getcwd(),
                terminal.described(),
                _stream(sys.stdout),
                _stream(sys.stderr),
                answers,
            )
        )
        if not reply.questions:
            return _finish(reply)
        for question in reply.questions:
            if question in answers:
                from jaccli.errors import ComputationError

                raise ComputationError(f"the service asks twice: {question[0]} {question[1]}.")
            answers[question] = answer(question)


def answer(question: Question) -> Answer:
    """Look at the file system for the session."""
    operation, *rest = question
    if operation not in OPERATIONS:
        raise ValueError(operation)
    try:
        return ("value", OPERATIONS[str(operation)](*rest))
    except OSError as error:
        return ("system", error.errno or 0, error.strerror or str(error))
    except Exception as error:
        from jaccli.errors import JaccliError

        if not isinstance(error, JaccliError):
            raise
        (problem,) = error.problems
        return ("refused", type(error).__name__, problem.message, problem.hint)


def _likely(arguments: list[str]) -> list[Question]:
    """Return what will be asked, most likely: each round trip that is saved takes 2 ms."""
    found: list[Question] = []
    for before, argument in zip(["", *arguments], arguments, strict=False):
        if argument.endswith(_TEXTS) and os.path.isfile(argument):
            found.append(("read", argument))
        elif before in _TARGETS and argument != "-":
            target = os.path.normpath(argument)
            found += [("check_writable", target, "--force" in arguments), ("is_begun", target)]
    return found


def _stream(stream: Any) -> tuple[bool, str, str]:
    """Return whether it is a terminal, and its encoding; a closed one takes anything."""
    if stream is None:
        return False, "utf-8", "replace"
    return stream.isatty(), stream.encoding, stream.errors


def _finish(reply: Reply) -> int:
    """Print and write what has come back, in order, and return the exit code."""
    for kind, *rest in reply.events:
        if kind == FILE:
            name, force, content = rest
            with files.publishing(name, force=force) as stream:
                stream.write(content)
        else:
            standard = sys.stdout if kind == OUT else sys.stderr
            if standard is not None:
                standard.flush()
                standard.buffer.write(rest[0])
                standard.buffer.flush()
    return reply.code
