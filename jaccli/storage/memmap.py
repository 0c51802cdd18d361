"""An array that stays in its `.npy` file: what is taken of it is read, and nothing else.

Boundary: knows nothing of specs; what the numbers become is its maker's.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from math import prod
from typing import Any

import numpy as np

from jaccli.errors import SourceError, format_bytes

Array = np.ndarray[Any, np.dtype[Any]]

_BLOCK = 1 << 20
"""Numbers that `blocks` reads at a time."""


class OpenFile:
    """An open file under a number of its own, which is closed when nobody needs it any more.

    `stamp` is what changes when the file does: its size, and the time of its last change.
    """

    def __init__(self, number: int) -> None:
        self.number = os.dup(number)
        self.stamp = self._stamp()

    def __del__(self) -> None:
        os.close(self.number)

    def map(self) -> mmap.mmap | None:
        """Return the content, or None if it is no longer what it was."""
        if self._stamp() != self.stamp:
            return None
        return mmap.mmap(self.number, 0, access=mmap.ACCESS_READ)

    def _stamp(self) -> tuple[int, int]:
        status = os.fstat(self.number)
        return status.st_size, status.st_mtime_ns


@dataclass(frozen=True, eq=False)
class Mapped:
    """An array of `shape` and `dtype`, of which parts are taken by index, as numpy arrays.

    The numbers are in `file`, called `name` in messages, from `offset` on in row-major order.
    `stored` is their dtype there, and `cast` makes of them what they are to be, in `dtype`.
    """

    file: OpenFile
    name: str
    offset: int
    shape: tuple[int, ...]
    stored: np.dtype[Any]
    dtype: np.dtype[Any]
    cast: Callable[[Array], Array]

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.shape)

    @property
    def nbytes(self) -> int:
        """The bytes that the whole would take, in the file or in memory, whichever is more."""
        return prod(self.shape) * max(self.stored.itemsize, self.dtype.itemsize)

    def __getitem__(self, index: Any) -> Array:
        """Read a part.

        Raises:
            SourceError: the file is not what it was.
            JaccliError: what `cast` raises of numbers that do not fit.
        """
        return self._taken(self._numbers()[index])

    def whole(self, limit: int) -> Array:
        """Read all of it, if that is no more than `limit` bytes.

        Raises:
            SourceError: it is more, or as for a part.
        """
        if self.nbytes > limit:
            needed = f"the array needs {format_bytes(self.nbytes)}"
            raise SourceError(f"{self.name}: {needed}, more than the limit {format_bytes(limit)}.")
        return self[...]

    def then(self, dtype: np.dtype[Any]) -> Mapped:
        """Return the array in another dtype, which the numbers fit."""
        return replace(self, dtype=dtype, cast=lambda values: self.cast(values).astype(dtype))

    def flat(self, start: int, stop: int) -> Array:
        """Read the numbers from `start` to `stop` in row-major order."""
        return self._taken(self._numbers().reshape(-1)[start:stop])

    def _taken(self, numbers: Array) -> Array:
        values = self.cast(numbers)
        return values.copy() if np.may_share_memory(values, numbers) else values

    def _numbers(self) -> Array:
        """Return the file's numbers as they are, in a memory map of their own.

        Pages that have been touched count as resident for as long as their map is there: one map
        for all parts would end up as large as the file.
        """
        try:
            content = self.file.map()
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise SourceError(f"{self.name}: cannot be read: {reason}.") from error
        if content is None:
            raise SourceError(f"{self.name}: the file was changed while it was being read.")
        flat = np.frombuffer(content, self.stored, prod(self.shape), self.offset)
        return flat.reshape(self.shape)


def blocks(array: Array | Mapped) -> Iterator[Array]:
    """Yield all numbers of an array in row-major order, a flat contiguous block at a time."""
    if not isinstance(array, Mapped):
        yield np.ascontiguousarray(array).reshape(-1)
        return
    for start in range(0, prod(array.shape), _BLOCK):
        yield array.flat(start, start + _BLOCK)
