"""Arrays kept as their non-zeros; the dense form is made only where somebody calls `dense`.

numpy only: scipy is imported where a scipy array is asked for.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from jaccli.storage.npy import Array

if TYPE_CHECKING:
    from scipy.sparse import csr_array

Index = tuple[int | slice, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Sparse:
    """An array of shape `(*batch, *out, *in)` kept as its non-zeros.

    `where`, shape (nnz,), holds their flat positions in C order, ascending and unique; `values`,
    shape (nnz,), what is there.  A value may be 0: an entry of the pattern that vanishes at this
    point.  Every other entry is 0.

    >>> eye = Sparse.from_dense(np.eye(2))
    >>> eye.where, eye.values
    (array([0, 3]), array([1., 1.]))
    """

    where: NDArray[np.int64]
    values: Array
    shape: tuple[int, ...]

    @classmethod
    def from_dense(cls, array: Array) -> Sparse:
        """Keep the entries of an array that are not 0 (NaN is not 0)."""
        flat = array.reshape(-1)
        where = np.flatnonzero(flat).astype(np.int64, copy=False)
        return cls(where, flat[where], array.shape)

    @classmethod
    def from_indices(
        cls, indices: Sequence[Array], values: Array, shape: tuple[int, ...]
    ) -> Sparse:
        """Return the sum of entries in any order, from one array of indices for each axis.

        Raises:
            ValueError: an index lies outside the shape, or the shape has 2**63 entries or more.
        """
        if math.prod(shape) > np.iinfo(np.int64).max:
            raise ValueError(f"an array of the shape {shape} has too many entries")
        for index, size in zip(indices, shape, strict=True):
            if len(index) and not 0 <= index.min() <= index.max() < size:
                raise ValueError(f"an index lies outside the shape {shape}")
        return _ordered(_ravel(indices, shape, len(values)), values, shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of the values."""
        return self.values.dtype

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """The number of entries of the dense form."""
        return math.prod(self.shape)

    @property
    def nnz(self) -> int:
        """The number of entries that are kept."""
        return len(self.where)

    @property
    def nbytes(self) -> int:
        """The bytes that are kept."""
        return self.where.nbytes + self.values.nbytes

    @property
    def density(self) -> float:
        """The part of the entries that is kept, between 0 and 1; 0 for an empty array."""
        return self.nnz / self.size if self.size else 0.0

    def astype(self, dtype: Any) -> Sparse:
        """Return the same entries as numbers of another type."""
        return replace(self, values=self.values.astype(dtype))

    def reshape(self, shape: tuple[int, ...]) -> Sparse:
        """Return the same entries, in C order, with another shape of equal size."""
        if math.prod(shape) != self.size:
            raise ValueError(f"cannot reshape {self.shape} into {shape}")
        return replace(self, shape=shape)

    def indices(self) -> tuple[Array, ...]:
        """Return one array of shape (nnz,) for each axis: where the values are along it."""
        if not self.nnz or not self.shape:
            return tuple(np.empty(0, np.int64) for _ in self.shape)
        return np.unravel_index(self.where, self.shape)

    def at(self, positions: Array) -> Array:
        """Return the entries at these flat positions, kept or not."""
        if positions is self.where:
            return self.values
        found = np.zeros(len(positions), self.dtype)
        if self.nnz:
            nearest = np.minimum(np.searchsorted(self.where, positions), self.nnz - 1)
            there = self.where[nearest] == positions
            found[there] = self.values[nearest[there]]
        return found

    def stretch(self, start: int, stop: int) -> Array:
        """Return the dense form of the flat positions from `start` to `stop`."""
        stop = min(stop, self.size)
        first, last = np.searchsorted(self.where, (start, stop))
        flat = np.zeros(stop - start, self.dtype)
        flat[self.where[first:last] - start] = self.values[first:last]
        return flat

    def dense(self) -> Array:
        """Return the dense form, `size` entries."""
        return self.stretch(0, self.size).reshape(self.shape)

    def scipy(self) -> csr_array:
        """Return the matrix in compressed rows; only of two axes."""
        from scipy.sparse import csr_array

        if self.ndim != 2:
            raise ValueError(f"a matrix has two axes, not {self.ndim}")
        count, width = self.shape
        rows, columns = self.indices()
        small = max(count, width, self.nnz) <= np.iinfo(np.int32).max
        starts = np.zeros(count + 1, np.int32 if small else np.int64)
        np.cumsum(np.bincount(rows, minlength=count), out=starts[1:])
        columns = columns.astype(starts.dtype, copy=False)
        return csr_array((self.values, columns, starts), shape=(count, width))

    def __getitem__(self, index: Index) -> Sparse:
        """Return the part that numpy's basic indexing, integers and slices, picks."""
        kept = np.ones(self.nnz, bool)
        places: list[Array] = []
        shape: list[int] = []
        items = (*index, *(slice(None),) * (self.ndim - len(index)))
        for along, size, item in zip(self.indices(), self.shape, items, strict=True):
            if isinstance(item, int):
                kept &= along == range(size)[item]
                continue
            picked = range(size)[item]
            steps, rest = np.divmod(along - picked.start, picked.step)
            kept &= (rest == 0) & (steps >= 0) & (steps < len(picked))
            places.append(steps)
            shape.append(len(picked))
        values = self.values[kept]
        where = _ravel([steps[kept] for steps in places], shape, len(values))
        return _ordered(where, values, tuple(shape))


