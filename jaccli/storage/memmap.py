"""An array that stays in its `.npy` file: only the parts that are indexed are read.

Boundary: knows nothing of specs; the caller defines the conversion of values (`cast`).
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

_BLOCK_SIZE = 1 << 20
"""Numbers in a block of `blocks`."""


class OpenFile:
    """A duplicated file descriptor, closed when the object is garbage-collected.

    `stamp` has the size and the modification time, by which changes of the file are detected.
    """

    def __init__(self, number: int) -> None:
        self.number = os.dup(number)
        self.stamp = self._stamp()

    def __del__(self) -> None:
        os.close(self.number)

    def map(self) -> mmap.mmap | None:
        """Return the content, or None if the file was changed."""
        if self._stamp() != self.stamp:
            return None
        return mmap.mmap(self.number, 0, access=mmap.ACCESS_READ)

    def _stamp(self) -> tuple[int, int]:
        status = os.fstat(self.number)
        return status.st_size, status.st_mtime_ns


@dataclass(frozen=True, eq=False)
class MemmapArray:
    """A memory-mapped array of `shape` and `dtype`; indexing reads a part as a numpy array.

    The numbers are in `file`, called `name` in messages, from `offset` on in row-major order, with
    the dtype `stored`.  `cast` converts them to `dtype`.
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
        """The bytes of the array in the file or in memory, whichever is larger."""
        return prod(self.shape) * max(self.stored.itemsize, self.dtype.itemsize)

    def __getitem__(self, index: Any) -> Array:
        """Read a part.

        Raises:
            SourceError: the file was changed, or cannot be read.
            JaccliError: `cast` refuses the numbers.
        """
        return self._converted(self._raw()[index])

    def read_all(self, limit: int) -> Array:
        """Read the whole array, if it has at most `limit` bytes.

        Raises:
            SourceError: it has more bytes, was changed, or cannot be read.
        """
        if self.nbytes > limit:
            needed = f"the array needs {format_bytes(self.nbytes)}"
            raise SourceError(f"{self.name}: {needed}, more than the limit {format_bytes(limit)}.")
        return self[...]

    def astype(self, dtype: np.dtype[Any]) -> MemmapArray:
        """Return the array with another dtype, which must be able to represent the numbers."""
        return replace(self, dtype=dtype, cast=lambda values: self.cast(values).astype(dtype))

    def flat(self, start: int, stop: int) -> Array:
        """Read the numbers from `start` to `stop` in row-major order."""
        return self._converted(self._raw().reshape(-1)[start:stop])

    def _converted(self, numbers: Array) -> Array:
        values = self.cast(numbers)
        return values.copy() if np.may_share_memory(values, numbers) else values

    def _raw(self) -> Array:
        """Return the file's numbers without conversion, in a new memory map.

        Touched pages stay resident as long as their map exists: a map that is shared by all reads
        would end up as large as the file.
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


def blocks(array: Array | MemmapArray) -> Iterator[Array]:
    """Yield all numbers of an array in row-major order, a flat contiguous block at a time."""
    if not isinstance(array, MemmapArray):
        yield np.ascontiguousarray(array).reshape(-1)
        return
    for start in range(0, prod(array.shape), _BLOCK_SIZE):
        yield array.flat(start, start + _BLOCK_SIZE)
