"""Files of arrays, read without trust: whatever their bytes make a reader raise is one error.

This is the one place that turns the exceptions of zipfile, zlib, struct, json, csv and numpy into a
sentence: a reader only checks what those would let pass.
"""

from __future__ import annotations

import errno
import io
from collections.abc import Iterator
from contextlib import contextmanager

from jaccli.errors import JaccliError, SourceError, format_bytes, shortened
from jaccli.storage import files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import BinaryIO

_REASON = 200
"""Characters of a library's reason that are shown at most."""
_CELL = 32
"""Bytes for each character that a line takes at most while it is split."""
_SHORT = 1 << 20
"""Characters that a line may always have."""


@contextmanager
def reading(name: files.Name) -> Iterator[tuple[BinaryIO, int]]:
    """Open a regular file to read, with its size in bytes.

    Raises:
        SourceError: it cannot be read, or is damaged; the message is without the file's name.
    """
    with undamaged():
        stream, size = files.open_to_read(name)
        with stream:
            yield stream, size


@contextmanager
def undamaged() -> Iterator[None]:
    """Read bytes that anybody may have written.

    Raises:
        SourceError: they are not what the block takes them for, or cannot be read.
    """
    try:
        yield
    except JaccliError:
        raise
    except MemoryError as error:
        raise SourceError("cannot be read: there is not enough memory.") from error
    except FileNotFoundError as error:
        raise SourceError("no such file.") from error
    except Exception as error:
        # Libraries raise OSError too of bytes: seeking to where no file has anything is EINVAL.
        if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):
            reason = (error.strerror or str(error)).lower()
            raise SourceError(f"cannot be read: {reason}.") from error
        raise damaged(str(error) or type(error).__name__) from error


def damaged(reason: str) -> SourceError:
    """Return the error for a file whose bytes cannot be right."""
    reason = reason.strip().split("\n")[0].rstrip(".").replace(". ", ", ")
    reason = shortened(reason, _REASON)
    return SourceError(f"this file is damaged: {reason[:1].lower()}{reason[1:]}.")


def too_large(what: str, needed: int, limit: int) -> SourceError:
    """Return the error for a file that needs more bytes than are left of the memory budget."""
    return SourceError(
        f"{what} {format_bytes(needed)}, more than the limit {format_bytes(limit)}.",
        hint="Raise --memory: what a call reads must fit into it.",
    )


def lines(stream: BinaryIO, limit: int) -> Iterator[str]:
    """Yield the lines of a text in UTF-8, with their ends.

    None of them takes more than `limit` bytes while it is split.
    """
    text = io.TextIOWrapper(stream, encoding="utf-8-sig", newline="")
    most = max(limit // _CELL, _SHORT)
    try:
        while line := text.readline(most + 1):
            if len(line) > most:
                raise too_large("a line needs", _CELL * len(line), limit)
            yield line
    finally:
        if not stream.closed:  # else this is found to be garbage, later
            text.detach()