Values = Array | Sparse


def dense(values: Values) -> Array:
    """Return an array as it is, and the dense form of a sparse one."""
    return values.dense() if isinstance(values, Sparse) else values


def nonzeros(values: Values, size: int = 1 << 18) -> Iterator[tuple[Array, Array]]:
    """Yield the flat positions and the numbers of what is not 0, or is kept, in chunks."""
    if isinstance(values, Sparse):
        for start in range(0, values.nnz, size):
            yield values.where[start : start + size], values.values[start : start + size]
        return
    flat = values.reshape(-1)
    for start in range(0, flat.size, size):
        chunk = flat[start : start + size]
        places = np.flatnonzero(chunk)
        yield places + start, chunk[places]


def union(a: Sparse, b: Sparse) -> NDArray[np.int64]:
    """Return the flat positions of what either of two arrays of one shape keeps, ascending."""
    if np.array_equal(a.where, b.where):
        return a.where
    # Two ascending runs: what a stable sort merges fastest, and np.union1d would hash.
    both = np.sort(np.concatenate((a.where, b.where)), kind="stable")
    return both[np.concatenate(([True], both[1:] != both[:-1]))]


def assemble(pieces: Sequence[tuple[Sequence[int], Values]], shape: tuple[int, ...]) -> Values:
    """Return an array of zeros with each piece put at its first index; sparse where one is.

    The pieces have the array's number of axes and do not overlap.
    """
    dtype = np.result_type(*(values.dtype for _, values in pieces))
    if not any(isinstance(values, Sparse) for _, values in pieces):
        whole = np.zeros(shape, dtype)
        for place, values in pieces:
            box = (slice(n, n + size) for n, size in zip(place, values.shape, strict=True))
            whole[tuple(box)] = dense(values)
        return whole
    where, numbers = [], []
    for place, values in pieces:
        part = values if isinstance(values, Sparse) else Sparse.from_dense(values)
        start = int(np.dot(_strides(shape), place))
        where.append(_ravel(part.indices(), shape, part.nnz) + start)
        numbers.append(part.values.astype(dtype, copy=False))
    return _ordered(np.concatenate(where), np.concatenate(numbers), shape)


def _strides(shape: Sequence[int]) -> NDArray[np.int64]:
    """Return how many entries lie between neighbors along each axis, in C order."""
    return np.array([math.prod(shape[axis + 1 :]) for axis in range(len(shape))], np.int64)


def _ravel(indices: Sequence[Array], shape: Sequence[int], count: int) -> NDArray[np.int64]:
    """Return the flat positions of `count` entries."""
    where = np.zeros(count, np.int64)
    for index, stride in zip(indices, _strides(shape), strict=True):
        where += index.astype(np.int64, copy=False) * stride
    return where


def _ordered(where: NDArray[np.int64], values: Array, shape: tuple[int, ...]) -> Sparse:
    """Return entries in ascending order, those at one place summed."""
    if len(where) and not np.all(where[1:] > where[:-1]):
        order = np.argsort(where, kind="stable")
        where, values = where[order], values[order]
        firsts = np.flatnonzero(np.concatenate(([True], where[1:] != where[:-1])))
        if len(firsts) < len(where):
            where, values = where[firsts], np.add.reduceat(values, firsts)
    return Sparse(where, values, shape)
