"""All access to the user's files.

Usually these are in the file system (`local_files`, `atomic`).  A session of the service uses its
client's files instead: their names are never looked up on this machine.

Boundary: knows nothing of specs and results.  Imports little of the standard library, because the
client of the service must start fast.
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


class MissingAnswers(BaseException):
    """Ends a run that needs the client's answers to `questions` first."""

    def __init__(self, *questions: Question) -> None:
        super().__init__(questions)
        self.questions = questions


class MustRunLocally(BaseException):
    """Ends a session's run that the client must perform locally; `reason` is a sentence."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Local:
    """The file system of this machine."""

    local = True

    def ask(self, question: Question) -> Any:
        """Perform one of the operations."""
        operation, *arguments = question
        return OPERATIONS[str(operation)](*arguments)

    def prefetch(self, questions: Iterable[Question]) -> None:
        """Do nothing: local files are fast."""

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
    """Return the provider of files for the call that this thread performs."""
    return context.current().files or _LOCAL


def require_local(what: str) -> None:
    """Refuse to continue in a session: its client must do this locally.

    Raises:
        MustRunLocally: the files are a client's.
    """
    if not _provider().local:
        raise MustRunLocally(f"{what}: not in the service.")


def is_local() -> bool:
    """Return whether the files are this machine's, and not a client's."""
    return _provider().local


def prefetch(questions: Iterable[Question]) -> None:
    """Announce questions, so that a client can answer all of them at once."""
    _provider().prefetch(questions)


def read(name: Name) -> bytes:
    """Return the text of a file or a pipe, or of standard input (`-`).

    A text longer than `local_files.LONGEST_TEXT` is truncated to one byte more.

    Raises:
        OSError: it cannot be read.
    """
    data: bytes = _provider().ask(("read", os.fspath(name)))
    return data


def open_to_read(name: Name) -> tuple[BinaryIO, int]:
    """Open a regular file; return it with its size in bytes.

    Raises:
        OSError: it cannot be read.
        SourceError: it is not a regular file.
    """
    stream = _provider().open(os.fspath(name))
    size = stream.seek(0, io.SEEK_END)
    stream.seek(0)
    return stream, size


def check_writable(name: Name, *, force: bool) -> None:
    """Refuse, before anything is computed, a target that `publishing` would refuse.

    Raises:
        UsageError: it exists and must not be replaced, or cannot be written.
    """
    _provider().ask(("check_writable", os.fspath(name), force))


def publishing(name: Name, *, force: bool = False) -> AbstractContextManager[BinaryIO]:
    """Open a stream whose content becomes the file when the block ends without an error.

    Without `force`, an existing file is not replaced, even if it was created meanwhile.

    Raises:
        ComputationError: it cannot be written.
    """
    return _provider().publishing(os.fspath(name), force)


def is_special(name: Name) -> bool:
    """Return whether this is a device, a pipe or a socket, which cannot be replaced."""
    return bool(_provider().ask(("is_special", os.fspath(name))))


def has_partial(name: Name) -> bool:
    """Return whether an interrupted run has left a partial result of this target."""
    return bool(_provider().ask(("has_partial", os.fspath(name))))


def make_folder(name: Name) -> None:
    """Create a folder and its parents, unless it exists.

    Raises:
        OSError: it cannot be created.
    """
    _provider().ask(("make_folder", os.fspath(name)))


def identity(name: Name) -> str:
    """Return the absolute path of a file with symbolic links resolved."""
    return str(_provider().ask(("identity", os.fspath(name))))


def relative(name: Name, folder: Name) -> str:
    """Return a file's path relative to a folder."""
    here = _provider().folder()
    return os.path.relpath(os.path.join(here, name), os.path.join(here, folder))
