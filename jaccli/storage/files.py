"""The user's files: what a command reads of theirs, and what it publishes, goes through here.

Usually that is the file system (`local_files`, `atomic`).  The context of a call for a client of
the service has the client's files instead: the names in it are never looked up on this machine.

Boundary: knows nothing of specs and results.  Standard library only, and little of it: a client of
the service answers the same questions, and must not wait for numpy.
"""

from __future__ import annotations

import io
import os

from jaccli import context
from jaccli.storage.atomic import publishing as _publishing
from jaccli.storage.local_files import OPERATIONS, open_regular

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from contextlib import AbstractContextManager
    from typing import Any, BinaryIO

    from jaccli.context import Provider, Question

    Name = str | os.PathLike[str]


class Unanswered(BaseException):
    """Ends a run that cannot go on before its client has answered `questions`."""

    def __init__(self, *questions: Question) -> None:
        super().__init__(questions)
        self.questions = questions


class NotHere(BaseException):
    """Ends a session's run that its client has to do by itself, for a `reason`: a sentence."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Local:
    """The file system of this machine."""

    local = True

    def ask(self, question: Question) -> Any:
        """Do one of the operations."""
        operation, *arguments = question
        return OPERATIONS[str(operation)](*arguments)

    def foresee(self, questions: Iterable[Question]) -> None:
        """Look at nothing before its time."""

    def open(self, name: str) -> BinaryIO:
        """Open a file to read."""
        return open_regular(name)

    def publishing(self, name: str, force: bool) -> AbstractContextManager[BinaryIO]:
        """Open a stream that becomes the file."""
        return _publishing(name, force=force)

    def folder(self) -> str:
        """Return the current folder."""
        return os.getcwd()


_LOCAL = Local()


def _provider() -> Provider:
    """Return where the files of the call are that this thread works for."""
    return context.current().files or _LOCAL


def require_local(what: str) -> None:
    """End a session here, if it is one: its client does this by itself.

    Raises:
        NotHere: the files are a client's.
    """
    if not _provider().local:
        raise NotHere(f"{what}: not in the service.")


def is_local() -> bool:
    """Return whether the files are this machine's, and not a client's."""
    return _provider().local


def foresee(questions: Iterable[Question]) -> None:
    """Say what will be asked soon, so that a client can answer all of it at once."""
    _provider().foresee(questions)


def read(name: Name) -> bytes:
    """Return the text of a file or a pipe, or of standard input (`-`).

    Of one that is longer than `local.LONGEST_TEXT` so much that this can be seen.

    Raises:
        OSError: it cannot be read.
    """
    data: bytes = _provider().ask(("read", os.fspath(name)))
    return data


def open_to_read(name: Name) -> tuple[BinaryIO, int]:
    """Open a regular file; return it with its size in bytes.

    Raises:
        OSError: it cannot be read.
        SourceError: it is something else, of which reading might never end.
    """
    stream = _provider().open(os.fspath(name))
    size = stream.seek(0, io.SEEK_END)
    stream.seek(0)
    return stream, size


def check_writable(name: Name, *, force: bool) -> None:
    """Refuse, before anything is computed, a target that `publishing` would refuse.

    Raises:
        UsageError: it is there and must not be replaced, or cannot be written.
    """
    _provider().ask(("check_writable", os.fspath(name), force))


def publishing(name: Name, *, force: bool = False) -> AbstractContextManager[BinaryIO]:
    """Open a stream whose content becomes the file when the block ends without an error.

    Without `force` a file that has appeared meanwhile is not replaced.

    Raises:
        ComputationError: it cannot be written.
    """
    return _provider().publishing(os.fspath(name), force)


def is_special(name: Name) -> bool:
    """Return whether it is a device, a pipe or a socket: no file that could be replaced."""
    return bool(_provider().ask(("is_special", os.fspath(name))))


def is_begun(name: Name) -> bool:
    """Return whether there is a partial result of this target, of a run that was stopped."""
    return bool(_provider().ask(("is_begun", os.fspath(name))))


def make_folder(name: Name) -> None:
    """Make a folder, and those above it; one that is there will do.

    Raises:
        OSError: it cannot be made.
    """
    _provider().ask(("make_folder", os.fspath(name)))


def identity(name: Name) -> str:
    """Return a name that is the same for two names of one file: absolute, links followed."""
    return str(_provider().ask(("identity", os.fspath(name))))


def relative(name: Name, folder: Name) -> str:
    """Return a file's name as it is written in a folder."""
    here = _provider().folder()
    return os.path.relpath(os.path.join(here, name), os.path.join(here, folder))
