"""What is asked of the file system, as a table of operations on names.

A client of the service answers with the same functions.  Standard library only.
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
"""Bytes of a spec at most."""


_read_already: dict[str, bytes] = {}


def keep(name: str, text: bytes) -> None:
    """Let `read` return a text that has been read: of a pipe it would not come again."""
    _read_already[name] = text


def read(name: str) -> bytes:
    """Return the text, not longer than need be, of what can be opened or is standard input."""
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
        SourceError: it is a folder, a device or a pipe, which might wait for somebody to write.
    """
    if not stat.S_ISREG(os.stat(name).st_mode):
        from jaccli.errors import SourceError

        raise SourceError("this is not a file.")
    return open(name, "rb")


def content(name: str) -> bytes:
    """Return the whole of a regular file."""
    with open_regular(name) as file:
        return file.read()


def data_of(name: str) -> str:
    """Return the name of the partial result of a target, as it grows."""
    folder, file = os.path.split(os.path.realpath(name))
    return os.path.join(folder, f".{file}.partial")


def journal_of(name: str) -> str:
    """Return the name of the account of a partial result's parts."""
    folder, file = os.path.split(os.path.realpath(name))
    return os.path.join(folder, f".{file}.journal")


def is_begun(name: str) -> bool:
    """Return whether there is a partial result of a target."""
    return os.path.exists(journal_of(name)) and os.path.exists(data_of(name))


def make_folder(name: str) -> None:
    """Make a folder, and those above it."""
    os.makedirs(name, exist_ok=True)


def identity(name: str) -> str:
    """Return the name that all names of a file share."""
    return os.path.realpath(name)


OPERATIONS: dict[str, Callable[..., Any]] = {
    "read": read,
    "content": content,
    "check_writable": lambda name, force: check_writable(name, force=force),
    "is_begun": is_begun,
    "is_special": is_special,
    "make_folder": make_folder,
    "identity": identity,
}
"""By the names that a session uses to ask its client."""
