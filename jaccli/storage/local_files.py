"""Operations on the local file system, as a table.

The client of the service uses the same functions to answer questions.  Standard library only.
"""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Callable

from jaccli.storage.atomic import check_writable, is_special

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, BinaryIO

STDIN = "-"
LONGEST_TEXT = 32 * 2**20
"""Maximum bytes of a spec."""


_read_already: dict[str, bytes] = {}


def keep(name: str, text: bytes) -> None:
    """Let the next `read` return this text: a pipe cannot be read twice."""
    _read_already[name] = text


def read(name: str) -> bytes:
    """Return the text of a file, a pipe or standard input, at most `LONGEST_TEXT` + 1 bytes."""
    if name in _read_already:
        return _read_already.pop(name)
    if name != STDIN:
        with open(name, "rb") as file:
            return file.read(LONGEST_TEXT + 1)
    if sys.stdin is None:
        raise OSError("standard input is closed")
    return sys.stdin.buffer.read(LONGEST_TEXT + 1)


def open_regular(name: str) -> BinaryIO:
    """Open a regular file to read.

    Raises:
        SourceError: it is not a regular file; reading a device or a pipe might block.
    """
    if not stat.S_ISREG(os.stat(name).st_mode):
        from jaccli.errors import SourceError

        raise SourceError("this is not a file.")
    return open(name, "rb")


def content(name: str) -> bytes:
    """Return the content of a regular file."""
    with open_regular(name) as file:
        return file.read()


def data_of(name: str) -> str:
    """Return the name of the file with the partial result of a target."""
    folder, file = os.path.split(os.path.realpath(name))
    return os.path.join(folder, f".{file}.partial")


def journal_of(name: str) -> str:
    """Return the name of the journal of a partial result."""
    folder, file = os.path.split(os.path.realpath(name))
    return os.path.join(folder, f".{file}.journal")


def has_partial(name: str) -> bool:
    """Return whether a target has a partial result."""
    return os.path.exists(journal_of(name)) and os.path.exists(data_of(name))


def make_folder(name: str) -> None:
    """Create a folder and its parents."""
    os.makedirs(name, exist_ok=True)


def identity(name: str) -> str:
    """Return the absolute path with symbolic links resolved."""
    return os.path.realpath(name)


OPERATIONS: dict[str, Callable[..., Any]] = {
    "read": read,
    "content": content,
    "check_writable": lambda name, force: check_writable(name, force=force),
    "has_partial": has_partial,
    "is_special": is_special,
    "make_folder": make_folder,
    "identity": identity,
}
"""The operations by the names that a session uses in its questions to the client."""
