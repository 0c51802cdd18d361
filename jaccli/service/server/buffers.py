"""Large bodies and answers in pieces as they came, and how much of them is kept in all.

Nothing makes one object of the pieces: a copy of 200 MB holds everybody up for a tenth of a second.

Boundary: bytes alone; knows nothing of HTTP but how to refuse.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from jaccli.errors import format_bytes
from jaccli.service.server.http_error import Refusal, unavailable

SMALL = PIECE = 1 << 18
"""Bytes of each that are not counted: what is small is let in whatever others do.  Bytes of a piece
of an answer at most, which is counted no more when it is being sent."""


class Buffers:
    """How many bytes may be `held` at a time, by all `Pieces` together."""

    def __init__(self, limit: int) -> None:
        self._limit, self.held = limit, 0

    def take(self, nbytes: int) -> None:
        """Count bytes as held.

        Raises:
            Refusal: there is no room for them now.
        """
        if self.held + nbytes > self._limit:
            raise self.full()
        self.held += nbytes

    def full(self) -> Refusal:
        """Return the refusal of what there is no room for."""
        allowed = format_bytes(self._limit)
        return unavailable(
            f"bodies and answers that wait already take the {allowed} allowed. Ask again later."
        )


class Pieces:
    """Bytes in their order, in `parts`; counted until they are taken out, or nobody holds them.

    Its length is in bytes, so it is no collection of the parts.  `expected` bytes are counted
    before they are here.

    Raises:
        Refusal: there is no room for them now.
    """

    __slots__ = ("_buffers", "_counted", "_nbytes", "parts")

    def __init__(self, buffers: Buffers, expected: int = 0) -> None:
        self._buffers, self.parts = buffers, deque[bytes]()
        self._counted = self._nbytes = 0
        self._count(expected)

    def __len__(self) -> int:
        return self._nbytes

    def append(self, piece: bytes) -> None:
        """Add a piece at the end.

        Raises:
            Refusal: there is no room for it now.
        """
        self._count(self._nbytes + len(piece))
        self._nbytes += len(piece)
        self.parts.append(piece)

    def pop(self) -> bytes:
        """Take out the first piece."""
        piece = self.parts.popleft()
        self._nbytes -= len(piece)
        freed = min(len(piece), self._counted)
        self._counted -= freed
        self._buffers.held -= freed
        return piece

    def keep(self) -> None:
        """Count these bytes no more: they do not wait, and have a limit elsewhere."""
        self._buffers.held -= self._counted
        self._counted = 0

    def _count(self, nbytes: int) -> None:
        more = nbytes - SMALL - self._counted
        if more > 0:
            self._buffers.take(more)
            self._counted += more

    def __del__(self) -> None:
        self.keep()


Body = bytes | Pieces
"""A small body or answer, or a larger one in pieces."""


def parts(body: Body) -> Iterable[bytes]:
    """Return what a body consists of."""
    return (body,) if isinstance(body, bytes) else body.parts
