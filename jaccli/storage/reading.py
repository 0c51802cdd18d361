"""Untrusted files of arrays: any exception while reading one becomes a `SourceError`.

This is the one place that turns exceptions of zipfile, zlib, struct, json, csv and numpy into a
sentence; readers only check what those libraries do not.
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

_MAX_REASON = 200
"""Maximum length of a quoted error message of a library."""
_BYTES_PER_CHARACTER = 32
"""Maximum bytes for each character of a line while it is split."""
_MIN_LINE_LIMIT = 1 << 20
"""Length of lines that are allowed under any memory limit."""


@contextmanager
def reading(name: files.Name) -> Iterator[tuple[BinaryIO, int]]:
    """Open a regular file to read, with its size in bytes.

    Raises:
        SourceError: it cannot be read, or is damaged; the message does not name the file.
    """
    with undamaged():
        stream, size = files.open_to_read(name)
        with stream:
            yield stream, size


@contextmanager
def undamaged() -> Iterator[None]:
    """Turn exceptions of the block, which reads untrusted bytes, into a `SourceError`.

    Raises:
        SourceError: the bytes are damaged, or cannot be read.
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
        # Damaged bytes may raise OSError too: a seek to an invalid position is EINVAL.
        if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):
            reason = (error.strerror or str(error)).lower()
            raise SourceError(f"cannot be read: {reason}.") from error
        raise damaged(str(error) or type(error).__name__) from error


def damaged(reason: str) -> SourceError:
    """Return the error for a damaged file."""
    reason = reason.strip().split("\n")[0].rstrip(".").replace(". ", ", ")
    reason = shortened(reason, _MAX_REASON)
    return SourceError(f"this file is damaged: {reason[:1].lower()}{reason[1:]}.")


def too_large(what: str, needed: int, limit: int) -> SourceError:
    """Return the error for a file that needs more than the remaining memory budget."""
    return SourceError(
        f"{what} {format_bytes(needed)}, more than the limit {format_bytes(limit)}.",
        hint="Raise --memory: what a call reads must fit into it.",
    )


def lines(stream: BinaryIO, limit: int, encoding: str = "utf-8-sig") -> Iterator[str]:
    """Yield the lines of a text, by default UTF-8, with their line ends.

    Refuse a line that would take more than `limit` bytes while it is split.
    """
    text = io.TextIOWrapper(stream, encoding=encoding, newline="")
    max_length = max(limit // _BYTES_PER_CHARACTER, _MIN_LINE_LIMIT)
    try:
        while line := text.readline(max_length + 1):
            if len(line) > max_length:
                raise too_large("a line needs", _BYTES_PER_CHARACTER * len(line), limit)
            yield line
    finally:
        if not stream.closed:  # otherwise closing the wrapper would close the stream
            text.detach()
